// Server-Sent Events from a stream of text (HTML standard, 9.2.6), since EventSource cannot carry
// an Authorization header.

/** Longest event that is taken; a longer one ends the stream. */
const EVENT_LEN_MAX = 1 << 20;

/** Takes pieces of the stream, gives whole events. */
export class Parser {
  #rest = "";
  #event = "";
  #data = [];
  #length = 0;

  /** Events that end in this piece, as `{event, data}`. */
  push(piece) {
    const events = [];
    this.#rest += piece;
    if (this.#rest.length > EVENT_LEN_MAX) throw new Error("an event is too long");
    // A CR at the very end may be half of a CRLF.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      const event = this.#line(line);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line) {
    if (line === "") {
      const event =
        this.#data.length > 0
          ? { event: this.#event || "message", data: this.#data.join("\n") }
          : null;
      [this.#event, this.#data, this.#length] = ["", [], 0];
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") {
      this.#length += value.length;
      if (this.#length > EVENT_LEN_MAX) throw new Error("an event is too long");
      this.#data.push(value);
    }
    return null;
  }
}

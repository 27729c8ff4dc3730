// Messages between the council's agents and the expert: in order, each once, and whether it
// has arrived. Knows no element of the page.

/** Maximum length of a message in characters; in UTF-8 it stays below the maximum of the bridge. */
export const TEXT_LEN_MAX = 4_000;
/** Messages that are kept; the bridge takes no more of either side. */
const ITEMS_MAX = 400;
const KEPT = "if-escalate-messages-";
const STATES = new Set(["waiting", "taken", "refused", "new", "shown"]);

/** The readable part of a message: its text, or all of it. */
export function textOf(message) {
  const texts = [message.text, message.payload?.text, message.payload?.content];
  return (
    texts.find((text) => typeof text === "string" && text !== "") ??
    JSON.stringify(message, null, 2)
  );
}

/**
 * The messages of a session. `items` are {id, mine, text, at, state, why}: of the expert's own,
 * `waiting`, then `taken` or `refused`; of an agent's, `new`, then `shown`. `say(body)` sends on
 * the open channel, `changed()` is called after each change.
 */
export class Messages {
  items;
  #session;
  #say;
  #changed;
  #isLive = false;

  constructor(session, { say, changed }) {
    this.#session = session;
    this.#say = say;
    this.#changed = changed;
    this.items = kept(session);
  }

  /** Takes the bridge's news of messages; false for anything else. */
  handle(body) {
    switch (body.type) {
      case "agent.message":
        this.#receive(body);
        return true;
      case "agent.taken":
        this.#settle(body.id, "taken");
        return true;
      case "agent.refused":
        this.#settle(body.id, "refused", body.text);
        return true;
      default:
        return false;
    }
  }

  #receive({ id = null, message }) {
    const known = id === null ? undefined : this.items.find((item) => !item.mine && item.id === id);
    if (known) {
      // The bridge asks again because it has not heard that the message was shown.
      if (known.state === "shown") this.#say({ type: "agent.shown", id });
      return;
    }
    const isObject = typeof message === "object" && message !== null;
    this.#add({
      id,
      mine: false,
      text: isObject ? textOf(message) : String(message),
      at: Date.now(),
      state: "new",
    });
  }

  #settle(id, state, why) {
    const item = this.items.find((one) => one.mine && one.id === id && one.state === "waiting");
    if (!item) return;
    Object.assign(item, { state, why });
    this.#keep();
  }

  #add(item) {
    this.items.push(item);
    this.items.splice(0, this.items.length - ITEMS_MAX);
    this.#keep();
  }

  #keep() {
    try {
      sessionStorage.setItem(KEPT + this.#session, JSON.stringify(this.items));
    } catch {
      // A browser that keeps nothing: after a reload the list begins anew.
    }
    this.#changed();
  }

  /**
   * The channel is open, or not: what waits is sent on each new one, and the bridge takes it once.
   */
  setLive(isLive) {
    if (this.#isLive === isLive) return;
    this.#isLive = isLive;
    if (!isLive) return;
    for (const item of this.items) if (item.mine && item.state === "waiting") this.#send(item);
  }

  #send({ id, text }) {
    this.#say({ type: "agent.message", id, message: { text } });
  }

  /** Sends a text, now or when the channel is open; false for one that is empty or too long. */
  write(text) {
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.length > TEXT_LEN_MAX) return false;
    const item = {
      id: crypto.randomUUID(),
      mine: true,
      text: trimmed,
      at: Date.now(),
      state: "waiting",
    };
    this.#add(item);
    if (this.#isLive) this.#send(item);
    return true;
  }

  /** Sends a refused message again. */
  again(id) {
    const place = this.items.findIndex(
      (item) => item.mine && item.id === id && item.state === "refused",
    );
    if (place < 0) return;
    const [{ text }] = this.items.splice(place, 1);
    this.write(text);
  }

  /** The expert has an agent's message in sight. */
  seen(item) {
    if (item.mine || item.state !== "new") return;
    item.state = "shown";
    if (item.id !== null && this.#isLive) this.#say({ type: "agent.shown", id: item.id });
    this.#keep();
  }

  /** Messages that the expert has not had in sight. */
  get unread() {
    return this.items.filter((item) => item.state === "new").length;
  }

  /** Removes the messages that the browser keeps. */
  forget() {
    sessionStorage.removeItem(KEPT + this.#session);
  }
}

function kept(session) {
  try {
    const items = JSON.parse(sessionStorage.getItem(KEPT + session) ?? "[]");
    return items.filter(({ text, state }) => typeof text === "string" && STATES.has(state));
  } catch {
    return [];
  }
}

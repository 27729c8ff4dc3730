// The acceptance of a call whose phone is answered, where the policy asks for it on the page.

import { HttpError } from "../transport.js";
import { byId, setText, showText } from "./dom.js";

const RINGING = new Set(["received", "approved", "inviting", "ringing"]);
const ANSWERED = new Set(["answered", "briefing"]);

/** Keeps the button in step with a session. */
export class Accept {
  #session;
  #sending = false;
  #refusal = "";

  constructor(session) {
    this.#session = session;
    byId("accept-button").addEventListener("click", () => this.#accept());
  }

  /** Shows whether the call can be accepted. */
  render() {
    const { accepts_here: here, call_state: state } = this.#session.description ?? {};
    const box = byId("accept");
    const rings = RINGING.has(state);
    box.hidden = !here || !(rings || ANSWERED.has(state));
    if (box.hidden) return;
    setText(
      byId("accept-hint"),
      rings
        ? "Answer your phone first. Then accept the call here."
        : "You are connected to the council only when you accept.",
    );
    const button = byId("accept-button");
    button.disabled = rings || this.#sending;
    setText(button, this.#sending ? "Accepting" : "Accept the call");
    showText(byId("accept-refusal"), this.#refusal);
  }

  async #accept() {
    this.#sending = true;
    this.#refusal = "";
    this.render();
    try {
      await this.#session.accept();
      setText(byId("news"), "You have accepted the call.");
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#refusal =
        error.status === 409
          ? "The call cannot be accepted any more, or not yet."
          : "The bridge did not take it. Try again.";
      // Until the call's next state shows what became of it.
    }
    this.#sending = false;
    this.render();
  }
}

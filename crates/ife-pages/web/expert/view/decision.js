// The form of the decision: the choices, a text, and the received decision.

import { TEXT_LEN_MAX, isHere } from "../decision.js";
import { utf8 } from "../protocol/encoding.js";
import { byId, el, setText, showText } from "./dom.js";
import { capital } from "./format.js";

const OVER = new Set(["ended", "failed"]);
const NAMES = {
  approve: "Approve",
  deny: "Deny",
  modify: "Approve with changes",
  abstain: "Abstain",
};

/** Keeps the form in step with a session's decision. */
export class DecisionView {
  #session;
  #decision;
  #isEditing = false;
  #drawn = "";
  #drawnPasskeys = "";

  constructor(session) {
    const { decision } = session;
    this.#session = session;
    this.#decision = decision;
    decision.addEventListener("change", () => this.render());
    decision.addEventListener("news", ({ detail }) => setText(byId("news"), detail));
    byId("decision-form").addEventListener("submit", (event) => this.#send(event));
    byId("decision-form").addEventListener("input", () => this.#renderButton());
    byId("decision-change").addEventListener("click", () => this.#edit());
  }

  /** Shows the decision as it is. */
  render() {
    const { about, refusal, sending } = this.#decision;
    const record = about?.record;
    const isAsked = Boolean(about?.asked);
    // Where nothing that this page can sign by is enough, it shows that before the user writes.
    const passkeys = isAsked ? usable(about.asked) : [];
    const isLinkEnough = isAsked && about.asked.assurance.includes("link");
    const isEnough = isLinkEnough || passkeys.length > 0;
    byId("decision").hidden =
      !about || (!isAsked && !record && about.decision_state !== "no_decision");
    if (!about) return;
    byId("options").hidden = true;
    // After the call's end a page that is loaded anew knows the call by this alone.
    const isShownAbove = this.#session.description !== null;
    showText(
      byId("decision-about"),
      isShownAbove ? "" : [capital(about.hazard), about.question].filter(Boolean).join(": "),
    );
    setText(byId("decision-title"), record ? "Your decision" : "Decide");
    showText(byId("decision-hint"), hint(about, isAsked, isEnough));
    this.#renderTaken(record, isAsked);
    const isForm = isEnough && (!record || this.#isEditing);
    byId("decision-form").hidden = !isForm;
    if (isForm) this.#renderChoices(about.asked.choices);
    if (isForm) this.#renderSigners(isLinkEnough, passkeys);
    byId("decision-fields").disabled = sending;
    showText(byId("decision-refusal"), refusal);
    this.#renderButton();
  }

  #renderTaken(record, isAsked) {
    byId("decision-taken").hidden = !record;
    if (!record) return;
    const { choice, text, time } = record.decision;
    setText(byId("decision-choice"), name(choice));
    showText(byId("decision-said"), text);
    setText(
      byId("decision-received"),
      `Signed ${moment(time)}, received by the bridge ${moment(record.attestation.received)}, ` +
        "and entered in the witness log.",
    );
    byId("decision-change").hidden = !isAsked || this.#isEditing;
  }

  #renderChoices(choices) {
    const wanted = JSON.stringify(choices);
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    const rows = choices.map((choice, at) => {
      const input = el("input", {
        type: "radio",
        name: "choice",
        value: choice,
        id: `choice-${at}`,
        required: true,
      });
      return el(
        "label",
        { class: "choice", for: `choice-${at}` },
        input,
        el("span", {}, name(choice)),
      );
    });
    byId("decision-choices").replaceChildren(...rows);
  }

  #renderSigners(isLinkEnough, passkeys) {
    byId("decision-send").hidden = !isLinkEnough;
    byId("decision-send").classList.toggle("primary", passkeys.length === 0);
    const wanted = JSON.stringify(passkeys);
    if (wanted === this.#drawnPasskeys) return;
    this.#drawnPasskeys = wanted;
    const buttons = passkeys.map((passkey, at) => {
      const label = passkeys.length > 1 ? `Sign with passkey ${at + 1}` : "Sign with your passkey";
      return el(
        "button",
        { type: "button", class: "primary passkey", onclick: () => this.#send(null, passkey) },
        label,
      );
    });
    byId("decision-passkeys").replaceChildren(...buttons);
  }

  #renderButton() {
    const { sending } = this.#decision;
    const over = utf8(byId("decision-text").value.trim()).length - TEXT_LEN_MAX;
    showText(byId("decision-length"), over > 0 ? `The text is ${over} bytes too long.` : "");
    const isBlocked = sending || over > 0 || !this.#choice();
    for (const button of byId("decision-form").querySelectorAll("button")) {
      button.disabled = isBlocked;
    }
    setText(byId("decision-send"), sending ? "Sending" : "Sign and send");
  }

  #choice() {
    return byId("decision-form").querySelector("input[name=choice]:checked")?.value;
  }

  async #send(event, passkey = null) {
    event?.preventDefault();
    const choice = this.#choice();
    if (!choice || (!passkey && byId("decision-send").hidden)) return;
    const isTaken = await this.#decision.send(choice, byId("decision-text").value.trim(), passkey);
    if (!isTaken) return;
    this.#isEditing = false;
    this.render();
    byId("decision-title").focus();
  }

  #edit() {
    this.#isEditing = true;
    this.render();
    byId("decision-form").querySelector("input[name=choice]")?.focus();
  }
}

const usable = ({ assurance, passkeys = [] }) =>
  assurance.includes("passkey") && window.PublicKeyCredential
    ? passkeys.filter((passkey) => isHere(passkey))
    : [];
const name = (choice) => NAMES[choice] ?? choice;
const moment = (time) =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function hint({ asked, call_state: state, record, decision_state: decision }, isAsked, isEnough) {
  if (!isAsked) {
    return record
      ? "The time for a change has passed."
      : decision === "no_decision"
        ? "The time for a decision has passed, and none was given."
        : "";
  }
  if (!isEnough) {
    return (
      "For this hazard a link is not enough to sign a decision: " +
      "the council asks for one by your own key or passkey."
    );
  }
  const until = asked.until ? ` until ${moment(asked.until)}` : "";
  if (OVER.has(state)) {
    return record
      ? `The call has ended. You can change it${until}.`
      : `The call has ended, and the council waits for your decision${until}.`;
  }
  return record ? "" : "The council gets it at once, signed. You can change it later.";
}

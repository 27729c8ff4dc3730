// The page as a whole: who calls about what, how the connection is, notices, and a live region for
// what changes.

import { DecisionView } from "./decision.js";
import { Accept } from "./accept.js";
import { byId, setText, showText } from "./dom.js";
import { Files } from "./files.js";
import { capital, fileName } from "./format.js";
import { MessagesView } from "./messages.js";
import { mayReload, noticeFor, wayOut } from "./notices.js";
import { openPreview } from "./preview.js";
import { renderProof, renderReceipt } from "./proof.js";

const CALL_STATES = {
  received: "being placed",
  approved: "being placed",
  inviting: "calling you",
  ringing: "your phone rings",
  answered: "answered",
  briefing: "your phone tells why you are called",
  accepted: "accepted, joining the council",
  bridging: "joining the council",
  connected: "you are in the council",
  ending: "ending",
  ended: "ended",
  failed: "failed",
  unknown: "not known at the moment",
};
const GUARDIAN_CALL_STATES = {
  ...CALL_STATES,
  inviting: "the expert is being called",
  ringing: "the expert's phone rings",
  briefing: "the expert hears the reason of the call",
  accepted: "accepted, the expert joins the council",
  bridging: "the expert joins the council",
  connected: "the expert is in the council",
};
const LINK_STATES = {
  opening: "Connecting",
  live: "Connected",
  lost: "Connecting again",
  over: "Call ended",
  refused: "Not connected",
};

/** Keeps the page in step with the session. */
export class Page {
  #session;
  #files;
  #accept;
  #decision;
  #messages;
  #isDue = false;

  constructor(session) {
    this.#session = session;
    this.#files = new Files({
      request: (...ids) => session.request(...ids),
      pause: (...ids) => session.pause(...ids),
      cancel: (...ids) => session.cancel(...ids),
      save: (id) => this.#save(id),
      preview: (id) =>
        openPreview(session.receiver.manifest.files[id], (type) => session.blobOf(id, type)),
    });
    this.#accept = new Accept(session);
    this.#messages = new MessagesView(session);
    session.addEventListener("change", () => this.#soon());
    session.addEventListener("news", ({ detail }) => setText(byId("news"), detail));
    this.#decision = new DecisionView(session);
    byId("preview-close").addEventListener("click", () => byId("preview").close());
    byId("receipt-save").addEventListener("click", () => this.#saveReceipt());
    byId("proof-again").addEventListener("click", () => session.loadProofs());
    byId("forget").addEventListener("click", () => this.#forget());
    byId("reload").addEventListener("click", () => location.reload());
    byId("trace-copy").addEventListener("click", () => this.#copyTrace());
    this.#soon();
  }

  // Once per frame at most: chunks come faster than the eye.
  #soon() {
    if (this.#isDue) return;
    this.#isDue = true;
    const draw = () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      this.#render();
    };
    requestAnimationFrame(draw);
    // A tab in the background draws no frames, and still has a title.
    setTimeout(draw, 250);
  }

  #render() {
    const session = this.#session;
    document.body.dataset.phase = session.phase;
    setText(byId("link-state"), LINK_STATES[session.phase]);
    this.#renderCall(session.description, session.guardian);
    this.#decision.render();
    this.#accept.render();
    this.#renderNotice(session);
    this.#files.render(session);
    this.#messages.render(session);
    renderReceipt(session);
    renderProof(session);
    byId("no-reload").hidden = session.store?.survivesReload !== false;
    byId("forget").hidden = !session.receiver?.isFinished;
  }

  #renderCall(description, guardian) {
    byId("call").hidden = !description;
    if (!description) return;
    const { hazard, council, caller, trace_id: trace, call_state: state } = description;
    setText(
      byId("for-whom"),
      guardian === null ? "A call for your judgement on" : `For guardian ${guardian}: a call about`,
    );
    byId("guardian").hidden = guardian === null;
    const states = guardian === null ? CALL_STATES : GUARDIAN_CALL_STATES;
    setText(byId("hazard"), capital(hazard));
    this.#renderBriefing(description);
    setText(byId("council-aor"), council);
    setText(byId("caller"), caller);
    setText(byId("trace"), trace);
    setText(byId("call-state"), capital(states[state] ?? state));
    byId("call-state").dataset.state = state;
    document.title = `${capital(hazard)}: evidence for ${guardian ?? "your call"}`;
  }

  #renderBriefing({ reason, question, options = [] }) {
    showText(byId("reason"), reason);
    byId("question-box").hidden = !question;
    showText(byId("question"), question);
    const list = byId("options");
    list.hidden = options.length === 0 || !byId("decision").hidden;
    if (list.childElementCount === options.length) return;
    list.replaceChildren(
      ...options.map((line) => Object.assign(document.createElement("li"), { textContent: line })),
    );
  }

  #renderNotice({ refusal, phase, noWay, guardian }) {
    const notice = byId("notice");
    const isStuck = noWay !== null && (phase === "opening" || phase === "lost");
    byId("opening").hidden = phase !== "opening" || isStuck;
    byId("lost").hidden = phase !== "lost" || isStuck;
    this.#renderWayOut(isStuck ? noWay : null);
    if (!refusal || !notice.hidden) return;
    const { title, text } = noticeFor(refusal, guardian !== null);
    setText(byId("notice-title"), title);
    setText(byId("notice-text"), text);
    byId("reload").hidden = !mayReload(refusal);
    notice.dataset.kind = refusal;
    notice.hidden = false;
  }

  #renderWayOut(addresses) {
    const box = byId("no-way");
    if (addresses && box.hidden) {
      const { text, helps } = wayOut(addresses);
      setText(byId("no-way-text"), text);
      byId("no-way-helps").replaceChildren(
        ...helps.map((line) => Object.assign(document.createElement("li"), { textContent: line })),
      );
    }
    box.hidden = !addresses;
  }

  async #save(id) {
    const file = this.#session.receiver.manifest.files[id];
    // As plain bytes: a browser asked to save must not be tempted to open.
    try {
      download(await this.#session.blobOf(id, "application/octet-stream"), fileName(file.name));
    } catch (error) {
      console.warn(error);
      setText(
        byId("told"),
        `${fileName(file.name)} cannot be saved: this browser has not kept it. ` +
          "Load the page again to receive it anew.",
      );
      byId("told").hidden = false;
    }
  }

  #saveReceipt() {
    const trace = this.#session.description.trace_id.replace(/[^A-Za-z0-9._-]/g, "_");
    const file = new Blob([this.#session.receiptFile()], { type: "application/json" });
    download(file, `receipt-${trace}.json`);
  }

  async #copyTrace() {
    await navigator.clipboard.writeText(this.#session.description.trace_id);
    setText(byId("news"), "Trace id copied.");
  }

  // The page that is loaded then offers the files anew, as long as the call lasts.
  async #forget() {
    await this.#session.forget();
    location.reload();
  }
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun by then; before, revoking it would end it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

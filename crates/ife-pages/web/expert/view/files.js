// The list of files: one row each, with what can be done to it; above it the whole.

import { STATUS } from "../protocol/receiver.js";
import { secondsLeft } from "../progress.js";
import { byId, el, setText } from "./dom.js";
import { bytes, counted, duration, fileName, mediaType } from "./format.js";
import { canPreview } from "./preview.js";

const UNDER_WAY = new Set([STATUS.WAITING, STATUS.RECEIVING]);
const OPEN = new Set([...UNDER_WAY, STATUS.PAUSED]);
// Label and command of a row's first button; one button that changes keeps the focus where it is.
const FIRST = {
  [STATUS.OFFERED]: ["Receive", "request"],
  [STATUS.WAITING]: ["Pause", "pause"],
  [STATUS.RECEIVING]: ["Pause", "pause"],
  [STATUS.PAUSED]: ["Resume", "request"],
  [STATUS.CANCELLED]: ["Receive", "request"],
  [STATUS.UNAVAILABLE]: ["Try again", "request"],
  [STATUS.VERIFIED]: ["Save", "save"],
};
const SAID = {
  [STATUS.WAITING]: "Waiting",
  [STATUS.PAUSED]: "Paused",
  [STATUS.CANCELLED]: "Cancelled",
  [STATUS.UNAVAILABLE]: "Changed or gone at the bridge: not to be had",
  [STATUS.VERIFIED]: "Verified",
  [STATUS.MISMATCH]: "Does not match",
};

/** The list. `commands` has request, pause, cancel, save and preview, each with file ids. */
export class Files {
  #commands;
  #rows = null;

  constructor(commands) {
    this.#commands = commands;
    byId("all-first").addEventListener("click", () => this.#all());
    byId("all-cancel").addEventListener("click", () =>
      commands.cancel(...this.#ids((state) => OPEN.has(state.status))),
    );
  }

  /** Shows the session as it is. */
  render(session) {
    const { receiver } = session;
    if (!receiver) return;
    this.#receiver = receiver;
    if (!this.#rows) this.#make(receiver.manifest.files);
    for (const row of this.#rows) row.render(receiver.state(row.id), session.phase === "live");
    renderMissing(session.description.evidence?.unavailable ?? []);
    this.#renderTotal(session);
  }

  #receiver = null;

  #make(files) {
    this.#rows = files.map((file) => new Row(file, this.#commands));
    byId("file-list").replaceChildren(...this.#rows.map((row) => row.element));
    const size = files.reduce((sum, file) => sum + file.size, 0);
    setText(
      byId("files-summary"),
      files.length === 0
        ? "No files belong to this call."
        : `${counted(files.length, "file")}, ${bytes(size)}`,
    );
    byId("files").hidden = false;
    byId("total").hidden = files.length === 0;
  }

  #ids(wanted) {
    return this.#rows.map((row) => row.id).filter((id) => wanted(this.#receiver.state(id)));
  }

  #all() {
    const underWay = this.#ids((state) => UNDER_WAY.has(state.status));
    if (underWay.length > 0) return this.#commands.pause(...underWay);
    return this.#commands.request(
      ...this.#ids((state) =>
        [STATUS.OFFERED, STATUS.PAUSED, STATUS.CANCELLED].includes(state.status),
      ),
    );
  }

  #renderTotal(session) {
    const files = this.#receiver.manifest.files;
    const states = files.map((file) => this.#receiver.state(file.id));
    const counts = (status) => states.filter((state) => state.status === status).length;
    const counted = files.filter((_, at) => states[at].status !== STATUS.CANCELLED);
    const size = counted.reduce((sum, file) => sum + file.size, 0);
    const received = counted.reduce((sum, file) => sum + this.#receiver.state(file.id).received, 0);
    const underWay = states.some((state) => UNDER_WAY.has(state.status));
    const toGo = counts(STATUS.OFFERED) + counts(STATUS.PAUSED) + counts(STATUS.CANCELLED);
    const first = byId("all-first");
    setText(
      first,
      underWay
        ? "Pause"
        : received > 0 || counts(STATUS.PAUSED) > 0
          ? "Receive the rest"
          : "Receive all",
    );
    first.hidden = !underWay && toGo === 0;
    first.disabled = session.phase !== "live";
    byId("all-cancel").hidden = !states.some((state) => OPEN.has(state.status));
    const bar = byId("total-progress");
    bar.hidden = !underWay && (received === 0 || received === size);
    bar.max = Math.max(size, 1);
    bar.value = size === 0 ? 1 : received;
    setText(byId("total-text"), totalText(session, { size, received, underWay }));
  }
}

const OVER = new Set(["over", "refused"]);

function totalText(session, { size, received, underWay }) {
  if (received === 0 && size > 0 && !underWay) {
    return OVER.has(session.phase)
      ? "You received none of these files."
      : "Nothing is transferred before you ask for it.";
  }
  if (received === size && !underWay) return `All ${bytes(size)} are here.`;
  const parts = [`${bytes(received)} of ${bytes(size)}`];
  if (underWay && session.phase === "live") {
    const perSecond = session.rate.perSecond(performance.now());
    const left = secondsLeft(size - received, perSecond);
    if (session.stalled) parts.push("nothing arrives, asking again");
    else if (left !== undefined) {
      parts.push(`${bytes(Math.round(perSecond))}/s`, `${duration(left)} left`);
    }
  } else if (underWay) {
    parts.push("waiting for the connection");
  }
  return parts.join(" · ");
}

const REASONS = {
  too_large: "too large",
  too_many: "too many files",
  timeout: "not fetched in time",
  not_found: "not found",
  not_allowed: "from a place that the bridge may not read",
  changed: "changed while it was read",
  type_not_allowed: "of a type that is not allowed",
};

// Files that the council named and the bridge cannot offer: an expert must know of them.
function renderMissing(files) {
  const missing = byId("files-missing");
  missing.hidden = files.length === 0;
  const named = files.map(
    ({ name, code }) => `${fileName(name)} (${REASONS[code] ?? "cannot be read"})`,
  );
  setText(missing, `Named by the council, and not to be had: ${named.join(", ")}.`);
}

class Row {
  #first;
  #second;
  #status;
  #bar;
  #file;
  #commands;
  #state = null;

  constructor(file, commands) {
    this.#file = file;
    this.#commands = commands;
    this.id = file.id;
    const name = fileName(file.name);
    this.#status = el("span", { class: "status" });
    this.#bar = el("progress", {
      max: Math.max(file.size, 1),
      value: 0,
      "aria-label": `Progress of ${name}`,
    });
    this.#first = el("button", {
      type: "button",
      onclick: () => this.#act(FIRST[this.#state.status]?.[1]),
    });
    this.#second = el("button", {
      type: "button",
      class: "quiet",
      onclick: () => this.#act(this.#secondCommand()),
    });
    this.element = el(
      "li",
      { class: "file" },
      el(
        "div",
        { class: "file-text" },
        el("bdi", { class: "file-name" }, name),
        el("span", { class: "file-meta" }, `${mediaType(file.media_type)} · ${bytes(file.size)}`),
      ),
      el("div", { class: "file-actions" }, this.#second, this.#first),
      this.#status,
      this.#bar,
    );
  }

  #secondCommand() {
    if (OPEN.has(this.#state.status)) return "cancel";
    return this.#state.status === STATUS.VERIFIED && canPreview(this.#file) ? "preview" : undefined;
  }

  #act(command) {
    if (command) this.#commands[command](this.id);
  }

  render(state, isLive) {
    this.#state = state;
    const { status, received } = state;
    const name = fileName(this.#file.name);
    this.element.dataset.status = status;
    this.#bar.hidden = !OPEN.has(status) || received === 0;
    this.#bar.value = received;
    setText(
      this.#status,
      status === STATUS.RECEIVING
        ? `${Math.floor((100 * received) / this.#file.size)} %`
        : (SAID[status] ?? ""),
    );
    const second = this.#secondCommand();
    label(this.#first, FIRST[status]?.[0], name);
    label(this.#second, { cancel: "Cancel", preview: "Preview" }[second], name);
    // Verified files can be saved without the bridge; everything else needs it.
    this.#first.disabled = !isLive && status !== STATUS.VERIFIED;
  }
}

function label(button, text, name) {
  button.hidden = text === undefined;
  if (text === undefined) return;
  setText(button, text);
  button.setAttribute("aria-label", `${text} ${name}`);
}

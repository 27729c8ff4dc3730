// The messages: a list that screen readers read out as it grows, and a field to write in.

import { TEXT_LEN_MAX } from "../messages.js";
import { byId, el, setText } from "./dom.js";

/** From here on the field shows how many characters are left. */
const LEFT_SHOWN = 400;
const OVER = new Set(["over", "refused"]);

/** Keeps the section "Messages" in step with a session. */
export class MessagesView {
  #session;
  #rows = new Map();
  #observer = new IntersectionObserver((entries) => this.#looked(entries), {
    threshold: [0, 0.25, 0.5, 0.75, 1],
  });

  constructor(session) {
    this.#session = session;
    const field = byId("message-text");
    field.maxLength = TEXT_LEN_MAX;
    byId("message-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("input", () => this.#countdown());
    byId("unread").addEventListener("click", () => this.#goToNew());
    // On a phone the key makes a new line: there is the button.
    byId("message-keys").hidden = isTouch();
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || isTouch()) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const field = byId("message-text");
    if (!this.#session.messages.write(field.value)) return;
    field.value = "";
    this.#countdown();
    field.focus();
  }

  #countdown() {
    const left = TEXT_LEN_MAX - byId("message-text").value.length;
    setText(byId("message-left"), left <= LEFT_SHOWN ? `${left} characters left` : "");
  }

  render({ phase, messages, receiver, guardian }) {
    const isOver = OVER.has(phase);
    const hasAny = messages.items.length > 0;
    // They are between the agents and the expert.
    byId("messages").hidden = guardian !== null || (!hasAny && (isOver || !receiver));
    byId("message-form").hidden = isOver;
    byId("message-none").hidden = hasAny || isOver;
    byId("message-log").hidden = !hasAny;
    this.#renderLog(messages.items, phase);
    const { unread } = messages;
    byId("unread").hidden = unread === 0;
    setText(byId("unread"), unread === 1 ? "1 new message" : `${unread} new messages`);
  }

  #renderLog(items, phase) {
    const log = byId("message-log");
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    let isLonger = false;
    for (const [item, row] of this.#rows) {
      if (items.includes(item)) continue;
      row.remove();
      this.#rows.delete(item);
    }
    for (const item of items) {
      if (!this.#rows.has(item)) {
        const row = this.#row(item);
        this.#rows.set(item, row);
        log.append(row);
        isLonger = true;
        if (item.state === "new") this.#observer.observe(row);
      }
      this.#renderState(this.#rows.get(item), item, phase);
    }
    // A reader further up stays there.
    if (isLonger && (isAtEnd || items.at(-1).mine)) log.scrollTop = log.scrollHeight;
  }

  #row(item) {
    const from = item.mine ? "You" : "The council's agent";
    const at = new Date(item.at);
    const time = el(
      "time",
      { datetime: at.toISOString() },
      at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
    );
    return el(
      "div",
      { class: "message", "data-from": item.mine ? "expert" : "council" },
      el("p", { class: "message-head" }, el("span", { class: "message-from" }, from), " ", time),
      el("p", { class: "message-body" }, item.text),
      item.mine ? el("p", { class: "message-state" }) : undefined,
    );
  }

  #renderState(row, item, phase) {
    row.dataset.state = item.state;
    if (!item.mine) return;
    const state = row.querySelector(".message-state");
    const waits = phase === "live" ? "Sending" : "Waits for the connection";
    const said = {
      waiting: OVER.has(phase) ? "Not received: the call has ended" : waits,
      taken: "Received",
      refused: `Not received: ${item.why}`,
    }[item.state];
    if (state.dataset.said === said) return;
    state.dataset.said = said;
    const again = () => this.#session.messages.again(item.id);
    const button =
      item.state === "refused" && !OVER.has(phase)
        ? el("button", { type: "button", class: "quiet small", onclick: again }, "Send again")
        : undefined;
    state.replaceChildren(...[said, button].filter(Boolean));
  }

  // Half of it, or as much as there is room for, on a screen that is looked at.
  #looked(entries) {
    for (const { target, intersectionRect, boundingClientRect } of entries) {
      const enough = Math.min(boundingClientRect.height, innerHeight) / 2;
      if (
        intersectionRect.height === 0 ||
        intersectionRect.height < enough ||
        document.visibilityState !== "visible"
      ) {
        continue;
      }
      this.#observer.unobserve(target);
      for (const [item, row] of this.#rows) if (row === target) this.#session.messages.seen(item);
    }
  }

  #goToNew() {
    const first = [...this.#rows].find(([item]) => item.state === "new");
    first?.[1].scrollIntoView({ block: "center" });
    byId("message-log").focus({ preventScroll: true });
  }
}

const isTouch = () => matchMedia("(pointer: coarse)").matches;

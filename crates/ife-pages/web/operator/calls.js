// Calls: the live ones as cards, those that ended lately as a list.

import { ask } from "./api.js";
import { confirm, h, mark, refill, say } from "./dom.js";
import {
  ago,
  callState,
  clock,
  counted,
  duration,
  evidenceState,
  isLive,
  reason,
} from "./words.js";

/** Ended calls that are shown. */
const ENDED_MAX = 12;

const state = ([word, shape, tone]) =>
  h("span", { class: `state ${tone}` }, [mark(shape, tone), word]);

/** Where a trace's ladder is. */
export const storyLink = (traceId) => `#/trace/${encodeURIComponent(traceId)}`;

/** Draws the calls that `update` is given: live ones into `root`, others into `ended`. */
export function callsView(root, ended) {
  const live = h("div", { class: "cards" });
  root.replaceChildren(h("h2", { id: "calls-title" }, "Live calls"), live);
  root.setAttribute("aria-labelledby", "calls-title");
  ended.setAttribute("aria-label", "Ended lately");
  const drawn = { calls: [] };
  const tick = setInterval(() => {
    for (const time of root.querySelectorAll("[data-since]")) {
      time.textContent = duration(Date.now() - Number(time.dataset.since));
    }
  }, 1000);
  return {
    update(calls) {
      drawn.calls = calls;
      const now = calls.filter(isLive);
      refill(live, now.length > 0 ? now.map(card) : empty());
      const over = calls.filter((call) => !isLive(call)).slice(0, ENDED_MAX);
      ended.hidden = over.length === 0;
      refill(
        ended,
        over.length > 0
          ? [h("h2", {}, "Ended lately"), h("ul", { class: "list" }, over.map(endedRow))]
          : [],
      );
    },
    close: () => clearInterval(tick),
  };
}

function empty() {
  return h("p", { class: "empty" }, [
    "No call is under way. An agent's escalation shows up here as it happens; to try one: ",
    h("code", {}, "ifectl escalate --help"),
  ]);
}

function leg(name, told) {
  return h("div", {}, [h("dt", {}, name), h("dd", {}, state(told))]);
}

function card(call) {
  const id = `call-${call.call_id}`;
  const talks = call.sip_call_state === "connected";
  const since = Date.parse((talks && call.answered) || call.started);
  return h("article", { class: "card call", "aria-labelledby": id }, [
    h("header", {}, [h("h3", { id }, call.expert_name), state(callState(call.sip_call_state))]),
    h("p", { class: "quiet" }, [
      `${call.hazard} · ${call.origin === "expert" ? "the expert calls in" : "escalation"} · ` +
        `${talks ? "talking for" : "set up for"} `,
      h("span", { class: "figures", "data-since": since }, duration(Date.now() - since)),
    ]),
    h("dl", { class: "legs" }, [
      leg("SIP leg", callState(call.sip_call_state)),
      leg("H.323 leg", callState(call.h323_state)),
      leg(
        `Room ${call.council_call_id}`,
        call.mcu_participant_id
          ? ["in the room", "full", "good"]
          : ["not in it yet", "hollow", "quiet"],
      ),
      leg("Evidence", evidenceState(call.evidence_state)),
      ...(call.guardian_evidence ?? []).map(({ guardian, evidence_state: at }) =>
        leg(`Evidence, ${guardian}`, evidenceState(at)),
      ),
    ]),
    call.evidence_errors?.length > 0
      ? h("p", { class: "state warn" }, [
          mark("alarm", "warn"),
          "Evidence that cannot be had: " +
            call.evidence_errors
              .map(({ name, code }) => `${name} (${code.replaceAll("_", " ")})`)
              .join(", "),
        ])
      : null,
    h("footer", {}, [
      h("a", { href: storyLink(call.trace_id), "data-key": `story-${call.call_id}` }, "Ladder"),
      h("span", { class: "id quiet", title: call.trace_id }, call.trace_id),
      h(
        "button",
        {
          class: "bad",
          type: "button",
          "data-key": `end-${call.call_id}`,
          onclick: () => hangUp(call),
        },
        "Hang up",
      ),
    ]),
  ]);
}

function endedRow(call) {
  const talked =
    call.answered && call.ended
      ? ` · talked ${duration(Date.parse(call.ended) - Date.parse(call.answered))}`
      : "";
  return h("li", {}, [
    state(callState(call.sip_call_state)),
    h(
      "a",
      { href: storyLink(call.trace_id), "data-key": `story-${call.call_id}` },
      call.expert_name,
    ),
    h(
      "span",
      { class: "told quiet" },
      `${call.hazard} · ${reason(call) ?? "no reason told"}${talked}`,
    ),
    call.ended
      ? h(
          "time",
          { class: "quiet figures", datetime: call.ended, title: clock(call.ended) },
          ago(call.ended),
        )
      : null,
  ]);
}

async function hangUp(call) {
  const sure = await confirm(
    `Hang up on ${call.expert_name}?`,
    `The expert's call about ${call.hazard} ends for everybody, and the log says that it was ` +
      "ended here.",
    "Hang up",
  );
  if (!sure) return;
  try {
    const { status, duration_seconds: seconds } = await ask(
      `/v1/calls/${encodeURIComponent(call.call_id)}`,
      { method: "DELETE" },
    );
    say(
      status === "terminated"
        ? `The call with ${call.expert_name} has ended after ` +
            `${counted(seconds, "second", "seconds")}`
        : "That call was over already",
    );
  } catch (error) {
    say(`The call was not ended: ${error.message}`);
    document.dispatchEvent(
      new CustomEvent("trouble", { detail: `The call was not ended: ${error.message}` }),
    );
  }
}

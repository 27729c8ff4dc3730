// Traces in the witness log: the newest ones, or those that a search finds.

import { ask } from "./api.js";
import { storyLink } from "./calls.js";
import { h, mark, refill, say } from "./dom.js";
import { ago, clock, counted, grouped, outcome } from "./words.js";

/** Where a trace leads: its ladder, or that of its call where it had no trace id. */
export const linkOf = (trace) =>
  trace.trace_id
    ? storyLink(trace.trace_id)
    : `#/call/${encodeURIComponent(trace.call_ids[0] ?? "")}`;

/** One trace as a row of a list. */
export function traceRow(trace) {
  const [word, shape, tone] = outcome(trace.outcome);
  const gate =
    (trace.outcome === "rejected" || trace.outcome === "let_pass") && trace.gate
      ? `gate ${trace.gate}`
      : "";
  return h("li", {}, [
    h("span", { class: `state ${tone}` }, [mark(shape, tone), word]),
    h(
      "a",
      {
        class: "id",
        href: linkOf(trace),
        "data-key": `trace-${trace.trace_id ?? trace.call_ids[0]}`,
      },
      trace.trace_id ?? trace.call_ids[0] ?? "?",
    ),
    h(
      "span",
      { class: "told quiet" },
      [gate, trace.code, trace.hazard, trace.expert].filter(Boolean).join(" · "),
    ),
    trace.last
      ? h(
          "time",
          { class: "quiet figures", datetime: trace.last, title: clock(trace.last) },
          ago(trace.last),
        )
      : null,
  ]);
}

/** The newest traces of the log, below the calls. */
export function recentView(root) {
  const list = h("ul", { class: "list" });
  const none = h("p", { class: "empty" });
  root.replaceChildren(h("h2", { id: "recent-title" }, "Lately in the log"), list, none);
  root.setAttribute("aria-labelledby", "recent-title");
  return {
    async load() {
      try {
        const { traces } = await ask("/v1/witness/search?limit=10");
        refill(list, traces.map(traceRow));
        none.hidden = traces.length > 0;
        none.textContent = "The log has no call yet.";
      } catch (error) {
        list.replaceChildren();
        none.hidden = false;
        none.textContent =
          error.status === 404
            ? "The bridge does not know the log: set witness_log in bridge.yaml to see ladders, " +
              "search and verdicts."
            : error.message;
      }
    },
  };
}

/** The results of a search. */
export function searchView(root, text) {
  const found = [];
  const searched = { at: undefined };
  const list = h("ul", { class: "list" });
  const state = h("p", { class: "remark" }, "Searching…");
  root.replaceChildren(
    h("p", { class: "back" }, h("a", { href: "#/" }, "← All calls")),
    h("h1", {}, [
      h("span", { class: "quiet small" }, "Search"),
      " ",
      h("span", { class: "id" }, text),
    ]),
    list,
    state,
  );

  async function load(before) {
    const query = new URLSearchParams({ q: text });
    if (before !== undefined) query.set("before", before);
    try {
      const answer = await ask(`/v1/witness/search?${query}`);
      const known = new Set(found.map(linkOf));
      found.push(...answer.traces.filter((trace) => !known.has(linkOf(trace))));
      searched.at = answer.searched_back_to;
    } catch (error) {
      state.textContent = error.message;
      return;
    }
    refill(list, found.map(traceRow));
    const { index, time } = searched.at;
    const told = found.length > 0 ? counted(found.length, "trace", "traces") : "Nothing found";
    say(told);
    refill(
      state,
      h(
        "span",
        {},
        index === 0
          ? `${told}; the whole log was searched. `
          : `${told}; searched back to entry ` +
              `${grouped(index)}${time ? ` of ${clock(time)}` : ""}. `,
      ),
      index > 0
        ? h(
            "button",
            { class: "link", type: "button", "data-key": "further", onclick: () => load(index) },
            "Search further back",
          )
        : null,
      found.length === 0
        ? h(
            "span",
            { class: "block" },
            "A search finds trace ids, Call-IDs and experts that begin with the text, " +
              "in the case it is written in.",
          )
        : null,
    );
  }
  load();
  return { close() {} };
}

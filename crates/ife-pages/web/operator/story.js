// One escalation, as in the witness log.

import { ask, fetchFile } from "./api.js";
import { h, mark, refill, say } from "./dom.js";
import { ladder, table } from "./draw.js";
import { rows } from "./ladder.js";
import { clock, counted, grouped } from "./words.js";

/** Entries reach the published log a moment after they happen. */
const SETTLE_MS = [800, 2500];

/** The view of a trace id (`by` is `trace_id`) or a Call-ID (`call_id`). */
export function storyView(root, by, id) {
  const state = {
    story: null,
    error: null,
    before: undefined,
    older: [],
    timers: [],
    closed: false,
  };
  const head = h("section", { class: "story-head" });
  const body = h("section", { class: "story-body", "aria-label": "Ladder" });
  const entry = h("dialog", { class: "entry", "aria-labelledby": "entry-title" });
  root.replaceChildren(head, body, entry);
  const sized = new ResizeObserver(() => {
    // A view that is left has no width.
    if (state.story && body.clientWidth > 0 && state.width !== body.clientWidth) {
      draw(body, state, entry);
    }
  });

  async function load() {
    try {
      const story = await ask(`/v1/witness/story?${new URLSearchParams({ [by]: id })}`);
      if (state.closed) return;
      renew(state, story);
    } catch (error) {
      if (state.closed) return;
      state.error = error;
    }
    show();
  }

  async function older(button) {
    button.disabled = true;
    button.textContent = "Searching…";
    try {
      const before = state.story.searched_back_to.index;
      const found = await ask(`/v1/witness/story?${new URLSearchParams({ [by]: id, before })}`);
      const more = extend(state, found);
      say(
        more > 0
          ? `${counted(more, "older entry", "older entries")} found`
          : "Nothing older found so far",
      );
    } catch (error) {
      say(error.message);
    }
    show();
  }

  function show() {
    refill(head, ...heading(state, by, id, older));
    draw(body, state, entry);
  }

  sized.observe(body);
  refill(head, h("h1", {}, "Reading the log…"));
  load();
  return {
    /** A call has changed: its entries are in the log soon. */
    onCall(call) {
      if (call.trace_id !== id && call.call_id !== id) return;
      state.timers.forEach(clearTimeout);
      state.timers = SETTLE_MS.map((ms) => setTimeout(load, ms));
    },
    reload: load,
    close() {
      state.closed = true;
      state.timers.forEach(clearTimeout);
      sized.disconnect();
    },
  };
}

/** Takes a newer answer, which has none of the older entries that were asked for. */
function renew(state, story) {
  const seen = new Set(story.entries.map((found) => found.index));
  story.entries = [...state.older.filter((found) => !seen.has(found.index)), ...story.entries];
  story.facts = { ...story.facts, ...state.facts };
  Object.assign(state, { story, error: null });
  if (state.older.length > 0) story.searched_back_to = state.searched;
}

/** Puts older entries before the story's own; returns how many are new. */
function extend(state, found) {
  const known = new Set(state.story.entries.map((seen) => seen.index));
  const more = found.entries.filter((seen) => !known.has(seen.index));
  state.older = [...more, ...state.older];
  // The facts of a story are those of its first entries.
  state.facts = { ...state.story.facts, ...found.facts };
  state.story.facts = state.facts;
  state.searched = found.searched_back_to;
  state.story.entries = [...more, ...state.story.entries];
  state.story.searched_back_to = found.searched_back_to;
  return more.length;
}

function heading(state, by, id, older) {
  const back = h("p", { class: "back" }, h("a", { href: "#/" }, "← All calls"));
  if (state.error) {
    return [
      back,
      h("h1", {}, id),
      h("p", { class: "empty bad" }, [
        mark("alarm", "bad"),
        ` The log cannot be shown: ${state.error.message}`,
      ]),
    ];
  }
  const { story } = state;
  const { facts } = story;
  const forged = story.entries.filter((seen) => !seen.included).length;
  const searched = story.searched_back_to;
  const fact = (name, value) =>
    value ? [h("div", {}, [h("dt", {}, name), h("dd", {}, value)])] : [];
  return [
    back,
    h("h1", {}, [
      h("span", { class: "quiet small" }, by === "trace_id" ? "Trace" : "Call"),
      " ",
      h("span", { class: "id" }, id),
    ]),
    h("dl", { class: "facts" }, [
      ...fact("Hazard", facts.hazard),
      ...fact("Expert", facts.expert),
      ...fact("Began", facts.began && clock(facts.began)),
      ...fact("Entries", grouped(story.entries.length)),
    ]),
    proof(story, forged),
    story.is_cut ? h("p", { class: "remark" }, "Only the newest 500 entries are shown.") : null,
    searched.index > 0
      ? h("p", { class: "remark" }, [
          "Searched back to entry " +
            `${grouped(searched.index)}${searched.time ? ` of ${clock(searched.time)}` : ""}. `,
          h(
            "button",
            {
              class: "link",
              type: "button",
              "data-key": "older",
              onclick: (event) => older(event.currentTarget),
            },
            "Search further back",
          ),
        ])
      : null,
  ];
}

function proof(story, forged) {
  if (story.entries.length === 0) return null;
  const log = `${story.checkpoint.origin}, ${counted(story.checkpoint.size, "entry", "entries")}`;
  if (forged === 0) {
    return h("p", { class: "proof good" }, [
      mark("check", "good"),
      h("span", {}, [
        h(
          "strong",
          {},
          story.entries.length === 1 ? "The entry is" : `All ${story.entries.length} entries are`,
        ),
        " in the signed log ",
        h("span", { class: "quiet" }, `(${log})`),
      ]),
    ]);
  }
  const which = forged === 1 ? "One entry is" : `${forged} entries are`;
  return h("p", { class: "proof bad", role: "alert" }, [
    mark("alarm", "bad"),
    h("span", {}, [
      h("strong", {}, `${which} not what was signed.`),
      " Keep the log's directory as it is, and find out who could write to it. ",
      h("code", {}, "ifectl witness verify"),
      " tells which file is wrong.",
    ]),
  ]);
}

function draw(body, state, dialog) {
  if (!state.story) return body.replaceChildren();
  const all = state.story.entries;
  if (all.length === 0) {
    return refill(
      body,
      h(
        "p",
        { class: "empty" },
        "No such entry in the part of the log that was searched. " +
          "Events reach the published log a moment after they happen; " +
          "older ones are found by searching further back.",
      ),
    );
  }
  const told = rows(all);
  state.width = body.clientWidth;
  const pick = (index) => open(dialog, all.find((seen) => seen.index === index));
  refill(
    body,
    h("div", { class: "drawn" }, ladder(told, state.width - 2, pick)),
    h(
      "details",
      {
        class: "as-table",
        open: state.isTable,
        ontoggle: (event) => (state.isTable = event.currentTarget.open),
      },
      [h("summary", { "data-key": "table" }, "The same as a table"), table(told, pick)],
    ),
  );
}

function value(member) {
  return typeof member === "string" ? member : JSON.stringify(member);
}

function open(dialog, seen) {
  const members = Object.entries(seen.entry ?? {});
  const name = `entry-${seen.index}`;
  dialog.replaceChildren(
    h("h2", { id: "entry-title" }, `Entry ${seen.index}`),
    seen.included
      ? h("p", { class: "proof good" }, [
          mark("check", "good"),
          " Its hash leads to the root of the signed checkpoint.",
        ])
      : h("p", { class: "proof bad" }, [mark("alarm", "bad"), ` Not verified: ${seen.problem}`]),
    h("dl", { class: "members" }, [
      h("dt", {}, "leaf hash"),
      h("dd", {}, seen.leaf_hash),
      ...members.flatMap(([member, of]) => [h("dt", {}, member), h("dd", {}, value(of))]),
    ]),
    h("div", { class: "buttons" }, [
      seen.included
        ? h(
            "button",
            { type: "button", onclick: () => save(seen.index, "proof", `${name}.tlog-proof`) },
            "Save the proof",
          )
        : null,
      seen.included
        ? h(
            "button",
            { type: "button", onclick: () => save(seen.index, "", `${name}.json`) },
            "Save the entry",
          )
        : null,
      h("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close"),
    ]),
    seen.included
      ? h("p", { class: "remark" }, [
          "To be checked by ",
          h(
            "code",
            {},
            `ifectl witness check-proof --proof ${name}.tlog-proof --entry ${name}.json --vkey …`,
          ),
        ])
      : null,
  );
  dialog.showModal();
}

async function save(index, what, name) {
  try {
    const url = URL.createObjectURL(
      await fetchFile(`/v1/witness/entries/${index}${what && `/${what}`}`),
    );
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    say(`${name} was saved`);
  } catch (error) {
    say(`${name} could not be saved: ${error.message}`);
  }
}

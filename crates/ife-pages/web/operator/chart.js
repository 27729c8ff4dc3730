// Verdicts by gate over time: a line of small bars for each gate, all on one scale.

import { ask } from "./api.js";
import { h, refill, s } from "./dom.js";
import { clock, grouped } from "./words.js";

const SPANS = [
  { name: "1 hour", minutes: 60, step: 1 },
  { name: "6 hours", minutes: 360, step: 6 },
  { name: "24 hours", minutes: 1440, step: 24 },
];
const HEIGHT = 30;
const BAR = 6;

/**
 * Lines as they are shown: approvals first, then gates by their number of refusals. A call of the
 * bridge is approved at both places and shown once.
 */
export function shown(view) {
  const sum = (line) => line.counts.reduce((all, count) => all + count, 0);
  const lines = view.lines.filter((line) => line.verdict === "rejected" || line.at === "proxy");
  const named = lines.map((line) => ({
    name:
      line.verdict === "approved"
        ? "approved"
        : line.gate === "omitted"
          ? "not written one by one"
          : line.gate,
    where: line.at === "bridge" ? "at the bridge" : line.shadow ? "let pass (shadow)" : "",
    tone: line.verdict === "approved" ? "good" : line.shadow ? "warn" : "bad",
    counts: line.counts,
    total: sum(line),
  }));
  named.sort(
    (a, b) =>
      Number(b.tone === "good") - Number(a.tone === "good") ||
      b.total - a.total ||
      a.name.localeCompare(b.name),
  );
  return named;
}

/** How many steps at the beginning are from before anything was counted. */
export function unknownSteps(view, steps) {
  if (!view.counted_from) return steps;
  const before = (Date.parse(view.counted_from) - Date.parse(view.from)) / 1000 / view.step_s;
  return Math.min(steps, Math.max(0, Math.floor(before)));
}

function bars(line, most, steps, unknown, isFirst) {
  const drawn = line.counts.map((count, place) => {
    // A count that is there is seen, however small it is beside the largest.
    const height = count === 0 ? 0 : Math.max(2, (count / most) * (HEIGHT - 2));
    return height > 0
      ? s("rect", {
          class: "bar",
          x: place * BAR + 0.75,
          y: HEIGHT - height,
          width: BAR - 1.5,
          height,
          rx: 1,
        })
      : null;
  });
  return s(
    "svg",
    {
      class: `bars ${line.tone}`,
      viewBox: `0 0 ${steps * BAR} ${HEIGHT + 1}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    [
      // Strokes that lean the other way than any bar: nothing is known here, which is not the same
      // as nothing.
      isFirst
        ? s(
            "defs",
            {},
            s(
              "pattern",
              {
                id: "hatch",
                width: 7,
                height: 7,
                patternUnits: "userSpaceOnUse",
                patternTransform: "rotate(45)",
              },
              s("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 7 }),
            ),
          )
        : null,
      unknown > 0
        ? s("rect", { class: "unknown", x: 0, y: 0, width: unknown * BAR, height: HEIGHT })
        : null,
      s("line", { class: "axis", x1: 0, x2: steps * BAR, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
      ...drawn,
    ],
  );
}

/** The chart; `load` asks anew. */
export function chartView(root) {
  const state = { span: SPANS[0] };
  const choice = h("div", { class: "choice", role: "group", "aria-label": "Time span" });
  const body = h("div", {});
  root.replaceChildren(
    h("div", { class: "line" }, [h("h2", { id: "verdicts-title" }, "Verdicts by gate"), choice]),
    body,
  );
  root.setAttribute("aria-labelledby", "verdicts-title");

  function choose() {
    refill(
      choice,
      SPANS.map((span) =>
        h(
          "button",
          {
            type: "button",
            class: "small",
            "data-key": `span-${span.minutes}`,
            "aria-pressed": String(span === state.span),
            onclick: () => pick(span),
          },
          span.name,
        ),
      ),
    );
  }

  function pick(span) {
    state.span = span;
    choose();
    load();
  }

  async function load() {
    const { minutes, step, name } = state.span;
    let view;
    try {
      view = await ask(`/v1/witness/verdicts?minutes=${minutes}&step=${step}`);
    } catch (error) {
      root.hidden = error.status === 404;
      refill(body, h("p", { class: "empty" }, error.message));
      return;
    }
    root.hidden = false;
    refill(body, ...chart(view, minutes / step, step, name));
  }

  choose();
  return { load };
}

function chart(view, steps, minutes, name) {
  const lines = shown(view);
  if (lines.length === 0) {
    return [
      h(
        "p",
        { class: "empty" },
        `No verdict in the last ${name.replace("1 ", "")}. Each call that reaches the gate is ` +
          "counted here.",
      ),
    ];
  }
  const most = Math.max(...lines.flatMap((line) => line.counts));
  const unknown = unknownSteps(view, steps);
  const per = minutes === 1 ? "a minute" : `in ${minutes} minutes`;
  return [
    h("table", { class: "verdicts" }, [
      h("caption", { class: "unseen" }, `Verdicts of the last ${name}, by gate`),
      h(
        "thead",
        { class: "unseen" },
        h(
          "tr",
          {},
          ["Verdict", "Count", "Over time"].map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        lines.map((line, place) =>
          h("tr", { class: line.tone }, [
            h("th", { scope: "row" }, [
              line.name,
              line.where ? h("span", { class: "quiet" }, ` ${line.where}`) : null,
            ]),
            h("td", { class: "figures" }, grouped(line.total)),
            h("td", { class: "over-time" }, [
              bars(line, most, steps, unknown, place === 0),
              h("span", { class: "unseen" }, `at most ${Math.max(...line.counts)} ${per}`),
            ]),
          ]),
        ),
      ),
    ]),
    h("p", { class: "remark scale" }, [
      h("span", {}, clock(view.from)),
      h("span", {}, `tallest bar: ${grouped(most)} ${per}`),
      h("span", {}, "now"),
    ]),
    unknown > 0
      ? h(
          "p",
          { class: "remark" },
          `Hatched: before ${clock(view.counted_from)}, of which nothing was counted.`,
        )
      : null,
  ];
}

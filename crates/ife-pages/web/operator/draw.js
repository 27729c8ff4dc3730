// Draws the rows of a story: as a ladder of life lines (SVG) for the eye, as a table for everybody.

import { h, mark, s } from "./dom.js";
import { cut, geometry, rowOf } from "./geometry.js";
import { gateWord, offset, sentence } from "./ladder.js";
import { clock } from "./words.js";

const CHECK = () => [
  s("circle", { class: "solid", cx: 8, cy: 8, r: 7 }),
  s("path", { class: "cut", d: "M4.8 8.3l2.2 2.2 4.2-4.6" }),
];
const CROSS = () => [
  s("path", { class: "solid", d: "M5 1h6l4 4v6l-4 4H5l-4-4V5z" }),
  s("path", { class: "cut", d: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" }),
];
const DASH = () => [
  s("circle", { class: "solid", cx: 8, cy: 8, r: 7 }),
  s("path", { class: "cut", d: "M4.6 8h6.8" }),
];
const ALARM = () => [
  s("path", { class: "solid", d: "M8 1.2 15.4 14.4H.6z" }),
  s("path", { class: "cut", d: "M8 6v4M8 11.8v.6" }),
];

/** The names of the lanes. They stay in sight while the rows are scrolled. */
function heads(geo) {
  return s(
    "svg",
    {
      class: "heads",
      viewBox: `0 0 ${geo.width} ${geo.head}`,
      width: geo.width,
      height: geo.head,
      "aria-hidden": "true",
    },
    geo.lanes.map(({ id, name }, place) =>
      s(
        "text",
        { class: "lane", x: geo.at[id], y: geo.names[place], "text-anchor": "middle" },
        name,
      ),
    ),
  );
}

function verdict(row, x, y) {
  if (!row.verdict) return null;
  const [tone, shape] =
    row.verdict === "approved" ? ["good", CHECK] : row.shadow ? ["warn", DASH] : ["bad", CROSS];
  return s("g", { class: tone, transform: `translate(${x - 8} ${y - 8})` }, [
    s("circle", { class: "ground", cx: 8, cy: 8, r: 9 }),
    ...shape(),
  ]);
}

/** What one party does by itself. */
function deed(row, geo, y) {
  const at = geo.at[row.from];
  if (geo.isNarrow) {
    return row.verdict
      ? [verdict(row, at, y)]
      : [s("circle", { class: "note", cx: at, cy: y, r: 6 })];
  }
  const shown = cut(row.label, geo.lane * 1.6);
  const width = Math.max(34, [...shown].length * 6.9 + (row.verdict ? 42 : 20));
  return [
    s("rect", { class: "note", x: at - width / 2, y: y - 12, width, height: 24, rx: 12 }),
    s(
      "text",
      { class: "label", x: at + (row.verdict ? 10 : 0), y: y + 4, "text-anchor": "middle" },
      shown,
    ),
    verdict(row, at - width / 2 + 14, y),
  ];
}

/** What one party sends to another. */
function arrow(row, geo, y) {
  const [from, to] = [geo.at[row.from], geo.at[row.to]];
  const right = to > from;
  const tip = right ? to - 3 : to + 3;
  const back = right ? tip - 8 : tip + 8;
  const middle =
    row.via && (from + to) / 2 === geo.at[row.via] ? (from + geo.at[row.via]) / 2 : (from + to) / 2;
  return [
    s("line", { class: "wire", x1: from, x2: tip, y1: y, y2: y }),
    s("path", { class: "tip", d: `M${tip} ${y}L${back} ${y - 4.5}V${y + 4.5}z` }),
    s("circle", { class: "foot", cx: from, cy: y, r: 3 }),
    row.via && !row.verdict
      ? s("circle", { class: "foot", cx: geo.at[row.via], cy: y, r: 3 })
      : null,
    geo.isNarrow
      ? null
      : s(
          "text",
          { class: "label", x: middle, y: y - 7, "text-anchor": "middle" },
          cut(row.label, Math.abs(to - from)),
        ),
    // The gate's word stands where it was spoken.
    row.verdict ? verdict(row, geo.at[row.via ?? row.from], y) : null,
  ];
}

/** Time, remark, and on a narrow diagram the label. */
function words(row, geo, top, y) {
  const time = row.isMore ? "" : offset(row.seconds);
  const remark = row.included ? row.remark : "NOT WHAT WAS SIGNED";
  if (!geo.isNarrow) {
    return [
      s("text", { class: "time", x: geo.timeAt, y: y + 4, "text-anchor": "end" }, time),
      geo.remark
        ? s("text", { class: "remark", x: geo.remarkAt, y: y + 4 }, cut(remark, geo.remark - 32))
        : null,
    ];
  }
  return [
    s("text", { class: "label", x: geo.remarkAt, y: top + 22 }, cut(row.label, geo.timeAt - 90)),
    s("text", { class: "time", x: geo.timeAt, y: top + 22, "text-anchor": "end" }, time),
    remark
      ? s("text", { class: "remark", x: geo.remarkAt, y: top + 40 }, cut(remark, geo.width - 20))
      : null,
  ];
}

function inLog(row, geo, y) {
  if (row.isMore) return null;
  const word = row.included ? "in the signed log" : "not verified";
  return s(
    "g",
    {
      class: row.included ? "seal good" : "seal bad",
      transform: `translate(${geo.markAt} ${y - 8})`,
    },
    [s("title", {}, `entry ${row.index}: ${word}`), ...(row.included ? CHECK() : ALARM())],
  );
}

function drawn(row, geo, top, pick) {
  const { height, arrow: down } = rowOf(geo, row);
  const y = top + down;
  return s(
    "g",
    {
      class: `rung ${row.tone}${row.included ? "" : " forged"}`,
      "data-index": row.index,
      onclick: () => pick(row.index),
    },
    [
      s("rect", { class: "band", x: 0, y: top, width: geo.width, height, rx: 8 }),
      ...(row.from === row.to ? deed : arrow)(row, geo, y),
      ...words(row, geo, top, y),
      inLog(row, geo, geo.isNarrow ? top + 17 : y),
    ],
  );
}

/**
 * The diagram, no wider than `width`. `pick` is called with the index of an entry that was clicked.
 */
export function ladder(rows, width, pick) {
  const geo = geometry(width, rows);
  let top = 0;
  const rungs = rows.map((row) => {
    const rung = drawn(row, geo, top, pick);
    top += rowOf(geo, row).height;
    return rung;
  });
  const height = top + 12;
  // For a screen reader the table is the same, in words.
  const body = s(
    "svg",
    {
      class: `ladder${geo.isNarrow ? " narrow" : ""}`,
      viewBox: `0 0 ${geo.width} ${height}`,
      width: geo.width,
      height,
      "aria-hidden": "true",
    },
    [
      ...rungs.map((rung) => rung.firstChild),
      ...geo.lanes.map(({ id }) =>
        s("line", { class: "life", x1: geo.at[id], x2: geo.at[id], y1: 0, y2: height - 8 }),
      ),
      ...rungs,
    ],
  );
  return [heads(geo), body];
}

/** The same as a table; the button of a row opens its entry. */
export function table(rows, pick) {
  const head = ["Entry", "Time", "From, to", "What", "Code", "Gate", "Remark", "In the signed log"];
  return h("table", { class: "story" }, [
    h("caption", { class: "unseen" }, "The entries of the witness log in the order of time"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head.map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((row) =>
        h("tr", { class: row.included ? "" : "forged" }, [
          h(
            "th",
            { scope: "row", "data-name": "Entry" },
            row.isMore
              ? h("span", { class: "unseen" }, `${row.index}, continued`)
              : h(
                  "button",
                  {
                    class: "link",
                    type: "button",
                    "data-key": `entry-${row.index}`,
                    onclick: () => pick(row.index),
                    "aria-label": `Entry ${row.index}: show all of it`,
                  },
                  `#${row.index}`,
                ),
          ),
          h(
            "td",
            { "data-name": "Time", class: "figures" },
            h("span", { title: row.time }, [
              offset(row.seconds),
              " ",
              h("span", { class: "quiet" }, clock(row.time)),
            ]),
          ),
          h("td", { "data-name": "From, to" }, sentence(row)),
          h("td", { "data-name": "What" }, row.label),
          h(
            "td",
            { "data-name": "Code", class: "figures" },
            row.code === undefined ? "" : String(row.code),
          ),
          h("td", { "data-name": "Gate" }, gateWord(row)),
          h("td", { "data-name": "Remark" }, row.remark),
          h(
            "td",
            { "data-name": "In the signed log" },
            row.included
              ? h("span", { class: "state" }, [mark("check", "good"), "included"])
              : h("span", { class: "state bad" }, [
                  mark("alarm", "bad"),
                  `not verified: ${row.problem}`,
                ]),
          ),
        ]),
      ),
    ),
  ]);
}

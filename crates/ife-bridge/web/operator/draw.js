// Draws the rows of a story: as a ladder of life lines (SVG) for the eye, as a table for everybody.

import { h, mark, s } from "./dom.js";
import { LANES, offset, sentence } from "./ladder.js";
import { clock } from "./words.js";

const ROW = 46;
const HEAD = 44;
const TIME_WIDTH = 92;
const MARK_WIDTH = 40;
const LANE_MIN = 104;
const REMARK_WIDTH = 236;

/** As much of a text as fits `width` px at about 6.6 px a letter. */
export function cut(text, width) {
  const room = Math.max(3, Math.floor(width / 6.6));
  const letters = [...text];
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join("")}…`;
}

/** Where things are, for a diagram as wide as `width` allows. */
export function geometry(width) {
  const remark = width >= TIME_WIDTH + MARK_WIDTH + REMARK_WIDTH + LANE_MIN * LANES.length ? REMARK_WIDTH : 0;
  const lane = Math.max(LANE_MIN, Math.floor((width - TIME_WIDTH - MARK_WIDTH - remark) / LANES.length));
  const at = Object.fromEntries(LANES.map(({ id }, place) => [id, TIME_WIDTH + lane * place + lane / 2]));
  const remarkAt = TIME_WIDTH + lane * LANES.length + 8;
  return { lane, at, remark, remarkAt, markAt: remarkAt + remark, width: remarkAt + remark + MARK_WIDTH };
}

function lines(geo, height) {
  return LANES.map(({ id, name }) => [
    s("line", { class: "life", x1: geo.at[id], x2: geo.at[id], y1: HEAD, y2: height - 8 }),
    s("text", { class: "lane", x: geo.at[id], y: 24, "text-anchor": "middle" }, name),
  ]);
}

function verdict(row, x, y) {
  if (!row.gate) return null;
  const good = row.gate === "approved";
  return s("g", { class: good ? "good" : "bad", transform: `translate(${x - 8} ${y - 8})` }, [
    s("circle", { class: "ground", cx: 8, cy: 8, r: 9 }),
    ...(good
      ? [s("circle", { class: "solid", cx: 8, cy: 8, r: 7 }), s("path", { class: "cut", d: "M4.8 8.3l2.2 2.2 4.2-4.6" })]
      : [s("path", { class: "solid", d: "M5 1h6l4 4v6l-4 4H5l-4-4V5z" }), s("path", { class: "cut", d: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" })]),
  ]);
}

function rung(row, geo, y) {
  const [from, to] = [geo.at[row.from], geo.at[row.to]];
  if (row.from === row.to) {
    const shown = cut(row.label, geo.lane * 1.6);
    const width = Math.max(34, [...shown].length * 6.9 + (row.gate ? 42 : 20));
    return [
      s("rect", { class: "note", x: from - width / 2, y: y - 12, width, height: 24, rx: 12 }),
      s("text", { class: "label", x: from + (row.gate ? 10 : 0), y: y + 4, "text-anchor": "middle" }, shown),
      verdict(row, from - width / 2 + 14, y),
    ];
  }
  const right = to > from;
  const tip = right ? to - 3 : to + 3;
  const back = right ? tip - 8 : tip + 8;
  const middle = row.via && (from + to) / 2 === geo.at[row.via] ? (from + geo.at[row.via]) / 2 : (from + to) / 2;
  return [
    s("line", { class: "wire", x1: from, x2: tip, y1: y, y2: y }),
    s("path", { class: "tip", d: `M${tip} ${y}L${back} ${y - 4.5}V${y + 4.5}z` }),
    s("circle", { class: "foot", cx: from, cy: y, r: 3 }),
    row.via && !row.gate ? s("circle", { class: "foot", cx: geo.at[row.via], cy: y, r: 3 }) : null,
    s("text", { class: "label", x: middle, y: y - 7, "text-anchor": "middle" }, cut(row.label, Math.abs(to - from))),
    // The gate's word stands where it was spoken.
    row.gate ? verdict(row, geo.at[row.via ?? row.from], y) : null,
  ];
}

function inLog(row, geo, y) {
  if (row.isMore) return null;
  const x = geo.markAt + 10;
  const word = row.included ? "in the signed log" : "not verified";
  const shape = row.included
    ? [s("circle", { class: "solid", cx: 8, cy: 8, r: 7 }), s("path", { class: "cut", d: "M4.8 8.3l2.2 2.2 4.2-4.6" })]
    : [s("path", { class: "solid", d: "M8 1.2 15.4 14.4H.6z" }), s("path", { class: "cut", d: "M8 6v4M8 11.8v.6" })];
  return s("g", { class: row.included ? "seal good" : "seal bad", transform: `translate(${x} ${y - 8})` }, [s("title", {}, `entry ${row.index}: ${word}`), ...shape]);
}

/** The diagram. `pick` is called with the index of an entry that was clicked. */
export function ladder(rows, width, pick) {
  const geo = geometry(width);
  const height = HEAD + rows.length * ROW + 16;
  const drawn = rows.map((row, place) => {
    const y = HEAD + place * ROW + ROW / 2 + 8;
    return s("g", { class: `rung ${row.tone}${row.included ? "" : " forged"}`, "data-index": row.index, onclick: () => pick(row.index) }, [
      s("rect", { class: "band", x: 0, y: y - ROW / 2 - 4, width: geo.width, height: ROW, rx: 8 }),
      s("text", { class: "time", x: TIME_WIDTH - 14, y: y + 4, "text-anchor": "end" }, row.isMore ? "" : offset(row.seconds)),
      ...rung(row, geo, y),
      geo.remark ? s("text", { class: "remark", x: geo.remarkAt, y: y + 4 }, cut(row.included ? row.remark : "NOT WHAT WAS SIGNED", geo.remark)) : null,
      inLog(row, geo, y),
    ]);
  });
  // For a screen reader the table tells the same, in words.
  return s("svg", { class: "ladder", viewBox: `0 0 ${geo.width} ${height}`, width: geo.width, height, "aria-hidden": "true" }, [
    ...drawn.map((group) => group.firstChild),
    ...lines(geo, height).flat(),
    ...drawn,
  ]);
}

/** The same as a table; the button of a row opens its entry. */
export function table(rows, pick) {
  const head = ["Entry", "Time", "From, to", "What", "Code", "Gate", "Remark", "In the signed log"];
  return h("table", { class: "story" }, [
    h("caption", { class: "unseen" }, "The entries of the witness log in the order of time"),
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) =>
      h("tr", { class: row.included ? "" : "forged" }, [
        h("th", { scope: "row", "data-name": "Entry" }, row.isMore ? h("span", { class: "unseen" }, `${row.index}, continued`) : h("button", { class: "link", type: "button", "data-key": `entry-${row.index}`, onclick: () => pick(row.index), "aria-label": `Entry ${row.index}: show all of it` }, `#${row.index}`)),
        h("td", { "data-name": "Time", class: "figures" }, h("span", { title: row.time }, [offset(row.seconds), " ", h("span", { class: "quiet" }, clock(row.time))])),
        h("td", { "data-name": "From, to" }, sentence(row)),
        h("td", { "data-name": "What" }, row.label),
        h("td", { "data-name": "Code", class: "figures" }, row.code === undefined ? "" : String(row.code)),
        h("td", { "data-name": "Gate" }, row.gateName && row.gateName !== "none" ? row.gateName : row.gate === "approved" ? "approved" : ""),
        h("td", { "data-name": "Remark" }, row.remark),
        h("td", { "data-name": "In the signed log" }, row.included ? h("span", { class: "state" }, [mark("check", "good"), "included"]) : h("span", { class: "state bad" }, [mark("alarm", "bad"), `not verified: ${row.problem}`])),
      ]),
    )),
  ]);
}

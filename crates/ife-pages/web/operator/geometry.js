// Where the parts of a ladder stand, in pixels. Pure.

import { LANES } from "./ladder.js";

const TIME_WIDTH = 92;
const MARK_WIDTH = 40;
const LANE_MIN = 104;
const REMARK_WIDTH = 236;
const WIDE_MIN = TIME_WIDTH + LANE_MIN * LANES.length + 8 + MARK_WIDTH;
const WIDTH_MIN = 240;
/** Below this distance of two lanes their names stand on two lines. */
const NAMES_MIN = 76;

/** As much of a text as fits `width` px at about 6.6 px a letter. */
export function cut(text, width) {
  const room = Math.max(3, Math.floor(width / 6.6));
  const letters = [...text];
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join("")}…`;
}

/**
 * A diagram no wider than `width`. A wide one has all lanes, and a row's text on its line.
 * A narrow one has the lanes that its rows use, and a row's text above its arrow.
 */
export function geometry(width, rows = []) {
  return width >= WIDE_MIN ? wide(width) : narrow(Math.max(WIDTH_MIN, width), lanesOf(rows));
}

function lanesOf(rows) {
  const used = new Set(rows.flatMap(({ from, to, via }) => [from, to, via]));
  const lanes = LANES.filter(({ id }) => used.has(id));
  return lanes.length > 0 ? lanes : LANES;
}

const places = (lanes, left, lane) =>
  Object.fromEntries(lanes.map(({ id }, place) => [id, left + lane * place + lane / 2]));

function wide(width) {
  const remark = width >= WIDE_MIN - 8 + REMARK_WIDTH ? REMARK_WIDTH : 0;
  const lane = Math.floor((width - TIME_WIDTH - MARK_WIDTH - 8 - remark) / LANES.length);
  const remarkAt = TIME_WIDTH + lane * LANES.length + 8;
  return {
    isNarrow: false,
    lanes: LANES,
    lane,
    at: places(LANES, TIME_WIDTH, lane),
    names: LANES.map(() => 24),
    head: 36,
    timeAt: TIME_WIDTH - 14,
    remark,
    remarkAt,
    markAt: remarkAt + remark + 10,
    width: remarkAt + remark + MARK_WIDTH,
  };
}

function narrow(width, lanes) {
  const lane = width / lanes.length;
  const isTight = lane < NAMES_MIN;
  return {
    isNarrow: true,
    lanes,
    lane,
    at: places(lanes, 0, lane),
    names: lanes.map((_, place) => (isTight && place % 2 === 1 ? 38 : 22)),
    head: isTight ? 48 : 32,
    timeAt: width - 32,
    remark: 0,
    remarkAt: 10,
    markAt: width - 24,
    width,
  };
}

/** Height of a row and, from its top, where the arrow is. */
export function rowOf(geo, row) {
  if (!geo.isNarrow) return { height: 46, arrow: 27 };
  return row.remark || !row.included ? { height: 76, arrow: 58 } : { height: 58, arrow: 40 };
}

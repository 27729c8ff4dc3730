// The rows of a ladder diagram, from a story of the API: who sent what to whom is there, the time
// since the first entry is computed here. Pure: no document, no clock. Entries are strangers' text:
// a member of the wrong kind counts as absent.

/** Life lines from left to right: the way of an escalation. */
export const LANES = [
  { id: "agent", name: "Agent" },
  { id: "bridge", name: "Bridge" },
  { id: "gateway", name: "Gateway" },
  { id: "kamailio", name: "Kamailio" },
  { id: "expert", name: "Expert" },
  { id: "council", name: "Council" },
];

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isInteger(value) ? value : undefined);

/**
 * Nanoseconds since 1970 as a BigInt; JavaScript's own times stop at milliseconds. `null` without a
 * time.
 */
export function nanoseconds(time) {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text(time));
  const ms = parts ? Date.parse(`${parts[1]}Z`) : Number.NaN;
  if (Number.isNaN(ms)) return null;
  return BigInt(ms) * 1_000_000n + BigInt((parts[2] ?? "").padEnd(9, "0"));
}

/**
 * The rows of a story's entries, which are in the order of time: those of the API with `index`,
 * `seconds` since the first one, `time`, `event`, `code`, `gateName`, `included` and `problem` of
 * their entry. The second row of an entry has `isMore`.
 */
export function rows(entries) {
  const first = entries.map(({ entry }) => nanoseconds(entry?.time)).find((time) => time !== null);
  return entries.flatMap((seen) => {
    const at = nanoseconds(seen.entry?.time);
    const seconds = at === null || first === undefined ? null : Number(at - first) / 1e9;
    return seen.rows.map((row, place) => ({
      ...row,
      isMore: place > 0,
      index: seen.index,
      seconds,
      time: text(seen.entry?.time),
      event: text(seen.entry?.event),
      code: number(seen.entry?.code),
      gateName: text(seen.entry?.gate),
      included: seen.included === true,
      problem: seen.included === true ? "" : text(seen.problem) || "not checked",
    }));
  });
}

/** `+0.104 s`. */
export function offset(seconds) {
  if (seconds === null) return "";
  const digits = Math.abs(seconds) < 100 ? 3 : 1;
  return `${seconds < 0 ? "−" : "+"}${Math.abs(seconds).toFixed(digits)} s`;
}

/** The gate that spoke, and whether its refusal was carried out. */
export function gateWord(row) {
  if (!row.gateName || row.gateName === "none") return row.verdict === "approved" ? "approved" : "";
  return row.shadow === true ? `${row.gateName}, not enforced` : row.gateName;
}

/** A row in words, for the table and for screen readers. */
export function sentence(row) {
  const name = (id) => LANES.find((lane) => lane.id === id)?.name ?? id;
  return row.from === row.to ? name(row.from) : `${name(row.from)} to ${name(row.to)}`;
}

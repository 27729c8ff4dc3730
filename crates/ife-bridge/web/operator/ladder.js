// From the witness log's entries to the rows of a ladder diagram. Pure: no document, no clock.
//
// An entry is one row, a refusal two (the INVITE and its answer). Who sent what to whom follows from the author, which the API names, and the event, as
// docs/operator-page.md tells. Entries are strangers' text: a member of the wrong kind counts as absent.

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

/** Nanoseconds since 1970 as a BigInt; JavaScript's own times stop at milliseconds. `null` without a time. */
export function nanoseconds(time) {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text(time));
  const ms = parts ? Date.parse(`${parts[1]}Z`) : Number.NaN;
  if (Number.isNaN(ms)) return null;
  return BigInt(ms) * 1_000_000n + BigInt((parts[2] ?? "").padEnd(9, "0"));
}

/** `sip:a@b` of a From that may be a URI in brackets with parameters. */
const address = (value) => (/sips?:[^\s;>]+/.exec(text(value))?.[0] ?? "").replace(/^sips:/, "sip:").toLowerCase();

/** What a call's other entries tell of it: which way it goes, who called. */
function callsOf(entries) {
  const calls = new Map();
  for (const { author, entry } of entries) {
    const id = text(entry?.call_id);
    if (author !== "gate" || !id) continue;
    const call = calls.get(id) ?? { toCouncil: false, caller: "", hasInvite: false };
    if (entry.direction) call.toCouncil = entry.direction === "to_council";
    if (["INVITE", "APPROVED", "REJECTED"].includes(entry.event)) {
      call.caller ||= address(entry.from);
      call.hasInvite ||= entry.event === "INVITE";
    }
    calls.set(id, call);
  }
  return calls;
}

const arrow = (from, to, label, more) => ({ from, to, label, ...more });
const note = (at, label, more) => ({ from: at, to: at, label, ...more });

function status(entry) {
  const code = number(entry.code);
  return [code, text(entry.reason)].filter(Boolean).join(" ");
}

/** Rows of an entry of Kamailio. */
function ofProxy(entry, call = { toCouncil: entry.direction === "to_council", caller: "", hasInvite: false }) {
  const [caller, callee] = call.toCouncil ? ["expert", "gateway"] : ["gateway", "expert"];
  const byCallee = call.caller && address(entry.from) && address(entry.from) !== call.caller;
  const [sender, receiver] = byCallee ? [callee, caller] : [caller, callee];
  const gate = text(entry.gate);
  const signed = text(entry.kid) && `signed by ${text(entry.kid)}`;
  // Of a request, its method is all that a detail may say.
  const detail = text(entry.detail) === text(entry.event) ? "" : text(entry.detail);
  switch (entry.event) {
    case "INVITE":
      return [arrow(caller, "kamailio", "INVITE", { remark: detail || text(entry.peer) })];
    case "APPROVED": {
      const more = { gate: "approved", tone: "good", remark: ["approved", signed].filter(Boolean).join(", ") };
      return [call.hasInvite ? arrow("kamailio", callee, "INVITE", more) : arrow(caller, callee, "INVITE", { via: "kamailio", ...more })];
    }
    case "REJECTED": {
      if (number(entry.omitted?.count) !== undefined) return [note("kamailio", `${entry.omitted.count} more refused`, { gate: "rejected", tone: "bad", remark: detail })];
      const answer = arrow("kamailio", caller, status(entry) || "refused", { gate: "rejected", tone: "bad", remark: `rejected at gate ${gate || "?"}` });
      return call.hasInvite ? [answer] : [arrow(caller, "kamailio", "INVITE", { tone: "bad", remark: text(entry.peer) }), answer];
    }
    case "TRYING":
    case "RINGING":
    case "CONNECTED":
    case "FAILED": {
      const tone = { CONNECTED: "good", FAILED: "bad" }[entry.event];
      return [arrow(callee, caller, status(entry) || entry.event.toLowerCase(), { via: "kamailio", tone, remark: detail })];
    }
    case "ACK":
    case "CANCEL":
    case "BYE":
    case "REINVITE":
      return [arrow(sender, receiver, entry.event === "REINVITE" ? "INVITE again" : entry.event, { via: "kamailio", remark: [status(entry), detail].filter(Boolean).join(", ") })];
    default:
      return [note("kamailio", entry.event.toLowerCase().replaceAll("_", " "), { remark: [status(entry), detail].filter(Boolean).join(", ") })];
  }
}

/** What of a bridge's entry is worth a remark. */
function remarkOf(entry) {
  const [gate, attempt, code, cause] = [text(entry.gate), number(entry.attempt), number(entry.code), number(entry.cause)];
  const parts = [
    text(entry.guardian) && `guardian ${text(entry.guardian)}`,
    text(entry.reason).replaceAll("_", " "),
    gate && `gate ${gate}`,
    code !== undefined && `code ${code}`,
    cause !== undefined && `cause ${cause}`,
    attempt > 0 && `attempt ${attempt + 1}`,
    text(entry.detail),
  ];
  return parts.filter(Boolean).join(", ");
}

/** Of evidence, which file and which hash; a hash by its first digits, as the entry itself has it whole. */
function evidenceRemark(detail) {
  const told = text(detail).split(/\s+/).filter((word) => !/^(session|binding)=/.test(word));
  return told.map((word) => word.replace(/^([a-z0-9_]+=[0-9a-f]{12})[0-9a-f]{52}$/, "$1…")).join(" ");
}

/** Rows of an entry of the bridge or its evidence server. */
function ofBridge(entry) {
  const remark = remarkOf(entry);
  const said = evidenceRemark(entry.detail);
  const inward = entry.direction === "to_council";
  const peer = text(entry.guardian) ? "council" : "expert";
  const rows = {
    ESCALATE: () => arrow("agent", "bridge", "escalate", { remark }),
    APPROVED: () => note("bridge", "gate asked", { gate: "approved", tone: "good", remark: remark || "approved" }),
    REJECTED: () => arrow("bridge", "agent", "refused", { gate: "rejected", tone: "bad", remark: `rejected at gate ${text(entry.gate) || "?"}` }),
    INVITE: () => (inward ? note("bridge", "expert's call seen", { remark }) : arrow("bridge", "gateway", "call the expert", { remark })),
    TRYING: () => arrow("bridge", "gateway", inward ? "take to the room" : "join the council", { remark }),
    RINGING: () => arrow("gateway", "bridge", "rings", { remark }),
    CONNECTED: () => arrow("gateway", "bridge", "answered", { tone: "good", remark }),
    H323_SETUP: () => arrow("gateway", "council", "H.323 setup", { remark }),
    H323_CONNECTED: () => arrow("council", "gateway", "H.323 connected", { tone: "good", remark }),
    H323_RELEASED: () => arrow("gateway", "council", "H.323 released", { remark }),
    COUNCIL_JOIN: () => (peer === "council" ? note("council", "joins the room", { remark }) : arrow("expert", "council", "joins the room", { tone: "good", remark })),
    COUNCIL_LEAVE: () => (peer === "council" ? note("council", "leaves the room", { remark }) : arrow("council", "expert", "leaves the room", { remark })),
    CANCEL: () => arrow("bridge", "gateway", "cancel", { remark }),
    BYE: () => arrow("bridge", "gateway", "hang up", { remark }),
    FAILED: () => arrow("bridge", "agent", "failed", { tone: "bad", remark }),
    TERMINATED: () => arrow("bridge", "agent", "ended", { remark }),
    EVIDENCE_OFFER: () => arrow("expert", "bridge", "evidence: offer", { remark: said }),
    EVIDENCE_ANSWER: () => arrow("bridge", "expert", "evidence: answer", { remark: said }),
    EVIDENCE_OPEN: () => arrow("expert", "bridge", "evidence: channel open", { remark: said }),
    EVIDENCE_SENT: () => arrow("bridge", "expert", "evidence: file sent", { remark: said }),
    EVIDENCE_VERIFIED: () => arrow("expert", "bridge", "evidence: receipt", { tone: "good", remark: said }),
    EVIDENCE_FAILED: () => note("bridge", "evidence failed", { tone: "bad", remark: said }),
  };
  const make = Object.hasOwn(rows, entry.event) ? rows[entry.event] : () => note("bridge", entry.event.toLowerCase().replaceAll("_", " "), { remark });
  return [make()];
}

/** Rows of one entry, without time and place. */
function rungs({ author, entry }, calls) {
  if (typeof entry?.event !== "string") return [note("kamailio", "not readable", { tone: "bad" })];
  switch (author) {
    case "bridge":
    case "evidence":
      return ofBridge(entry);
    case "writer":
      return [note("kamailio", entry.event === "GAP" ? "entries are missing" : entry.event.toLowerCase(), { tone: entry.event === "GAP" ? "bad" : undefined, remark: text(entry.detail) })];
    default:
      return ofProxy(entry, calls.get(text(entry.call_id)));
  }
}

/**
 * The rows of a story's entries, which are in the order of time. Each row: `from`, `to`, perhaps `via` (lanes), `label`, `remark`, `gate` (`approved` or
 * `rejected`), `tone`, and of its entry `index`, `seconds` since the first one, `time`, `event`, `code`, `gateName`, `included`, `problem`. The second row of an
 * entry has `isMore`.
 */
export function rows(entries) {
  const calls = callsOf(entries);
  const first = entries.map(({ entry }) => nanoseconds(entry?.time)).find((time) => time !== null);
  return entries.flatMap((seen) => {
    const at = nanoseconds(seen.entry?.time);
    const seconds = at === null || first === undefined ? null : Number(at - first) / 1e9;
    return rungs(seen, calls).map((rung, place) => ({
      tone: "plain",
      remark: "",
      ...rung,
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

/** What is the same for the whole story, from the first entry that has it. */
export function title(entries) {
  const find = (member) => entries.map(({ entry }) => text(entry?.[member])).find(Boolean) ?? "";
  return { traceId: find("trace_id"), callId: find("call_id"), hazard: find("hazard"), expert: find("expert"), caller: find("from"), began: find("time") };
}

/** `+0.104 s`. */
export function offset(seconds) {
  if (seconds === null) return "";
  const digits = Math.abs(seconds) < 100 ? 3 : 1;
  return `${seconds < 0 ? "−" : "+"}${Math.abs(seconds).toFixed(digits)} s`;
}

/** A row in words, for the table and for screen readers. */
export function sentence(row) {
  const name = (id) => LANES.find((lane) => lane.id === id)?.name ?? id;
  return row.from === row.to ? name(row.from) : `${name(row.from)} to ${name(row.to)}`;
}

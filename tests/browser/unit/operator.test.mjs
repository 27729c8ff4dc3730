// The pure parts of the operator's page.

import assert from "node:assert/strict";
import { test } from "node:test";

const web = "../../../crates/ife-bridge/web/operator";
const { LANES, nanoseconds, offset, rows, sentence, title } = await import(`${web}/ladder.js`);
const { shown, unknownSteps } = await import(`${web}/chart.js`);
const { Parser } = await import(`${web}/sse.js`);
const { cut, geometry, rowOf } = await import(`${web}/geometry.js`);
const { ago, duration, grouped, reason } = await import(`${web}/words.js`);

const council = "sip:council@council.example";
const expert = "sip:expert-safety@external.advisor";

/** An entry as the API tells it. */
const seen = (index, ms, entry, more) => ({
  index,
  author: entry.producer.startsWith("kamailio") ? "gate" : entry.producer.split("-")[0],
  included: true,
  leaf_hash: "sha256:00",
  entry: { v: 1, time: `2026-01-01T00:00:00.${String(ms).padStart(3, "0")}000000Z`, trace_id: "t-1", ...entry },
  ...more,
});
const proxy = (index, ms, event, more) => seen(index, ms, { producer: "kamailio-1", event, call_id: "c-1", direction: "to_expert", from: council, ...more });
const bridge = (index, ms, event, more) => seen(index, ms, { producer: "bridge-node1", event, call_id: "sip-call-1", direction: "to_expert", ...more });
const arrows = (entries) => rows(entries).map((row) => `${row.from}>${row.to}${row.via ? ` via ${row.via}` : ""}: ${row.label}`);

test("a call through the gate goes from the gateway to the expert and back", () => {
  const entries = [
    proxy(0, 0, "APPROVED", { code: 200, reason: "OK", kid: "council-2026a", ruri: expert }),
    proxy(1, 100, "RINGING", { code: 180, reason: "Ringing" }),
    proxy(2, 200, "CONNECTED", { code: 200, reason: "OK" }),
    proxy(3, 201, "ACK"),
    proxy(4, 900, "BYE", { from: `<${expert}>;tag=x` }),
  ];
  assert.deepEqual(arrows(entries), [
    "gateway>expert via kamailio: INVITE",
    "expert>gateway via kamailio: 180 Ringing",
    "expert>gateway via kamailio: 200 OK",
    "gateway>expert via kamailio: ACK",
    "expert>gateway via kamailio: BYE",
  ]);
  const [first] = rows(entries);
  assert.deepEqual([first.gate, first.tone, first.remark, first.code], ["approved", "good", "approved, signed by council-2026a", 200]);
});

test("a refusal is the INVITE and its answer, and counts as one entry", () => {
  const told = rows([proxy(7, 0, "REJECTED", { code: 403, reason: "Forbidden", gate: "hazard", peer: "udp:127.0.0.1:5070" })]);
  assert.deepEqual(told.map((row) => [row.from, row.to, row.label, row.isMore, row.index]), [
    ["gateway", "kamailio", "INVITE", false, 7],
    ["kamailio", "gateway", "403 Forbidden", true, 7],
  ]);
  assert.deepEqual([told[1].gate, told[1].remark, told[1].gateName], ["rejected", "rejected at gate hazard", "hazard"]);
});

test("an expert who calls in comes from the other side", () => {
  const more = { direction: "to_council", from: expert };
  assert.deepEqual(arrows([proxy(0, 0, "APPROVED", more), proxy(1, 1, "CONNECTED", { ...more, code: 200, reason: "OK" })]), [
    "expert>gateway via kamailio: INVITE",
    "gateway>expert via kamailio: 200 OK",
  ]);
});

test("the bridge's way is told from the agent to the council", () => {
  const more = { state: "x", attempt: 0, expert: "e", room: "council" };
  const entries = [
    bridge(0, 0, "ESCALATE", more),
    bridge(1, 1, "APPROVED", more),
    bridge(2, 2, "INVITE", more),
    bridge(3, 3, "CONNECTED", more),
    bridge(4, 4, "COUNCIL_JOIN", more),
    seen(5, 5, { producer: "bridge-node1", event: "H323_SETUP", guardian: "g-1", room: "council" }),
    seen(6, 6, { producer: "bridge-node1", event: "H323_RELEASED", guardian: "g-1", room: "council", cause: 16 }),
    bridge(7, 7, "FAILED", { ...more, reason: "expert_busy", cause: 17 }),
  ];
  assert.deepEqual(arrows(entries), [
    "agent>bridge: escalate",
    "bridge>bridge: gate asked",
    "bridge>gateway: call the expert",
    "gateway>bridge: answered",
    "expert>council: joins the room",
    "gateway>council: H.323 setup",
    "gateway>council: H.323 released",
    "bridge>agent: failed",
  ]);
  assert.deepEqual(rows(entries).slice(5).map((row) => row.remark), ["guardian g-1", "guardian g-1, cause 16", "expert busy, cause 17"]);
});

test("evidence is told between expert and bridge", () => {
  const evidence = (index, event) => seen(index, index, { producer: "evidence-node1", event, call_id: "sip-call-1" });
  const events = ["EVIDENCE_OFFER", "EVIDENCE_ANSWER", "EVIDENCE_OPEN", "EVIDENCE_SENT", "EVIDENCE_VERIFIED", "EVIDENCE_FAILED", "START"];
  assert.deepEqual(arrows(events.map((event, index) => evidence(index, event))), [
    "expert>bridge: evidence: offer",
    "bridge>expert: evidence: answer",
    "expert>bridge: evidence: channel open",
    "bridge>expert: evidence: file sent",
    "expert>bridge: evidence: receipt",
    "bridge>bridge: evidence failed",
    "bridge>bridge: start",
  ]);
  const [row] = rows([seen(0, 0, { producer: "evidence-node1", event: "EVIDENCE_SENT", detail: `session=abc file=0 size=23 sha256=${"0123456789abcdef".repeat(4)}` })]);
  assert.equal(row.remark, "file=0 size=23 sha256=0123456789ab…");
});

test("rows tell time since the first entry, and whether the entry is what was signed", () => {
  const [first, second] = rows([proxy(0, 0, "APPROVED"), { ...proxy(1, 104, "RINGING"), included: false, problem: "changed" }]);
  assert.deepEqual([first.seconds, offset(first.seconds), first.included, first.problem], [0, "+0.000 s", true, ""]);
  assert.deepEqual([second.seconds, offset(second.seconds), second.included, second.problem], [0.104, "+0.104 s", false, "changed"]);
  assert.equal(sentence(second), "Expert to Gateway");
});

test("nothing that strangers can log breaks the diagram", () => {
  const lanes = new Set(LANES.map((lane) => lane.id));
  const strange = [null, 7, [], "text", {}, { event: 5 }, { event: "constructor", producer: "bridge-x" }, { event: "__proto__", producer: ["bridge-x"] }, { event: "REJECTED", code: "403", gate: {}, detail: 7 }, { event: "INVITE", time: "never", from: {}, call_id: [] }];
  const told = ["gate", "bridge", "evidence", "writer", undefined, 5].flatMap((author) => rows(strange.map((entry, index) => ({ index, author, included: false, entry }))));
  assert.ok(told.length >= 6 * strange.length);
  for (const row of told) {
    assert.ok(lanes.has(row.from) && lanes.has(row.to), JSON.stringify(row));
    assert.equal(typeof row.label, "string");
    assert.equal(typeof row.remark, "string");
    assert.equal(row.problem, "not checked");
  }
  assert.deepEqual(title([]), { traceId: "", callId: "", hazard: "", expert: "", caller: "", began: "" });
});

test("nanoseconds are exact", () => {
  assert.equal(nanoseconds("1970-01-01T00:00:01.000000001Z"), 1_000_000_001n);
  assert.equal(nanoseconds("1970-01-01T00:00:01Z"), 1_000_000_000n);
  for (const none of ["", "1970-01-01", "1970-13-01T00:00:00Z", undefined, 5]) assert.equal(nanoseconds(none), null, `${none}`);
});

test("a diagram is never wider than there is room, and lanes stand in their order", () => {
  for (const width of [280, 358, 720, 770, 1300, 2000]) {
    const geo = geometry(width);
    const places = LANES.map(({ id }) => geo.at[id]);
    assert.deepEqual(places, [...places].sort((a, b) => a - b));
    assert.ok(geo.width <= width && places[0] - geo.lane / 2 >= 0 && places.at(-1) + geo.lane / 2 <= width, `${width} px`);
    assert.ok(geo.markAt < geo.width);
    // Names beside each other have 76 px at least; on a narrow diagram they take turns on two lines.
    assert.ok(geo.lane >= 76 || geo.names[0] !== geo.names[1], `${width} px`);
  }
  // A view that is being left has no width.
  assert.ok(geometry(-2).lane > 0);
  assert.ok(geometry(358).isNarrow && !geometry(1300).isNarrow);
  assert.ok(geometry(1300).remark > 0);
});

test("a narrow diagram has the lanes that its rows use, and room for what a row says", () => {
  const told = rows([proxy(0, 0, "APPROVED"), proxy(1, 1, "RINGING", { code: 180, reason: "Ringing" })]);
  const geo = geometry(358, told);
  assert.deepEqual(geo.lanes.map(({ id }) => id), ["gateway", "kamailio", "expert"]);
  assert.deepEqual(geometry(1300, told).lanes, LANES);
  assert.ok(rowOf(geo, told[0]).height > rowOf(geo, told[1]).height);
});

test("texts are cut where they do not fit", () => {
  assert.equal(cut("a longer text", 40), "a lon…");
  assert.equal(cut("short", 400), "short");
});

test("the chart shows approvals at the proxy and refusals of both", () => {
  const lines = [
    { at: "proxy", verdict: "approved", counts: [1, 2] },
    { at: "proxy", verdict: "rejected", gate: "hazard", counts: [0, 1] },
    { at: "bridge", verdict: "approved", counts: [9, 9] },
    { at: "bridge", verdict: "rejected", gate: "quota", counts: [3, 0] },
  ];
  assert.deepEqual(shown({ lines }).map((line) => `${line.name} ${line.where} ${line.total}`), ["approved  3", "quota at the bridge 3", "hazard  1"]);
});

test("steps before anything was counted are told as unknown", () => {
  const view = (counted_from) => ({ from: "2026-01-01T00:00:00.000Z", step_s: 60, counted_from });
  assert.equal(unknownSteps(view("2026-01-01T00:10:30.000Z"), 60), 10);
  assert.equal(unknownSteps(view("2025-12-31T00:00:00.000Z"), 60), 0);
  assert.equal(unknownSteps(view("2026-01-02T00:00:00.000Z"), 60), 60);
  assert.equal(unknownSteps(view(undefined), 60), 60);
});

test("events come whole, however the stream is cut", () => {
  const stream = ": keep alive\r\n\r\nevent: call\r\ndata: {\"a\":1}\r\n\r\ndata: x\ndata:y\n\nevent: empty\n\ndata: z\r\r";
  const whole = [{ event: "call", data: '{"a":1}' }, { event: "message", data: "x\ny" }];
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new Parser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events.slice(0, 2), whole, `pieces of ${size}`);
  }
  assert.throws(() => new Parser().push("x".repeat(2 << 20)), /too long/);
});

test("times and reasons are told as people do", () => {
  assert.deepEqual([0, 61_000, 3_723_000].map(duration), ["0:00", "1:01", "1:02:03"]);
  assert.deepEqual([999, 1000, 1_234_567].map(grouped), ["999", "1,000", "1,234,567"]);
  assert.equal(ago(new Date(Date.now() - 300_000).toISOString()), "5 min ago");
  assert.equal(reason("expert_no_answer cause=19"), "expert no answer (cause 19)");
  assert.equal(reason("refused gate=4 code=403"), "refused at gate hazard, 403");
  assert.equal(reason(undefined), undefined);
});

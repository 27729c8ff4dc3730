// The pure parts of the operator's page.

import assert from "node:assert/strict";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/operator";
const { LANES, gateWord, nanoseconds, offset, rows, sentence } = await import(`${web}/ladder.js`);
const { shown, unknownSteps } = await import(`${web}/chart.js`);
const { Parser } = await import(`${web}/sse.js`);
const { cut, geometry, rowOf } = await import(`${web}/geometry.js`);
const { ago, duration, grouped, outcome, reason } = await import(`${web}/words.js`);

/** An entry as in the API. */
const seen = (index, ms, more) => ({
  index,
  author: "gate",
  included: true,
  leaf_hash: "sha256:00",
  entry: {
    time: `2026-01-01T00:00:00.${String(ms).padStart(3, "0")}000000Z`,
    event: "REJECTED",
    gate: "hazard",
    code: 403,
  },
  rows: [
    { from: "gateway", to: "kamailio", label: "INVITE", remark: "", tone: "bad" },
    {
      from: "kamailio",
      to: "gateway",
      label: "403 Forbidden",
      remark: "rejected at gate hazard",
      verdict: "rejected",
      tone: "bad",
    },
  ],
  ...more,
});

test("rows tell time since the first entry, and whether the entry is what was signed", () => {
  const [first, more, second] = rows([
    seen(7, 0),
    seen(8, 104, { included: false, problem: "changed" }),
  ]);
  assert.deepEqual(
    [first.seconds, offset(first.seconds), first.included, first.problem],
    [0, "+0.000 s", true, ""],
  );
  assert.deepEqual(
    [second.seconds, offset(second.seconds), second.included, second.problem],
    [0.104, "+0.104 s", false, "changed"],
  );
  assert.deepEqual(
    [first.isMore, more.isMore, more.index, more.verdict, more.gateName, more.code],
    [false, true, 7, "rejected", "hazard", 403],
  );
  assert.equal(sentence(first), "Gateway to Kamailio");
});

test("a refusal that shadow mode let pass is told as not enforced", () => {
  const shadowed = {
    entry: { event: "REJECTED", gate: "hazard", code: 403, shadow: true },
    rows: [
      {
        from: "kamailio",
        to: "kamailio",
        label: "let pass (shadow)",
        remark: "would be rejected",
        verdict: "rejected",
        shadow: true,
        tone: "plain",
      },
    ],
  };
  const [row] = rows([seen(7, 0, shadowed)]);
  assert.deepEqual([row.shadow, gateWord(row)], [true, "hazard, not enforced"]);
  assert.equal(gateWord(rows([seen(7, 0)])[1]), "hazard");
  assert.equal(gateWord({ verdict: "approved", gateName: "none" }), "approved");
  assert.deepEqual(outcome("let_pass"), ["let pass (shadow)", "dash", "warn"]);
  const lines = [
    { at: "proxy", verdict: "rejected", gate: "hazard", counts: [1] },
    { at: "proxy", verdict: "rejected", gate: "hazard", shadow: true, counts: [2] },
  ];
  assert.deepEqual(
    shown({ lines }).map((line) => [line.name, line.where, line.tone]),
    [
      ["hazard", "let pass (shadow)", "warn"],
      ["hazard", "", "bad"],
    ],
  );
});

test("nothing that strangers can log breaks the rows", () => {
  for (const entry of [
    null,
    7,
    [],
    "text",
    {},
    { event: 5, time: "never", code: "403", gate: {} },
  ]) {
    const [row] = rows([
      {
        index: 0,
        included: false,
        entry,
        rows: [
          { from: "kamailio", to: "kamailio", label: "not readable", remark: "", tone: "bad" },
        ],
      },
    ]);
    assert.deepEqual(
      [row.seconds, row.event, row.code, row.gateName, row.problem],
      [null, "", undefined, "", "not checked"],
    );
  }
});

test("nanoseconds are exact", () => {
  assert.equal(nanoseconds("1970-01-01T00:00:01.000000001Z"), 1_000_000_001n);
  assert.equal(nanoseconds("1970-01-01T00:00:01Z"), 1_000_000_000n);
  for (const none of ["", "1970-01-01", "1970-13-01T00:00:00Z", undefined, 5]) {
    assert.equal(nanoseconds(none), null, `${none}`);
  }
});

test("a diagram is never wider than there is room, and lanes stand in their order", () => {
  for (const width of [280, 358, 720, 770, 1300, 2000]) {
    const geo = geometry(width);
    const places = LANES.map(({ id }) => geo.at[id]);
    assert.deepEqual(places, [...places].sort((a, b) => a - b));
    assert.ok(
      geo.width <= width && places[0] - geo.lane / 2 >= 0 && places.at(-1) + geo.lane / 2 <= width,
      `${width} px`,
    );
    assert.ok(geo.markAt < geo.width);
    // Names beside each other have 76 px at least; on a narrow diagram they take turns on two
    // lines.
    assert.ok(geo.lane >= 76 || geo.names[0] !== geo.names[1], `${width} px`);
  }
  // A view that is being left has no width.
  assert.ok(geometry(-2).lane > 0);
  assert.ok(geometry(358).isNarrow && !geometry(1300).isNarrow);
  assert.ok(geometry(1300).remark > 0);
});

test("a narrow diagram has the lanes that its rows use, and room for what a row says", () => {
  const row = (from, to, remark) => ({ from, to, via: "kamailio", remark, included: true });
  const told = [row("gateway", "expert", "approved"), row("expert", "gateway", "")];
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
  assert.deepEqual(
    shown({ lines }).map((line) => `${line.name} ${line.where} ${line.total}`),
    ["approved  3", "quota at the bridge 3", "hazard  1"],
  );
});

test("steps before anything was counted are told as unknown", () => {
  const view = (counted_from) => ({ from: "2026-01-01T00:00:00.000Z", step_s: 60, counted_from });
  assert.equal(unknownSteps(view("2026-01-01T00:10:30.000Z"), 60), 10);
  assert.equal(unknownSteps(view("2025-12-31T00:00:00.000Z"), 60), 0);
  assert.equal(unknownSteps(view("2026-01-02T00:00:00.000Z"), 60), 60);
  assert.equal(unknownSteps(view(undefined), 60), 60);
});

test("events come whole, however the stream is cut", () => {
  const stream =
    ': keep alive\r\n\r\nevent: call\r\ndata: {"a":1}\r\n\r\n' +
    "data: x\ndata:y\n\nevent: empty\n\ndata: z\r\r";
  const whole = [{ event: "call", data: '{"a":1}' }, { event: "message", data: "x\ny" }];
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new Parser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) {
      events.push(...parser.push(stream.slice(at, at + size)));
    }
    assert.deepEqual(events.slice(0, 2), whole, `pieces of ${size}`);
  }
  assert.throws(() => new Parser().push("x".repeat(2 << 20)), /too long/);
});

test("times and reasons are told as people do", () => {
  assert.deepEqual([0, 61_000, 3_723_000].map(duration), ["0:00", "1:01", "1:02:03"]);
  assert.deepEqual([999, 1000, 1_234_567].map(grouped), ["999", "1,000", "1,234,567"]);
  assert.equal(ago(new Date(Date.now() - 300_000).toISOString()), "5 min ago");
  const busy = {
    end: { word: "expert_busy", sip: 486 },
    cause: 17,
    reason: "expert_busy cause=17 sip=486",
  };
  assert.equal(reason(busy), "expert busy (cause 17, SIP 486)");
  assert.equal(reason({ end: { word: "council_left" }, cause: 16 }), "council left (cause 16)");
  assert.equal(
    reason({ end: { word: "expert_unreachable" }, cause: 0 }),
    "expert unreachable (cause 0)",
  );
  const refused = { end: { word: "refused", gate: "hazard", sip: 403 } };
  assert.equal(reason(refused), "refused at gate hazard (SIP 403)");
  assert.equal(reason({ reason: "gate_timeout" }), "gate timeout");
  assert.equal(reason({}), undefined);
});

import "./globals.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert";
const { bytes, capital, counted, duration, fileName, grouped, mediaType } = await import(
  `${web}/view/format.js`
);
const { Rate, secondsLeft } = await import(`${web}/progress.js`);
const { mayReload, noticeFor } = await import(`${web}/view/notices.js`);
const { guardianOf } = await import(`${web}/transport.js`);

test("sizes, times and types as people read them", () => {
  const cases = [
    [bytes, 0, "0 bytes"],
    [bytes, 1, "1 byte"],
    [bytes, 999, "999 bytes"],
    [bytes, 999_999, "1.0 MB"],
    [bytes, 12_345_678, "12.3 MB"],
    [bytes, 8e9, "8.0 GB"],
    [duration, 59, "59 s"],
    [duration, 75, "1 min 15 s"],
    [duration, 7_260, "2 h 1 min"],
    [mediaType, "application/pdf", "PDF document"],
    [mediaType, "image/png", "PNG picture"],
    [mediaType, "audio/x-wav", "WAV sound"],
    [mediaType, "application/x-thing", "application/x-thing"],
    [capital, "safety", "Safety"],
    [grouped, "0123456789", "0123 4567 89"],
  ];
  for (const [say, value, wanted] of cases) assert.equal(say(value), wanted);
  assert.equal(counted(1, "file"), "1 file");
  assert.equal(counted(2, "file"), "2 files");
});

test("a name cannot hide its ending", () =>
  assert.equal(fileName("report\u202Efdp.exe"), "report\ufffdfdp.exe"));

test("the rate is that of the last seconds", () => {
  const rate = new Rate();
  assert.equal(rate.perSecond(0), 0);
  for (let at = 0; at <= 10_000; at += 100) rate.add(100_000, at);
  assert.ok(Math.abs(rate.perSecond(10_000) - 1_000_000) < 30_000);
  assert.equal(rate.perSecond(20_000), 0, "nothing came lately");
  assert.equal(secondsLeft(1_000, 0), undefined);
  assert.equal(secondsLeft(1_500, 1_000), 2);
});

test("every refusal has words", () => {
  for (const refusal of [
    "used",
    "expired",
    "no-token",
    "forgotten",
    "unknown",
    "over",
    "unreachable",
    "untrusted",
    "unsupported",
    "other-tab",
    "storage",
    "broken",
  ]) {
    const { title, text } = noticeFor(refusal);
    assert.ok(title.length > 10 && text.length > 20, refusal);
    assert.equal(typeof mayReload(refusal), "boolean");
  }
});

test("a page is the expert's or one guardian's, and its notices are for that viewer", () => {
  for (const [viewer, wanted] of [
    ["if://guardian/guardian-1", "guardian-1"],
    ["if://expert/guardian-1", null],
    [undefined, null],
  ]) {
    assert.equal(guardianOf({ viewer }), wanted);
  }
  assert.equal(guardianOf(null), null);
  assert.match(noticeFor("forgotten", true).text, /admission/);
  assert.doesNotMatch(noticeFor("forgotten").text, /admission/);
  assert.deepEqual(noticeFor("over", true), noticeFor("over"));
});

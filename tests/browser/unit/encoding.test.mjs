import "./globals.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";

const { fromBase64, fromBase64url, toBase64url, toHex, sameBytes } =
  await import("../../../crates/ife-pages/web/expert/protocol/encoding.js");

test("base64url comes back as it went", () => {
  for (let len = 0; len < 70; len += 1) {
    const bytes = Uint8Array.from({ length: len }, (_, at) => (at * 37 + len) % 256);
    assert.ok(sameBytes(fromBase64url(toBase64url(bytes)), bytes));
  }
});

test("a second spelling of the same bytes is refused", () => {
  for (const text of ["AB==\n", "AB=", "AB", "AB==", "A===", "****", "AA A", undefined, 7]) {
    assert.equal(fromBase64(text), null, `${text}`);
  }
  for (const text of ["AB", "A", "AA=", "A+AA", "A/AA"]) {
    assert.equal(fromBase64url(text), null, text);
  }
});

test("hex is lower case", () => assert.equal(toHex(Uint8Array.of(0, 0xab, 0xff)), "00abff"));

import assert from "node:assert/strict";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert";
const { addressesOf, isLoopback, written } = await import(`${web}/protocol/candidates.js`);
const { wayOut } = await import(`${web}/view/notices.js`);

test("candidates are read from an SDP", () => {
  const sdp = [
    "v=0",
    "a=candidate:1 1 udp 2130706431 127.0.0.1 4443 typ host",
    "a=candidate:2 1 UDP 2130706175 2001:db8::1 4444 typ host generation 0",
    "a=candidate:broken",
    " a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
  ].join("\r\n");
  assert.deepEqual(addressesOf(sdp).map(written), ["127.0.0.1:4443", "[2001:db8::1]:4444"]);
  assert.deepEqual(addressesOf(""), []);
  assert.equal(addressesOf("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n".repeat(100)).length, 16);
});

test("loopback addresses are known", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["128.0.0.1", "127.0.0.1.example", "::", "fe80::1", "localhost", ""]) {
    assert.ok(!isLoopback(host), host);
  }
});

test("what helps depends on where the bridge is", () => {
  const says = (...hosts) => JSON.stringify(wayOut(hosts.map((host) => ({ host, port: 4443 }))));
  assert.match(says("127.0.0.1"), /Firefox never uses/);
  assert.match(
    says("127.0.0.1", "192.0.2.1"),
    /127\.0\.0\.1:4443, 192\.0\.2\.1:4443 over UDP and hears nothing/,
  );
  assert.doesNotMatch(says("192.0.2.1"), /Firefox/);
});

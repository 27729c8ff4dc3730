import "./globals.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert/protocol";
const { bind, canonical, fingerprintOf, Inbox, Outbox } = await import(`${web}/envelope.js`);
const { bundledEd25519, ed25519, parsePublicKey, publicKeyText } = await import(`${web}/crypto.js`);

const UTC = "2026-01-02T03:04:05.000Z";
const signer = await ed25519();
const binding = await bind("session", "trace-0001", "sha-256 AA", "sha-256 BB");
const key = await signer.makeKey();
const outbox = (where = binding, by = key) =>
  new Outbox(where, by, "bridge", { source: "if://service/bridge", destination: "if://expert" });
const inbox = () => new Inbox(binding, key.publicKey, signer.verify);
const ack = { type: "evidence.ack", file: 1, offset: 262144 };

test("what was sealed is opened", async () => {
  const { binding: bound, ...body } = await inbox().open(await outbox().seal(ack, UTC));
  assert.deepEqual(body, ack);
  assert.equal(bound, binding.hash);
});

test("the browser's Ed25519 and the bundled one agree", async () => {
  const bundled = bundledEd25519();
  const bytes = Uint8Array.of(1, 2, 3);
  for (const [one, other] of [[signer, bundled], [bundled, signer]]) {
    const made = await one.makeKey();
    const sig = await made.sign(bytes);
    assert.ok(await other.verify(made.publicKey, sig, bytes));
    assert.ok(!(await other.verify(made.publicKey, sig, Uint8Array.of(1, 2, 4))));
  }
});

test("weak keys and torn signatures verify nothing", async () => {
  const sig = new Uint8Array(64);
  sig[0] = 1;
  const identity = new Uint8Array(32);
  identity[0] = 1;
  for (const by of [signer, bundledEd25519()]) {
    assert.equal(await by.verify(identity, sig, Uint8Array.of(1)), false);
    assert.equal(await by.verify(key.publicKey, sig.slice(1), Uint8Array.of(1)), false);
    assert.equal(await by.verify(null, sig, Uint8Array.of(1)), false);
  }
});

test("a message is refused for signature, place, order and form, and moves nothing", async () => {
  const stranger = await signer.makeKey();
  const elsewhere = await bind("session", "trace-0001", "sha-256 AA", "sha-256 CC");
  const good = await outbox().seal(ack, UTC);
  const changed = canonical({ ...JSON.parse(good), level: 2 });
  const { signature: _, ...unsigned } = JSON.parse(good);
  const cases = [
    [await outbox(binding, stranger).seal(ack, UTC), "bad_signature"],
    [changed, "bad_signature"],
    [canonical(unsigned), "bad_signature"],
    [await outbox(elsewhere).seal(ack, UTC), "bad_binding"],
    [good.replace("{", "{ "), "bad_message"],
    [good.replace('"level":1', '"level":1,"level":1'), "bad_message"],
    ["[]", "bad_message"],
    ["not JSON", "bad_message"],
    [`"${" ".repeat(262_144)}"`, "bad_message"],
  ];
  for (const [text, code] of cases) {
    const box = inbox();
    await assert.rejects(box.open(text), { code }, text.slice(0, 60));
    await box.open(good);
  }
});

test("a message is good once", async () => {
  const box = inbox();
  const text = await outbox().seal(ack, UTC);
  await box.open(text);
  await assert.rejects(box.open(text), { code: "bad_sequence" });
});

test("an SDP has one fingerprint", () => {
  assert.equal(
    fingerprintOf("v=0\r\na=fingerprint:SHA-256 ab:cd\r\na=fingerprint:sha-256 AB:CD\r\n"),
    "sha-256 AB:CD",
  );
  assert.throws(() => fingerprintOf("v=0\r\n"), { code: "bad_message" });
  assert.throws(() => fingerprintOf("a=fingerprint:sha-256 AB\r\na=fingerprint:sha-256 CD\r\n"), {
    code: "bad_message",
  });
});

test("public keys have one spelling", () => {
  const text = publicKeyText(key.publicKey);
  assert.deepEqual(parsePublicKey(text), key.publicKey);
  for (const bad of ["", text.slice(8), `${text}=`, `ed25519:${"A".repeat(40)}`, null]) {
    assert.equal(parsePublicKey(bad), null);
  }
});

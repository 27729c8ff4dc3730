import "./globals.mjs";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert/protocol";
const { digest, incremental } = await import(`${web}/crypto.js`);
const { canonical } = await import(`${web}/envelope.js`);
const { parseFrame } = await import(`${web}/frame.js`);
const { blockSizeFor, checkManifest } = await import(`${web}/manifest.js`);
const { Receiver } = await import(`${web}/receiver.js`);

const sha = (bytes) => createHash("sha256").update(bytes);
const bytesOf = (len, seed = 0) =>
  Uint8Array.from({ length: len }, (_, at) => (at * 31 + seed + (at >> 9) + (at >> 18) * 7) % 256);

function entryOf(bytes, id = 0) {
  const block_size = blockSizeFor(bytes.length);
  const blocks = [];
  for (let at = 0; at < bytes.length; at += block_size) {
    blocks.push(sha(bytes.subarray(at, at + block_size)).digest("base64url"));
  }
  return {
    id,
    name: `file-${id}.bin`,
    media_type: "application/octet-stream",
    size: bytes.length,
    sha256: sha(bytes).digest("hex"),
    block_size,
    blocks,
  };
}
const payloadOf = (files) => ({
  type: "evidence.manifest",
  files,
  manifest_sha256: sha(canonical(files)).digest("hex"),
});
const receiverOf = async (...contents) =>
  new Receiver(await checkManifest(payloadOf(contents.map(entryOf))), { digest, incremental });

// Everything from `offset` on, in chunks; the outputs in order.
async function feed(receiver, file, bytes, offset, chunk = 65_536) {
  const outputs = [];
  for (let at = offset; at < bytes.length; at += chunk) {
    outputs.push(
      ...(await receiver.handleFrame({ file, offset: at, data: bytes.subarray(at, at + chunk) })),
    );
  }
  return outputs;
}
const kinds = (outputs) => outputs.map((output) => output.body?.type ?? output.type);

test("a file arrives block by block and is verified", async () => {
  const bytes = bytesOf(600_000);
  const receiver = await receiverOf(bytes);
  assert.deepEqual(receiver.request(0), [
    { type: "send", body: { type: "evidence.request", file: 0, offset: 0 } },
  ]);
  const outputs = await feed(receiver, 0, bytes, 0);
  assert.deepEqual(kinds(outputs), ["block", "block", "block", "finished"]);
  assert.deepEqual(
    outputs.slice(0, 3).map((output) => output.ack.offset),
    [262_144, 524_288, 600_000],
  );
  assert.equal(
    Buffer.concat(outputs.slice(0, 3).map((output) => output.bytes)).compare(Buffer.from(bytes)),
    0,
  );
  assert.equal(receiver.isFinished, true);
  const [file] = receiver.receipt().files;
  assert.deepEqual(file, {
    file: 0,
    size: 600_000,
    sha256: sha(bytes).digest("hex"),
    verified: true,
  });
});

test("nothing is taken before it is asked for", async () => {
  const bytes = bytesOf(10);
  const receiver = await receiverOf(bytes);
  assert.deepEqual(await feed(receiver, 0, bytes, 0), []);
  assert.equal(receiver.state(0).received, 0);
});

test("a bad block is asked for once more, and then the file is marked", async () => {
  const bytes = bytesOf(600_000);
  const bad = Uint8Array.from(bytes);
  bad[300_000] ^= 1;
  for (const [second, kindsAfter, verified] of [
    [bytes, ["block", "block", "finished"], true],
    [bad, ["evidence.cancel", "finished"], false],
  ]) {
    const receiver = await receiverOf(bytes);
    receiver.request(0);
    const outputs = await feed(receiver, 0, bad, 0);
    assert.deepEqual(
      kinds(outputs),
      ["block", "again", "evidence.request"],
      "bytes after the bad block are not taken",
    );
    assert.equal(outputs[2].body.offset, 262_144);
    assert.deepEqual(kinds(await feed(receiver, 0, second, 262_144)), kindsAfter);
    assert.equal(receiver.receipt().files[0].verified, verified);
    assert.deepEqual(receiver.request(0), [], "an outcome is final");
  }
});

test("pause keeps what is verified and lets bytes on their way go by", async () => {
  const bytes = bytesOf(600_000);
  const receiver = await receiverOf(bytes);
  receiver.request(0);
  await feed(receiver, 0, bytes.subarray(0, 262_144 + 65_536), 0);
  assert.deepEqual(kinds(receiver.pause(0)), ["evidence.pause"]);
  assert.deepEqual(await feed(receiver, 0, bytes, 262_144 + 65_536), []);
  assert.deepEqual(receiver.state(0), { status: "paused", verified: 262_144, received: 262_144 });
  assert.equal(receiver.request(0)[0].body.offset, 262_144);
  assert.deepEqual(kinds(await feed(receiver, 0, bytes, 262_144)), ["block", "block", "finished"]);
  assert.equal(receiver.state(0).status, "verified");
});

test("stored blocks are verified again, and a changed one is fetched", async () => {
  const bytes = bytesOf(600_000);
  const receiver = await receiverOf(bytes);
  assert.equal(await receiver.handleStored(0, bytes.subarray(0, 262_144)), true);
  assert.equal(
    await receiver.handleStored(0, bytes.subarray(0, 262_144)),
    false,
    "not the second block",
  );
  assert.equal(
    await receiver.handleStored(0, bytes.subarray(262_144, 300_000)),
    false,
    "cut short",
  );
  assert.equal(receiver.request(0)[0].body.offset, 262_144);
  await feed(receiver, 0, bytes, 262_144);
  assert.equal(receiver.state(0).status, "verified");
});

test("an empty file is finished by the sender's word", async () => {
  const receiver = await receiverOf(new Uint8Array(0));
  receiver.request(0);
  assert.deepEqual(kinds(receiver.handleComplete(0)), ["finished"]);
  assert.equal(receiver.receipt().files[0].verified, true);
});

test("cancelled and unavailable files are not in the receipt", async () => {
  const receiver = await receiverOf(bytesOf(10), bytesOf(20, 1), bytesOf(30, 2));
  for (const id of [0, 1, 2]) receiver.request(id);
  assert.deepEqual(kinds(receiver.cancel(0)), ["evidence.cancel"]);
  receiver.handleUnavailable(1);
  await feed(receiver, 2, bytesOf(30, 2), 0);
  assert.equal(receiver.isFinished, true);
  assert.deepEqual(receiver.receipt().files.map((file) => file.file), [2]);
});

test("a chunk of an unknown file is refused, one that overruns its block not taken", async () => {
  const receiver = await receiverOf(bytesOf(10));
  receiver.request(0);
  await assert.rejects(receiver.handleFrame({ file: 9, offset: 0, data: new Uint8Array(1) }), {
    code: "unknown_file",
  });
  assert.deepEqual(
    await receiver.handleFrame({ file: 0, offset: 0, data: new Uint8Array(11) }),
    [],
  );
});

test("what is no frame is refused", () => {
  const frame = (bytes) => Uint8Array.from(bytes).buffer;
  const head = [0x49, 0x46, 0x45, 0x31, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0];
  assert.deepEqual(parseFrame(frame([...head, 9])), {
    file: 7,
    offset: 2 ** 40,
    data: Uint8Array.of(9),
  });
  for (const bytes of [
    [],
    head,
    [0x49, 0x46, 0x45, 0x32, ...head.slice(4), 9],
    [...head, ...new Uint8Array(65_537)],
  ]) {
    assert.throws(() => parseFrame(frame(bytes)), { code: "bad_message" });
  }
});

test("manifests that lie are refused", async () => {
  const changes = [
    (file) => (file.id = 1),
    (file) => (file.name = "../etc/passwd"),
    (file) => (file.name = ".."),
    (file) => (file.name = "a\nb"),
    (file) => (file.name = ""),
    (file) => (file.name = "é".repeat(128)),
    (file) => (file.media_type = "text/html; charset=utf-8"),
    (file) => (file.size = 2 ** 33 + 1),
    (file) => (file.size = 1.5),
    (file) => (file.block_size = 1),
    (file) => (file.blocks = []),
    (file) => (file.blocks = ["AA"]),
    (file) => (file.sha256 = file.sha256.toUpperCase()),
  ];
  for (const change of changes) {
    const file = entryOf(bytesOf(10));
    change(file);
    await assert.rejects(checkManifest(payloadOf([file])), { code: "bad_message" }, `${change}`);
  }
  await assert.rejects(checkManifest({ ...payloadOf([]), manifest_sha256: "0".repeat(64) }), {
    code: "bad_message",
  });
  await assert.rejects(
    checkManifest(payloadOf(Array.from({ length: 65 }, (_, id) => entryOf(bytesOf(1), id)))),
    { code: "bad_message" },
  );
});

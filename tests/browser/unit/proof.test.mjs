// The example of docs/formats.md, and trees of every small size.
import "./globals.mjs";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert/protocol";
const { digest, ed25519 } = await import(`${web}/crypto.js`);
const { concat, toBase64, toHex, utf8 } = await import(`${web}/encoding.js`);
const { checkEntry } = await import(`${web}/entry.js`);
const { checkProof, leafHash } = await import(`${web}/proof.js`);

const { verify, makeKey } = await ed25519();
const page = readFileSync(new URL("../../../docs/formats.md", import.meta.url), "utf8");
const example = page.slice(page.indexOf("### Example"));
const block = (start) => {
  const rest = example.slice(example.indexOf(`\n${start}`) + 1);
  return rest.slice(0, rest.indexOf("```"));
};
const vkeys = block("log.example/witness+").trim().split("\n");
const entries = block('{"call_id"').trim().split("\n").filter(Boolean);
const proof = block("c2sp.org/tlog-proof@v1");

test("the example of the documentation holds", async () => {
  const found = await checkProof(entries[1], proof, vkeys, verify);
  assert.equal(found.index, 1);
  assert.equal(found.size, 2);
  assert.equal(found.leaf, "8490c3a2c49f9f1d2d1c9b6cc6b266b3f1ae65107d3e5b76ac8e7a94f745da78");
  assert.deepEqual(found.signers.map((signer) => [signer.name, signer.unixSeconds]), [
    ["log.example/witness", undefined],
    ["log.example/cosigner", 1760000002],
  ]);
});

test("what was altered does not hold", async () => {
  const cases = [
    [entries[0], proof, vkeys],
    [entries[1], proof.replace("index 1", "index 0"), vkeys],
    [entries[1], proof.replace("index 1", "index 2"), vkeys],
    [entries[1], proof.replace("\nlog.example/witness\n2\n", "\nlog.example/witness\n3\n"), vkeys],
    [entries[1], proof.replace("wRJ8aFZj", "wRJ8aFZk"), vkeys],
    [entries[1], proof.replace("yAEfsdAw", "yAEfsdAx"), vkeys],
    [entries[1], proof.replace(/yAEf.*\n/, ""), vkeys],
    [entries[1], proof.replace(/(yAEf.*\n)/, "$1$1"), vkeys],
    [entries[1], proof.replace(/— log.example\/witness .*\n/, ""), vkeys],
    [entries[1], proof, []],
    [entries[1], proof, [vkeys[1]]],
    [entries[1], proof, [vkeys[0].replace("c1127c68", "c1127c69")]],
    [entries[1], "", vkeys],
    [entries[1], undefined, vkeys],
  ];
  for (const [entry, text, keys] of cases) {
    await assert.rejects(
      checkProof(entry, text, keys, verify),
      { name: "Error" },
      `${text}`.slice(0, 200),
    );
  }
});

// RFC 6962, 2.1 and 2.1.1, straight from the text.
const node = (left, right) => digest(concat(Uint8Array.of(1), left, right));
const split = (n) => 2 ** Math.ceil(Math.log2(n) - 1);
async function rootOf(leaves) {
  if (leaves.length === 1) return leaves[0];
  const k = split(leaves.length);
  return node(await rootOf(leaves.slice(0, k)), await rootOf(leaves.slice(k)));
}
async function pathOf(at, leaves) {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return at < k
    ? [...(await pathOf(at, leaves.slice(0, k))), await rootOf(leaves.slice(k))]
    : [...(await pathOf(at - k, leaves.slice(k))), await rootOf(leaves.slice(0, k))];
}

// A log by this key: its verifier key, and the proof of one of some entries.
async function logOf(key) {
  const typed = concat(Uint8Array.of(1), key.publicKey);
  const id = (await digest(concat(utf8("log\n"), typed))).slice(0, 4);
  const proofOf = async (texts, at) => {
    const leaves = await Promise.all(texts.map((text) => leafHash(utf8(text))));
    const note = `log\n${texts.length}\n${toBase64(await rootOf(leaves))}\n`;
    const path = (await pathOf(at, leaves)).map((step) => `${toBase64(step)}\n`).join("");
    return (
      `c2sp.org/tlog-proof@v1\nindex ${at}\n${path}\n${note}\n— log ` +
      `${toBase64(concat(id, await key.sign(utf8(note))))}\n`
    );
  };
  return { vkey: `log+${toHex(id)}+${toBase64(typed)}`, proofOf };
}

test("every place of every small tree", async () => {
  const key = await makeKey();
  const { vkey, proofOf } = await logOf(key);
  for (let size = 1; size <= 17; size += 1) {
    const texts = Array.from({ length: size }, (_, at) => `entry ${at}`);
    for (let at = 0; at < size; at += 1) {
      const file = await proofOf(texts, at);
      assert.equal((await checkProof(texts[at], file, [vkey], verify)).size, size);
      await assert.rejects(checkProof(`${texts[at]}!`, file, [vkey], verify), /does not lead/);
    }
  }
});

test("a proof of something else is no proof of this session", async () => {
  const { vkey, proofOf } = await logOf(await makeKey());
  const manifest = "ab".repeat(32);
  const entry = JSON.stringify({
    event: "EVIDENCE_OPEN",
    evidence: { manifest, session: "s" },
    trace_id: "trace-1",
  });
  const receipt = entry.replace("EVIDENCE_OPEN", "EVIDENCE_VERIFIED");
  const texts = ["before", entry, receipt];
  const facts = {
    vkeys: [vkey],
    traceId: "trace-1",
    manifest,
    receipt: toHex(await leafHash(utf8(receipt))),
  };
  const ask = async (kind, text, changed = {}) =>
    checkEntry(
      kind,
      { entry: text, proof: await proofOf(texts, texts.indexOf(text)) },
      { ...facts, ...changed },
      verify,
    );
  assert.equal((await ask("manifest", entry)).found.index, 1);
  assert.equal((await ask("receipt", receipt)).found.index, 2);
  const cases = [
    ["receipt", entry, {}, /something else/],
    ["manifest", entry, { traceId: "trace-2" }, /something else/],
    ["manifest", entry, { manifest: "cd".repeat(32) }, /another list/],
    ["receipt", receipt, { receipt: "00".repeat(32) }, /not the one/],
    ["manifest", entry, { vkeys: [] }, /not signed/],
    ["manifest", "before", {}, /JSON|token/],
  ];
  for (const [kind, text, changed, why] of cases) {
    assert.match((await ask(kind, text, changed)).why, why);
  }
});

// The witness log's proof that an entry is in it: tlog-proof file, signed checkpoint, inclusion
// (docs/formats.md; RFC 9162, 2.1.3.2).

import { digest } from "./crypto.js";
import { concat, fromBase64, sameBytes, toHex, utf8 } from "./encoding.js";

const PROOF_HEAD = "c2sp.org/tlog-proof@v1";
const SIGNATURES_MAX = 64;
const KEY_LOG = 1;
const KEY_COSIGNER = 4;

/** A proof that does not hold; the text names the part. */
export class BadProof extends Error {}

const must = (holds, why) => {
  if (!holds) throw new BadProof(why);
};

const hash = (prefix, ...parts) => digest(concat(new Uint8Array([prefix]), ...parts));
/** SHA-256(0x00 || entry). */
export const leafHash = (entry) => hash(0, entry);
const nodeHash = (left, right) => hash(1, left, right);

/**
 * Checks `proof` (the file's text) for `entry` (the entry's text) by the log's verifier keys. Gives
 * the finding.
 */
export async function checkProof(entry, proof, vkeys, verify) {
  const { index, path, note } = parseProof(proof);
  const checkpoint = parseCheckpoint(note);
  const keys = await Promise.all(vkeys.map(parseVkey));
  const signers = await checkSignatures(checkpoint, keys, verify);
  must(index < checkpoint.size, `index ${index} is outside of a log of ${checkpoint.size} entries`);
  const leaf = await leafHash(utf8(entry));
  const root = await rootFrom(index, checkpoint.size, leaf, path);
  must(
    sameBytes(root, checkpoint.root),
    "the path does not lead from the entry to the root of the checkpoint",
  );
  return {
    index,
    size: checkpoint.size,
    origin: checkpoint.origin,
    leaf: toHex(leaf),
    root: toHex(root),
    steps: path.length,
    signers,
  };
}

function parseProof(text) {
  must(typeof text === "string", "no proof");
  const end = text.indexOf("\n\n");
  must(end !== -1, "the proof has no checkpoint");
  const [head, indexLine, ...hashes] = text.slice(0, end).split("\n");
  must(head === PROOF_HEAD, `the proof does not begin with ${PROOF_HEAD}`);
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine ?? "");
  must(index, "the proof names no index");
  must(hashes.length <= 64, "the path is longer than any tree is high");
  const path = hashes.map(fromBase64);
  must(path.every((step) => step?.length === 32), "a hash of the path is not 32 bytes");
  return { index: Number(index[1]), path, note: text.slice(end + 2) };
}

// A signed note: text, empty line, signature lines.
function parseCheckpoint(note) {
  const end = note.indexOf("\n\n");
  must(end !== -1 && note.endsWith("\n"), "the checkpoint is not a signed note");
  const text = note.slice(0, end + 1);
  const lines = text.split("\n");
  must(lines.length === 4, "the checkpoint does not have three lines");
  const [origin, size, root] = lines;
  must(/^(0|[1-9][0-9]{0,15})$/.test(size), "the checkpoint's size is not a number");
  const rootBytes = fromBase64(root);
  must(rootBytes?.length === 32, "the checkpoint's root is not 32 bytes");
  const signatures = note.slice(end + 2, -1).split("\n");
  must(signatures.length <= SIGNATURES_MAX, "the checkpoint has too many signatures");
  return {
    text,
    origin,
    size: Number(size),
    root: rootBytes,
    signatures: signatures.map(parseSignature),
  };
}

function parseSignature(line) {
  const match = /^\u2014 (\S+) (\S+)$/.exec(line);
  const bytes = match && fromBase64(match[2]);
  must(bytes && bytes.length > 4, "a signature line of the checkpoint is malformed");
  return { name: match[1], id: toHex(bytes.slice(0, 4)), bytes: bytes.slice(4) };
}

/** `name+id+key`, with the id recomputed from the rest. */
export async function parseVkey(text) {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text);
  const bytes = match && fromBase64(match[3]);
  must(bytes?.length === 33, "a verifier key is malformed");
  const [, name, id] = match;
  must(
    toHex((await digest(concat(utf8(`${name}\n`), bytes))).slice(0, 4)) === id,
    `the id of verifier key ${name} is not that of its key`,
  );
  return { name, id, type: bytes[0], publicKey: bytes.slice(1) };
}

// Signatures by keys that we do not know are no concern of ours; a bad one by a key that we know
// spoils the checkpoint.
async function checkSignatures(checkpoint, keys, verify) {
  const found = [];
  for (const key of keys) {
    for (const signature of checkpoint.signatures) {
      if (signature.name !== key.name || signature.id !== key.id) continue;
      found.push(await checkSignature(checkpoint.text, key, signature.bytes, verify));
    }
  }
  must(
    found.some((signer) => signer.isLog && signer.name === checkpoint.origin),
    "the checkpoint is not signed by the log's key",
  );
  return found;
}

async function checkSignature(text, key, bytes, verify) {
  must(
    key.type === KEY_LOG || key.type === KEY_COSIGNER,
    `verifier key ${key.name} is of an unknown type`,
  );
  const isLog = key.type === KEY_LOG;
  must(bytes.length === (isLog ? 64 : 72), `the signature by ${key.name} has the wrong length`);
  const time = isLog ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  const signed = isLog ? text : `cosignature/v1\ntime ${time}\n${text}`;
  const holds = await verify(key.publicKey, bytes.slice(isLog ? 0 : 8), utf8(signed));
  must(holds, `the signature by ${key.name} does not verify`);
  return { name: key.name, isLog, unixSeconds: time === undefined ? undefined : Number(time) };
}

// RFC 9162, 2.1.3.2. Sizes are below 2^53, beyond the range of the shift operators: halves by
// division.
async function rootFrom(index, size, leaf, path) {
  const half = (n) => Math.floor(n / 2);
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const step of path) {
    must(sn > 0, "the path is too long for the log");
    if (fn % 2 === 1 || fn === sn) {
      root = await nodeHash(step, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      root = await nodeHash(root, step);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  must(sn === 0, "the path is too short for the log");
  return root;
}

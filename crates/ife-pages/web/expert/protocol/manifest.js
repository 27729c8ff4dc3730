// The signed list of files, checked before a line of it is shown (docs/evidence.md, 2.2).

import { digest } from "./crypto.js";
import { fromBase64url, toHex, utf8 } from "./encoding.js";
import { canonical, Refused } from "./envelope.js";

const FILES_MAX = 64;
const FILE_BLOCKS_MAX = 2_048;
const BLOCKS_MAX = 4_096;
const BLOCK_LEN_MIN = 262_144;
const FILE_LEN_MAX = 8 * 2 ** 30;

/**
 * The smallest power of two of at least 262,144 by which a file of `size` bytes has at most 2,048
 * blocks.
 */
export function blockSizeFor(size) {
  let block = BLOCK_LEN_MIN;
  while (Math.ceil(size / block) > FILE_BLOCKS_MAX) block *= 2;
  return block;
}

/**
 * Checks an evidence.manifest payload; gives {files, sha256} with each file's block digests as
 * bytes.
 */
export async function checkManifest(payload) {
  const { files, manifest_sha256: claimed } = payload;
  if (!Array.isArray(files) || files.length > FILES_MAX) {
    throw refused("files", "must be a list of at most 64");
  }
  files.forEach(checkEntry);
  if (files.reduce((sum, file) => sum + file.blocks.length, 0) > BLOCKS_MAX) {
    throw refused("files", "have more than 4,096 blocks together");
  }
  const sha256 = toHex(await digest(utf8(canonical(files))));
  if (sha256 !== claimed) throw refused("manifest_sha256", "is not that of the files");
  return {
    sha256,
    files: files.map((file) => ({ ...file, digests: file.blocks.map(fromBase64url) })),
  };
}

function checkEntry(file, place) {
  const must = (holds, member, why) => {
    if (!holds) throw refused(`file ${place}: ${member}`, why);
  };
  must(typeof file === "object" && file !== null, "entry", "must be an object");
  must(file.id === place, "id", "must be its place in the list");
  must(
    isFileName(file.name),
    "name",
    "must be a file name without a path and without control characters",
  );
  must(isMediaType(file.media_type), "media_type", "must be a media type such as application/pdf");
  must(
    Number.isSafeInteger(file.size) && file.size >= 0 && file.size <= FILE_LEN_MAX,
    "size",
    "must be at most 8 GiB",
  );
  must(file.block_size === blockSizeFor(file.size), "block_size", "does not follow from the size");
  const count = Math.ceil(file.size / file.block_size);
  must(
    Array.isArray(file.blocks) && file.blocks.length === count,
    "blocks",
    "are not as many as the size asks for",
  );
  must(
    file.blocks.every((block) => fromBase64url(block)?.length === 32),
    "blocks",
    "must be base64url SHA-256 digests",
  );
  must(/^[0-9a-f]{64}$/.test(file.sha256), "sha256", "must be 64 lower-case hex digits");
}

/**
 * A name that no file system takes for a path. Characters that turn the direction of writing are
 * the view's to disarm.
 */
export const isFileName = (name) =>
  typeof name === "string" &&
  name !== "." &&
  name !== ".." &&
  !/[\p{Cc}/\\]/u.test(name) &&
  name !== "" &&
  utf8(name).length <= 255;

const isMediaType = (text) =>
  typeof text === "string" &&
  text.length <= 127 &&
  /^[A-Za-z0-9!#$&\-^_.+]+\/[A-Za-z0-9!#$&\-^_.+]+$/.test(text);

const refused = (member, why) => new Refused("bad_message", `manifest: ${member} ${why}`);

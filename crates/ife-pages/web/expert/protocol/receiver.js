// The expert's half of the transfers: nothing leaves it that was not verified against the manifest
// (docs/evidence.md, 2.3). Pure: bytes and messages in, things to do out. One call at a time: await
// each before the next.

import { sameBytes, toHex } from "./encoding.js";
import { Refused } from "./envelope.js";

/** The state of a file. Those of SETTLED need no more bytes. */
export const STATUS = Object.freeze({
  OFFERED: "offered",
  WAITING: "waiting",
  RECEIVING: "receiving",
  PAUSED: "paused",
  CANCELLED: "cancelled",
  UNAVAILABLE: "unavailable",
  VERIFIED: "verified",
  MISMATCH: "mismatch",
});
const { OFFERED, WAITING, RECEIVING, PAUSED, CANCELLED, UNAVAILABLE, VERIFIED, MISMATCH } = STATUS;
const WANTING = new Set([WAITING, RECEIVING]);
const DECIDED = new Set([VERIFIED, MISMATCH]);
const SETTLED = new Set([...DECIDED, CANCELLED, UNAVAILABLE]);

const SEND = (body) => ({ type: "send", body });
const about = (type, file, offset) =>
  SEND(offset === undefined ? { type, file: file.id } : { type, file: file.id, offset });

/** Transfers of one session into this page. Memory is one block of the file under way. */
export class Receiver {
  #manifest;
  #hashes;
  #files;

  /** `hashes` has `digest(bytes)`, a promise, and `incremental()`. */
  constructor(manifest, hashes) {
    this.#manifest = manifest;
    this.#hashes = hashes;
    this.#files = manifest.files.map((entry) => ({
      entry,
      status: OFFERED,
      verified: 0,
      block: null,
      filled: 0,
      whole: hashes.incremental(),
      askedAgainAt: -1,
    }));
  }

  get manifest() {
    return this.#manifest;
  }

  /** {status, verified, received} of a file, in bytes. */
  state(id) {
    const { status, verified, filled } = this.#files[id];
    return { status, verified, received: verified + filled };
  }

  /** Whether bytes of any file are asked for and not all here. */
  get isWanting() {
    return this.#files.some((file) => WANTING.has(file.status));
  }

  /**
   * Whether every file is verified, failed, cancelled or not to be had, and at least one was
   * decided.
   */
  get isFinished() {
    return (
      this.#files.every((file) => SETTLED.has(file.status)) &&
      this.#files.some((file) => DECIDED.has(file.status))
    );
  }

  /**
   * Takes the next block that was stored earlier; false when the manifest lists another.
   * Feed a file's blocks in order.
   */
  async handleStored(id, bytes) {
    const file = this.#files[id];
    if (DECIDED.has(file.status) || bytes.length !== blockLen(file) || bytes.length === 0) {
      return false;
    }
    if (!(await this.#matches(file, bytes))) return false;
    accept(file, bytes);
    if (file.verified === file.entry.size) this.#finish(file);
    return true;
  }

  /** Asks for a file from its first missing block: start, resume, or another try. */
  request(id) {
    const file = this.#files[id];
    if (DECIDED.has(file.status)) return [];
    restart(file);
    file.status = WAITING;
    return [about("evidence.request", file.entry, file.verified)];
  }

  /** Repeats the requests: after a new connection, or when nothing is heard. */
  requestAgain() {
    return this.#files
      .filter((file) => WANTING.has(file.status))
      .flatMap((file) => this.request(file.entry.id));
  }

  /** Keeps the verified bytes and lets the rest wait. */
  pause(id) {
    return this.#stop(id, PAUSED, "evidence.pause");
  }

  /** Gives a file up; it can be asked for again. */
  cancel(id) {
    return this.#stop(id, CANCELLED, "evidence.cancel");
  }

  #stop(id, status, type) {
    const file = this.#files[id];
    if (SETTLED.has(file.status)) return [];
    const wasWanting = WANTING.has(file.status);
    restart(file);
    file.status = status;
    return wasWanting ? [about(type, file.entry)] : [];
  }

  /** A chunk frame. */
  async handleFrame({ file: id, offset, data }) {
    const file = this.#files[id];
    if (!file) throw new Refused("unknown_file", `no file ${id} in the manifest`, id);
    // Bytes of before a pause or a new request are still on their way: not an error, not for us.
    if (!WANTING.has(file.status) || offset !== file.verified + file.filled) return [];
    const len = blockLen(file);
    if (data.length > len - file.filled) return [];
    file.status = RECEIVING;
    file.block ??= new Uint8Array(len);
    file.block.set(data, file.filled);
    file.filled += data.length;
    return file.filled === len ? this.#endBlock(file) : [];
  }

  /** The sender reports that all was sent; an empty file is finished by this alone. */
  handleComplete(id) {
    const file = this.#files[id];
    if (!file || file.entry.size !== 0 || SETTLED.has(file.status)) return [];
    return this.#finish(file);
  }

  /** The sender cannot read the file any more. */
  handleUnavailable(id) {
    const file = this.#files[id];
    if (!file || SETTLED.has(file.status)) return [];
    restart(file);
    file.status = UNAVAILABLE;
    return [{ type: "finished", file: id }];
  }

  /** The receipt of what has an outcome. */
  receipt() {
    const entry = (file) => ({
      file: file.entry.id,
      size: file.verified,
      sha256: toHex(file.whole.finish()),
      verified: file.status === VERIFIED,
    });
    return {
      type: "evidence.receipt",
      manifest_sha256: this.#manifest.sha256,
      files: this.#files.filter((file) => DECIDED.has(file.status)).map(entry),
    };
  }

  async #endBlock(file) {
    const bytes = file.block;
    const offset = file.verified;
    restart(file);
    if (!(await this.#matches(file, bytes))) return this.#mismatch(file, offset);
    accept(file, bytes);
    const block = {
      type: "block",
      file: file.entry.id,
      offset,
      bytes,
      ack: { type: "evidence.ack", file: file.entry.id, offset: file.verified },
    };
    return file.verified === file.entry.size ? [block, ...this.#finish(file)] : [block];
  }

  #mismatch(file, offset) {
    if (file.askedAgainAt !== offset) {
      file.askedAgainAt = offset;
      return [
        { type: "again", file: file.entry.id, offset },
        about("evidence.request", file.entry, offset),
      ];
    }
    file.status = MISMATCH;
    return [about("evidence.cancel", file.entry), { type: "finished", file: file.entry.id }];
  }

  #finish(file) {
    file.status = toHex(file.whole.finish()) === file.entry.sha256 ? VERIFIED : MISMATCH;
    return [{ type: "finished", file: file.entry.id }];
  }

  async #matches(file, bytes) {
    const listed = file.entry.digests[file.verified / file.entry.block_size];
    return listed !== undefined && sameBytes(listed, await this.#hashes.digest(bytes));
  }
}

const blockLen = (file) => Math.min(file.entry.block_size, file.entry.size - file.verified);

// A part of a block is not verified, and is asked for anew.
function restart(file) {
  file.block = null;
  file.filled = 0;
}

function accept(file, bytes) {
  file.whole.update(bytes);
  file.verified += bytes.length;
}

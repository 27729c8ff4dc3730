// Chunk frames: sixteen bytes of header and a piece of a file (docs/evidence.md, 2.3).

import { Refused } from "./envelope.js";

const MAGIC = 0x49464531; // IFE1
const HEADER_LEN = 16;
/** Largest piece of a file in one frame. */
export const CHUNK_LEN_MAX = 65_536;

/** Reads a binary message (ArrayBuffer) into {file, offset, data}; `data` is a view into it. */
export function parseFrame(buffer) {
  const view = new DataView(buffer);
  const len = buffer.byteLength - HEADER_LEN;
  if (len < 1 || len > CHUNK_LEN_MAX || view.getUint32(0) !== MAGIC) {
    throw new Refused(
      "bad_message",
      `binary message of ${buffer.byteLength} bytes is not a chunk frame`,
    );
  }
  const offset = view.getBigUint64(8);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new Refused("bad_offset", "offset is beyond every file");
  }
  return {
    file: view.getUint32(4),
    offset: Number(offset),
    data: new Uint8Array(buffer, HEADER_LEN),
  };
}

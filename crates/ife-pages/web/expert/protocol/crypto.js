// SHA-256 and Ed25519: the browser's own where it has them, vendored libraries where it lacks them.

import * as noble from "../../vendor/noble-ed25519/index.js";
import { sha256 as nobleSha256 } from "../../vendor/noble-hashes/sha2.js";
import { fromBase64, toBase64 } from "./encoding.js";

const PUBLIC_PREFIX = "ed25519:";

/** SHA-256 of bytes, by the browser. */
export const digest = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/**
 * A SHA-256 that is fed in pieces; crypto.subtle has none. `finish` may be asked for more than
 * once, and does not end it.
 */
export function incremental() {
  const hash = nobleSha256.create();
  return {
    update: (bytes) => void hash.update(bytes),
    finish: () => hash.clone().digest(),
  };
}

const native = {
  isNative: true,
  async makeKey() {
    const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const sign = async (bytes) =>
      new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, bytes));
    return { publicKey, sign };
  },
  async verify(publicKey, signature, bytes) {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", key, signature, bytes);
  },
};

const bundled = {
  isNative: false,
  async makeKey() {
    const { secretKey, publicKey } = await noble.keygenAsync();
    return { publicKey, sign: (bytes) => noble.signAsync(bytes, secretKey) };
  },
  // zip215: false asks for the strict equation of RFC 8032, as the bridge's own verifier does.
  verify: (publicKey, signature, bytes) =>
    noble.verifyAsync(signature, bytes, publicKey, { zip215: false }),
};

/**
 * The browser's Ed25519 if it has one that works, else the bundled one. `isNative` is which it
 * is.
 */
export async function ed25519() {
  try {
    const pair = await native.makeKey();
    const probe = new Uint8Array([1]);
    if (await native.verify(pair.publicKey, await pair.sign(probe), probe)) return hardened(native);
  } catch {
    // Not there, or not for this browser's settings: the bundled one is for that.
  }
  return hardened(bundled);
}

/** Only the bundled implementation, for tests and for comparing. */
export const bundledEd25519 = () => hardened(bundled);

// A malformed key or signature is a signature that does not verify, not an exception for the caller
// to forget.
function hardened(implementation) {
  return {
    ...implementation,
    async verify(publicKey, signature, bytes) {
      if (publicKey?.length !== 32 || signature?.length !== 64 || isSmallOrder(publicKey)) {
        return false;
      }
      try {
        return await implementation.verify(publicKey, signature, bytes);
      } catch {
        return false;
      }
    },
  };
}

// A signature by a key of small order proves nothing, and not every browser refuses one.
function isSmallOrder(publicKey) {
  try {
    return noble.Point.fromBytes(publicKey).isSmallOrder();
  } catch {
    return true;
  }
}

/** Bytes of `ed25519:<base64>`; null for anything else. */
export function parsePublicKey(text) {
  if (typeof text !== "string" || !text.startsWith(PUBLIC_PREFIX)) return null;
  const bytes = fromBase64(text.slice(PUBLIC_PREFIX.length));
  return bytes?.length === 32 ? bytes : null;
}

/** `ed25519:<base64>`. */
export const publicKeyText = (bytes) => PUBLIC_PREFIX + toBase64(bytes);

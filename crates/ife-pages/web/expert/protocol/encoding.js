// Bytes and their text forms: hex, base64, base64url, UTF-8. Strict: what is not written in the one
// canonical way is refused.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a text. */
export const utf8 = (text) => encoder.encode(text);

/** Text of UTF-8 bytes; throws when they are not UTF-8. */
export const textOf = (bytes) => decoder.decode(bytes);

/** Lower-case hex. */
export function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Standard base64, padded. */
export function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** base64url without padding (RFC 4648 section 5). */
export const toBase64url = (bytes) =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** Bytes of standard, padded base64; null for anything else. */
export function fromBase64(text) {
  if (typeof text !== "string" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    return null;
  }
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
  // Unused bits that are not zero would be a second spelling of the same bytes.
  return toBase64(bytes) === text ? bytes : null;
}

/** Bytes of base64url without padding; null for anything else. */
export function fromBase64url(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) return null;
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(standard + "=".repeat((4 - (standard.length % 4)) % 4));
}

/** Whether two byte arrays are the same. Not for secrets: it stops at the first difference. */
export const sameBytes = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** The bytes of several arrays, one after the other. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

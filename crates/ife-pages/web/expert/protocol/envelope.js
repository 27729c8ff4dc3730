// IFMessages of the channel: sealed with key, sequence number and binding, opened only when all
// three hold (docs/evidence.md, 2.1).

import canonicalize from "../../vendor/canonicalize/canonicalize.js";
import { digest } from "./crypto.js";
import { fromBase64url, toBase64url, toHex, utf8 } from "./encoding.js";

/** Largest message of either kind, in bytes. */
export const MESSAGE_LEN_MAX = 262_144;

/** A message that must not be acted on: `code` is for the peer, the text for a person. */
export class Refused extends Error {
  constructor(code, text, file) {
    super(text);
    this.code = code;
    this.file = file;
  }

  /** Text of the error for the peer. */
  toBody() {
    const body = { type: "evidence.error", code: this.code, text: this.message };
    return this.file === undefined ? body : { ...body, file: this.file };
  }
}

// canonicalize asks for this of ES2024, which browsers before 2023 and node 18 do not have.
if (!String.prototype.isWellFormed) {
  Object.defineProperty(String.prototype, "isWellFormed", {
    value() {
      return !/\p{Surrogate}/u.test(this);
    },
  });
}

/** The canonical form (RFC 8785) as text; throws a Refused for what has none. */
export function canonical(value) {
  let text;
  try {
    text = canonicalize(value);
  } catch (error) {
    throw new Refused("bad_message", `no canonical form: ${error.message}`);
  }
  if (text === undefined) throw new Refused("bad_message", "no canonical form");
  return text;
}

/**
 * The one DTLS fingerprint of an SDP, as `sha-256 AB:CD:...`. Two different ones would leave open
 * which one is meant.
 */
export function fingerprintOf(sdp) {
  const found = new Set();
  for (const [, hash, value] of sdp.matchAll(/^a=fingerprint:(\S+) (\S+)\s*$/gm)) {
    found.add(`${hash.toLowerCase()} ${value.toUpperCase()}`);
  }
  if (found.size !== 1) {
    throw new Refused("bad_message", `${found.size} different fingerprints in the SDP`);
  }
  return [...found][0];
}

/** Ties messages to one session, one trace id and one DTLS connection. */
export async function bind(session, traceId, offerer, answerer) {
  const lines = ["if-evidence-v1", session, traceId, offerer, answerer]
    .map((line) => `${line}\n`)
    .join("");
  return { session, traceId, hash: toHex(await digest(utf8(lines))) };
}

const PERFORMATIVE = {
  "evidence.request": "request",
  "evidence.pause": "request",
  "evidence.cancel": "request",
  "evidence.ack": "confirm",
  "evidence.receipt": "confirm",
  "agent.shown": "confirm",
  "evidence.error": "failure",
};

/**
 * The sending half: numbers and signs. Calls are answered in order, so that numbers grow on the
 * wire.
 */
export class Outbox {
  #binding;
  #key;
  #kid;
  #names;
  #sequence = 0;

  /** `key` has `sign(bytes)`; `names` has `source` and `destination`. */
  constructor(binding, key, kid, names) {
    this.#binding = binding;
    this.#key = key;
    this.#kid = kid;
    this.#names = names;
  }

  /** The canonical, signed text of the next message. `utc` is the time in RFC 3339. */
  async seal(body, utc) {
    const number = ++this.#sequence;
    const message = {
      id: `${this.#binding.session}-${this.#kid}-${number}`,
      timestamp: utc,
      level: 1,
      ...this.#names,
      performative: PERFORMATIVE[body.type] ?? "inform",
      traceId: this.#binding.traceId,
      conversation_id: this.#binding.session,
      sequence_num: number,
      payload: { ...body, binding: this.#binding.hash },
    };
    const sig = toBase64url(await this.#key.sign(utf8(canonical(message))));
    return canonical({ ...message, signature: { alg: "ed25519", kid: this.#kid, sig } });
  }
}

/**
 * The receiving half: lets nothing through that the bridge did not sign for this connection, in
 * order.
 */
export class Inbox {
  #binding;
  #publicKey;
  #verify;
  #last = 0;

  /** `verify(publicKey, signature, bytes)` answers a promise of a boolean. */
  constructor(binding, publicKey, verify) {
    this.#binding = binding;
    this.#publicKey = publicKey;
    this.#verify = verify;
  }

  /**
   * Checks size, form, signature, binding and order, and gives the payload; throws a Refused that
   * moved nothing.
   */
  async open(text) {
    const message = parse(text);
    const { signature, ...signed } = message;
    const sig = signature?.alg === "ed25519" ? fromBase64url(signature.sig) : null;
    if (!sig || !(await this.#verify(this.#publicKey, sig, utf8(canonical(signed))))) {
      throw new Refused("bad_signature", "the message is not signed by the bridge's key");
    }
    this.#checkPlace(message);
    this.#last = message.sequence_num;
    return message.payload;
  }

  // After the signature, so that a stranger learns nothing and moves nothing.
  #checkPlace(message) {
    const binding = this.#binding;
    const places = [message.payload.binding, message.conversation_id, message.traceId];
    if (
      [binding.hash, binding.session, binding.traceId].some((wanted, at) => places[at] !== wanted)
    ) {
      throw new Refused("bad_binding", "the message was made for another connection");
    }
    const number = message.sequence_num;
    if (!Number.isSafeInteger(number) || number <= this.#last) {
      throw new Refused("bad_sequence", `sequence_num ${number} is not greater than ${this.#last}`);
    }
  }
}

function parse(text) {
  if (utf8(text).length > MESSAGE_LEN_MAX) {
    throw new Refused("bad_message", `message is longer than ${MESSAGE_LEN_MAX} bytes`);
  }
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    throw new Refused("bad_message", "message is not JSON");
  }
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (
    !isObject(message) ||
    !isObject(message.payload) ||
    typeof message.payload.type !== "string"
  ) {
    throw new Refused("bad_message", "message is not an IFMessage");
  }
  // One text for one value: no repeated keys, no second spelling of a number.
  if (canonical(message) !== text) {
    throw new Refused("bad_message", "message is not in canonical form");
  }
  return message;
}

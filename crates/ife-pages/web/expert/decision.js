// The expert's decision: the question, the signed statement, and its fate
// (docs/decision.md).

import { canonical } from "./protocol/envelope.js";
import { digest, publicKeyText } from "./protocol/crypto.js";
import { fromBase64url, toBase64url, toHex, utf8 } from "./protocol/encoding.js";
import { HttpError } from "./transport.js";

/** Longest text, in bytes. */
export const TEXT_LEN_MAX = 4096;
/** The page asks so often whether the time for a decision has passed, or another one was taken. */
const LOOK_MS = 15_000;

const sha256 = async (text) => toHex(await digest(utf8(text)));

/**
 * The statement without its signature. `about` is the bridge's description of the call, `time` in
 * RFC 3339, `signer` the members that name what signs.
 */
export async function draft(about, choice, text, time, signer) {
  const { asked } = about;
  const statement = {
    v: "if-decision-v1",
    call_id: about.call_id,
    trace_id: about.trace_id,
    council: asked.council,
    role: "expert",
    party: about.expert_id,
    choice,
    time,
    ...signer,
  };
  if (asked.question_sha256) statement.question_sha256 = asked.question_sha256;
  return text ? { ...statement, text, text_sha256: await sha256(text) } : statement;
}

/** The bytes that a signature covers: the text is covered by its hash. */
export function signedBytes({ text: _text, signature: _signature, ...covered }) {
  return utf8(canonical(covered));
}

/** Whether a passkey is of this page's domain. */
export const isHere = ({ rp_id: domain }, host = location.hostname) =>
  host === domain || host.endsWith(`.${domain}`);

/**
 * The assertion of a passkey for a statement; throws the browser's error when the person
 * declines.
 */
async function assertion(passkey, statement) {
  const publicKey = {
    challenge: await digest(signedBytes(statement)),
    rpId: passkey.rp_id,
    allowCredentials: [{ type: "public-key", id: fromBase64url(passkey.id) }],
    userVerification: "required",
  };
  const { response } = await navigator.credentials.get({ publicKey });
  const text = (buffer) => toBase64url(new Uint8Array(buffer));
  return {
    alg: "webauthn",
    authenticator_data: text(response.authenticatorData),
    client_data: text(response.clientDataJSON),
    sig: text(response.signature),
  };
}

/**
 * The question and the decision. `about`: as `GET /e/<session>/decision` answers, null before that.
 * `sending`, `refusal` (a sentence). An Event "change" follows every change; "news" carries a
 * sentence for the live region.
 */
export class Decision extends EventTarget {
  about = null;
  sending = false;
  refusal = null;

  #http;
  #makeKey;
  #key = null;
  #offset = 0;
  #lastTime = "";

  /** `makeKey` answers a promise of the page's key pair. */
  constructor(http, makeKey) {
    super();
    this.#http = http;
    this.#makeKey = makeKey;
  }

  /** Fetches the question, and keeps it up to date. */
  async open() {
    await this.look();
    setInterval(() => this.look(), LOOK_MS);
  }

  /** Fetches the question of this moment. Without an answer it stays as it is. */
  async look() {
    try {
      const about = await this.#http.decision();
      this.#offset = Date.parse(about.now) - Date.now();
      if (JSON.stringify({ ...about, now: 0 }) === JSON.stringify({ ...this.about, now: 0 })) {
        return;
      }
      this.about = about;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      if (error.isPassing) return;
      if (this.about) this.about = { ...this.about, asked: undefined };
    }
    this.#changed();
  }

  /** Signs by the page's key, or by a passkey, and sends. True when the bridge has taken it. */
  async send(choice, text, passkey = null) {
    if (this.sending) return false;
    this.sending = true;
    this.refusal = null;
    this.#changed();
    try {
      const record = await this.#http.decide(await this.#signed(choice, text, passkey));
      this.about = { ...this.about, record, decision_state: "decided" };
    } catch (error) {
      if (error instanceof DOMException) {
        this.refusal = "The passkey was not used, and nothing was sent. Try again.";
      } else if (error instanceof HttpError) {
        this.refusal = whyRefused(error);
      } else {
        throw error;
      }
    } finally {
      this.sending = false;
    }
    this.#changed(this.refusal ?? `Your decision was received: ${choice}.`);
    if (this.refusal) await this.look();
    return this.refusal === null;
  }

  async #signed(choice, text, passkey) {
    if (passkey) {
      const statement = await draft(this.about, choice, text, this.#time(), {
        assurance: "passkey",
        kid: passkey.id,
      });
      return { ...statement, signature: await assertion(passkey, statement) };
    }
    this.#key ??= await this.#makeKey();
    const signer = {
      assurance: "link",
      kid: "page",
      public_key: publicKeyText(this.#key.publicKey),
    };
    const statement = await draft(this.about, choice, text, this.#time(), signer);
    const sig = toBase64url(await this.#key.sign(signedBytes(statement)));
    return { ...statement, signature: { alg: "ed25519", sig } };
  }

  // By the bridge's clock, and later than the one before: each decision replaces the earlier.
  #time() {
    let time = new Date(Date.now() + this.#offset).toISOString();
    if (time <= this.#lastTime) time = new Date(Date.parse(this.#lastTime) + 1).toISOString();
    this.#lastTime = time;
    return time;
  }

  #changed(news) {
    this.dispatchEvent(new Event("change"));
    if (news) this.dispatchEvent(new CustomEvent("news", { detail: news }));
  }
}

const REFUSALS = {
  text: "The text cannot be sent: it may have 4,096 bytes, and no control characters.",
  assurance:
    "For this hazard a link is not enough to sign a decision. Tell the council: " +
    "your own key is needed.",
  party: "Another expert was called about this. Your decision is not asked for any more.",
  choice: "The question has changed. Choose again.",
  question_sha256: "The question has changed. Load this page again.",
  time: "This decision is not newer than the one that the bridge has. Send it again.",
};

/** Why the bridge does not take it, in words for the expert. */
function whyRefused({ status, problem }) {
  if (REFUSALS[problem?.field]) return REFUSALS[problem.field];
  if (status === 0) return "The bridge cannot be reached. Nothing was sent; try again.";
  if (status === 409) return "The time for a decision has passed.";
  if (status === 401) return "This link is not valid any more. Ask the council for a new one.";
  if (status >= 500) return "The bridge cannot take it at the moment. Try again.";
  return `The bridge did not take it: ${problem?.detail ?? status}.`;
}

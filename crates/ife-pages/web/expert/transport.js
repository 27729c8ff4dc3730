// The way to the bridge: HTTP for the link and the offer, one data channel for everything else.
// Knows nothing of messages.

import { addressesOf } from "./protocol/candidates.js";
import { fingerprintOf } from "./protocol/envelope.js";

const LABEL = "if-agent-messaging";
/** An offer that was answered leads to an open channel within this time, or another is made. */
const OPEN_MS = 15_000;
/** A way that is there is found in less; until then nothing is shown. */
const STUCK_MS = 4_000;
/** An answer that takes longer will not come: the network swallowed the question. */
const ANSWER_MS = 20_000;

/**
 * An answer that is no success; `status` is 0 when there was none, `problem` what the bridge says
 * of it (RFC 9457).
 */
export class HttpError extends Error {
  constructor(status, problem = null) {
    super(status === 0 ? "the bridge cannot be reached" : `the bridge answered ${status}`);
    this.status = status;
    this.problem = problem;
  }

  /** Whether asking again may help. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const GUARDIAN = "if://guardian/";

/** The guardian whom a session description is for, or null. */
export function guardianOf(description) {
  const viewer = description?.viewer ?? "";
  return viewer.startsWith(GUARDIAN) ? viewer.slice(GUARDIAN.length) : null;
}

/** Requests below the session's own path, `/e/<session>`. */
export class Http {
  #base;

  constructor(base) {
    this.#base = base;
  }

  async #ask(path, options = {}) {
    let response;
    try {
      response = await fetch(`${this.#base}${path}`, {
        cache: "no-store",
        credentials: "same-origin",
        signal: AbortSignal.timeout(ANSWER_MS),
        ...options,
      });
    } catch {
      throw new HttpError(0);
    }
    if (!response.ok) throw new HttpError(response.status, await response.json().catch(() => null));
    return response;
  }

  /** Trades the link's token for the cookie; gives the session description. */
  async redeem(token) {
    return (
      await this.#ask("/redeem", { method: "POST", headers: { Authorization: `Bearer ${token}` } })
    ).json();
  }

  /** The session description, by the cookie. */
  async state() {
    return (await this.#ask("/state")).json();
  }

  /** The witness log's proofs; see docs/evidence.md. */
  async proof() {
    return (await this.#ask("/proof")).json();
  }

  /** Accepts the call, whose phone is answered. */
  async accept() {
    await this.#ask("/accept", { method: "POST" });
  }

  /** The question for a decision, and the one in force. */
  async decision() {
    return (await this.#ask("/decision")).json();
  }

  /** Hands over a signed decision; gives it with the bridge's attestation. */
  async decide(statement) {
    const headers = { "Content-Type": "application/json" };
    return (
      await this.#ask("/decision", { method: "POST", headers, body: JSON.stringify(statement) })
    ).json();
  }

  /** The SDP answer to an offer. */
  async offer(sdp) {
    return (
      await this.#ask("/offer", {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: sdp,
      })
    ).text();
  }
}

/**
 * One peer connection. Callbacks: `onOpen(fingerprints)`, `onMessage(data)`,
 * `onInterrupted(isInterrupted)`, `onStuck(addresses)`: ICE has found no way to the bridge's
 * addresses yet, or has failed, `onClosed()`; the last one comes once, however the connection
 * ended. `connect` throws the offer's error.
 */
export class Connection {
  #pc;
  #channel;
  #callbacks;
  #isOver = false;
  #timer;
  #stuckTimer;
  #addresses = [];

  constructor(iceServers, callbacks) {
    this.#callbacks = callbacks;
    this.#pc = new RTCPeerConnection({ iceServers: iceServers ?? [] });
    this.#channel = this.#pc.createDataChannel(LABEL, { ordered: true });
    this.#channel.binaryType = "arraybuffer";
  }

  async connect(http) {
    const pc = this.#pc;
    await pc.setLocalDescription(await pc.createOffer());
    const offer = pc.localDescription.sdp;
    // The bridge is ICE-lite and learns our addresses from our checks: no candidate needs to be
    // waited for.
    const answer = await http.offer(offer);
    const fingerprints = [fingerprintOf(offer), fingerprintOf(answer)];
    this.#addresses = addressesOf(answer);
    this.#listen(fingerprints);
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
  }

  #listen(fingerprints) {
    this.#timer = setTimeout(() => this.#end(), OPEN_MS);
    this.#stuckTimer = setTimeout(() => this.#stuck(), STUCK_MS);
    this.#channel.onopen = () => {
      this.#stopTimers();
      this.#callbacks.onOpen(fingerprints);
    };
    this.#channel.onmessage = ({ data }) => this.#callbacks.onMessage(data);
    this.#channel.onclose = () => this.#end();
    this.#pc.oniceconnectionstatechange = () => this.#iceChanged();
  }

  #iceChanged() {
    const state = this.#pc.iceConnectionState;
    if (state === "failed") this.#stuck();
    if (state === "failed" || state === "closed") this.#end();
    else if (state === "disconnected") this.#callbacks.onInterrupted(true);
    else if (state === "connected" || state === "completed") this.#callbacks.onInterrupted(false);
  }

  #stuck() {
    const isFound = ["connected", "completed"].includes(this.#pc.iceConnectionState);
    if (!this.#isOver && !isFound && this.#channel.readyState === "connecting") {
      this.#callbacks.onStuck(this.#addresses);
    }
  }

  #stopTimers() {
    clearTimeout(this.#timer);
    clearTimeout(this.#stuckTimer);
  }

  send(text) {
    if (this.#channel.readyState === "open") this.#channel.send(text);
  }

  #end() {
    if (this.#isOver) return;
    this.close();
    this.#callbacks.onClosed();
  }

  /** Ends the connection without a word to the callbacks. */
  close() {
    this.#isOver = true;
    this.#stopTimers();
    this.#channel.onmessage = null;
    this.#pc.close();
  }
}

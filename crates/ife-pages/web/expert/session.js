// One viewer's session from link to receipt: ties transport, envelope, receiver and store together,
// and notifies the view of changes.

import { digest, ed25519, incremental, parsePublicKey, publicKeyText } from "./protocol/crypto.js";
import { bind, Inbox, Outbox, Refused } from "./protocol/envelope.js";
import { parseFrame } from "./protocol/frame.js";
import { checkManifest } from "./protocol/manifest.js";
import { checkEntry } from "./protocol/entry.js";
import { Receiver, STATUS } from "./protocol/receiver.js";
import { Decision } from "./decision.js";
import { Messages } from "./messages.js";
import { Rate } from "./progress.js";
import { openStore } from "./store.js";
import { keepIntents, keptIntents, onlyTab } from "./tab.js";
import { Connection, guardianOf, Http, HttpError } from "./transport.js";

/** Nothing heard for so long while bytes are wanted: ask again; twice: connect anew. */
const STALL_MS = 15_000;
/** An interrupted ICE connection gets so long to come back by itself. */
const INTERRUPTED_MS = 5_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** Messages of the bridge that are refused before its word is not taken any more. */
const STRIKES_MAX = 3;
/** The log is published every so often: a proof that is not there yet is asked for again. */
const PROOF_MS = 2_000;
const PROOF_TRIES = 15;
/** States of a call that it does not leave. */
const OVER = new Set(["ended", "failed"]);

/**
 * The state for the view. `phase`: opening, live, lost (connecting anew), over (the call has
 * ended), refused (this page may not or must not go on; `refusal` is the reason). `noWay`: the
 * bridge's addresses while ICE finds no way to them, else null. An Event "change" follows every
 * change, "news" carries a sentence for the live region.
 */
export class Session extends EventTarget {
  phase = "opening";
  refusal = null;
  description = null;
  receiver = null;
  signer = null;
  store = null;
  rate = new Rate();
  stalled = false;
  noWay = null;
  receipt = null;
  proofs = null;
  refusedMessages = [];
  decision;

  #http;
  #connection = null;
  /** The connection whose list of files has come: before, nothing can be sent on it. */
  #listed = null;
  #inbox = null;
  #outbox = null;
  #queue = Promise.resolve();
  #saying = Promise.resolve();
  #lastKept = null;
  #heardAt = 0;
  #stalls = 0;
  #strikes = 0;
  #attempt = 0;
  #trusted = null;
  #texts = {};
  #proofTimer;
  #intents;
  #key = null;

  /** `base` is the session's own path, `/e/<session>`. */
  constructor(base) {
    super();
    this.#http = new Http(base);
    this.decision = new Decision(this.#http, () => this.#pageKey());
    this.name = base.slice(base.lastIndexOf("/") + 1);
    this.#intents = keptIntents(this.name);
    this.messages = new Messages(this.name, {
      say: (body) => this.#enqueue(() => this.#say(body)),
      changed: () => this.#changed(),
    });
  }

  /** The guardian whose page it is; null for the expert's. */
  get guardian() {
    return guardianOf(this.description);
  }

  #changed(news) {
    this.messages.setLive(this.phase === "live");
    this.dispatchEvent(new Event("change"));
    if (news) this.dispatchEvent(new CustomEvent("news", { detail: news }));
  }

  /** Redeems the link, or goes on by the cookie after a reload; then connects. */
  async open(token) {
    if (!window.RTCPeerConnection || !window.isSecureContext) return this.#refuse("unsupported");
    if (!(await onlyTab(this.name))) return this.#refuse("other-tab");
    try {
      this.description = await this.#enter(token);
      // A guardian decides by the API, by the guardian's own key.
      if (!this.guardian) this.decision.open();
    } catch (error) {
      // The call may be over, and its decision still be asked for.
      if (error instanceof HttpError && error.status === 410) this.decision.open();
      return this.#refuse(this.#whyNot(error, token ? "expired" : "no-token"));
    }
    this.#trusted = parsePublicKey(this.description.bridge_key);
    if (!this.#trusted) return this.#refuse("untrusted");
    this.signer ??= await ed25519();
    this.store = await openStore(this.name, Date.now());
    setInterval(() => this.#watch(), 1_000);
    this.#changed();
    await this.#connect();
  }

  // After a reload the cookie stands for the token; so it does when the whole link is opened again
  // in the browser that used it.
  async #enter(token) {
    if (!token) return this.#patiently(() => this.#http.state());
    try {
      return await this.#patiently(() => this.#http.redeem(token));
    } catch (error) {
      if (!(error instanceof HttpError) || ![401, 409].includes(error.status)) throw error;
      return this.#http.state().catch(() => {
        throw error;
      });
    }
  }

  // A bridge that is being restarted is no reason to give up; a clear no is.
  async #patiently(ask) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof HttpError) || !error.isPassing || attempt >= 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[attempt]));
      }
    }
  }

  #whyNot(error, unauthorized) {
    const status = error instanceof HttpError ? error.status : 0;
    return { 401: unauthorized, 404: "unknown", 409: "used", 410: "over" }[status] ?? "unreachable";
  }

  #refuse(reason) {
    this.refusal = reason;
    this.phase = reason === "over" ? "over" : "refused";
    this.#connection?.close();
    this.#connection = null;
    this.#changed();
  }

  get #isFinal() {
    return this.phase === "over" || this.phase === "refused";
  }

  async #connect() {
    if (this.#isFinal) return;
    this.#connection?.close();
    const connection = new Connection(this.description.ice_servers, {
      onOpen: (fingerprints) => this.#enqueue(() => this.#greet(connection, fingerprints)),
      onMessage: (data) => this.#enqueue(() => this.#handle(connection, data)),
      onInterrupted: (isInterrupted) => this.#interrupted(connection, isInterrupted),
      onStuck: (addresses) => this.#stuck(connection, addresses),
      onClosed: () => this.#lost(connection),
    });
    this.#connection = connection;
    try {
      await connection.connect(this.#http);
    } catch (error) {
      connection.close();
      if (error instanceof HttpError && !error.isPassing) {
        return this.#refuse(this.#whyNot(error, "forgotten"));
      }
      this.#lost(connection);
    }
  }

  // One key for all connections of this page, and for its decisions.
  async #pageKey() {
    this.signer ??= await ed25519();
    this.#key ??= this.signer.makeKey();
    return this.#key;
  }

  #stuck(connection, addresses) {
    if (connection !== this.#connection || this.#isFinal) return;
    const isNews = !this.noWay;
    this.noWay = addresses;
    this.#changed(isNews ? "No way to the bridge is found. What helps is on the page." : undefined);
  }

  #lost(connection) {
    if (connection !== this.#connection || this.#isFinal) return;
    this.#connection = null;
    const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
    this.#attempt += 1;
    const wasLive = this.phase === "live";
    if (this.phase !== "opening") this.phase = "lost";
    this.#changed(wasLive ? "Connection lost. Connecting again." : undefined);
    setTimeout(() => this.#reconnect(), wait);
  }

  // The call may be over, and the credentials of a relay stale: ask before the next offer.
  async #reconnect() {
    try {
      this.description = await this.#http.state();
      if (this.#endedWithCall()) return;
    } catch (error) {
      if (error instanceof HttpError && !error.isPassing) {
        return this.#refuse(this.#whyNot(error, "forgotten"));
      }
    }
    await this.#connect();
  }

  #interrupted(connection, isInterrupted) {
    if (connection !== this.#connection || this.#isFinal) return;
    if (!isInterrupted) {
      if (this.phase === "lost" && this.#listed === connection) {
        this.phase = "live";
        this.#changed("Connected again.");
      }
      return;
    }
    this.phase = "lost";
    this.#changed("Connection interrupted.");
    setTimeout(() => {
      if (connection === this.#connection && this.phase === "lost") this.#connect();
    }, INTERRUPTED_MS);
  }

  // Everything that comes is handled in the order in which it came, one after the other.
  #enqueue(work) {
    this.#queue = this.#queue.then(work).catch((error) => {
      console.error(error);
      this.#refuse("broken");
    });
  }

  async #greet(connection, fingerprints) {
    if (connection !== this.#connection) return;
    const { session, trace_id: traceId } = this.description;
    const [binding, key] = await Promise.all([
      bind(session, traceId, ...fingerprints),
      this.#pageKey(),
    ]);
    this.#inbox = new Inbox(binding, this.#trusted, this.signer.verify);
    this.#outbox = new Outbox(binding, key, "page", {
      source: this.description.viewer ?? "if://page/expert",
      destination: this.description.bridge ?? "if://service/bridge",
    });
    this.#heardAt = performance.now();
    await this.#say({ type: "evidence.hello", public_key: publicKeyText(key.publicKey) });
  }

  // One after the other: numbers are given in the order in which messages leave.
  #say(body) {
    const [outbox, connection] = [this.#outbox, this.#connection];
    const said = this.#saying.then(async () => {
      const text = await outbox.seal(body, new Date().toISOString());
      connection?.send(text);
      return text;
    });
    this.#saying = said.catch(() => {});
    return said;
  }

  async #handle(connection, data) {
    if (connection !== this.#connection) return;
    this.#heardAt = performance.now();
    this.#stalls = 0;
    this.#setStalled(false);
    try {
      if (typeof data === "string") await this.#body(await this.#inbox.open(data), data);
      else await this.#frame(parseFrame(data));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.#strike(error);
    }
  }

  async #strike(refused) {
    console.warn(`refused: ${refused.message}`);
    await this.#say(refused.toBody());
    this.#strikes += 1;
    this.refusedMessages.push(refused.message);
    // Before the list is there, nothing has earned any trust.
    if (!this.receiver || this.#strikes >= STRIKES_MAX) this.#refuse("untrusted");
    else this.#changed(`A message was refused: ${refused.message}.`);
  }

  async #body(body, text) {
    switch (body.type) {
      case "evidence.manifest":
        this.#texts.manifest = text;
        return this.#manifest(body);
      case "evidence.complete":
        return this.#act(this.receiver?.handleComplete(body.file) ?? []);
      case "evidence.receipt_ok":
        this.#texts.receiptOk = text;
        this.receipt = { ...this.receipt, entry: body.entry, index: body.index };
        this.#changed("The bridge has entered your receipt in the witness log.");
        return this.loadProofs();
      case "evidence.state":
        this.description = { ...this.description, call_state: body.call_state };
        if (!this.guardian) this.decision.look();
        if (!this.#endedWithCall()) this.#changed();
        return undefined;
      case "evidence.error":
        return this.#error(body);
      default:
        if (this.messages.handle(body)) return undefined;
        throw new Refused("bad_message", `${body.type} is not for the expert`);
    }
  }

  #endedWithCall() {
    if (!OVER.has(this.description.call_state)) return false;
    // Transfers under way may still be finished by a bridge that lets it; new offers will be
    // refused.
    if (this.receiver?.isWanting && this.#connection) return false;
    this.#refuse("over");
    return true;
  }

  async #manifest(body) {
    const manifest = await checkManifest(body);
    const earlier = this.receiver;
    if (earlier && earlier.manifest.sha256 !== manifest.sha256) {
      throw new Refused("bad_message", "the manifest has changed within the session");
    }
    if (!earlier) await this.#restore(manifest);
    this.call = body.call;
    this.#attempt = 0;
    this.noWay = null;
    this.#listed = this.#connection;
    this.phase = "live";
    this.#changed(
      earlier ? "Connected again." : `Connected. Files offered: ${manifest.files.length}.`,
    );
    await this.#act(this.receiver.requestAgain());
    await this.#sendReceiptIfFinished();
    this.loadProofs();
  }

  // What an earlier page has stored is verified again, block by block.
  async #restore(manifest) {
    const receiver = new Receiver(manifest, { digest, incremental });
    for (const { id } of manifest.files) {
      await this.store.replay(manifest.sha256, id, (bytes) => receiver.handleStored(id, bytes));
    }
    this.receiver = receiver;
    for (const { id } of manifest.files) {
      const intent = this.#intents[id] ?? (receiver.state(id).verified > 0 ? "request" : undefined);
      if (intent) await this.#act(receiver[intent](id));
    }
  }

  async #error({ code, text, file }) {
    console.warn(`the bridge refuses: ${code}: ${text}`);
    if (code === "unavailable" && Number.isSafeInteger(file)) {
      await this.#act(this.receiver?.handleUnavailable(file) ?? []);
    }
    this.#changed();
  }

  async #frame(frame) {
    if (!this.receiver) throw new Refused("bad_message", "chunk before the manifest");
    const before = this.receiver.state(frame.file)?.received ?? 0;
    await this.#act(await this.receiver.handleFrame(frame));
    this.rate.add(
      Math.max(0, this.receiver.state(frame.file).received - before),
      performance.now(),
    );
    this.#changed();
  }

  async #act(outputs) {
    for (const output of outputs) {
      if (output.type === "send") {
        await this.#say(output.body);
      } else if (output.type === "block") {
        this.#keep(output);
      } else if (output.type === "again") {
        this.#changed("A part did not match and is fetched once more.");
      } else {
        await this.#finished(output.file);
      }
    }
  }

  // Acknowledged when kept: a slow disk slows the sender down, and memory stays flat.
  #keep({ file, offset, bytes, ack }) {
    const { sha256, files } = this.receiver.manifest;
    const kept = this.store.put(sha256, file, offset / files[file].block_size, bytes);
    this.#lastKept = kept;
    const outbox = this.#outbox;
    // An acknowledgement is for the connection that the block came by.
    kept.then(() => outbox === this.#outbox && this.#say(ack), () => this.#refuse("storage"));
  }

  async #finished(id) {
    await this.#lastKept;
    const { name } = this.receiver.manifest.files[id];
    const said = {
      [STATUS.VERIFIED]: `${name}: verified.`,
      [STATUS.MISMATCH]: `${name} does not match what the bridge signed.`,
      [STATUS.UNAVAILABLE]: `${name} cannot be read any more.`,
    }[this.receiver.state(id).status];
    this.#changed(said);
    await this.#sendReceiptIfFinished();
  }

  async #sendReceiptIfFinished() {
    if (!this.receiver.isFinished || !this.#outbox) return;
    const body = this.receiver.receipt();
    const wanted = JSON.stringify(body.files);
    if (this.receipt?.wanted === wanted && this.receipt.entry) return;
    this.#texts.receipt = await this.#say(body);
    this.receipt = { body, wanted };
    const isWhole =
      body.files.length === this.receiver.manifest.files.length &&
      body.files.every((file) => file.verified);
    this.#changed(isWhole ? "All files are verified." : undefined);
  }

  /** Accepts the call, whose phone is answered. */
  accept() {
    return this.#http.accept();
  }

  /** Starts or resumes files. */
  request(...ids) {
    this.#intend("request", ids);
  }

  /** Pauses files. */
  pause(...ids) {
    this.#intend("pause", ids);
  }

  /** Gives files up; they can be asked for again. */
  cancel(...ids) {
    this.#intend("cancel", ids);
  }

  // The expert's choice for a file outlives a reload of this tab.
  #intend(what, ids) {
    for (const id of ids) {
      this.#intents[id] = what;
      this.#enqueue(() => this.#act(this.receiver[what](id)));
    }
    keepIntents(this.name, this.#intents);
    this.#enqueue(async () => {
      this.#changed();
      await this.#sendReceiptIfFinished();
    });
  }

  #setStalled(isStalled) {
    if (this.stalled === isStalled) return;
    this.stalled = isStalled;
    this.#changed(isStalled ? "Nothing has arrived for 15 seconds. Asking again." : undefined);
  }

  #watch() {
    if (this.phase !== "live" || !this.receiver?.isWanting) {
      this.#heardAt = performance.now();
      return;
    }
    if (performance.now() - this.#heardAt < STALL_MS) {
      if (this.rate.perSecond(performance.now()) === 0) this.#changed();
      return;
    }
    this.#heardAt = performance.now();
    this.#stalls += 1;
    this.#setStalled(true);
    if (this.#stalls > 1) this.#connect();
    else this.#enqueue(() => this.#act(this.receiver.requestAgain()));
  }

  /** The whole of a verified file; refuses any other. */
  async blobOf(id, type) {
    if (this.receiver.state(id).status !== STATUS.VERIFIED) {
      throw new Error("only verified files leave this page");
    }
    const { sha256, files } = this.receiver.manifest;
    const whole = await this.store.whole(sha256, id, type);
    // Browsers may clear their store, and the rest is unverified.
    if (whole.size !== files[id].size) throw new Error("this browser has not kept the file");
    return whole;
  }

  /**
   * Fetches and checks the witness log's proofs of this session. Each is {kind, found} or {kind,
   * why}.
   */
  async loadProofs(tries = PROOF_TRIES) {
    clearTimeout(this.#proofTimer);
    let answer;
    try {
      answer = await this.#http.proof();
    } catch (error) {
      this.proofs = {
        absent: error instanceof HttpError && error.status === 404 ? "no-log" : "unreachable",
      };
      return this.#changed();
    }
    const facts = {
      vkeys: this.description.witness?.vkeys ?? [],
      traceId: this.description.trace_id,
      manifest: this.receiver.manifest.sha256,
      receipt: this.receipt?.entry,
    };
    const kinds = ["manifest", "receipt"].filter((kind) => answer[kind]);
    this.#texts.proofs = answer;
    const checked = await Promise.all(
      kinds.map((kind) => checkEntry(kind, answer[kind], facts, this.signer.verify)),
    );
    // The log may still show the receipt before the last one: that is early, not wrong.
    this.proofs = {
      checked: checked.filter((proof) => proof.found || proof.kind !== "receipt" || tries === 1),
    };
    const isHeld = (kind) =>
      this.proofs.checked.some((proof) => proof.kind === kind && proof.found);
    const isComplete = isHeld("manifest") && (!this.receipt?.entry || isHeld("receipt"));
    if (!isComplete && tries > 1 && !this.#isFinal) {
      this.#proofTimer = setTimeout(() => this.loadProofs(tries - 1), PROOF_MS);
    }
    return this.#changed();
  }

  /** Everything that a third person needs to check the session, as one JSON text. */
  receiptFile() {
    const { session, trace_id, call_id, viewer, hazard, council, caller, bridge_key, witness } =
      this.description;
    const { proofs, ...messages } = this.#texts;
    const about = { session, trace_id, call_id, viewer, hazard, council, caller };
    const format = "if-evidence-receipt-v1";
    const receipt = { format, ...about, bridge_key, witness, messages, proofs };
    return `${JSON.stringify(receipt, null, 2)}\n`;
  }

  /** Removes this session's files from the browser. */
  async forget() {
    keepIntents(this.name, {});
    this.messages.forget();
    await this.store.forget();
  }
}

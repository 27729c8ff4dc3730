// What runs inside Chromium. Each export is handed to a page as it stands, so it uses nothing from
// outside of itself but what `install` has put there.

/** Puts the tools of the other functions into the page. */
export function install() {
  const canonical = (value) => {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
      .join(",")}}`;
  };
  const bytes = (text) => new TextEncoder().encode(text);
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const base64url = (buffer) =>
    base64(buffer).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const hex = (buffer) =>
    [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const fingerprint = (sdp) =>
    `sha-256 ${/^a=fingerprint:sha-256 (.*)$/im.exec(sdp)[1].trim().toUpperCase()}`;
  const opened = (channel) => new Promise((resolve, reject) => {
    channel.onopen = resolve;
    channel.onerror = reject;
  });

  /**
   * Blocks put together from chunks and verified; `acknowledge` is called with the offset behind
   * each.
   */
  const receiver = (entry, acknowledge) => {
    let at = 0;
    let block = new Uint8Array(entry.block_size);
    let filled = 0;
    let verified = 0;
    return async (data) => {
      block.set(data, filled);
      filled += data.length;
      at += data.length;
      if (filled < entry.block_size && at < entry.size) return false;
      const whole = block.subarray(0, filled);
      const [number, end] = [Math.floor((at - 1) / entry.block_size), at];
      block = new Uint8Array(entry.block_size);
      filled = 0;
      const digest = base64url(await crypto.subtle.digest("SHA-256", whole));
      if (digest !== entry.blocks[number]) throw new Error(`block ${number} does not match`);
      await acknowledge(end);
      verified = Math.max(verified, end);
      return verified === entry.size;
    };
  };

  globalThis.bench = { canonical, bytes, base64, base64url, hex, fingerprint, opened, receiver };
}

/**
 * Takes the first file of the session from the bridge; the times of the first byte and of the last,
 * milliseconds from the start.
 */
export async function take({ base, token, stopAtFirst }) {
  const { canonical, bytes, base64, base64url, hex, fingerprint, opened, receiver } =
    globalThis.bench;
  const begun = performance.now();
  const answer = token
    ? await fetch(`${base}/redeem`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}` },
      })
    : await fetch(`${base}/state`);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const session = await answer.json();
  const peer = new RTCPeerConnection();
  const channel = peer.createDataChannel("if-agent-messaging", { ordered: true });
  channel.binaryType = "arraybuffer";
  await peer.setLocalDescription();
  const offer = peer.localDescription.sdp;
  const [offered, key] = await Promise.all([
    fetch(`${base}/offer`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: offer,
    }),
    crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]),
  ]);
  if (offered.status !== 201) throw new Error(`${offered.status} ${await offered.text()}`);
  const sdp = await offered.text();
  const lines = [
    "if-evidence-v1",
    session.session,
    session.trace_id,
    fingerprint(offer),
    fingerprint(sdp),
  ];
  const binding = hex(
    await crypto.subtle.digest("SHA-256", bytes(lines.map((line) => `${line}\n`).join(""))),
  );
  const open = opened(channel);
  let sequence = 0;
  const send = async (payload) => {
    sequence += 1;
    const message = {
      id: `${session.session}-${sequence}`,
      timestamp: new Date().toISOString(),
      level: 1,
      source: session.expert,
      destination: session.bridge,
      performative: "inform",
      traceId: session.trace_id,
      conversation_id: session.session,
      sequence_num: sequence,
      payload: { ...payload, binding },
    };
    const signature = await crypto.subtle.sign(
      "Ed25519",
      key.privateKey,
      bytes(canonical(message)),
    );
    message.signature = { alg: "ed25519", kid: "bench", sig: base64url(signature) };
    channel.send(canonical(message));
  };
  let first = 0;
  let requested = 0;
  const done = new Promise((resolve, reject) => {
    let take;
    // One after the other, because verifying waits.
    let turn = Promise.resolve();
    channel.onmessage = ({ data }) => {
      first ||= typeof data === "string" ? 0 : performance.now();
      if (first && stopAtFirst) return resolve();
      turn = turn.then(async () => {
        if (typeof data !== "string") {
          if (await take(new Uint8Array(data, 16))) resolve();
          return;
        }
        const { payload } = JSON.parse(data);
        if (payload.type === "evidence.error") throw new Error(JSON.stringify(payload));
        if (payload.type !== "evidence.manifest") return;
        take = receiver(payload.files[0], (offset) =>
          send({ type: "evidence.ack", file: 0, offset }),
        );
        requested = performance.now();
        await send({ type: "evidence.request", file: 0, offset: 0 });
      }).catch(reject);
      return undefined;
    };
  });
  await peer.setRemoteDescription({ type: "answer", sdp });
  await open;
  const exported = await crypto.subtle.exportKey("raw", key.publicKey);
  await send({ type: "evidence.hello", public_key: `ed25519:${base64(exported)}` });
  await done;
  const last = performance.now();
  peer.close();
  return { first_byte_ms: first - begun, transfer_ms: last - requested };
}

/** The receiving page of a pair of Chromiums: gives its offer. */
export async function offer(entry) {
  const { opened, receiver } = globalThis.bench;
  const peer = new RTCPeerConnection();
  const channel = peer.createDataChannel("if-agent-messaging", { ordered: true });
  channel.binaryType = "arraybuffer";
  const done = new Promise((resolve, reject) => {
    const take = receiver(entry, (offset) => channel.send(JSON.stringify({ offset })));
    let turn = Promise.resolve();
    channel.onmessage = ({ data }) => {
      turn = turn
        .then(async () => (await take(new Uint8Array(data, 16))) && resolve())
        .catch(reject);
    };
  });
  globalThis.pair = { peer, done, open: opened(channel), channel };
  await peer.setLocalDescription();
  await gathered(peer);
  return peer.localDescription.sdp;

  function gathered(one) {
    return new Promise((resolve) => {
      const look = () => one.iceGatheringState === "complete" && resolve();
      one.onicegatheringstatechange = look;
      look();
    });
  }
}

/**
 * The sending page: gives its answer, and sends once it is asked to, in chunks of that size, with
 * the bridge's window.
 */
export async function answer({ sdp, size, blockSize, chunk, window }) {
  const peer = new RTCPeerConnection();
  peer.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = 512 * 1024;
    let [acknowledged, sent] = [0, 0];
    const frame = new Uint8Array(chunk + 16);
    const pump = () => {
      while (sent < size && channel.bufferedAmount < 2 * 1024 * 1024) {
        const end = Math.min((Math.floor(sent / blockSize) + 1) * blockSize, size, sent + chunk);
        if (end - acknowledged > window) return;
        channel.send(frame.subarray(0, 16 + end - sent));
        sent = end;
      }
    };
    channel.onbufferedamountlow = pump;
    channel.onmessage = ({ data }) => {
      if (data === "go") return pump();
      acknowledged = JSON.parse(data).offset;
      return pump();
    };
  };
  await peer.setRemoteDescription({ type: "offer", sdp });
  await peer.setLocalDescription();
  await new Promise((resolve) => {
    const look = () => peer.iceGatheringState === "complete" && resolve();
    peer.onicegatheringstatechange = look;
    look();
  });
  globalThis.pair = { peer };
  return peer.localDescription.sdp;
}

/**
 * On the receiving page: takes the answer, sends go, and measures until the last block is verified.
 */
export async function receive(sdp) {
  const { peer, open, done, channel } = globalThis.pair;
  await peer.setRemoteDescription({ type: "answer", sdp });
  await open;
  const begun = performance.now();
  channel.send("go");
  await done;
  const took = performance.now() - begun;
  peer.close();
  return { transfer_ms: took };
}

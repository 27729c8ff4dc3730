import "./globals.mjs";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const web = "../../../crates/ife-pages/web/expert";
const { Decision, draft, isHere, signedBytes } = await import(`${web}/decision.js`);
const { ed25519, parsePublicKey } = await import(`${web}/protocol/crypto.js`);
const { fromBase64url, textOf } = await import(`${web}/protocol/encoding.js`);
const { registryLine } = await import(`${web}/passkey.js`);
const { HttpError } = await import(`${web}/transport.js`);

const vectors = JSON.parse(
  readFileSync(new URL("../../vectors/decision.json", import.meta.url), "utf8"),
);
const page = vectors.valid.find(({ name }) => name === "by a page");
const statement = JSON.parse(page.text);
const about = (more = {}) => ({
  now: new Date().toISOString(),
  call_id: statement.call_id,
  trace_id: statement.trace_id,
  expert_id: statement.party,
  asked: {
    council: statement.council,
    choices: ["until noon"],
    question_sha256: statement.question_sha256,
    assurance: ["link"],
  },
  ...more,
});

test("a statement is the one of the published examples, and so are its signed bytes", async () => {
  const signer = { assurance: "link", kid: "page", public_key: statement.public_key };
  const made = await draft(about(), statement.choice, statement.text, statement.time, signer);
  const { signature: _signature, ...expected } = statement;
  assert.deepEqual(made, expected);
  assert.equal(textOf(signedBytes(made)), page.signed_bytes);
});

/** A bridge that takes, or refuses with the error of `answer`; keeps the requests. */
function bridge(answer = () => {}) {
  const sent = [];
  return {
    sent,
    decision: async () => about(),
    decide: async (decision) => {
      sent.push(decision);
      answer(decision);
      return { decision, attestation: {}, replaced: false };
    },
  };
}

test("a decision is signed by the page's key, and a later one has a later time", async () => {
  const [signer, http] = [await ed25519(), bridge()];
  let keys = 0;
  const decision = new Decision(http, () => {
    keys += 1;
    return signer.makeKey();
  });
  await decision.look();
  assert.ok(await decision.send("until noon", ""));
  assert.ok(await decision.send("until noon", "Because."));
  const [first, second] = http.sent;
  assert.ok(second.time > first.time);
  assert.equal(keys, 1);
  assert.ok(!("text" in first) && second.text === "Because.");
  for (const sent of http.sent) {
    assert.ok(
      await signer.verify(
        parsePublicKey(sent.public_key),
        fromBase64url(sent.signature.sig),
        signedBytes(sent),
      ),
    );
  }
  assert.equal(decision.about.record.decision.text, "Because.");
});

test("a refusal is told, and nothing counts as taken", async () => {
  const signer = await ed25519();
  for (const [status, field, words] of [
    [409, undefined, /time for a decision has passed/],
    [403, "assurance", /a link is not enough/],
    [403, "party", /Another expert/],
    [0, undefined, /cannot be reached/],
    [503, undefined, /at the moment/],
  ]) {
    const refuse = () => {
      throw new HttpError(status, { field });
    };
    const decision = new Decision(bridge(refuse), () => signer.makeKey());
    await decision.look();
    assert.equal(await decision.send("until noon", ""), false);
    assert.match(decision.refusal, words);
    assert.equal(decision.about.record, undefined);
  }
});

test("a passkey is offered at its domain alone, and its line is the registry's", () => {
  const here = (host) => isHere({ rp_id: "bridge.example" }, host);
  assert.deepEqual(
    ["bridge.example", "a.bridge.example", "evilbridge.example", "example"].map(here),
    [true, true, false, false],
  );
  const info = Uint8Array.from({ length: 91 }, (_, at) => at);
  const line = registryLine(Uint8Array.of(1, 2), -7, info, "bridge.example");
  const [, key] = /^- \{id: "AQI", public_key: "es256:(.+)", rp_id: "bridge.example"\}$/.exec(line);
  assert.match(key, /^[A-Za-z0-9+/]{86}[A-Za-z0-9+/=]{2}$/);
  assert.throws(() => registryLine(Uint8Array.of(1), -257, info, "bridge.example"));
});

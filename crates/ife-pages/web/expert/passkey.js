// The page on which an expert makes a passkey. The page sends nothing: the expert sends its line to
// the operator, who adds it to the registry.

import { toBase64, toBase64url, utf8 } from "./protocol/encoding.js";
import { byId, setText, showText } from "./view/dom.js";

/** COSE algorithms, and how long the raw key at the end of its SubjectPublicKeyInfo is. */
const KINDS = new Map([
  [-7, { name: "es256", length: 65 }],
  [-8, { name: "ed25519", length: 32 }],
]);

/** The line of the registry for a credential. */
export function registryLine(id, algorithm, info, domain) {
  const kind = KINDS.get(algorithm);
  if (!kind || info.length < kind.length) {
    throw new Error("this device makes keys of a kind that is not known here");
  }
  const key = `${kind.name}:${toBase64(info.slice(-kind.length))}`;
  return `- {id: "${toBase64url(id)}", public_key: "${key}", rp_id: "${domain}"}`;
}

async function make(name) {
  const random = (length) => crypto.getRandomValues(new Uint8Array(length));
  const { rawId, response } = await navigator.credentials.create({
    publicKey: {
      challenge: random(32),
      rp: { id: location.hostname, name: "IF.ESCALATE" },
      user: { id: utf8(name).slice(0, 64), name, displayName: name },
      pubKeyCredParams: [...KINDS.keys()].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: { userVerification: "required" },
      attestation: "none",
    },
  });
  return registryLine(
    new Uint8Array(rawId),
    response.getPublicKeyAlgorithm(),
    new Uint8Array(response.getPublicKey()),
    location.hostname,
  );
}

async function submitted(event) {
  event.preventDefault();
  showText(byId("problem"), "");
  try {
    setText(byId("line"), await make(byId("name").value.trim()));
    byId("made").hidden = false;
    byId("made-title").focus();
  } catch (error) {
    console.warn(error);
    showText(
      byId("problem"),
      "No passkey was made. The page must be open over https at its name, " +
        "and the device must allow it.",
    );
  }
}

async function copied() {
  await navigator.clipboard.writeText(byId("line").textContent);
  setText(byId("copied"), "Copied.");
}

if (typeof document !== "undefined") {
  byId("form").addEventListener("submit", submitted);
  byId("copy").addEventListener("click", copied);
}

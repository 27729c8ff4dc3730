// The receipt and, for the suspicious, the checks and their ways.

import { byId, el, setText } from "./dom.js";
import { grouped } from "./format.js";

/** Shows the receipt when there is one. */
export function renderReceipt(session) {
  const { receipt } = session;
  byId("receipt").hidden = !receipt;
  if (!receipt) return;
  const { files } = receipt.body;
  const bad = files.filter((file) => !file.verified).length;
  byId("receipt").dataset.verdict = bad === 0 ? "good" : "bad";
  setText(byId("receipt-title"), bad === 0 ? "Verified" : "Does not match");
  setText(
    byId("receipt-text"),
    verdictText(files.length, bad, session.receiver.manifest.files.length - files.length),
  );
  setText(byId("receipt-entry"), entryText(receipt, session.proofs));
}

function verdictText(count, bad, missing) {
  const rest =
    missing === 0
      ? ""
      : ` ${missing === 1 ? "One file was" : `${missing} files were`} not received.`;
  if (bad > 0) {
    return (
      `${bad === 1 ? "One file is" : `${bad} files are`} not what the bridge signed, also when ` +
      `fetched again. Do not rely on it, and tell the council.${rest}`
    );
  }
  if (count === 1) {
    return (
      `The ${missing === 0 ? "file" : "file that was received"} is, to the last byte, the one ` +
      `that the bridge signed.${rest}`
    );
  }
  return (
    `${missing === 0 ? `All ${count} files` : `The ${count} files that were received`} are, to ` +
    `the last byte, the ones that the bridge signed.${rest}`
  );
}

function entryText({ entry, index }, proofs) {
  if (!entry) return "Your signed receipt is on its way to the bridge.";
  const proved = proofs?.checked?.find((proof) => proof.kind === "receipt")?.found;
  if (proved) {
    return (
      `Your signed receipt is entry ${proved.index} of the witness log. ` +
      "This page has checked that."
    );
  }
  return index === undefined
    ? "The bridge has entered your signed receipt in the witness log."
    : `The bridge has entered your signed receipt in the witness log, as entry ${index}.`;
}

/** Shows the results as a list of checks. */
export function renderProof(session) {
  const { description, receiver, signer } = session;
  if (!receiver) return;
  byId("proof").hidden = false;
  const checks = [
    check(
      true,
      "Every message was signed by the bridge for this connection",
      description.bridge_key,
    ),
    check(true, "The list of files is the signed one", grouped(receiver.manifest.sha256)),
    ...session.refusedMessages.map((why) =>
      check(false, "A message was refused and not acted on", why),
    ),
    ...logChecks(session.proofs),
    check(
      signer.isNative ? true : undefined,
      signer.isNative
        ? "Signatures are checked by this browser"
        : "This browser has no Ed25519: signatures are checked by a library that comes with " +
            "this page",
    ),
  ];
  const text = JSON.stringify(checks.map((item) => item.textContent));
  const list = byId("checks");
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...checks);
}

const TITLES = {
  manifest: "The witness log holds this list of files",
  receipt: "The witness log holds your receipt",
};

function logChecks(proofs) {
  if (!proofs) return [check(undefined, "The witness log has not been asked yet")];
  if (proofs.absent === "no-log") {
    return [check(undefined, "This bridge shows no witness log to experts")];
  }
  if (proofs.absent) return [check(undefined, "The witness log's proof could not be fetched")];
  const missing = Object.keys(TITLES).filter(
    (kind) => !proofs.checked.some((proof) => proof.kind === kind),
  );
  return [
    ...proofs.checked.map(oneProof),
    ...missing
      .filter((kind) => kind === "manifest")
      .map(() => check(undefined, "The witness log has not published this list of files yet")),
  ];
}

function oneProof({ kind, found, why }) {
  if (!found) return check(false, `${TITLES[kind]}: this does not hold`, why);
  const signers = found.signers.map(
    (signer) =>
      signer.name +
      (signer.unixSeconds ? ` at ${new Date(signer.unixSeconds * 1000).toISOString()}` : ""),
  );
  return check(
    true,
    TITLES[kind],
    `Entry ${found.index} of ${found.size}. ` +
      `${found.steps} hashes lead from it to the signed head of the log.`,
    `Leaf ${grouped(found.leaf)}`,
    `Root ${grouped(found.root)}`,
    `Signed by ${signers.join(" and ")}`,
  );
}

function check(holds, title, ...details) {
  const mark = { true: ["✓", "holds"], false: ["✕", "fails"] }[holds] ?? ["·", "note"];
  return el(
    "li",
    { class: mark[1] },
    el("span", { class: "mark-sign", "aria-hidden": "true" }, mark[0]),
    el(
      "div",
      {},
      el(
        "p",
        {},
        el(
          "span",
          { class: "visually-hidden" },
          holds === undefined ? "" : `${mark[1] === "holds" ? "Checked" : "Failed"}: `,
        ),
        title,
      ),
      ...details.map((line) => el("p", { class: "detail" }, line)),
    ),
  );
}

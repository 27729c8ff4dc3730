// Whether a proof of the witness log is about this very session: the entry's event, trace id,
// manifest and receipt (docs/evidence.md, 3).

import { BadProof, checkProof } from "./proof.js";

const EVENTS = { manifest: "EVIDENCE_OPEN", receipt: "EVIDENCE_VERIFIED" };

/**
 * Checks one member of the answer of `/proof`. `facts` has `vkeys`, `traceId`, `manifest` (hex) and
 * `receipt` (the leaf hash that the bridge named, or undefined). Gives {kind, entry, found} or
 * {kind, entry, why}.
 */
export async function checkEntry(kind, { entry, proof }, facts, verify) {
  try {
    const found = await checkProof(entry, proof, facts.vkeys, verify);
    const { event, trace_id: traceId, evidence } = JSON.parse(entry);
    if (event !== EVENTS[kind] || traceId !== facts.traceId) {
      throw new BadProof("the entry is about something else");
    }
    if (evidence?.manifest !== facts.manifest) {
      throw new BadProof("the entry names another list of files");
    }
    if (
      kind === "receipt" &&
      facts.receipt &&
      found.leaf !== facts.receipt.replace(/^sha256:/, "")
    ) {
      throw new BadProof("the entry is not the one that the bridge named for your receipt");
    }
    return { kind, found, entry };
  } catch (error) {
    return { kind, why: error.message, entry };
  }
}

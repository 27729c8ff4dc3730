// How the parts are, in one line.

import { h, mark, refill } from "./dom.js";
import { ago, counted } from "./words.js";

const LOG = {
  off: ["not configured", "dash", "quiet"],
  starting: ["being read", "half", "busy"],
  verified: ["verified", "check", "good"],
  unreadable: ["cannot be read", "cross", "bad"],
  mismatch: ["not what was signed", "alarm", "bad"],
};

function part(name, [word, shape, tone], more) {
  return h("span", { class: `part ${tone}` }, [
    mark(shape, tone),
    h("span", {}, [h("b", {}, name), ` ${word}`]),
    more ? h("span", { class: "quiet" }, more) : null,
  ]);
}

const up = (yes, good, bad) => (yes ? [good, "full", "good"] : [bad, "cross", "bad"]);

/** Draws `health` (of `/readyz`) and `log` (of `/v1/witness/checkpoint`, or null). */
export function showHealth(root, health, log) {
  root.hidden = !health;
  if (!health) return;
  const signed = log?.checkpoint?.signatures
    .map((signature) => signature.time)
    .filter(Boolean)
    .sort()
    .at(-1);
  const size = log?.checkpoint
    ? counted(log.checkpoint.size, "entry", "entries") + (signed ? `, signed ${ago(signed)}` : "")
    : "";
  refill(
    root,
    part("Asterisk", up(health.ami, "connected", "not connected")),
    health.kamailio === null
      ? null
      : part("Kamailio", up(health.kamailio, "reached by Asterisk", "not reached by Asterisk")),
    health.stuck_channels > 0
      ? part("Hang-ups", [`${health.stuck_channels} unconfirmed`, "cross", "bad"])
      : null,
    part("Witness", up(health.witness, "takes entries", "takes no entries")),
    health.store ? null : part("Store", ["takes no calls", "cross", "bad"]),
    health.nats === null ? null : part("NATS", up(health.nats, "connected", "disconnected")),
    part("Log", LOG[health.log] ?? LOG.off, size),
    health.draining ? part("Bridge", ["drains: no new calls", "half", "warn"]) : null,
  );
}

/** The alarm that must not be overlooked, or an empty text. */
export function alarmText(health, log) {
  if (health?.log === "mismatch") {
    const [first] = log?.alarms ?? [];
    const which = first
      ? first.index === undefined
        ? `: ${first.what}`
        : `: entry ${first.index}: ${first.what}`
      : "";
    return (
      `The witness log is not what was signed${which}. Keep its directory as it is, and find out ` +
      "who could write to it."
    );
  }
  if (health && !health.witness) {
    return (
      "The witness takes no entries: new calls are refused where it is required. " +
      "Is ife-witnessd running?"
    );
  }
  if (health && !health.store) {
    return (
      "Calls cannot be stored: new ones are refused until ife-bridge restarts. " +
      "Is the disk full?"
    );
  }
  if (health && !health.ami) {
    return (
      "Not connected to Asterisk: calls go on there, but nothing can be told or done about them " +
      "until it is back."
    );
  }
  if (health?.kamailio === false) {
    return (
      "Asterisk does not reach Kamailio: no expert can be called, " +
      "and a hang-up may not reach the phone. Is Kamailio running?"
    );
  }
  if (health?.stuck_channels > 0) {
    return (
      "Channels of calls that are over do not hang up: look at `core show channels` at " +
      "Asterisk. It may have to be restarted."
    );
  }
  return "";
}

// The words for states and times.

/** States of a call or a leg: word, shape, tone. */
const CALL = {
  received: ["received", "hollow", "quiet"],
  approved: ["approved", "hollow", "quiet"],
  inviting: ["calling", "hollow", "busy"],
  ringing: ["ringing", "half", "busy"],
  answered: ["answered", "half", "good"],
  briefing: ["hears why", "half", "busy"],
  accepted: ["accepted", "half", "good"],
  bridging: ["joining", "half", "busy"],
  connected: ["connected", "full", "good"],
  ending: ["ending", "half", "quiet"],
  ended: ["ended", "square", "quiet"],
  failed: ["failed", "cross", "bad"],
  unknown: ["not connected", "dash", "warn"],
};

const EVIDENCE = {
  none: ["none", "dash", "quiet"],
  offered: ["offered", "hollow", "busy"],
  open: ["being read", "half", "busy"],
  verified: ["verified", "check", "good"],
  failed: ["failed", "cross", "bad"],
};

const OUTCOME = {
  rejected: ["rejected", "cross", "bad"],
  let_pass: ["let pass (shadow)", "dash", "warn"],
  failed: ["failed", "cross", "bad"],
  ended: ["ended", "square", "quiet"],
  connected: ["connected", "full", "good"],
  ringing: ["ringing", "half", "busy"],
  set_up: ["set up", "hollow", "quiet"],
};

const known = (table, name) => table[name] ?? [String(name), "dash", "quiet"];

export const callState = (name) => known(CALL, name);
export const evidenceState = (name) => known(EVIDENCE, name);
export const outcome = (name) => known(OUTCOME, name);

/** Whether a call has not ended. */
export const isLive = (call) => call.sip_call_state !== "ended" && call.sip_call_state !== "failed";

/** Why a call ended, in words; one that ended under an earlier version has its reason alone. */
export function reason({ end, cause, reason: text }) {
  if (!end) return text?.replaceAll("_", " ");
  const gate = end.gate ? ` at gate ${end.gate}` : "";
  const numbers = [["cause", cause], ["SIP", end.sip]].filter(([, number]) => number !== undefined);
  const told = numbers.length > 0 ? ` (${numbers.map((one) => one.join(" ")).join(", ")})` : "";
  return `${end.word.replaceAll("_", " ")}${gate}${told}`;
}

const two = (number) => String(number).padStart(2, "0");

/** `3:07` or `1:02:03`. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/** The reader's own clock: `17:42:03`, with the day when it is another one. */
export function clock(text, now = new Date()) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return "";
  const hours = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (time.toDateString() === now.toDateString()) return hours;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${hours}`;
}

/** `12 s ago`, `5 min ago`, `3 h ago`. */
export function ago(text, now = Date.now()) {
  const seconds = Math.round((now - Date.parse(text)) / 1000);
  if (Number.isNaN(seconds)) return "";
  if (seconds < 2) return "just now";
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800
    ? `${Math.round(seconds / 3600)} h ago`
    : `${Math.round(seconds / 86400)} days ago`;
}

/** `12,345`. */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** `1 entry`, `2 entries`. */
export const counted = (number, one, many) => `${grouped(number)} ${number === 1 ? one : many}`;

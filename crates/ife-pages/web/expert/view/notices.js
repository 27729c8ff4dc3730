// Why the page cannot go on, in words for the expert or the guardian: what happened, and what to
// do.

import { isLoopback, written } from "../protocol/candidates.js";

const NOTICES = {
  used: [
    "This link was opened in another browser",
    "A link to evidence works once. If that was not you, tell the council on the call now. " +
      "To go on here, ask for a new link.",
  ],
  expired: [
    "This link is not valid",
    "It has expired, or a part of it was lost on the way. " +
      "Open the whole link, or ask the council for a new one.",
  ],
  "no-token": [
    "This link is not complete",
    "The part behind the # is missing. Open the link as it was sent to you. " +
      "In the browser that opened it first, it works without.",
  ],
  forgotten: [
    "The bridge does not know this session any more",
    "It was probably restarted. Files that are verified can still be saved here. " +
      "Ask the council for a new link.",
  ],
  unknown: [
    "There is no evidence here",
    "The address is wrong, or the session has been removed. Ask the council for a new link.",
  ],
  over: [
    "The call has ended",
    "No more files can be fetched. What is verified can be saved until you close this page.",
  ],
  unreachable: [
    "The bridge cannot be reached",
    "Check your connection, then load this page again. Nothing that was received is lost.",
  ],
  untrusted: [
    "This evidence is not shown, because it cannot be trusted",
    "What arrived was not signed by the bridge that you were called from, " +
      "or was not made for this connection. Tell the council on the call.",
  ],
  unsupported: [
    "This browser cannot receive evidence",
    "It lacks WebRTC, or the page was not opened over https. Any current browser will do.",
  ],
  "other-tab": [
    "This evidence is open in another tab",
    "Go on there, or close it and load this page again.",
  ],
  storage: [
    "This browser has no room for the files",
    "Free some space on this device, then load this page again. What is verified is kept.",
  ],
  broken: [
    "Something went wrong in this page",
    "Load it again: what is verified is kept. If it happens again, tell the council on the call.",
  ],
};

const GUARDIAN_NOTICES = {
  ...NOTICES,
  forgotten: [
    "This link is not good any more",
    "Your admission is over, or you have opened a newer link. " +
      "Files that are verified can still be saved here. Ask for an admission to get a new link.",
  ],
};

/** {title, text} for a refusal of session.js. */
export function noticeFor(refusal, isGuardian = false) {
  const notices = isGuardian ? GUARDIAN_NOTICES : NOTICES;
  const [title, text] = notices[refusal] ?? notices.broken;
  return { title, text };
}

/** {text, helps} for a browser that finds no way to these addresses of the bridge. */
export function wayOut(addresses) {
  const at = addresses.map(written).join(", ") || "no address";
  const trying = "This page goes on trying. Your call is not touched by it.";
  if (addresses.length > 0 && addresses.every(({ host }) => isLoopback(host))) {
    return {
      text:
        `The bridge offers the evidence at ${at} over UDP alone. Only a browser on the bridge's ` +
        `own machine can reach that, and Firefox never uses such an address. ${trying}`,
      helps: [
        "On the bridge's machine: Chrome, Chromium or Edge, with a new link, " +
          "which the council can have made. A link works in one browser.",
        "In Firefox, and on any other machine: the bridge's operator sets evidence.udp, " +
          "or evidence.public_addresses, to an address that you reach.",
      ],
    };
  }
  return {
    text: `This browser sends to ${at} over UDP and hears nothing. ${trying}`,
    helps: [
      "Another network, for example a phone's: company and guest networks often let no UDP " +
        "out. Switch off a VPN or an extension that blocks WebRTC.",
      "Tell the council. The bridge's operator checks that the address is the one that you " +
        "reach and that its firewall lets UDP in, or sets up a TURN server (evidence.turn).",
    ],
  };
}

/** Whether loading the page again may help. */
export const mayReload = (refusal) =>
  ["unreachable", "other-tab", "storage", "broken"].includes(refusal);

// State of one tab of the browser: the expert's choice for each file, and that no other
// tab has the session.

/** A page that is being reloaded lets go of its session within this time. */
const OTHER_TAB_MS = 3_000;
const INTENTS = "if-escalate-intents-";

/** File id to `request`, `pause` or `cancel`, as ordered in this tab before it was reloaded. */
export function keptIntents(session) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(INTENTS + session) ?? "{}");
    return Object.fromEntries(
      Object.entries(kept).filter(([, what]) => ["request", "pause", "cancel"].includes(what)),
    );
  } catch {
    return {};
  }
}

/** Keeps them for the next page in this tab. */
export function keepIntents(session, intents) {
  try {
    sessionStorage.setItem(INTENTS + session, JSON.stringify(intents));
  } catch {
    // A browser that keeps nothing: after a reload the expert asks again.
  }
}

/**
 * Whether no other tab has the session; holds it from then on. Each offer ends the connection
 * before it, so two tabs would take it from each other for ever.
 */
export async function onlyTab(session) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    const hold = () => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks
      .request(`if-escalate-${session}`, { signal: AbortSignal.timeout(OTHER_TAB_MS) }, hold)
      .catch(() => resolve(false));
  });
}

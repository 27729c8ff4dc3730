// The page of an expert or a guardian. Opened as /e/<session>#<token>; everything else is in the
// modules.

import { Session } from "./session.js";
import { Page } from "./view/page.js";

// The token is a secret that is good once: it leaves the address bar, the history and every
// screenshot at once.
function takeToken() {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return token;
}

const session = new Session(location.pathname.replace(/\/$/, ""));
new Page(session);
session.open(takeToken());

// The whole link, put into the address bar of this very page, loads nothing by itself.
window.addEventListener("hashchange", () => {
  if (session.phase === "refused") location.reload();
  else takeToken();
});

// The operator's page: places, live data, and the right to look.

import { ApiError, ask, events, token } from "./api.js";
import { callsView } from "./calls.js";
import { chartView } from "./chart.js";
import { h, refill, say } from "./dom.js";
import { alarmText, showHealth } from "./health.js";
import { roomsView } from "./rooms.js";
import { recentView, searchView } from "./search.js";
import { storyView } from "./story.js";

/** Between two looks at data without events. */
const REFRESH_MS = 10_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/** One column; page.css knows the same width. */
const isNarrow = matchMedia("(max-width: 60rem)");

const $ = (id) => document.getElementById(id);
const known = { calls: new Map(), rooms: [], health: null, log: null, trouble: "", lost: false };
let view = null;
let session = null;

// --- the view

function overview(root) {
  const [calls, rooms, ended, verdicts, recent] = [
    "calls",
    "rooms",
    "ended",
    "verdicts",
    "recent",
  ].map((name) => h("section", { class: name }));
  const columns = h("div", { class: "overview" });
  const arrange = () => {
    const told = isNarrow.matches
      ? [[calls, rooms, ended, verdicts, recent]]
      : [
          [calls, ended, recent],
          [rooms, verdicts],
        ];
    columns.replaceChildren(...told.map((sections) => h("div", { class: "column" }, sections)));
  };
  arrange();
  isNarrow.addEventListener("change", arrange);
  root.replaceChildren(h("h1", { class: "unseen" }, "Calls"), columns);
  const parts = {
    calls: callsView(calls, ended),
    rooms: roomsView(rooms),
    verdicts: chartView(verdicts),
    recent: recentView(recent),
  };
  let soon;
  const load = () => {
    parts.verdicts.load();
    parts.recent.load();
  };
  const update = () => {
    parts.calls.update(
      [...known.calls.values()].sort((a, b) => b.started.localeCompare(a.started)),
    );
    parts.rooms.update(known.rooms);
  };
  update();
  load();
  return {
    update,
    refresh: load,
    onCall() {
      // A call's entries are in the log a moment later.
      clearTimeout(soon);
      soon = setTimeout(load, 1200);
    },
    close() {
      clearTimeout(soon);
      isNarrow.removeEventListener("change", arrange);
      parts.calls.close();
    },
  };
}

function route() {
  if (!session) return;
  view?.close?.();
  const root = $("view");
  const [, kind, ...rest] = location.hash.replace(/^#/, "").split("/");
  const id = decode(rest.join("/"));
  document.title = `${id ? `${id} · ` : ""}Calls · IF.ESCALATE`;
  if (kind === "trace" && id) view = storyView(root, "trace_id", id);
  else if (kind === "call" && id) view = storyView(root, "call_id", id);
  else if (kind === "search" && id) view = searchView(root, id);
  else view = overview(root);
  if (kind !== "search") $("q").value = "";
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function showState() {
  showHealth($("health"), known.health, known.log);
  const text = known.lost
    ? "The connection to the bridge is lost; what is shown may be old. Trying again…"
    : alarmText(known.health, known.log) || known.trouble;
  const banner = $("banner");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
  view?.update?.();
}

// --- live data

async function loadAll() {
  const [calls, rooms, health, log] = await Promise.all([
    ask("/v1/calls"),
    ask("/v1/rooms").catch(() => []),
    // Not ready is an answer.
    ask("/readyz", { accept: [503] }),
    ask("/v1/witness/checkpoint").catch((error) =>
      error.status === 401 ? Promise.reject(error) : null,
    ),
  ]);
  known.calls = new Map(calls.map((call) => [call.call_id, call]));
  Object.assign(known, { rooms, health, log, trouble: "" });
  showState();
}

async function reloadQuietly() {
  try {
    await loadAll();
    view?.refresh?.();
  } catch (error) {
    if (error.status === 401) leave("The token is no longer good.");
  }
}

function onEvent(name, event) {
  if (name === "call") {
    known.calls.set(event.call_id, event);
    view?.onCall?.(event);
    showState();
  } else if (name === "health") {
    known.health = event;
    showState();
  } else if (name === "room" || name === "missed") {
    reloadQuietly();
  }
}

async function follow(signal) {
  let tries = 0;
  while (!signal.aborted) {
    try {
      await events(onEvent, () => {
        tries = 0;
        known.lost = false;
        reloadQuietly();
      }, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) {
        return leave("The token is no longer good.");
      }
    }
    if (signal.aborted) return;
    known.lost = true;
    showState();
    await new Promise((resolve) =>
      setTimeout(resolve, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]),
    );
  }
}

// --- who may look

async function enter() {
  await loadAll();
  const stop = new AbortController();
  session = { stop, timer: setInterval(reloadQuietly, REFRESH_MS) };
  $("search").hidden = false;
  $("leave").hidden = !token.get();
  follow(stop.signal);
  route();
}

function leave(why) {
  session?.stop.abort();
  clearInterval(session?.timer);
  view?.close?.();
  [session, view] = [null, null];
  token.clear();
  known.lost = false;
  for (const id of ["search", "leave", "health", "banner"]) $(id).hidden = true;
  login(why);
}

function login(why) {
  const problem = h("p", { class: "bad", role: "alert" }, why ?? "");
  const field = h("input", {
    id: "token",
    type: "password",
    required: true,
    minlength: 32,
    autocomplete: "current-password",
    spellcheck: "false",
  });
  const form = h("form", { class: "card login" }, [
    h("h1", {}, "Log in"),
    h("p", {}, [
      "The token of the bridge's TCP listener: what is in the file that ",
      h("code", {}, "listen.tcp.token_file"),
      " names. It stays in this tab and is forgotten when the tab is closed.",
    ]),
    h("label", { for: "token" }, "Token"),
    field,
    problem,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Log in")),
  ]);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    // What cannot be in a header cannot be the token.
    if (!/^[\x21-\x7e]+$/.test(field.value.trim())) {
      return void (problem.textContent = "That is not the token.");
    }
    token.set(field.value.trim());
    try {
      await enter();
    } catch (error) {
      token.clear();
      problem.textContent = error.status === 401 ? "That is not the token." : error.message;
      field.select();
    }
  });
  refill($("view"), form);
  field.focus();
}

async function start() {
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("q").value.trim();
    if (text) location.hash = `#/search/${encodeURIComponent(text)}`;
  });
  $("leave").addEventListener("click", () => leave());
  addEventListener("hashchange", () => {
    route();
    $("view").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  document.addEventListener("stale", reloadQuietly);
  document.addEventListener("trouble", (event) => {
    known.trouble = event.detail;
    showState();
  });
  try {
    await enter();
  } catch (error) {
    if (error.status === 401) return login();
    refill(
      $("view"),
      h("p", { class: "empty bad" }, error.message),
      h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Try again")),
    );
    say(error.message);
  }
}

start();

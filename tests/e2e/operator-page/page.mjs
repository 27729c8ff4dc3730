// The operator's page as a person uses it. Compares it with the API and with the log's
// entries in PAGE_ENTRIES.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { hasText, openBrowser, run, shoot, until, violations } from "../../browser/lib.mjs";

const { PAGE_URL, PAGE_TOKEN, PAGE_ENTRIES } = process.env;
const entries = JSON.parse(readFileSync(PAGE_ENTRIES, "utf8"));
const { page, context, said, close } = await openBrowser({
  viewport: { width: 1320, height: 900 },
});

const api = async (path, accept = []) => {
  const response = await fetch(new URL(path, PAGE_URL), {
    headers: { Authorization: `Bearer ${PAGE_TOKEN}` },
  });
  assert.ok(response.ok || accept.includes(response.status), `${path}: ${response.status}`);
  return response.json();
};
const ofTrace = (trace) => entries.filter((entry) => entry.trace_id === trace);
const number = (text) => Number(text.replaceAll(",", ""));

async function logIn() {
  await page.goto(PAGE_URL);
  await page.getByLabel("Token").fill(PAGE_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Live calls" }).waitFor();
}

async function goTo(hash) {
  await page.goto(PAGE_URL + hash);
}

async function story(trace) {
  await goTo(`#/trace/${encodeURIComponent(trace)}`);
  await page.locator("svg.ladder").waitFor();
  if (!(await page.locator("details.as-table").evaluate((details) => details.open))) {
    await page.getByText("The same as a table").click();
  }
}

const cells = (row) => row.locator("th, td").allInnerTexts();
const tableRows = () => page.locator("table.story tbody tr").all();

const LOOKS = [
  ["light", 1320, 900],
  ["dark", 1320, 900],
  ["light", 390, 844],
  ["dark", 390, 844],
  ["light", 320, 640],
];

/**
 * Every lane of the ladder is in sight with its whole name, before and after scrolling, and nothing
 * of it is scrolled sideways.
 */
async function ladderFits(width, height) {
  const told = await page.evaluate(() => {
    const drawn = document.querySelector(".drawn");
    drawn.scrollIntoView({ block: "end", behavior: "instant" });
    const box = (node) => {
      const { left, right, top, bottom } = node.getBoundingClientRect();
      return { name: node.textContent, left, right, top, bottom };
    };
    return {
      names: [...drawn.querySelectorAll(".lane")].map(box),
      lives: drawn.querySelectorAll(".life").length,
      hidden: drawn.scrollWidth - drawn.clientWidth,
      frame: box(drawn),
    };
  });
  await page.evaluate(() => scrollTo(0, 0));
  assert.equal(told.lives, told.names.length);
  assert.ok(told.hidden <= 0, `${told.hidden} px of the ladder are out of sight`);
  const isLong = told.frame.bottom - told.frame.top > height;
  for (const [place, name] of told.names.entries()) {
    assert.ok(
      name.left >= 0 && name.right <= width,
      `${name.name} is at ${name.left} to ${name.right} of ${width}`,
    );
    assert.ok(!isLong || name.top >= 0, `${name.name} is scrolled away`);
    for (const other of told.names.slice(0, place)) {
      assert.ok(
        name.left >= other.right || name.top >= other.bottom || other.top >= name.bottom,
        `${other.name} and ${name.name} lie on each other`,
      );
    }
  }
}

/** The picture and axe-core's findings, light and dark, wide and on a phone. */
async function look(name) {
  for (const [scheme, width, height] of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height });
    await until("the page has settled", () =>
      page.evaluate(
        () =>
          new Promise((resolve) =>
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))),
          ),
      ),
    );
    const wide = await page.evaluate(() => {
      scrollTo(0, 0);
      return document.documentElement.scrollWidth;
    });
    await shoot(page, `operator-${name}-${scheme}-${width}`);
    assert.ok(wide <= width, `${name} at ${width} px is ${wide} px wide`);
    assert.deepEqual(await violations(page), [], `${name}, ${scheme}, ${width} px`);
    if (await page.locator("svg.ladder").count()) await ladderFits(width, height);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1320, height: 900 });
}

const steps = {
  calls: [
    ["a wrong token is refused, the right one stays in the tab", async () => {
      await page.goto(PAGE_URL);
      await page.getByLabel("Token").fill("0".repeat(40));
      await page.keyboard.press("Enter");
      await hasText(page, ".login [role=alert]", "not the token");
      await look("login");
      await logIn();
      assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
      assert.ok(!page.url().includes(PAGE_TOKEN));
      assert.equal(
        await page.evaluate(() => sessionStorage.getItem("if-escalate-token")),
        PAGE_TOKEN,
      );
      await page.reload();
      await page.getByRole("heading", { name: "Live calls" }).waitFor();
    }],
    ["live calls and rooms are those of the API", async () => {
      const live = (await api("/v1/calls")).filter(
        (call) => !["ended", "failed"].includes(call.sip_call_state),
      );
      assert.equal(live.length, 1);
      await page.locator(".card.call").waitFor();
      assert.equal(await page.locator(".card.call").count(), 1);
      const card = await page.locator(".card.call").innerText();
      for (const text of [
        live[0].expert_name,
        live[0].hazard,
        live[0].trace_id,
        "connected",
        "in the room",
      ]) {
        assert.ok(card.includes(text), `${text} is not in ${card}`);
      }
      const [room] = await api("/v1/rooms");
      assert.equal(await page.locator(".people li").count(), room.participants.length);
      for (const person of room.participants) {
        await hasText(page, ".people .who", `${person.name} ${person.role}`);
      }
      await hasText(page, ".list", "expert-ethics");
    }],
    ["health is that of /readyz, the log's size that of the checkpoint", async () => {
      for (const text of ["Asterisk connected", "Witness takes entries", "Log verified"]) {
        await hasText(page, "#health .part", text);
      }
      const { checkpoint } = await api("/v1/witness/checkpoint");
      assert.deepEqual(checkpoint.signatures.length, 2);
      await until("the size is shown", async () => {
        const { checkpoint: now } = await api("/v1/witness/checkpoint");
        const shown = /([\d,]+) entries/.exec(await page.locator("#health").innerText());
        return shown !== null && number(shown[1]) === now.size;
      });
    }],
    ["verdicts by gate are those of the log", async () => {
      const wanted = new Map();
      const count = (name) => wanted.set(name, (wanted.get(name) ?? 0) + 1);
      for (const entry of entries) {
        const bridge = entry.producer.startsWith("bridge-");
        const { gate } = entry;
        if (entry.event === "REJECTED") count(bridge ? `${gate} at the bridge` : gate);
        if (entry.event === "APPROVED" && !bridge) count("approved");
      }
      assert.ok(wanted.size >= 5, [...wanted.keys()].join());
      await until(
        "all of them are shown",
        async () => (await page.locator(".verdicts tbody tr").count()) === wanted.size,
      );
      for (const row of await page.locator(".verdicts tbody tr").all()) {
        const [name, total] = [
          await row.locator("th").innerText(),
          await row.locator("td.figures").innerText(),
        ];
        assert.equal(number(total), wanted.get(name.trim()), name);
      }
    }],
    ["the overview is accessible and fits", () => look("calls")],
    ["on a phone rooms come before what is over", async () => {
      for (const [width, wanted] of [
        [390, ["Live calls", "Rooms", "Ended lately", "Verdicts by gate", "Lately in the log"]],
        [1320, ["Live calls", "Ended lately", "Lately in the log", "Rooms", "Verdicts by gate"]],
      ]) {
        await page.setViewportSize({ width, height: 844 });
        await until(
          `the order at ${width} px`,
          async () => (await page.locator("main h2").allInnerTexts()).join() === wanted.join(),
        );
      }
    }],
    ["evidence is told on the lane of the bridge", async () => {
      await story("trace-page-evidence");
      const told = (await Promise.all((await tableRows()).map(cells))).map(
        (row) => `${row[2].trim()}: ${row[3].trim()}`,
      );
      for (const row of [
        "Expert to Bridge: evidence: offer",
        "Bridge to Expert: evidence: answer",
        "Bridge to Expert: evidence: file sent",
        "Expert to Bridge: evidence: receipt",
        "Bridge: evidence failed",
      ]) {
        assert.ok(told.includes(row), `${row} is not in ${told.join(", ")}`);
      }
      await look("evidence");
    }],
    ["the ladder of a connected call is its entries, each in the signed log", async () => {
      await story("trace-page-connected");
      const logged = ofTrace("trace-page-connected");
      await until(
        "all entries are there",
        async () => (await page.locator("table.story tbody button").count()) === logged.length,
      );
      await hasText(page, ".proof.good", `All ${logged.length} entries are in the signed log`);
      assert.equal(await page.locator("svg.ladder .seal.good").count(), logged.length);
      assert.equal(await page.locator("svg.ladder .seal.bad").count(), 0);
      const told = await api("/v1/witness/story?trace_id=trace-page-connected");
      assert.deepEqual(told.entries.map((seen) => seen.included), logged.map(() => true));
      const rows = await Promise.all((await tableRows()).map(cells));
      const whats = rows.map((row) => row[3].trim());
      for (const what of [
        "escalate",
        "call the expert",
        "INVITE",
        "200 OK",
        "answered",
        "joins the room",
      ]) {
        assert.ok(whats.includes(what), `${what} is not in ${whats}`);
      }
      const invite = rows.find((row) => row[3].trim() === "INVITE");
      assert.deepEqual([invite[2].trim(), invite[5].trim()], ["Gateway to Expert", "approved"]);
    }],
    ["the ladder is accessible and fits", () => look("ladder")],
    ["an entry is shown whole, and closed by keyboard", async () => {
      await story("trace-page-connected");
      const first = page.locator("table.story tbody button").first();
      await first.focus();
      await page.keyboard.press("Enter");
      await page.locator("dialog.entry[open]").waitFor();
      const index = Number((await page.locator("#entry-title").innerText()).replace("Entry ", ""));
      const dialog = await page.locator("dialog.entry").innerText();
      assert.ok(dialog.includes("ESCALATE"), dialog);
      const told = await api("/v1/witness/story?trace_id=trace-page-connected");
      assert.ok(dialog.includes(told.entries.find((seen) => seen.index === index).leaf_hash));
      await shoot(page, "operator-entry-light-1320");
      assert.deepEqual(await violations(page), []);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Save the proof" }).click(),
      ]);
      assert.match(readFileSync(await download.path(), "utf8"), /^c2sp\.org\/tlog-proof@v1\n/);
      await page.keyboard.press("Escape");
      await page.locator("dialog.entry[open]").waitFor({ state: "detached" });
    }],
    ["a refused call is found by its Call-ID, and its ladder names the gate", async () => {
      const refused = entries.find((entry) => entry.gate === "freshness");
      await page.getByLabel("Trace id, Call-ID or expert").fill(refused.call_id);
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: refused.trace_id }).click();
      await page.locator("svg.ladder").waitFor();
      await hasText(page, "svg.ladder", "rejected at gate freshness");
      await hasText(page, "svg.ladder .label", `${refused.code} ${refused.reason}`);
      await look("refused");
    }],
    ["calls of an expert are found by the beginning of their name", async () => {
      await page.getByLabel("Trace id, Call-ID or expert").fill("expert-ethics@");
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "trace-page-busy" }).waitFor();
      const found = await api("/v1/witness/search?q=expert-ethics@");
      assert.equal(await page.locator("main .list li").count(), found.traces.length);
      await shoot(page, "operator-search-light-1320");
      assert.deepEqual(await violations(page), []);
      await page.getByLabel("Trace id, Call-ID or expert").fill("no such thing");
      await page.keyboard.press("Enter");
      await hasText(page, "main", "Nothing found; the whole log was searched.");
      await story("trace-page-busy");
      await hasText(page, "svg.ladder .label", "failed");
      await shoot(page, "operator-busy-light-1320");
    }],
    ["markup in an entry stays text", async () => {
      await story("trace-page-markup");
      await page.locator("table.story tbody button").first().click();
      await hasText(page, "dialog.entry", "<img/src=x/onerror=document.title=666>@page.example");
      await page.keyboard.press("Escape");
      await goTo("#/search/" + encodeURIComponent("<img"));
      await page.getByRole("link", { name: "trace-page-markup" }).waitFor();
      assert.equal(await page.locator("main img").count(), 0);
      assert.ok(!(await page.title()).includes("666"));
    }],
    ["muting asks first, and the room says so", async () => {
      await goTo("#/");
      await page.getByRole("button", { name: "Mute guardian-1" }).click();
      await page.locator("#ask[open]").waitFor();
      await shoot(page, "operator-ask-light-1320");
      await page.keyboard.press("Escape");
      assert.equal(
        (await api("/v1/rooms"))[0].participants.filter((person) => person.muted).length,
        0,
      );
      await page.getByRole("button", { name: "Mute guardian-1" }).click();
      await page.locator("#ask-yes").click();
      await page.getByRole("button", { name: "Unmute guardian-1" }).waitFor();
      const muted = (await api("/v1/rooms"))[0].participants.filter((person) => person.muted);
      assert.deepEqual(muted.map((person) => person.name), ["guardian-1"]);
    }],
    ["a call is hung up by keyboard, and is seen to end", async () => {
      await page.getByRole("button", { name: "Hang up" }).focus();
      await page.keyboard.press("Enter");
      await page.locator("#ask[open]").waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "ask-no");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.locator(".card.call").waitFor({ state: "detached" });
      await hasText(page, ".calls .empty", "No call is under way");
      const [call] = (await api("/v1/calls")).filter(
        (one) => one.trace_id === "trace-page-connected",
      );
      assert.equal(call.sip_call_state, "ended");
      await until(
        "the room is closed",
        async () => (await page.locator(".rooms .empty").count()) === 1,
      );
      await shoot(page, "operator-idle-light-1320");
    }],
    ["logging out forgets the token", async () => {
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByLabel("Token").waitFor();
      assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    }],
  ],
  tampered: [
    ["the page says that the log is not what was signed", async () => {
      await logIn();
      await hasText(page, "#health .part", "Log not what was signed");
      await hasText(page, "#banner", "is not the one that was signed");
      await look("alarm");
    }],
    ["the changed entry is red in its ladder, and others are not", async () => {
      const { alarms: [alarm] } = await api("/v1/witness/checkpoint");
      const changed = entries
        .filter((entry) => entry.gate === "freshness")
        .map((entry) => entry.trace_id);
      const stories = await Promise.all(
        changed.map((trace) => api(`/v1/witness/story?trace_id=${encodeURIComponent(trace)}`)),
      );
      const forged = stories.findIndex((one) => one.entries.some((seen) => !seen.included));
      assert.equal(stories[forged].entries.find((seen) => !seen.included).index, alarm.index);
      await story(changed[forged]);
      await hasText(page, ".proof.bad", "One entry is not what was signed");
      assert.equal(await page.locator("svg.ladder .seal.bad").count(), 1);
      await hasText(page, "table.story .forged", "not verified");
      await look("forged");
      await story("trace-page-connected");
      await page.locator(".proof.good").waitFor();
      assert.equal(await page.locator("svg.ladder .seal.bad").count(), 0);
    }],
  ],
};

// A complaint of the page is a fault of the page, but for the refusal of the wrong token
// that is its answer.
const complaints = () =>
  said.filter(
    (line) =>
      /^(error|pageerror)/.test(line) && !/status of 401/.test(line) && !/status of 503/.test(line),
  );
steps[process.argv[2]].push(["the browser has nothing to complain about", async () => {
  assert.deepEqual(complaints(), []);
  await context.clearCookies();
  await close();
}]);
await run(steps[process.argv[2]]);

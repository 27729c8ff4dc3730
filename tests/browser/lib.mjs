// Shared by the browser cases: Chromium with a fresh profile, waits that are polls, screenshots, a
// summary with a good exit code.

import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const target = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../target");
const require = createRequire(`${target}/browser/`);
const { chromium } = require("playwright-core");

/** Shared cores: a wait is a poll with a generous limit, never a measure. */
export const WAIT_MS = Number(process.env.WAIT_MS ?? 60_000);

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A machine, or a namespace, may have no other network than loopback.
  "--allow-loopback-in-peer-connection",
];

/**
 * A browser with a profile of its own; `close` removes it. `options` are playwright's of a context.
 */
export async function openBrowser(options = {}) {
  const profile = mkdtempSync(path.join(tmpdir(), "ife-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    chromiumSandbox: false,
    args: FLAGS,
    viewport: { width: 1100, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  context.setDefaultTimeout(WAIT_MS);
  if (process.env.IFE_WEB) {
    await context.route(/\/e\/(assets\/.*|[A-Za-z0-9_-]{22})$/, (route) =>
      fromDisk(route, expertFile),
    );
    await context.route(/\/ui\/[a-z.]*$/, (route) => fromDisk(route, operatorFile));
  }
  const page = context.pages()[0] ?? (await context.newPage());
  const said = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`pageerror: ${error.message}`));
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, page, said, profile, close };
}

const expertFile = (pathname) =>
  pathname.includes("/assets/") ? pathname.split("/assets/")[1] : "expert/index.html";
const operatorFile = (pathname) =>
  pathname.endsWith("/theme.css")
    ? "common/theme.css"
    : `operator/${pathname.split("/ui/")[1] || "index.html"}`;

// IFE_WEB=crates/ife-pages/web: the pages as they are on disk, in an older bridge, while they are
// being written.
async function fromDisk(route, fileOf) {
  const file = fileOf(new URL(route.request().url()).pathname);
  await route.fulfill({
    response: await route.fetch(),
    status: 200,
    body: readFileSync(path.join(process.env.IFE_WEB, file)),
    contentType: TYPES[path.extname(file)],
  });
}

const TYPES = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".html": "text/html",
};

/** Waits until the page's element has this text in it. */
export async function hasText(page, selector, text) {
  try {
    await page.locator(selector).filter({ hasText: text }).first().waitFor();
  } catch {
    const found = await page.locator(selector).allInnerTexts();
    throw new Error(`${selector} never said "${text}"; it says ${JSON.stringify(found)}`);
  }
}

/** Waits until `probe()` is true. */
export async function until(what, probe) {
  const end = Date.now() + WAIT_MS;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The row of a file. */
export const row = (page, name) => page.locator(".file").filter({ hasText: name });

/** The status that a file's row shows, once it is this one. */
export const fileIs = async (page, name, status) => {
  await until(
    `${name} is ${status}`,
    async () => (await row(page, name).getAttribute("data-status")) === status,
  ).catch(async (error) => {
    throw new Error(`${error.message}; it is ${await row(page, name).getAttribute("data-status")}`);
  });
};

/** Keeps a picture of the page in IFE_SHOTS. */
export async function shoot(page, name, options = {}) {
  const folder = process.env.IFE_SHOTS ?? path.join(target, "artifacts");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true, ...options });
}

/** Saves a file by its row's button; its bytes. */
export async function save(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** What axe-core finds wrong with the page, as lines; empty when all is well. */
export async function violations(page) {
  // By the debugger, since the page's own policy lets no foreign script in.
  await page.evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations: found } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return found.map(
    (one) =>
      `${one.id} (${one.impact}): ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`,
  );
}

/**
 * Pictures of the page for a phone and a desktop, light and dark; none may scroll sideways or have
 * a violation.
 */
export async function shootAll(page, name) {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      "sideways scroll",
    );
    assert.deepEqual(await violations(page), []);
    await shoot(page, `${name}-phone-${scheme}`);
    await page.setViewportSize({ width: 1280, height: 900 });
    await shoot(page, `${name}-${scheme}`);
  }
}

/** Resident memory of the browser's renderer processes that use this profile, in bytes. */
export function rendererMemory(profile) {
  let sum = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (!command.includes("--type=renderer") || !command.includes(profile)) continue;
      const [, kib] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      sum += Number(kib) * 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}

/**
 * Runs a case's steps in order, each named; prints each, what the browser `said` when one fails,
 * and ends the process with the verdict.
 */
export async function run(steps, said = []) {
  let failed = 0;
  for (const [name, step] of steps) {
    try {
      await step();
      console.log(`  ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`  FAIL ${name}: ${error.stack ?? error}`);
      for (const line of said.slice(-20)) console.log(`       ${line}`);
      // Steps build on each other.
      break;
    }
  }
  process.exit(failed === 0 ? 0 : 1);
}

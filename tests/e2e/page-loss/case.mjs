// usage: case.mjs loss LINK STACK LATE_LINK LATE_IN_S
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { fileIs, hasText, openBrowser, row, run, shoot, until } from "../../browser/lib.mjs";

const [, link, stack, lateLink, lateIn] = process.argv.slice(2);
const started = Date.now();
const { page, said, close } = await openBrowser();
const received = (name) =>
  row(page, name)
    .locator("progress")
    .evaluate((it) => it.value)
    .catch(() => 0);
const underWay = (name) =>
  until(`some of ${name} is here`, async () => (await received(name)) > 2e6);
const bridge = () => Number(readFileSync(`${stack}/run/bridge.pid`, "utf8").split(" ")[0]);
const receive = (name) => row(page, name).getByRole("button", { name: `Receive ${name}` }).click();

await run([
  ["everything goes silent, and comes back", async () => {
    await page.goto(link);
    await receive("silence.bin");
    await underWay("silence.bin");
    process.kill(bridge(), "SIGSTOP");
    await hasText(page, "#link-state", "Connecting again");
    await hasText(page, "#lost", "is being made again");
    await shoot(page, "expert-lost");
    process.kill(bridge(), "SIGCONT");
    await fileIs(page, "silence.bin", "verified");
    await hasText(page, "#link-state", "Connected");
  }],
  ["the bridge dies, and is started again", async () => {
    await receive("death.bin");
    await underWay("death.bin");
    process.kill(bridge(), "SIGKILL");
    await fileIs(page, "death.bin", "verified");
  }],
  ["a file that has changed is not verified", async () => {
    const file = openSync(`${stack}/evidence/changed.bin`, "r+");
    writeSync(file, Buffer.from("x".repeat(64)), 0, 64, 5_000_000);
    closeSync(file);
    await receive("changed.bin");
    await until("changed.bin is not verified", async () =>
      ["unavailable", "mismatch"].includes(
        await row(page, "changed.bin").getAttribute("data-status"),
      ),
    );
    await page.locator("#receipt").waitFor();
    await shoot(page, "expert-changed");
    assert.equal(await row(page, "silence.bin").getAttribute("data-status"), "verified");
  }],
  ["a link whose time has run out", async () => {
    const wait = Number(lateIn) * 1000 - (Date.now() - started) + 2_000;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const other = await openBrowser();
    await other.page.goto(lateLink);
    await hasText(other.page, "#notice", "not valid");
    await shoot(other.page, "expert-notice-expired");
    await other.close();
  }],
  ["the browser closes", close],
], said);

// usage: case.mjs receive LINK STACK CALL
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  fileIs,
  hasText,
  openBrowser,
  row,
  run,
  save,
  shoot,
  until,
  violations,
} from "../../browser/lib.mjs";

const [, link, stack, call] = process.argv.slice(2);
const { page, said, close } = await openBrowser();
const files = ["recording.bin", "thermal-camera.png", "inspection-report.pdf", "notes.md"];
const bar = row(page, "recording.bin").locator("progress");
const received = () => bar.evaluate((it) => it.value).catch(() => 0);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

await run([
  ["the list, and what is missing", async () => {
    await page.goto(link);
    await hasText(page, "#files-summary", "4 files");
    await hasText(page, "#files-missing", "hostname");
    await hasText(page, "#call-state", "You are in the council");
    await hasText(page, "#hazard", "Safety");
    for (const file of files) await fileIs(page, file, "offered");
  }],
  ["a reload in the middle goes on from what was verified", async () => {
    await page.getByRole("button", { name: "Receive all" }).click();
    await until("some of the recording is here", async () => (await received()) > 8e6);
    await shoot(page, "expert-receiving");
    await page.reload();
    await until(
      "the recording is under way again, or done",
      async () =>
        (await received()) > 4e6 ||
        (await row(page, "recording.bin").getAttribute("data-status")) === "verified",
    );
  }],
  ["paused is paused, also after a reload", async () => {
    await row(page, "recording.bin")
      .getByRole("button", { name: "Pause recording.bin" })
      .click({ timeout: 5_000 })
      .catch(() => {});
    // A click is obeyed once what has arrived before it is handled.
    const status = () => row(page, "recording.bin").getAttribute("data-status");
    await until("the recording is paused, or done", async () =>
      ["paused", "verified"].includes(await status()),
    );
    if ((await status()) === "paused") {
      await page.reload();
      await fileIs(page, "recording.bin", "paused");
      assert.ok((await received()) > 4e6);
      await row(page, "recording.bin")
        .getByRole("button", { name: "Resume recording.bin" })
        .click();
    }
    for (const file of files) await fileIs(page, file, "verified");
  }],
  ["the receipt is in the log, proved in the page", async () => {
    await page.locator('#receipt[data-verdict="good"]').waitFor();
    await hasText(page, "#receipt-entry", "of the witness log. This page has checked that.");
    await page.locator("#proof summary").click();
    await hasText(page, "#checks .holds", "The witness log holds this list of files");
    await hasText(page, "#checks .holds", "The witness log holds your receipt");
    assert.equal(await page.locator("#checks .fails").count(), 0);
    assert.deepEqual(await violations(page), []);
    await shoot(page, "expert-proved");
  }],
  ["saved bytes are the original's", async () => {
    const saved = await save(
      page,
      row(page, "recording.bin").getByRole("button", { name: "Save recording.bin" }),
    );
    assert.equal(sha256(saved.bytes), sha256(readFileSync(`${stack}/evidence/recording.bin`)));
  }],
  ["a second browser with the same link", async () => {
    const other = await openBrowser();
    await other.page.goto(link);
    await hasText(other.page, "#notice", "opened in another browser");
    await other.close();
  }],
  ["the call ends, and the page says so", async () => {
    execFileSync("curl", [
      "-s",
      "--unix-socket",
      `${stack}/bridge.sock`,
      "-X",
      "DELETE",
      `http://bridge/v1/calls/${call}`,
    ]);
    await hasText(page, "#notice", "The call has ended");
    await shoot(page, "expert-notice-over");
    await save(page, row(page, "notes.md").getByRole("button", { name: "Save notes.md" }));
    await page.reload();
    await hasText(page, "#notice", "The call has ended");
  }],
  ["the browser closes", close],
], said);

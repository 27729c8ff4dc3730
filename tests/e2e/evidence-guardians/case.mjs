// usage: case.mjs LINK STACK
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { fileIs, hasText, openBrowser, run, shootAll } from "../../browser/lib.mjs";

const [, , link, stack] = process.argv;
const { page, said, close } = await openBrowser();

await run([
  ["the page says whose it is, and offers nothing of the expert's", async () => {
    await page.goto(link);
    await hasText(page, "#for-whom", "For guardian guardian-1: a call about");
    await hasText(page, "#guardian", "signed with your own key");
    await hasText(page, "#call-state", "The expert is in the council");
    for (const file of ["recording.bin", "notes.md"]) await fileIs(page, file, "offered");
    for (const part of ["#decision", "#accept", "#messages"]) {
      assert.ok(await page.locator(part).isHidden(), part);
    }
  }],
  ["the guardian receives, and the receipt is in the log", async () => {
    await page.getByRole("button", { name: "Receive all" }).click();
    for (const file of ["recording.bin", "notes.md"]) await fileIs(page, file, "verified");
    await page.locator('#receipt[data-verdict="good"]').waitFor();
    await hasText(page, "#receipt-entry", "of the witness log. This page has checked that.");
    for (const part of ["#decision", "#accept", "#messages"]) {
      assert.ok(await page.locator(part).isHidden(), part);
    }
    await shootAll(page, "guardian-verified");
    writeFileSync(`${stack}/verified`, "");
  }],
  ["a newer link of the guardian's is used: this one is good no more", async () => {
    await hasText(page, "#notice", "you have opened a newer link");
    await shootAll(page, "guardian-notice-over");
  }],
  ["the browser closes", close],
], said);

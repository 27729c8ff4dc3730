// usage: case.mjs large LINK STACK
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { fileIs, openBrowser, rendererMemory, row, run, until } from "../../browser/lib.mjs";

/**
 * What the page may take beyond what it took before the first byte: buffers of the channel, and
 * garbage not yet collected.
 */
const MEMORY_MAX = 120 * 2 ** 20;

const [, link, stack] = process.argv.slice(2);
const { page, profile, said, close } = await openBrowser();
const file = row(page, "large.bin");

async function sha256(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

await run([
  ["memory stays flat", async () => {
    await page.goto(link);
    await fileIs(page, "large.bin", "offered");
    const before = rendererMemory(profile);
    assert.ok(before > 0, "the renderer was not found");
    await file.getByRole("button", { name: "Receive large.bin" }).click();
    let most = 0;
    await until(
      "large.bin is under way",
      async () => (await file.getAttribute("data-status")) === "receiving",
    );
    const end = Date.now() + 170_000;
    while ((await file.getAttribute("data-status")) === "receiving" && Date.now() < end) {
      most = Math.max(most, rendererMemory(profile));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await fileIs(page, "large.bin", "verified");
    console.log(`       ${Math.round((most - before) / 2 ** 20)} MiB more than before, at most`);
    assert.ok(
      most - before < MEMORY_MAX,
      `${Math.round((most - before) / 2 ** 20)} MiB more than before`,
    );
  }],
  ["the saved file is the original", async () => {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      file.getByRole("button", { name: "Save large.bin" }).click(),
    ]);
    assert.equal(await sha256(await download.path()), await sha256(`${stack}/evidence/large.bin`));
  }],
  ["the browser closes", close],
], said);

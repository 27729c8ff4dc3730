// usage: case.mjs LINK REASON QUESTION OPTION...
import assert from "node:assert/strict";
import { hasText, openBrowser, run, shoot, violations } from "../../browser/lib.mjs";

const [, , link, reason, question, ...options] = process.argv;
const { page, said, close } = await openBrowser();

await run([
  ["reason, question and options are text", async () => {
    await page.goto(link);
    await hasText(page, "#reason", reason);
    assert.equal(await page.locator("#question").textContent(), question);
    assert.deepEqual(await page.locator("#options li").allTextContents(), options);
    assert.equal(await page.locator("#call b, #call i").count(), 0);
  }],
  ["a phone's screen has no sideways scroll, and axe finds nothing", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await shoot(page, "expert-reason-phone");
    await page.setViewportSize({ width: 1280, height: 800 });
    assert.deepEqual(await violations(page), []);
    await shoot(page, "expert-reason");
  }],
  ["the browser closes", close],
], said);

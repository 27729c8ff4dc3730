// usage: case.mjs LINK
import assert from "node:assert/strict";
import { hasText, openBrowser, run, shootAll } from "../../browser/lib.mjs";

const [, , link] = process.argv;
const { page, said, close } = await openBrowser();

await run([
  ["a call whose phone is answered can be accepted", async () => {
    await page.goto(link);
    await hasText(page, "#call-state", "Your phone tells why you are called");
    await hasText(page, "#accept-hint", "You are connected to the council only when you accept.");
    assert.ok(await page.locator("#accept-button").isEnabled());
    await shootAll(page, "expert-accept");
  }],
  ["it is accepted by keyboard, and the button goes", async () => {
    await page.locator("#accept-button").focus();
    await page.keyboard.press("Enter");
    await hasText(page, "#call-state", "You are in the council");
    assert.ok(await page.locator("#accept").isHidden());
  }],
  ["the browser closes", close],
], said);

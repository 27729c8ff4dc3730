// usage: case.mjs LINK QUESTION DIR
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { hasText, openBrowser, run, shootAll, WAIT_MS } from "../../browser/lib.mjs";

const [, , link, question, dir] = process.argv;
const { page, said, close } = await openBrowser();
const TEXT = "Only with a person there.\n<img src=x onerror=alert(1)>";
const NO = "no; <b>not now</b>";

const sign = (name) => writeFileSync(`${dir}/${name}`, "");
async function signOf(name) {
  for (const until = Date.now() + WAIT_MS; !existsSync(`${dir}/${name}`); ) {
    assert.ok(Date.now() < until, `${name} never came`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const choose = (choice) => page.getByRole("radio", { name: choice, exact: true }).check();
const send = () => page.locator("#decision-send").click();

await run([
  ["the options are offered as text, and nothing can be sent before one is chosen", async () => {
    await page.goto(link);
    await hasText(page, "#question", question);
    await page.locator("#decision-form").waitFor();
    assert.ok(await page.locator("#decision-about").isHidden(), "the question is told twice");
    assert.deepEqual(await page.locator(".choice span").allTextContents(), ["yes", NO]);
    assert.equal(await page.locator("#decision b, #decision img, #call i").count(), 0);
    assert.ok(await page.locator("#decision-send").isDisabled());
    await shootAll(page, "expert-decision");
  }],
  ["a text that is too long is told", async () => {
    await choose(NO);
    await page.locator("#decision-text").fill("x".repeat(4097));
    await hasText(page, "#decision-length", "The text is 1 bytes too long.");
    assert.ok(await page.locator("#decision-send").isDisabled());
  }],
  ["a decision is sent by keyboard and shown", async () => {
    await page.locator("#decision-text").fill(TEXT);
    await page.locator("#decision-send").focus();
    await page.keyboard.press("Enter");
    await hasText(page, "#decision-choice", NO);
    assert.equal(await page.locator("#decision-said").textContent(), TEXT);
    assert.equal(await page.locator("#decision img").count(), 0);
    await shootAll(page, "expert-decided");
    sign("decided");
  }],
  ["after the talk it can be changed", async () => {
    await signOf("ended");
    await page.locator("#notice-title", { hasText: "The call has ended" }).waitFor();
    await page.getByText("The call has ended. You can change it until").waitFor();
    await page.locator("#decision-change").click();
    await choose("yes");
    await page.locator("#decision-text").fill("");
    await send();
    await hasText(page, "#decision-choice", "yes");
    await shootAll(page, "expert-decided-after");
    sign("changed");
  }],
  ["after a reload, and a restart of the bridge, too", async () => {
    await signOf("restarted");
    await page.reload();
    await hasText(page, "#decision-choice", "yes");
    await hasText(page, "#decision-about", `Safety: ${question}`);
    await page.locator("#decision-change").click();
    await choose(NO);
    await send();
    await hasText(page, "#decision-choice", NO);
  }],
  ["when the time has passed, the page says so", async () => {
    await page.getByText("The time for a change has passed.").waitFor();
    assert.ok(await page.locator("#decision-change").isHidden());
  }],
  ["the browser closes", close],
], said);

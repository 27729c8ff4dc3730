// usage: case.mjs LINK STACK CALL
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hasText, openBrowser, run, shoot, until, violations } from "../../browser/lib.mjs";

const [, , link, stack, call] = process.argv;
const { page, said, close } = await openBrowser();
const curl = async (...args) =>
  JSON.parse(
    (await promisify(execFile)("curl", ["-s", "--unix-socket", `${stack}/bridge.sock`, ...args]))
      .stdout,
  );
const write = async (message) =>
  curl(
    "-H",
    "Content-Type: application/json",
    "--data-binary",
    JSON.stringify({ message }),
    `http://bridge/v1/evidence/peers/${call}/messages`,
  );
const taken = async () =>
  (await curl(`http://bridge/v1/calls/${call}`)).messages.filter(
    (one) => one.direction === "to_council",
  );
const field = page.getByLabel("Your message to the council");
const log = page.getByRole("log", { name: "Messages" });
const bodies = () => page.locator(".message-body").allTextContents();
const QUESTION = '<b>Is valve 1 open?</b> & "wide"';
const ANSWER = "<i>No</i>; it is closed.\nI saw it.";

// phone and desktop, light and dark.
async function pictures(name) {
  for (const [size, viewport] of [
    ["phone", { width: 390, height: 844 }],
    ["desktop", { width: 1280, height: 900 }],
  ]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `${size} scrolls sideways`,
      );
      assert.deepEqual(await violations(page), []);
      await shoot(page, `expert-messages-${name}-${size}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
}

await run([
  ["a place to write, and nothing yet", async () => {
    await page.goto(link);
    await field.waitFor();
    await hasText(page, "#message-none", "Write to the council here");
    await pictures("none");
  }],
  ["an agent's message is shown as text, and the agent is told so", async () => {
    await field.scrollIntoViewIfNeeded();
    const { messages } = await write({ text: QUESTION });
    assert.equal(messages[0].state, "shown");
    assert.equal(messages[0].call_id, call);
    assert.deepEqual(await bodies(), [QUESTION]);
    assert.equal(await page.locator(".message b").count(), 0);
    assert.equal(await log.getByText("The council's agent").count(), 1);
  }],
  ["the expert answers by keyboard alone", async () => {
    await page.locator("#message-log").focus();
    await page.keyboard.press("Tab");
    assert.ok(await field.evaluate((it) => it === document.activeElement));
    await page.keyboard.type("<i>No</i>; it is closed.");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("I saw it.");
    await page.keyboard.press("Enter");
    await hasText(page, '.message[data-from="expert"] .message-state', "Received");
    assert.equal(await field.inputValue(), "");
    assert.deepEqual(await bodies(), [QUESTION, ANSWER]);
    const [message] = await taken();
    assert.equal(message.message.text, ANSWER);
  }],
  ["a reload keeps both, in order", async () => {
    await page.reload();
    await log.getByText("it is closed").waitFor();
    assert.deepEqual(await bodies(), [QUESTION, ANSWER]);
    await until(
      "the page is connected",
      async () => (await page.locator("body").getAttribute("data-phase")) === "live",
    );
  }],
  ["a message out of sight is counted, and shown when it is looked at", async () => {
    await page.setViewportSize({ width: 390, height: 300 });
    await page.evaluate(() => scrollTo(0, 0));
    const { messages } = await write({ payload: { text: "Are you sure?" }, text: "Are you sure?" });
    assert.equal(messages[0].state, "sent");
    await hasText(page, "#unread", "1 new message");
    await page.locator("#unread").click();
    await until(
      "it is shown",
      async () => (await curl(`http://bridge/v1/calls/${call}`)).messages.at(-1).state === "shown",
    );
    await until("nothing is new", async () => page.locator("#unread").isHidden());
  }],
  ["what is written without a connection goes out once it is back", async () => {
    await page.setViewportSize({ width: 1100, height: 900 });
    await field.fill("Yes.");
    // The bridge drops the connection, whichever its number is.
    const drop = async () => {
      const peers = [1, 2, 3, 4, 5].map((number) =>
        fetch(`${location.pathname}/peer/${number}`, { method: "DELETE" }),
      );
      const answers = await Promise.all(peers);
      return answers.some(({ status }) => status === 204);
    };
    assert.ok(await page.evaluate(drop));
    await field.press("Enter");
    await until("it is taken", async () => (await taken()).length === 2);
    await page.reload();
    await until(
      "the page is connected",
      async () => (await page.locator("body").getAttribute("data-phase")) === "live",
    );
    await hasText(page, '.message[data-from="expert"] .message-state', "Received");
    assert.equal((await taken()).length, 2);
    assert.equal((await bodies()).at(-1), "Yes.");
    await pictures("some");
  }],
  ["what is too long is refused by name", async () => {
    const refused = await write({ text: "x".repeat(17_000) });
    assert.deepEqual([refused.code, refused.field], ["INVALID_REQUEST", "message"]);
    await field.fill("x".repeat(5_000));
    assert.equal((await field.inputValue()).length, 4_000);
    await hasText(page, "#message-left", "0 characters left");
    await field.fill("");
  }],
  ["the browser closes", close],
], said);

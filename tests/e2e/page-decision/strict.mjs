// usage: strict.mjs LINK
import assert from "node:assert/strict";
import { openBrowser, run, shoot } from "../../browser/lib.mjs";

const [, , link] = process.argv;
const { page, said, close } = await openBrowser();

await run([
  ["the page says that a link is not enough", async () => {
    await page.goto(link);
    await page.getByText("For this hazard a link is not enough to sign a decision").waitFor();
    assert.ok(await page.locator("#decision-form").isHidden());
    await shoot(page, "expert-decision-strict");
  }],
  ["the bridge refuses what a page sends all the same", async () => {
    const told = await page.evaluate(async () => {
      const { Decision } = await import("/e/assets/expert/decision.js");
      const { ed25519 } = await import("/e/assets/expert/protocol/crypto.js");
      const { Http } = await import("/e/assets/expert/transport.js");
      const decision = new Decision(new Http(location.pathname), async () =>
        (await ed25519()).makeKey(),
      );
      await decision.look();
      const isTaken = await decision.send("approve", "");
      return { isTaken, refusal: decision.refusal };
    });
    assert.equal(told.isTaken, false);
    assert.match(told.refusal, /a link is not enough/);
  }],
  ["the browser closes", close],
], said);

// usage: case.mjs PASSKEY_PAGE DIR
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hasText, openBrowser, run, shoot, violations, WAIT_MS } from "../../browser/lib.mjs";

const [, , passkeyPage, dir] = process.argv;
const { page, context, said, close } = await openBrowser();

async function signOf(name) {
  for (const until = Date.now() + WAIT_MS; !existsSync(`${dir}/${name}`); ) {
    assert.ok(Date.now() < until, `${name} never came`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

await run([
  ["the device makes a passkey", async () => {
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const options = {
      protocol: "ctap2",
      transport: "internal",
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    };
    await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
    await page.goto(passkeyPage);
    await page.locator("#name").fill("expert-safety@external.advisor");
    await page.locator("#make").click();
    await page.locator("#made").waitFor();
    const line = await page.locator("#line").textContent();
    assert.match(
      line,
      /^- \{id: "[A-Za-z0-9_-]+", public_key: "es256:[A-Za-z0-9+/=]{88}", rp_id: "localhost"\}$/,
    );
    await page.setViewportSize({ width: 360, height: 740 });
    assert.deepEqual(await violations(page), []);
    await shoot(page, "expert-passkey-phone");
    await page.setViewportSize({ width: 1280, height: 900 });
    writeFileSync(`${dir}/line`, line);
  }],
  ["the call's page offers it, and the decision that it signs is taken", async () => {
    await signOf("first");
    await page.goto(readFileSync(`${dir}/link1`, "utf8").trim());
    await page.locator("#decision-form").waitFor();
    assert.ok(await page.locator("#decision-send").isHidden(), "a link is not enough");
    await page.getByRole("radio", { name: "Deny", exact: true }).check();
    await shoot(page, "expert-decision-passkey");
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Sign with your passkey" }).click();
    await hasText(page, "#decision-choice", "Deny");
    writeFileSync(`${dir}/signed`, "");
  }],
  ["out of the registry it is offered no more, and refused", async () => {
    await page.locator("#decision-change").click();
    await page.getByRole("radio", { name: "Approve", exact: true }).check();
    await signOf("revoked");
    await page.getByRole("button", { name: "Sign with your passkey" }).click();
    await page.locator("#decision-refusal").waitFor();
    await page.getByText("For this hazard a link is not enough").waitFor();
  }],
  ["the browser closes", close],
], said);

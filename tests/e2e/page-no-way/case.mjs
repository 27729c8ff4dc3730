// usage: case.mjs NAME LINK
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";

import { hasText, openBrowser, run, shoot, until, violations } from "../../browser/lib.mjs";
import { openFirefox } from "../../browser/firefox.mjs";

const [, , name, link] = process.argv;

async function firefoxSays(firefox, selector, ...texts) {
  let found = "";
  await until(`${selector} says ${texts}`, async () => {
    found = await firefox.text(selector);
    return texts.every((text) => found.includes(text));
  }).catch((error) => {
    throw new Error(`${error.message}; it says ${found}`);
  });
}

async function picture(firefox) {
  writeFileSync(path.join(process.env.IFE_SHOTS, `expert-${name}.png`), await firefox.screenshot());
}

const withFirefox = (steps) => async () => {
  const firefox = await openFirefox();
  try {
    await firefox.goto(link);
    await steps(firefox);
  } finally {
    await firefox.close();
  }
};

const cases = {
  "firefox-loopback": [
    [
      "Firefox says that the bridge offers the loopback alone, and what helps",
      withFirefox(async (firefox) => {
        await firefoxSays(
          firefox,
          "#no-way",
          "127.0.0.1",
          "Firefox never uses",
          "evidence.udp",
          "evidence.public_addresses",
        );
        await firefoxSays(firefox, "#link-state", "Connecting");
        assert.equal(await firefox.text("#opening"), "");
        await picture(firefox);
      }),
    ],
  ],
  "firefox-address": [
    [
      "Firefox gets the list from an address of the host",
      withFirefox(async (firefox) => {
        await firefoxSays(firefox, "#files-summary", "1 file");
        assert.equal(await firefox.text("#no-way"), "");
      }),
    ],
  ],
  "chromium-blocked": [
    [
      "where UDP is swallowed the page says so, and goes on once it is not",
      async () => {
        const { page, context, close } = await openBrowser();
        let isBlocked = true;
        await context.route(/\/offer$/, async (route) => {
          const response = await route.fetch();
          const body = await response.text();
          // At this address of the documentation no host answers.
          await route.fulfill({
            response,
            body: isBlocked
              ? body.replace(/^(a=candidate:(?:\S+ ){4})\S+ \d+/gm, "$1203.0.113.9 4443")
              : body,
          });
        });
        await page.goto(link);
        await hasText(page, "#no-way", "203.0.113.9:4443");
        await hasText(page, "#no-way", "UDP");
        assert.deepEqual(await violations(page), []);
        await shoot(page, "expert-no-way");
        isBlocked = false;
        await hasText(page, "#files-summary", "1 file");
        await page.locator("#no-way").waitFor({ state: "hidden" });
        await close();
      },
    ],
  ],
};

await run(cases[name]);

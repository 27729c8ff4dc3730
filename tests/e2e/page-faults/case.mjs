// usage: case.mjs NAME LINK EVIDENCE_DIR BRIDGE_LOG
import assert from "node:assert/strict";
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

const [name, link, evidence, log] = process.argv.slice(2);
const { page, said, context, close } = await openBrowser();
const files = ["thermal-camera.png", "inspection-report.pdf", "notes.md", "valve.svg", "alarm.wav"];
const original = (file) => readFileSync(`${evidence}/${file}`);
const bridgeHeard = (text) =>
  until(`the bridge hears ${text}`, () => readFileSync(log, "utf8").includes(text));
const receive = () => page.getByRole("button", { name: "Receive all" }).click();
const goodSeal = () => page.locator('#receipt[data-verdict="good"]').waitFor();

// In each scheme and at each width: nothing to see wider than the page, nothing that axe-core
// objects to, a picture.
async function looks(label, shots = true) {
  for (const [scheme, width] of [["light", 1100], ["dark", 1100], ["light", 360], ["dark", 360]]) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
    assert.deepEqual(await violations(page), [], `${label}, ${scheme}, ${width} px`);
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      `${label}: wider than ${width} px`,
    );
    if (shots) await shoot(page, `expert-${label}-${scheme}-${width}`);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
  await page.setViewportSize({ width: 1100, height: 900 });
}

async function preview(file, selector) {
  await row(page, file).getByRole("button", { name: `Preview ${file}` }).click();
  const shown = page.locator(`#preview-body ${selector}`).first();
  await shown.waitFor();
  return shown;
}
const closePreview = async () => {
  await page.keyboard.press("Escape");
  await page.locator("#preview").waitFor({ state: "hidden" });
};

const CASES = {
  none: [
    ["the list is there before any byte", async () => {
      await page.goto(link);
      await hasText(page, "#files-summary", "5 files");
      for (const file of files) await fileIs(page, file, "offered");
      assert.ok(!page.url().includes("#"), "the token has left the address");
      await hasText(page, "#hazard", "Safety");
      await hasText(page, "#link-state", "Connected");
      await looks("offered");
    }],
    ["by keyboard alone", async () => {
      const first = page.getByRole("button", { name: "Receive thermal-camera.png" });
      for (
        let press = 0;
        press < 30 && !(await first.evaluate((button) => button === document.activeElement));
        press += 1
      ) {
        await page.keyboard.press("Tab");
      }
      await page.keyboard.press("Enter");
      await fileIs(page, "thermal-camera.png", "verified");
      assert.equal(
        await page.evaluate(() => document.activeElement.getAttribute("aria-label")),
        "Save thermal-camera.png",
        "the focus stays",
      );
    }],
    ["all of it, verified", async () => {
      await page.getByRole("button", { name: "Receive the rest" }).click();
      for (const file of files) await fileIs(page, file, "verified");
      await goodSeal();
      await bridgeHeard('"verified":true');
      await page.locator("#proof summary").click();
      await looks("verified");
    }],
    ["saved files are the originals", async () => {
      for (const file of files) {
        const saved = await save(
          page,
          row(page, file).getByRole("button", { name: `Save ${file}` }),
        );
        assert.equal(saved.name, file);
        assert.ok(saved.bytes.equals(original(file)), file);
      }
      const receipt = JSON.parse(
        (await save(page, page.getByRole("button", { name: "Save the receipt" }))).bytes,
      );
      assert.equal(receipt.format, "if-evidence-receipt-v1");
      assert.equal(JSON.parse(receipt.messages.receipt).payload.files.length, 5);
    }],
    ["previews, and nothing hostile runs", async () => {
      const drawn = await preview("thermal-camera.png", "img");
      assert.equal(await drawn.evaluate((image) => image.naturalWidth), 1200);
      await shoot(page, "expert-preview-picture", { fullPage: false });
      await closePreview();
      const canvas = await preview("inspection-report.pdf", "canvas");
      assert.match(await canvas.getAttribute("aria-label"), /Page 1 of 2\. .*Valve 7/);
      const dark = await canvas.evaluate((it) =>
        it
          .getContext("2d")
          .getImageData(0, 0, it.width, it.height)
          .data.some((value, at) => at % 4 === 0 && value < 90),
      );
      assert.ok(dark, "something is drawn on the page");
      await shoot(page, "expert-preview-pdf", { fullPage: false });
      assert.deepEqual(await violations(page), []);
      await closePreview();
      const notes = await preview("notes.md", ".markdown");
      assert.equal(await notes.locator("h1").innerText(), "Notes of the guard");
      assert.equal(
        await notes.locator("script, img, form, style, [onerror], a[href^=javascript]").count(),
        0,
      );
      await shoot(page, "expert-preview-markdown", { fullPage: false });
      assert.deepEqual(await violations(page), []);
      await closePreview();
      assert.equal(
        await (await preview("valve.svg", "img")).evaluate((image) => image.naturalWidth),
        600,
      );
      await closePreview();
      await preview("alarm.wav", "audio");
      await closePreview();
      assert.ok(!(await page.title()).includes("owned"));
    }],
    ["the same browser may come back, another may not", async () => {
      await page.goto(link);
      await goodSeal();
      const other = await openBrowser();
      await other.page.goto(link);
      await hasText(other.page, "#notice", "opened in another browser");
      await shoot(other.page, "expert-notice-used");
      assert.deepEqual(await violations(other.page), []);
      await other.page.goto(link.split("#")[0]);
      await hasText(other.page, "#notice", "not complete");
      await other.page.goto(`${link.slice(0, -3)}AAA`);
      await hasText(other.page, "#notice", "not valid");
      await other.close();
    }],
    ["a second tab waits its turn", async () => {
      const tab = await context.newPage();
      await tab.goto(link);
      await hasText(tab, "#notice", "open in another tab");
      await tab.close();
      await hasText(page, "#link-state", "Connected");
    }],
    ["removed is removed", async () => {
      await page.getByRole("button", { name: "Remove the files from this browser" }).click();
      for (const file of files) await fileIs(page, file, "offered");
      assert.equal(await page.evaluate(async () => {
        const database = await new Promise(
          (resolve) =>
            (indexedDB.open("if-escalate-evidence").onsuccess = ({ target }) =>
              resolve(target.result)),
        );
        return new Promise(
          (resolve) =>
            (database.transaction("blocks").objectStore("blocks").count().onsuccess = ({
              target,
            }) => resolve(target.result)),
        );
      }), 0);
    }],
    ["the browser had nothing to object to", async () => {
      const objections = said.filter((line) =>
        /Content Security Policy|TrustedS|pageerror/.test(line),
      );
      assert.deepEqual(objections, []);
    }],
  ],
  "no-ed25519": [
    ["says so, and verifies by the bundled library", async () => {
      await page.addInitScript(() => {
        const real = SubtleCrypto.prototype.generateKey;
        SubtleCrypto.prototype.generateKey = function (algorithm, ...rest) {
          const asked = algorithm?.name ?? algorithm;
          return asked === "Ed25519"
            ? Promise.reject(new DOMException("unknown", "NotSupportedError"))
            : real.call(this, algorithm, ...rest);
        };
      });
      await page.goto(link);
      await receive();
      await goodSeal();
      await page.locator("#proof summary").click();
      await hasText(page, "#checks", "This browser has no Ed25519");
      await bridgeHeard('"verified":true');
    }],
  ],
  "corrupt-once": [
    ["the block is asked for again, and the file is verified", async () => {
      await page.goto(link);
      await receive();
      await goodSeal();
      await fileIs(page, "thermal-camera.png", "verified");
    }],
  ],
  corrupt: [
    ["the file does not match, and nothing of it is shown or saved", async () => {
      await page.goto(link);
      await receive();
      await fileIs(page, "thermal-camera.png", "mismatch");
      await fileIs(page, "notes.md", "verified");
      await page.locator('#receipt[data-verdict="bad"]').waitFor();
      await hasText(page, "#receipt", "One file is not what the bridge signed");
      assert.equal(await row(page, "thermal-camera.png").getByRole("button").count(), 0);
      await bridgeHeard('"verified":false');
      await looks("mismatch");
    }],
  ],
  "wrong-signer": [["nothing is trusted", untrusted]],
  "other-binding": [["nothing is trusted", untrusted]],
  replay: [
    ["the copy is refused, said so, and the session goes on", async () => {
      await page.goto(link);
      await receive();
      await goodSeal();
      await page.locator("#proof summary").click();
      await hasText(page, "#checks", "A message was refused and not acted on");
      await bridgeHeard("the page refuses: BadSequence");
    }],
  ],
};

async function untrusted() {
  await page.goto(link);
  await hasText(page, "#notice", "cannot be trusted");
  await page.locator("#files").waitFor({ state: "hidden" });
  await shoot(page, `expert-notice-${name}`);
}

await run([...CASES[name], ["the browser closes", close]], said);

// The expert in the demo: opens the link, receives all files, saves the receipt, prints the status.
// usage: demo-evidence.mjs LINK RECEIPT_FILE
import { writeFileSync } from "node:fs";
import { hasText, openBrowser, save, shoot, until } from "../../tests/browser/lib.mjs";

const [link, receiptFile] = process.argv.slice(2);
const { page, close } = await openBrowser();
const texts = (selector) => page.locator(selector).allInnerTexts();

await page.goto(link);
await page.locator("#files").waitFor();
await shoot(page, "evidence-1-offered");
await page.getByRole("button", { name: "Receive all" }).click();
await page.locator("#receipt[data-verdict]").waitFor();
await hasText(page, "#receipt-entry", "This page has checked that.");
await page.locator("#proof summary").click();
await hasText(page, "#checks .holds", "The witness log holds your receipt");
await shoot(page, "evidence-2-verified");

const names = await texts(".file-name");
const metas = await texts(".file-meta");
const states = await texts(".file .status");
names.forEach((name, at) => {
  const state = states[at].replace("✓ ", "").toLowerCase();
  console.log(`${name.padEnd(14)} ${metas[at].padEnd(26)} ${state}`);
});

const saved = await save(page, page.getByRole("button", { name: "Save the receipt" }));
writeFileSync(receiptFile, saved.bytes);
const { proofs } = JSON.parse(saved.bytes);
const index = /^index (\d+)$/m.exec(proofs.receipt.proof)[1];
const [, size] = proofs.receipt.proof.split("\n\n")[1].split("\n");
const hashes = proofs.receipt.proof.split("\n\n")[0].split("\n").length - 2;
console.log(`receipt        entry ${index} of the witness log; ${hashes} hashes lead to its` +
  ` signed head of ${size} entries: checked in the page`);

await page.getByRole("radio", { name: "leave it", exact: true }).check();
await page.locator("#decision-send").click();
await hasText(page, "#decision-choice", "leave it");
await shoot(page, "evidence-0-decided");

for (const [at, name] of names.entries()) {
  const button = page.getByRole("button", { name: `Preview ${name}` });
  if ((await button.count()) === 0) continue;
  await button.click();
  const preview = page.locator("#preview-body :is(img, canvas, pre, article, audio)");
  await until(`${name} is shown`, async () => (await preview.count()) > 0);
  await shoot(page, `evidence-${3 + at}-${name.replace(/\W+/g, "-")}`, { fullPage: false });
  await page.keyboard.press("Escape");
}
await close();

// Bridge to Chromium and Chromium to Chromium in turns: browser.mjs LINK OTHER_LINK BYTES ROUNDS
// LOADS. One line of JSON.

import { createHash } from "node:crypto";

import { openBrowser } from "../../browser/lib.mjs";
import { answer, install, offer, receive, take } from "./client.mjs";

const [link, smallLink, bytes, rounds, loads] = [
  process.argv[2],
  process.argv[3],
  ...process.argv.slice(4).map(Number),
];
const blockSize = 262_144;
const window = 1_048_576;
// The bridge's chunks, and those in which a sending Chromium is fastest; 16 bytes go before each.
const chunks = { chromium: 16_368, chromium_64: 65_520 };

const split = (one) => {
  const [base, token] = one.split("#");
  return { base, token };
};

/** A manifest entry for the sending page's data: zeros. */
const entry = () => {
  const blocks = [];
  for (let at = 0; at < bytes; at += blockSize) {
    blocks.push(
      createHash("sha256")
        .update(Buffer.alloc(Math.min(blockSize, bytes - at)))
        .digest("base64url"),
    );
  }
  return { size: bytes, block_size: blockSize, blocks };
};

const prepared = async (page, base) => {
  // Of the same origin, and without a script: not the expert's page is measured but the way
  // to it.
  await page.goto(`${base.split("/e/")[0]}/e/assets/expert/style.css`);
  await page.evaluate(install);
};

const mibPerS = (ms) => bytes / 1_048_576 / (ms / 1_000);

// Pages of one machine find each other by their addresses, where there is no multicast for their
// names.
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];
const browser = await openBrowser({ args });
try {
  const [large, small] = [split(link), split(smallLink)];
  const [page, other] = [browser.page, await browser.context.newPage()];
  const measured = { bridge: [], chromium: [], chromium_64: [], first_byte_ms: [] };
  await prepared(page, large.base);
  await prepared(other, large.base);
  for (let round = 0; round < rounds; round += 1) {
    const taken = await page.evaluate(take, { ...large, token: round === 0 ? large.token : null });
    measured.bridge.push(mibPerS(taken.transfer_ms));
    for (const [name, chunk] of Object.entries(chunks)) {
      const sdp = await page.evaluate(offer, entry());
      const answered = await other.evaluate(answer, { sdp, size: bytes, blockSize, chunk, window });
      const received = await page.evaluate(receive, answered);
      measured[name].push(mibPerS(received.transfer_ms));
    }
  }
  for (let load = 0; load < loads; load += 1) {
    await prepared(page, small.base);
    const taken = await page.evaluate(take, {
      ...small,
      token: load === 0 ? small.token : null,
      stopAtFirst: true,
    });
    measured.first_byte_ms.push(taken.first_byte_ms);
  }
  console.log(JSON.stringify(measured));
} finally {
  await browser.close();
}

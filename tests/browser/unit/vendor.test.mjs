// The files in web/vendor are those of the pinned npm packages, byte by byte, and nothing else.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const vendor = new URL("../../../crates/ife-pages/web/vendor/", import.meta.url);
const modules = new URL("../../../target/browser/node_modules/", import.meta.url);
const FILES = {
  "canonicalize": [
    "canonicalize",
    { "canonicalize.js": "lib/canonicalize.js", LICENSE: "LICENSE" },
  ],
  "noble-ed25519": ["@noble/ed25519", { "index.js": "index.js", LICENSE: "LICENSE" }],
  "noble-hashes": [
    "@noble/hashes",
    {
      "sha2.js": "sha2.js",
      "_md.js": "_md.js",
      "_u64.js": "_u64.js",
      "utils.js": "utils.js",
      LICENSE: "LICENSE",
    },
  ],
  "marked": ["marked", { "marked.esm.js": "lib/marked.esm.js", LICENSE: "LICENSE" }],
  "dompurify": ["dompurify", { "purify.es.mjs": "dist/purify.es.mjs", LICENSE: "LICENSE" }],
  "pdfjs": [
    "pdfjs-dist",
    {
      "pdf.min.mjs": "legacy/build/pdf.min.mjs",
      "pdf.worker.min.mjs": "legacy/build/pdf.worker.min.mjs",
      LICENSE: "LICENSE",
    },
  ],
};
const pinned = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url)),
).devDependencies;
const readme = readFileSync(new URL("README.md", vendor), "utf8");

for (const [folder, [name, files]] of Object.entries(FILES)) {
  test(`${folder} is ${name} ${pinned[name]}`, () => {
    const { version, license, repository } = JSON.parse(
      readFileSync(new URL(`${name}/package.json`, modules)),
    );
    assert.equal(version, pinned[name]);
    const source = repository.url.replace(/^[a-z+]*:/, "https:").replace(/\.git$/, "");
    const line = `| ${folder} | \`${name}\` ${version} | ${license} | <${source}> |`;
    assert.ok(readme.includes(line), `README.md has no line ${line}`);
    assert.deepEqual(readdirSync(new URL(folder, vendor)).sort(), Object.keys(files).sort());
    for (const [here, there] of Object.entries(files)) {
      const [ours, theirs] = [
        readFileSync(new URL(`${folder}/${here}`, vendor)),
        readFileSync(new URL(`${name}/${there}`, modules)),
      ];
      assert.ok(ours.equals(theirs), `${folder}/${here} is not ${there} of the package`);
    }
  });
}

test("nothing else is vendored", () => {
  const found = readdirSync(vendor, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  assert.deepEqual(found.sort(), Object.keys(FILES).sort());
});

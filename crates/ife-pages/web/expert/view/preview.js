// A look at a verified file, without leaving the page: pictures, text, Markdown, sound, and PDF
// drawn by pdf.js. The browser opens no file as a document, so no file can run.

import { byId, el } from "./dom.js";
import { bytes, fileName } from "./format.js";

const TEXT_LEN_MAX = 1 << 20;
const MARKDOWN_LEN_MAX = 256 << 10;
const PDF_PAGES_MAX = 50;
const TEXTS = [
  "text/plain",
  "text/csv",
  "application/json",
  "application/xml",
  "text/xml",
  "text/yaml",
  "application/yaml",
  "text/html",
  "text/x-log",
];
// SVG is among the pictures: in an <img> it is drawn, and runs nothing.
const SHOWS = [
  [/^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/, picture],
  [/^audio\//, sound],
  [/^text\/markdown$/, markdown],
  [/^application\/pdf$/, pdf],
];
const showFor = (type) =>
  SHOWS.find(([pattern]) => pattern.test(type))?.[1] ?? (TEXTS.includes(type) ? text : undefined);

/** Whether a file of the manifest can be shown. */
export const canPreview = (file) => file.size > 0 && showFor(file.media_type) !== undefined;

/** Shows a file in the dialog. `blobOf(type)` gives its verified bytes. */
export async function openPreview(file, blobOf) {
  const dialog = byId("preview");
  const body = byId("preview-body");
  const urls = [];
  const urlOf = (blob) => {
    urls.push(URL.createObjectURL(blob));
    return urls.at(-1);
  };
  byId("preview-title").textContent = fileName(file.name);
  body.replaceChildren(el("p", { class: "muted" }, "Opening"));
  dialog.addEventListener("close", () => urls.forEach((url) => URL.revokeObjectURL(url)), {
    once: true,
  });
  dialog.addEventListener("close", () => body.replaceChildren(), { once: true });
  dialog.showModal();
  try {
    const shown = await showFor(file.media_type)(file, await blobOf(file.media_type), urlOf);
    body.replaceChildren(...[shown].flat());
  } catch (error) {
    console.warn(error);
    body.replaceChildren(
      el(
        "p",
        {},
        "This file cannot be shown here. It is verified: " +
          "save it, and open it with a program of its kind.",
      ),
    );
  }
  body.scrollTop = 0;
}

async function picture(file, blob, urlOf) {
  const image = el("img", { src: urlOf(blob), alt: `Picture ${fileName(file.name)}` });
  await image.decode();
  return image;
}

async function sound(file, blob, urlOf) {
  return el("audio", { src: urlOf(blob), controls: true, "aria-label": fileName(file.name) });
}

async function text(file, blob) {
  const shown = await blob.slice(0, TEXT_LEN_MAX).text();
  const more =
    blob.size > TEXT_LEN_MAX
      ? [
          el(
            "p",
            { class: "muted" },
            `The first ${bytes(TEXT_LEN_MAX)}. Save the file to read all of it.`,
          ),
        ]
      : [];
  return [el("pre", {}, shown), ...more];
}

async function markdown(file, blob) {
  if (blob.size > MARKDOWN_LEN_MAX) return text(file, blob);
  const [{ Marked }, { default: purify }] = await Promise.all([
    import("../../vendor/marked/marked.esm.js"),
    import("../../vendor/dompurify/purify.es.mjs"),
  ]);
  // HTML within Markdown is shown as the text that it is.
  const asText = ({ text: html }) => html.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const html = new Marked({ gfm: true, async: false, renderer: { html: asText } }).parse(
    await blob.text(),
  );
  const clean = purify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true },
    // Nothing that fetches, submits, styles or names: evidence is read, not run.
    FORBID_TAGS: [
      "style",
      "form",
      "input",
      "button",
      "select",
      "textarea",
      "img",
      "picture",
      "video",
      "audio",
      "source",
      "iframe",
    ],
    FORBID_ATTR: ["style", "class", "id", "name", "srcset", "src", "target"],
  });
  for (const link of clean.querySelectorAll("a[href]")) {
    link.setAttribute("rel", "noopener noreferrer nofollow");
    link.setAttribute("target", "_blank");
  }
  const article = el("article", { class: "markdown" });
  article.append(clean);
  return article;
}

let workerPolicy;

// The page allows no script by URL but through this policy, and the policy knows one.
function pdfWorker() {
  const url = new URL("../../vendor/pdfjs/pdf.worker.min.mjs", import.meta.url).href;
  workerPolicy ??= window.trustedTypes?.createPolicy("ife-worker", { createScriptURL: () => url });
  return new Worker(workerPolicy ? workerPolicy.createScriptURL("") : url, { type: "module" });
}

async function pdf(file, blob) {
  const { getDocument, PDFWorker } = await import("../../vendor/pdfjs/pdf.min.mjs");
  const worker = pdfWorker();
  const task = getDocument({
    data: new Uint8Array(await blob.arrayBuffer()),
    worker: new PDFWorker({ port: worker }),
    isEvalSupported: false,
    enableXfa: false,
    useWasm: false,
    useWorkerFetch: false,
    stopAtErrors: false,
  });
  try {
    const document = await task.promise;
    const count = Math.min(document.numPages, PDF_PAGES_MAX);
    const pages = [];
    for (let number = 1; number <= count; number += 1) {
      pages.push(await pdfPage(await document.getPage(number), number, document.numPages));
    }
    if (count < document.numPages) {
      pages.push(
        el(
          "p",
          { class: "muted" },
          `The first ${count} of ${document.numPages} pages. Save the file to read all of it.`,
        ),
      );
    }
    return pages;
  } finally {
    await task.destroy();
    worker.terminate();
  }
}

// A screen reader finds nothing in a canvas: the page's text is its label.
async function pdfPage(page, number, count) {
  const width = Math.min(byId("preview-body").clientWidth - 2, 900) || 600;
  const scale = width / page.getViewport({ scale: 1 }).width;
  const viewport = page.getViewport({ scale: scale * Math.min(window.devicePixelRatio || 1, 2) });
  const canvas = el("canvas", {
    width: Math.floor(viewport.width),
    height: Math.floor(viewport.height),
    class: "page",
    role: "img",
  });
  await page.render({ canvas, canvasContext: canvas.getContext("2d"), viewport }).promise;
  const { items } = await page.getTextContent();
  const words = items.map((item) => item.str).join(" ").trim().slice(0, 4_000);
  canvas.setAttribute("aria-label", `Page ${number} of ${count}. ${words || "It has no text."}`);
  return canvas;
}

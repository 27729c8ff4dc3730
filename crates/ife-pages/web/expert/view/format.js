// Numbers, types and names as people read them. Pure.

const UNITS = ["bytes", "kB", "MB", "GB"];
const TYPES = {
  "application/pdf": "PDF document",
  "application/json": "JSON",
  "application/octet-stream": "Data",
  "application/zip": "ZIP archive",
  "text/plain": "Text",
  "text/markdown": "Markdown text",
  "text/csv": "Table (CSV)",
  "image/svg+xml": "SVG drawing",
};
const KINDS = { image: "picture", audio: "sound", video: "film", text: "text" };

/** 12,345,678 is "12.3 MB". */
export function bytes(count) {
  let [value, unit] = [count, 0];
  // 999,950 would be shown as 1000.0 kB.
  while (value >= 999.95 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${count === 1 ? "byte" : UNITS[unit]}`;
}

/** 75 is "1 min 15 s". */
export function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** "application/pdf" is "PDF document". */
export function mediaType(type) {
  if (TYPES[type]) return TYPES[type];
  const [kind, sub] = type.split("/");
  return KINDS[kind] ? `${sub.replace(/^x-/, "").toUpperCase()} ${KINDS[kind]}` : type;
}

/**
 * A name without the characters that turn the direction of writing and so could disguise its
 * ending.
 */
export const fileName = (name) =>
  name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

/** "safety" is "Safety". */
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** "2 files". */
export const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Hex in groups of four, which eyes can compare. */
export const grouped = (hex) => hex.replace(/(.{4})(?=.)/g, "$1 ");

// Elements by what they hold. Text is always text: nothing from outside becomes markup.

/**
 * An element with attributes and children; `class`, `on<event>` and data attributes as in HTML,
 * `false` leaves an attribute out.
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** Sets a text only when it differs, so that screen readers do not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a text, or hides its element when there is none. */
export function showText(element, text) {
  element.hidden = !text;
  setText(element, text ?? "");
}

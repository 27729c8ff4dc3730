// Makes elements from values. Text is always text: nothing here parses markup, and the page's
// policy forbids it as well.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** An HTML element; `on...` attributes are listeners, children are nodes or text. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Shapes, so that no state is shown by colour alone.
const SHAPES = {
  hollow: () => [s("circle", { cx: 8, cy: 8, r: 5, class: "stroke" })],
  half: () => [
    s("circle", { cx: 8, cy: 8, r: 5, class: "stroke" }),
    s("path", { d: "M8 3a5 5 0 0 1 0 10z", class: "solid" }),
  ],
  full: () => [s("circle", { cx: 8, cy: 8, r: 6, class: "solid" })],
  square: () => [s("rect", { x: 3.5, y: 3.5, width: 9, height: 9, rx: 1.5, class: "stroke" })],
  cross: () => [s("path", { d: "M4 4l8 8M12 4l-8 8", class: "stroke" })],
  dash: () => [s("path", { d: "M4 8h8", class: "stroke" })],
  check: () => [
    s("circle", { cx: 8, cy: 8, r: 7, class: "solid" }),
    s("path", { d: "M4.8 8.3l2.2 2.2 4.2-4.6", class: "cut" }),
  ],
  alarm: () => [
    s("path", { d: "M8 1.2 15.4 14.4H.6z", class: "solid" }),
    s("path", { d: "M8 6v4M8 11.8v.6", class: "cut" }),
  ],
};

/** The shape of a state. The word stands beside it, so it is hidden from screen readers. */
export function mark(shape, tone) {
  return s(
    "svg",
    { class: `mark ${tone}`, viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    SHAPES[shape](),
  );
}

/**
 * Replaces what `node` holds; keeps the focus where it was when an element with the same `data-key`
 * is still there.
 */
export function refill(node, ...children) {
  const key = node.contains(document.activeElement)
    ? document.activeElement.dataset?.key
    : undefined;
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

/** Announces to a screen reader what has just happened. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Asks for a confirmation; resolves to true when it is given. */
export function confirm(title, text, yes) {
  const dialog = document.getElementById("ask");
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = text;
  const [no, go] = [document.getElementById("ask-no"), document.getElementById("ask-yes")];
  go.textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    no.onclick = () => dialog.close();
    go.onclick = () => {
      answer = true;
      dialog.close();
    };
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    no.focus();
  });
}

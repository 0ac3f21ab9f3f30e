// Small things that all modules of the page use.

export const $ = (id) => document.getElementById(id);

// Make an element with a text: names of files are text and never HTML.
export const make = (tag, text = "", more = {}) =>
  Object.assign(document.createElement(tag), { textContent: text, ...more });

// Copy a template and put texts in by selector.
export function copyOf(template, texts = {}) {
  const root = $(template).content.firstElementChild.cloneNode(true);
  for (const [selector, text] of Object.entries(texts)) root.querySelector(selector).textContent = text;
  return root;
}

// Show a text, or nothing where it is empty.
export const say = (element, text) => Object.assign(element, { textContent: text ?? "", hidden: !text });
export const label = (element, text) => element.setAttribute("aria-label", text);

export function clock(seconds, digits = 1) {
  const rounded = Math.max(0, seconds).toFixed(digits);
  const minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

// The brush of a canvas that has the size it takes on the screen, in device pixels.
export function brushOf(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const size = (length) => Math.max(1, Math.round(length * ratio));
  Object.assign(canvas, { width: size(canvas.clientWidth), height: size(canvas.clientHeight) });
  const { color, fontFamily } = getComputedStyle(canvas);
  const brush = canvas.getContext("2d");
  Object.assign(brush, { font: `${11 * ratio}px ${fontFamily}`, fillStyle: color, strokeStyle: color });
  return { brush, width: canvas.width, height: canvas.height, ratio, color };
}

// Waveforms on canvas, on a view of time that all of them share, and the pointer on them.

import { brushOf, clock } from "./page.js";

// Outline of a clip: lowest and highest sample and power of short stretches, as the server sends them.
export function outlineOf(peaks, seconds) {
  const [min, max] = [0, 1].map((side) => Float32Array.from(peaks, (peak) => peak[side]));
  return { min, max, rms: max.map((value, k) => peaks[k][2] ?? (value - min[k]) / 5), seconds };
}

// The same of a decoded clip, of which the server sends none.
export function outline(buffer, n = 800) {
  const edge = (k) => Math.floor((k * buffer.length) / n);
  const parts = Array.from({ length: n }, (_, k) => buffer.getChannelData(0).subarray(edge(k), edge(k + 1)));
  return outlineOf(parts.map((part) => [Math.min(0, ...part), Math.max(0, ...part)]), buffer.duration);
}

export function drawOutline(canvas, shape, { start, length }) {
  const { brush, width, height, ratio } = brushOf(canvas);
  if (!shape || !length) return;
  const n = shape.max.length;
  const scale = (0.46 * height) / shape.max.reduce((most, value, k) => Math.max(most, value, -shape.min[k]), 1e-4);
  const column = (x) => Math.floor(((start + (length * x) / width) / shape.seconds) * n);
  const bar = (x, low, high, opacity) => {
    const tall = Math.max(ratio, (high - low) * scale);
    brush.globalAlpha = opacity;
    brush.fillRect(x, height / 2 - ((high + low) * scale + tall) / 2, 1, tall);
  };
  for (let x = 0; x < width; x++) {
    const again = column(x) >= n; // a shorter clip is repeated, and paler
    if (again && shape.seconds > length - 0.01) break;
    let [low, high, rms] = [0, 0, 0];
    for (let k = column(x); k <= Math.max(column(x), column(x + 1) - 1); k++) {
      [low, high] = [Math.min(low, shape.min[k % n]), Math.max(high, shape.max[k % n])];
      rms = Math.max(rms, shape.rms[k % n]);
    }
    bar(x, low, high, again ? 0.14 : 0.42);
    bar(x, -rms, rms, again ? 0.22 : 0.85);
  }
}

// Round numbers of seconds along the shared axis.
export function drawRuler(canvas, { start, length }) {
  const { brush, width, height, ratio } = brushOf(canvas);
  const room = Math.max(2, width / ratio / 90);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((each) => length / each <= room);
  for (let k = Math.ceil(start / step - 1e-6); k * step <= start + length - step / 6; k++) {
    const x = Math.round(((k * step - start) / length) * width);
    const text = clock(k * step, step < 1 ? 1 : 0);
    brush.fillRect(x, 0, ratio, 5 * ratio);
    brush.fillText(text, x && x - brush.measureText(text).width / 2, height - 2 * ratio);
  }
}

// A click is a place, a drag is a loop; both in shares of the width.
export function followPointer(element, onPlace, onLoop) {
  let from = null;
  const shareOf = ({ clientX }) => {
    const { left, width } = element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / width));
  };
  element.onpointerdown = (event) => {
    if (event.button || event.target.closest("button, input")) return;
    from = { x: event.clientX, share: shareOf(event) };
    element.setPointerCapture(event.pointerId);
  };
  element.onpointermove = (event) => {
    element.classList.toggle("dragging", Boolean(from));
    if (from) [from.share, shareOf(event)].sort((a, b) => a - b).forEach((edge, k) => element.style.setProperty(`--drag-${k}`, edge));
  };
  element.onpointerup = (event) => {
    element.classList.remove("dragging");
    if (from && Math.abs(event.clientX - from.x) > 5) onLoop([from.share, shareOf(event)].sort((a, b) => a - b));
    else if (from) onPlace(from.share);
    from = null;
  };
}

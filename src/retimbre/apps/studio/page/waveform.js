// Waveforms on canvas, on a view of time that all of them share, and the pointer on them.

import { brushOf, clock } from "./page.js";

// The outline of a decoded clip, as the server sends it of others: extremes of short stretches.
export function outline(buffer, n = 800) {
  const edge = (k) => Math.floor((k * buffer.length) / n);
  const parts = Array.from({ length: n }, (_, k) => buffer.getChannelData(0).subarray(edge(k), edge(k + 1)));
  return { peaks: parts.map((part) => [Math.min(0, ...part), Math.max(0, ...part)]), seconds: buffer.duration };
}

// Draw an outline: extremes pale, and the power within, which is guessed where it is not known.
export function drawOutline(canvas, { peaks, seconds } = {}, { start, length }) {
  const { brush, width, height, ratio } = brushOf(canvas);
  if (!peaks || !length) return;
  const scale = (0.46 * height) / peaks.reduce((most, [low, high]) => Math.max(most, high, -low), 1e-4);
  const column = (x) => Math.floor(((start + (length * x) / width) / seconds) * peaks.length);
  const bar = (x, low, high, opacity) => {
    const tall = Math.max(ratio, (high - low) * scale);
    brush.globalAlpha = opacity;
    brush.fillRect(x, height / 2 - ((high + low) * scale + tall) / 2, 1, tall);
  };
  for (let x = 0; x < width; x++) {
    const again = column(x) >= peaks.length; // a shorter clip is repeated, and paler
    if (again && seconds > length - 0.01) break;
    let [low, high, power] = [0, 0, 0];
    for (let k = column(x); k <= Math.max(column(x), column(x + 1) - 1); k++) {
      const [least, most, rms = (most - least) / 5] = peaks[k % peaks.length];
      [low, high, power] = [Math.min(low, least), Math.max(high, most), Math.max(power, rms)];
    }
    bar(x, low, high, again ? 0.14 : 0.42);
    bar(x, -power, power, again ? 0.22 : 0.85);
  }
}

// Round numbers of seconds along the shared axis.
export function drawRuler(canvas, { start, length }) {
  const { brush, width, height, ratio } = brushOf(canvas);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((s) => (length / s) * 90 * ratio <= width);
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
  const shareOf = ({ clientX }) => (clientX - element.getBoundingClientRect().x) / element.clientWidth;
  const edgesTo = (event) => [from.share, Math.min(1, Math.max(0, shareOf(event)))].sort((a, b) => a - b);
  element.onpointerdown = (event) => {
    if (event.button || event.target.closest("button, input")) return;
    from = { x: event.clientX, share: shareOf(event) };
    element.setPointerCapture(event.pointerId);
  };
  element.onpointermove = (event) => {
    element.classList.toggle("dragging", Boolean(from));
    if (from) edgesTo(event).forEach((edge, k) => element.style.setProperty(`--drag-${k}`, edge));
  };
  element.onpointerup = (event) => {
    element.classList.remove("dragging");
    if (from && Math.abs(event.clientX - from.x) > 5) onLoop(edgesTo(event));
    else if (from) onPlace(from.share);
    from = null;
  };
}

// Constant-Q pictures: pitch upwards with the names of the notes, time to the right as in the waveforms.

import { picture } from "./api.js";
import { brushOf, copyOf, label, make } from "./page.js";

export class Picture {
  constructor(name, tone) {
    this.root = copyOf("picture", { h3: name });
    this.root.classList.add(tone);
    this.canvas = this.root.querySelector("canvas");
    label(this.canvas, `Notes of the ${name.toLowerCase()} over time`);
  }
  async fetch(path, query) {
    if (this.shown !== (this.shown = path + JSON.stringify(query))) this.show(await picture(path, query));
  }
  show(image) {
    const { bins, lowest, perOctave } = image;
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [`C${n}`, ((12 * (n + 1) - lowest) * perOctave) / 12 / bins]);
    const octaves = all.filter(([, height]) => height >= 0 && height < 0.97);
    Object.assign(this, { image, pixels: null, heights: octaves.map(([, height]) => height) });
    const names = octaves.map(([name]) => make("span", name));
    names.forEach((name, k) => (name.style.bottom = `${100 * this.heights[k]}%`));
    this.root.querySelector(".notes").replaceChildren(...names);
  }
  draw({ start, length }) {
    const { brush, width, height, ratio, color } = brushOf(this.canvas);
    if (!this.image || !length) return;
    if (this.color !== (this.color = color)) this.pixels = null;
    this.pixels ??= painted(this.image, color.match(/[\d.]+/g).map(Number));
    const { frames, bins, seconds } = this.image;
    const wide = (seconds / length) * width;
    const rounds = seconds < length - 0.05 ? Math.ceil((start + length) / seconds) : 1; // a shorter clip is repeated
    brush.imageSmoothingQuality = "high";
    for (let round = 0; round < rounds; round++) {
      brush.globalAlpha = round ? 0.35 : 1;
      brush.drawImage(this.pixels, 0, 0, frames, bins, round * wide - (start / length) * width, 0, wide, height);
    }
    brush.globalAlpha = 0.13;
    for (const share of this.heights) brush.fillRect(0, Math.round((1 - share) * height), width, ratio);
  }
}

// One ink on the ground of the page: what is loud is opaque.
function painted({ levels, bins, frames }, ink) {
  const canvas = new OffscreenCanvas(frames, bins);
  const brush = canvas.getContext("2d");
  const image = brush.createImageData(frames, bins);
  levels.forEach((level, at) => {
    const row = bins - 1 - Math.floor(at / frames);
    image.data.set([...ink.slice(0, 3), level ** 2 / 255], 4 * (row * frames + (at % frames)));
  });
  brush.putImageData(image, 0, 0);
  return canvas;
}

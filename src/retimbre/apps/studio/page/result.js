// The result of one transfer: how it forms, its strengths in the deck, what is told of it, what is taken away.

import * as api from "./api.js";
import { $, clock, label, make, say } from "./page.js";
import { Picture } from "./pictures.js";
import { drawOutline, outline } from "./waveform.js";

const KEPT = 12; // strengths that stay in memory
const FORMING = -1; // strength under which the sound so far is kept
const STATES = { done: "Done", failed: "Failed", stopped: "Stopped: the best so far" };

export const atWork = (transfer) => ["queued", "running"].includes(transfer?.state);
export const fetched = async (deck, path, query) => deck.context.decodeAudioData(await api.sound(path, query));

export class Result extends EventTarget {
  constructor(deck) {
    super();
    Object.assign(this, { deck, transfer: null, shapes: new Map(), picture: new Picture("Result", "result") });
    this.wave = document.querySelector("#result .wave");
    $("take-away").onclick = ({ target }) => this[target.dataset.deed]?.(target.dataset.what);
  }
  get strength() { return this.deck.strengths.get("result"); }
  get isExact() { return this.shapes.has(this.strength); }
  get path() { return `/transfers/${this.transfer.id}`; }
  complain(line) { say(document.querySelector("#result .problem"), line); }

  open(transfer) {
    this.deck.remove("result");
    this.deck.strengths.delete("result");
    this.shapes.clear();
    Object.assign(this, { previewed: 0, asked: new Set(), settled: false });
    this.wave.classList.add("empty");
    this.update(transfer);
  }
  // Take what the server tells of the transfer that is open.
  update(transfer) {
    this.transfer = transfer;
    const { state, words, error, done, seconds, strength, strengths, steps, preview } = transfer;
    const [isBusy, used] = [atWork(transfer), strength ?? 0];
    $("words").textContent = STATES[state] ?? words;
    $("facts").textContent = isBusy ? `${Math.round(100 * done)} %` : seconds ? `in ${seconds.toFixed(1)} s` : "";
    Object.assign($("progress"), { value: done, hidden: !isBusy });
    $("spark").toggleAttribute("hidden", steps.length < 4);
    $("take-away").hidden = isBusy || !seconds;
    this.tell(transfer);
    this.complain(error);
    if (isBusy && preview > this.previewed && !transfer.preview_start) {
      this.previewed = preview;
      this.load(`preview ${preview}`, FORMING, "preview");
    }
    if (!isBusy && !this.settled && seconds) {
      this.settled = true;
      this.deck.setStrength("result", ($("strength").value = used));
      this.load("first", used, "sound", {}, transfer.sound);
    }
    const ready = Object.keys(strengths).filter((key) => strengths[key].state === "done" && Number(key) !== used);
    if (this.settled) for (const key of ready) this.load(key, Number(key), "sound", { strength: key }, strengths[key]);
    this.drawLoss(steps.filter(([, loss]) => loss > 0));
  }
  async load(name, strength, what, query = {}, outlined = {}) {
    const { asked, deck } = this;
    const { loudness = deck.tracks.get("content")?.[0].loudness } = outlined;
    if (asked.has(name) || !asked.add(name)) return;
    const fail = ({ message }) => asked === this.asked && strength !== FORMING && this.complain(message);
    const buffer = await fetched(deck, `${this.path}/${what}`, query).catch(fail);
    if (!buffer?.length || asked !== this.asked || (strength === FORMING && this.settled)) return; // it came late
    this.add({ strength, buffer, loudness }, outlined.peaks ? outlined : outline(buffer));
  }
  add(sound, shape) {
    const [isFirst, { strength }] = [!this.deck.tracks.has("result"), sound];
    this.shapes.set(strength, shape);
    this.wave.classList.remove("empty");
    label(this.wave.firstChild, `Waveform of the result, ${clock(shape.seconds)}`);
    this.deck.add("result", sound);
    if (isFirst && !this.deck.playing) this.deck.hear("result");
    if (strength !== FORMING) this.drop(FORMING);
    const oldest = [...this.shapes.keys()].find((each) => (4 * each) % 1 && each !== this.strength);
    if (this.shapes.size > KEPT && oldest) this.drop(oldest);
    this.dispatchEvent(new Event("change"));
  }
  drop(strength) { if (this.shapes.delete(strength)) this.deck.remove("result", strength); }

  // Mix what is there at once, and ask for the exact sound when the slider rests.
  move(strength) {
    this.deck.setStrength("result", strength);
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.settle(), 250);
  }
  async settle() {
    clearTimeout(this.soon);
    if (!this.settled || this.isExact || this.transfer.kind === "texture") return;
    this.asked.delete(String(this.strength)); // it may have been dropped
    await api.askStrength(this.transfer.id, this.strength).catch((error) => this.complain(error.message));
  }
  // Give the query for the sound that is exactly the chosen one, when it is there.
  async whenExact() {
    await this.settle();
    while (!this.isExact) await new Promise((go) => this.addEventListener("change", go, { once: true }));
    return this.strength === (this.transfer.strength ?? 0) ? {} : { strength: this.strength };
  }
  async save(format) {
    const href = api.address(`${this.path}/sound`, { ...(await this.whenExact()), format, download: 1 });
    make("a", "", { href, download: "" }).click();
  }
  async copy(what) {
    const { strength } = await this.whenExact();
    const text = (this.transfer.strengths[strength] ?? this.transfer)[what];
    await navigator.clipboard?.writeText(text).catch(() => {}); // it may be forbidden: the text is shown
    Object.assign($("copied"), { textContent: text.trim().split("\n").at(-1), title: text });
  }
  async showPicture() { if (this.isExact) await this.picture.fetch(`${this.path}/picture`, await this.whenExact()); }

  draw(view) {
    const far = ([strength]) => Math.abs(strength - (this.strength ?? 0));
    drawOutline(this.wave.firstChild, [...this.shapes].sort((a, b) => far(a) - far(b))[0]?.[1], view);
    this.picture.draw(view);
  }
  tell({ explanation, notices, figures }) {
    const advice = notices.map((line) => make("p", line, { className: "advice" }));
    $("told").replaceChildren(...advice, ...explanation.map((line) => make("p", line)));
    const terms = figures.map((each) => [make("dt", each.label), make("dd", each.value), make("dd", each.words)]);
    $("figures").replaceChildren(...terms.flat());
    $("happened").hidden = !explanation.length;
  }
  // The loss over the seconds, logarithmic.
  drawLoss(steps) {
    if (steps.length < 2) return;
    const [times, logs] = [steps.map(([time]) => time), steps.map(([, loss]) => Math.log(loss))];
    const [best, worst, long] = [Math.min(...logs), Math.max(...logs), times.at(-1) - times[0]];
    const [first, least] = [logs[0], best].map((log) => Math.exp(log).toPrecision(2));
    label($("spark"), `Loss ${first} at first, ${least} at best, in ${clock(long)}`);
    const places = logs.map((log, k) => [(times[k] - times[0]) / (long || 1), (worst - log) / (worst - best || 1)]);
    $("spark").firstElementChild.setAttribute("points", places.map(([x, y]) => `${200 * x},${30 * y + 1}`).join(" "));
  }
}

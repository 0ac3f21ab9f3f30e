// A well takes one clip: dropped, chosen or recorded. It shows the waveform, or one line why there is none.

import * as api from "./api.js";
import { clock, copyOf, label, say } from "./page.js";
import { Picture } from "./pictures.js";
import { record } from "./recorder.js";
import { drawOutline } from "./waveform.js";

export class Well extends EventTarget {
  constructor(role, name, about, key, limits) {
    super();
    Object.assign(this, { role, name, about, limits, clip: null, weight: 1 });
    this.picture = new Picture(name, role);
    this.root = copyOf("well", { ".name": name, kbd: key });
    this.root.classList.add(role);
    label(this.root, name);
    this.find("kbd").hidden = !key;
    this.input = this.find("[type=file]");
    this.root.onclick = ({ target }) => this[target.dataset.deed]?.();
    this.input.onchange = () => this.input.files[0] && this.take(this.input.files[0]);
    this.input.onclick = () => (this.input.value = ""); // the same file may be chosen again
    this.find(".weight input").oninput = ({ target: { value } }) => this.weigh(Number(value));
    this.root.ondragenter = this.root.ondragover = this.root.ondragleave = this.root.ondrop = (event) => {
      event.preventDefault();
      this.root.classList.toggle("over", ["dragenter", "dragover"].includes(event.type));
      if (event.type === "drop" && event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    };
    this.show();
  }
  find(selector) { return this.root.querySelector(selector); }
  choose() { this.input.click(); }
  remove() { this.fill(null); }
  another() { this.dispatchEvent(new Event("another")); }
  weigh(weight) { this.find(".weight input").value = this.find("output").textContent = this.weight = weight; }
  complain(line) { say(this.find(".problem"), line); }

  async take(file, name = file.name) {
    const [size, most] = [file.size, this.limits.bytes].map((bytes) => `${+(bytes / 1e6).toFixed(2)} MB`);
    const isTooLarge = file.size > this.limits.bytes;
    this.complain(isTooLarge ? `${name} has ${size}: expected at most ${most}, a shorter part of it` : "");
    if (isTooLarge) return;
    this.root.setAttribute("aria-busy", "true");
    this.find(".file").textContent = `Reading ${name}`;
    try {
      this.fill(await api.sendClip(name, file));
    } catch (error) {
      this.show();
      this.complain(error.message);
    }
    this.root.removeAttribute("aria-busy");
  }
  fill(clip) {
    this.clip = clip;
    this.complain("");
    this.show();
    this.dispatchEvent(new Event("change"));
  }
  show() {
    const { name, seconds, sample_rate: rate, n_channels: count } = this.clip ?? {};
    const channels = ["mono", "stereo"][count - 1] ?? `${count} channels`;
    const facts = this.clip && [clock(seconds), `${+(rate / 1000).toFixed(2)} kHz`, channels];
    this.find(".wave").classList.toggle("empty", !this.clip);
    this.find(".deeds").hidden = !this.clip;
    this.find(".file").textContent = this.find(".file").title = name ?? this.about;
    this.find(".facts").textContent = facts?.join(" · ") ?? "";
    label(this.find("canvas"), this.clip ? `Waveform of ${name}, ${clock(seconds)}` : `${this.name}: nothing yet`);
  }
  draw(view) {
    drawOutline(this.find("canvas"), this.clip ?? {}, view);
    this.picture.draw(view);
  }
  async showPicture() {
    this.picture.root.hidden = !this.clip;
    if (this.clip) await this.picture.fetch(`/clips/${this.clip.id}/picture`);
  }

  async record() {
    if (this.finish) return this.finish();
    this.complain("");
    const tell = (isOn, seconds = 0, level = 0) => {
      this.root.classList.toggle("recording", isOn);
      this.root.style.setProperty("--level", level);
      this.find(".record").textContent = isOn ? "Stop and keep" : "Record";
      this.find(".drop").textContent = isOn ? `Recording ${clock(seconds)}` : "Drop a recording here";
      if (seconds >= this.limits.seconds) this.finish();
    };
    const onBlock = (...now) => this.finish && tell(true, ...now);
    const end = await record(onBlock).catch((error) => this.complain(error.message));
    this.finish = end && (async () => {
      tell((this.finish = null));
      await this.take(await end(), `Recording ${new Date().toTimeString().slice(0, 8).replaceAll(":", ".")}.wav`);
    });
  }
}

// The transfers of this session, and networks side by side: each can be heard in the same player.

import { $, copyOf, label } from "./page.js";
import { atWork, fetched } from "./result.js";
import { drawOutline } from "./waveform.js";

export class History {
  constructor(deck, nameOf, onOpen) {
    Object.assign(this, { deck, nameOf, onOpen, entries: new Map(), slots: {} });
    deck.addEventListener("change", () => this.mirror());
  }
  titleOf({ kind, content, styles, settings }) {
    const names = styles.map(({ clip }) => this.nameOf(clip)).join(" + ");
    const style = settings.network ? `${names}, ${settings.network}` : names;
    return kind === "texture" ? `Texture of ${style}` : `${this.nameOf(content)} with the sound of ${style}`;
  }
  add(transfer, isCompared) {
    const [root, list] = [copyOf("entry"), $(isCompared ? "columns" : "entries")];
    const entry = { root, isCompared, find: (selector) => root.querySelector(selector) };
    for (const button of root.querySelectorAll("button")) {
      label(button, `${button.dataset.label}: ${this.titleOf(transfer)}`);
      button.onclick = () => this[button.dataset.deed](entry, button.dataset.slot);
    }
    root.classList.toggle("column", isCompared);
    list[isCompared ? "append" : "prepend"](root);
    this.entries.set(transfer.id, entry);
    this.update(transfer);
  }
  update(transfer) {
    const entry = this.entries.get(transfer.id);
    if (!entry) return;
    entry.transfer = transfer;
    const { strength, settings: { network, strength: _, ...others }, seconds, error, words } = transfer;
    const changed = Object.entries(others).map(([name, value]) => `${name} ${value}`);
    const facts = [strength != null && `strength ${strength}`, ...changed, seconds && `${seconds.toFixed(1)} s`];
    entry.find(".name").textContent = entry.isCompared ? network : this.titleOf(transfer);
    entry.find(".facts").textContent = error ?? (atWork(transfer) ? words : facts.filter(Boolean).join(" · "));
    label(entry.find("canvas"), `Waveform of ${this.titleOf(transfer)}`);
    const isReady = entry.isCompared ? this.deck.tracks.has(transfer.id) : seconds;
    for (const button of entry.root.querySelectorAll("button")) button.disabled = !isReady;
    $("history").hidden = !$("entries").children.length;
    if (!seconds || entry.shape) return;
    entry.shape = transfer.sound;
    this.draw();
    if (entry.isCompared) this.load(transfer, transfer.id).then(() => this.update(entry.transfer));
  }
  async load({ id, sound: { loudness } }, track) {
    const buffer = await fetched(this.deck, `/transfers/${id}/sound`);
    this.deck.add(track, { strength: 0, buffer, loudness });
  }
  hear({ transfer }) { this.deck.hear(transfer.id); }
  mark({ transfer }, slot) {
    this.slots[slot] = transfer.id;
    return this.load(transfer, slot);
  }
  open({ transfer }) { this.onOpen(transfer); }
  mirror() {
    const { slots, deck: { heard } } = this;
    for (const [id, { root }] of this.entries) {
      const isOn = ({ deed, slot }) => (deed === "hear" ? heard === id : slots[slot] === id);
      for (const each of root.querySelectorAll("[aria-pressed]")) each.setAttribute("aria-pressed", isOn(each.dataset));
      root.classList.toggle("heard", heard === id || slots[heard] === id);
    }
  }
  draw() {
    for (const { find, shape } of this.entries.values()) {
      drawOutline(find("canvas"), shape, { start: 0, length: shape?.seconds });
    }
  }
}

// What plays, where, in a loop or not, and the keys.

import { $, clock, label } from "./page.js";

const TYPING = "input:not([type=range], [type=radio], [type=checkbox]), textarea, select";

export class Transport {
  constructor(deck, keys) {
    Object.assign(this, { deck, keys });
    $("play").onclick = () => (deck.playing ? deck.pause() : deck.play());
    $("matched").onchange = ({ target }) => deck.setMatched(target.checked);
    $("unloop").onclick = () => deck.setLoop(null);
    $("place").oninput = ({ target }) => deck.seek(Number(target.value));
    $("heard").onchange = ({ target }) => deck.hear(target.value);
    $("show-keys").onclick = () => $("keys").showModal();
    document.addEventListener("keydown", (event) => this.press(event));
    // A click leaves no focus behind, so that the space bar plays and does not press the button again.
    document.addEventListener("click", ({ detail }) => {
      if (detail && document.activeElement.matches("button, label *")) document.activeElement.blur();
    });
    deck.addEventListener("change", () => this.show());
  }
  press(event) {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const act = this.keys[key] ?? this.keys[key.toLowerCase()];
    const theirs = key === " " ? "button, summary, [type=checkbox]" : key.startsWith("Arrow") ? "input" : TYPING;
    if (!act || ctrlKey || metaKey || altKey || target.matches(`${theirs}, ${TYPING}`) || $("keys").open) return;
    event.preventDefault();
    act();
  }
  // What the deck is: which tracks there are, which one is heard, whether it plays, the loop.
  show() {
    const { deck, deck: { loop, heard, playing, tracks } } = this;
    for (const input of $("heard").querySelectorAll("input")) {
      input.parentElement.hidden = !tracks.has(input.value);
      input.checked = input.value === heard;
    }
    const light = ({ classList, dataset }) => classList.toggle("heard", dataset.track === heard);
    document.querySelectorAll("[data-track]").forEach(light);
    document.body.classList.toggle("playing", playing);
    document.body.classList.toggle("looping", Boolean(loop));
    for (const [k, edge] of (loop ?? []).entries()) document.body.style.setProperty(`--loop-${k}`, edge / deck.frame);
    label($("play"), playing ? "Pause" : "Play");
    $("transport").hidden = !deck.voices.length;
    $("unloop").hidden = !loop;
    $("loop-words").textContent = loop ? `Loop ${clock(loop[0])} to ${clock(loop[1])}` : "Drag on a waveform to loop";
  }
  // Where it plays: for each picture of the screen.
  follow({ start, length }) {
    const { deck, deck: { context, loop, heard } } = this;
    const place = deck.place(context.currentTime - (context.outputLatency ?? 0));
    const end = heard ? deck.end(heard) : length;
    const heads = document.querySelectorAll(".playhead");
    if (this.shown === (this.shown = [place, start, end, innerWidth, heads.length].join())) return; // nothing moved
    const x = ((place - start) / length) * $("place").clientWidth; // which is as wide as each waveform
    for (const { style } of heads) style.transform = `translateX(${x}px)`;
    if (this.told === (this.told = clock(place) + clock(end))) return; // words change ten times a second
    [$("now").textContent, $("of").textContent] = [clock(place), ` / ${clock(end)}`];
    Object.assign($("place"), { max: end, value: place });
    $("place").setAttribute("aria-valuetext", clock(place));
  }
}

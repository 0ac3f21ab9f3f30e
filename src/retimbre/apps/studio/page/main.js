// The page: two wells, one button, one strength, one player.

import * as api from "./api.js";
import { Deck } from "./deck.js";
import { History } from "./history.js";
import { Options } from "./options.js";
import { $, copyOf, make, say } from "./page.js";
import { Result, atWork, fetched } from "./result.js";
import { Transport } from "./transport.js";
import { drawRuler, followPointer } from "./waveform.js";
import { Well } from "./wells.js";

const BACKGROUND = [0, 0.25, 0.5, 0.75, 1];

export const deck = new Deck(new AudioContext());
export const result = new Result(deck);
const [clips, wells, slider] = [new Map(), [], $("strength")];
const history = new History(deck, (id) => clips.get(id)?.name ?? "a clip", open);
let [options, limits, isChosen, drawn, nStyles] = [null, null, false, "", 1];

const fail = (error) => say($("notice"), error.message);
const attempt = (act) => Promise.resolve(say($("notice"), "")).then(act).catch(fail);
const styles = () => wells.filter(({ role, clip }) => role === "style" && clip);

// Time that is in view: the frame that all lie on; of a longer style, page after page of that length.
function view() {
  const length = deck.frame || Math.max(0, ...wells.map(({ clip }) => clip?.seconds ?? 0));
  return { start: length ? Math.floor(deck.place() / length + 1e-6) * length : 0, length };
}
const viewKey = () => Object.values(view()).concat(innerWidth, devicePixelRatio).join();
function draw() {
  drawn = viewKey();
  $("ruler").hidden = !view().length;
  for (const drawable of [...wells, result, history]) drawable.draw(view());
  drawRuler($("ruler").querySelector("canvas"), view());
}
function follow(transport) {
  if (drawn !== viewKey()) draw();
  transport.follow(view());
  setTimeout(() => requestAnimationFrame(() => follow(transport)), 16); // every other picture: the work needs the rest
}

function addWell(role, name, about, key = "") {
  const well = new Well(role, name, about, key, limits);
  const track = key ? role : name;
  wells.push(well);
  $("wells").append(well.root);
  takePointer(well.root, track);
  well.addEventListener("another", () => addStyle().find(".choose").focus());
  well.addEventListener("change", () => attempt(async () => {
    const { clip } = well;
    deck.remove(track);
    if (!clip && !key) for (const { root } of [...wells.splice(wells.indexOf(well), 1), well.picture]) root.remove();
    show();
    if (!clip) return showPictures();
    clips.set(clip.id, clip);
    if (!$("go").disabled) api.prepare(wanted("transfer")).catch(() => {}); // what is wrong is said at the transfer
    const buffer = await fetched(deck, `/clips/${clip.id}/sound`);
    if (well.clip === clip) deck.add(track, { strength: 0, buffer, loudness: clip.loudness });
    if (role === "content" && !deck.playing) deck.hear(track);
    await showPictures();
  }));
  return well;
}
const addStyle = () => addWell("style", `Style ${++nStyles}`, "Its sound is mixed in.");
function takePointer(lane, track) {
  lane.dataset.track = track;
  const at = (share) => view().start + share * view().length;
  const onPlace = (share) => deck.hear(track, deck.seek(at(share)));
  const onLoop = ([from, to]) => at(to) - at(from) > 0.05 && deck.setLoop([at(from), at(to)]);
  followPointer(lane.querySelector(".wave"), onPlace, onLoop);
  lane.querySelector("h2").onclick = () => deck.hear(track);
}

// What can be done now.
function show() {
  const [isBusy, isReady] = [atWork(result.transfer), wells[0].clip && styles().length];
  $("go").textContent = isBusy ? "Stop" : "Transfer";
  $("go").classList.toggle("stop", isBusy);
  $("go").disabled = !isBusy && !isReady;
  $("go-texture").disabled = isBusy || !styles().length;
  $("go-compare").disabled = isBusy || !isReady || !$("networks").querySelector(":checked");
  for (const well of wells) {
    well.find(".weight").hidden = !styles().includes(well) || styles().length < 2;
    well.find(".another").hidden = well !== wells.at(-1) || well.role === "content";
  }
  const value = isChosen || result.settled ? Number(slider.value).toFixed(2) : "auto";
  $("strength-value").textContent = value;
  slider.setAttribute("aria-valuetext", value);
  slider.style.setProperty("--at", slider.value);
  $("strength-auto").hidden = !isChosen;
  $("strength-state").textContent = !result.settled ? "" : result.isExact ? "exact" : "mixed, exact in a moment";
  for (const tick of $("ticks").children) tick.classList.toggle("ready", result.shapes.has(Number(tick.textContent)));
  draw();
}

// What the wells, the settings and the slider ask for.
function wanted(kind, more = {}) {
  const settings = { ...options.changed, ...more };
  if (isChosen && kind === "transfer" && !("content_weight" in settings)) settings.strength = Number(slider.value);
  const mix = styles().map(({ clip, weight }) => ({ clip: clip.id, weight }));
  const what = kind === "texture" ? { seconds: Number($("seconds").value) } : { content: wells[0].clip?.id };
  return { kind, styles: mix, settings, ...what };
}
async function begin(kind, settings, isCompared = false) {
  const transfer = await api.begin({ ...wanted(kind, settings), strengths: isCompared ? [] : BACKGROUND });
  history.add(transfer, isCompared);
  if (!isCompared) open(transfer);
}
function open(transfer) {
  const { content, styles: mix, settings } = transfer;
  while (wells.length <= mix.length) addStyle();
  for (const well of wells.slice(1 + mix.length)) well.remove();
  [{ clip: content, weight: 1 }, ...mix].forEach(({ clip, weight }, k) => {
    wells[k].weigh(weight);
    if (clips.has(clip) && wells[k].clip?.id !== clip) wells[k].fill(clips.get(clip));
  });
  options.restore(settings);
  isChosen = settings.strength != null;
  result.open(transfer);
  show();
}
async function showPictures() {
  $("pictures").hidden = !result.settled;
  if (!result.settled) return;
  for (const drawable of [...wells, result]) {
    $("pictures").append(drawable.picture.root);
    await drawable.showPicture();
  }
  draw();
}
function onTransfer(transfer) {
  history.update(transfer);
  if (transfer.id === result.transfer?.id) show(result.update(transfer));
}

function wire() {
  const stop = () => atWork(result.transfer) && api.stop(result.transfer.id);
  $("go").onclick = () => {
    $("go").disabled = true; // a second click comes to nothing
    attempt(() => stop() || begin("transfer")).finally(show);
  };
  $("go-texture").onclick = () => attempt(() => begin("texture"));
  $("go-compare").onclick = () => attempt(async () => {
    const chosen = [...$("networks").querySelectorAll(":checked")];
    for (const { value: network } of chosen) await begin("transfer", { network }, true);
  });
  slider.oninput = () => {
    isChosen = true;
    if (result.settled) result.move(Number(slider.value));
    show();
  };
  slider.onchange = () => result.settle();
  $("strength-auto").onclick = () => show((isChosen = false));
  result.addEventListener("change", () => attempt(showPictures, show()));
  matchMedia("(prefers-color-scheme: dark)").onchange = draw;
  document.addEventListener("toggle", draw, true);
  takePointer($("result"), "result");

  const nudge = (by) => slider.oninput((slider.value = Number(slider.value) + by));
  const loop = (from, to) => deck.setLoop(from < to ? [from, to] : null);
  const tracks = () => styles().map(({ root }) => root.dataset.track);
  return new Transport(deck, {
    1: () => deck.hear("content"), 3: () => deck.hear("result"),
    2: () => deck.hear(tracks()[(tracks().indexOf(deck.heard) + 1) % tracks().length]),
    a: () => deck.hear("a"), b: () => deck.hear("b"), " ": () => $("play").click(),
    ArrowLeft: () => deck.seek(deck.place() - 1), ArrowRight: () => deck.seek(deck.place() + 1),
    "[": () => loop(deck.place(), deck.loop?.[1] ?? deck.frame), "]": () => loop(deck.loop?.[0] ?? 0, deck.place()),
    l: () => deck.setLoop(null), m: () => $("matched").click(), "-": () => nudge(-0.05), "+": () => nudge(0.05),
    t: () => $("go").click(), "?": () => $("show-keys").click(),
  });
}

async function start() {
  const studio = ({ limits } = await api.getSettings());
  await api.openSession(onTransfer, () => say($("notice"), "The session has ended: load this page anew."));
  addWell("content", "Content", "Its notes and rhythm stay.", "1");
  addWell("style", "Style", "Its sound is taken.", "2");
  options = new Options($("options"), studio.settings, ["strength"]);
  for (const { name, title } of studio.examples) {
    const take = () => api.takeExample(name).then((pair) => wells[0].fill(pair.content) ?? wells[1].fill(pair.style));
    $("examples").append(make("button", title, { type: "button", className: "link", onclick: () => attempt(take) }));
  }
  for (const { name, help, available } of studio.networks) {
    $("networks").append(copyOf("network", { b: name, span: help }));
    Object.assign($("networks").lastChild.firstChild, { value: name, disabled: !available, onchange: show });
  }
  follow(wire(), show());
}
attempt(start);

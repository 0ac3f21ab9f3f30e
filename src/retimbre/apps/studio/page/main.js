// The page: two wells, one button, one strength, one player.

import * as api from "./api.js";
import { Deck } from "./deck.js";
import { History } from "./history.js";
import { Options } from "./options.js";
import { $, copyOf, make, say } from "./page.js";
import { Picture } from "./pictures.js";
import { Result, atWork, fetched } from "./result.js";
import { Transport } from "./transport.js";
import { drawRuler, followPointer } from "./waveform.js";
import { Well } from "./wells.js";

const BACKGROUND = [0, 0.25, 0.5, 0.75, 1];
const ENDED = "The session has ended: load this page anew.";

export const deck = new Deck(() => new AudioContext());
export const result = new Result(deck);
const [clips, wells, slider] = [new Map(), [], $("strength")];
const history = new History(deck, (id) => clips.get(id)?.name ?? "a clip", open);
let [options, limits, isChosen, drawn] = [null, null, false, ""];

const attempt = (act) => Promise.resolve(say($("notice"), "")).then(act).catch((error) => say($("notice"), error.message));
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
  for (const drawable of [...wells, ...wells.map(({ picture }) => picture), result, history]) drawable.draw(view());
  if (view().length) drawRuler($("ruler").querySelector("canvas"), view());
}
function follow(transport) {
  if (drawn !== viewKey()) draw();
  if (view().length) transport.follow(view());
  requestAnimationFrame(() => follow(transport));
}

function addWell(role, name, about, key = "") {
  const well = new Well(role, name, about, key, limits);
  const track = key ? role : name;
  well.picture = new Picture(name, role);
  wells.push(well);
  $("wells").append(well.root);
  takePointer(well.root, track);
  well.addEventListener("another", () => addStyle().find(".choose").focus());
  well.addEventListener("change", () => attempt(async () => {
    const { clip } = well;
    deck.remove(track);
    if (!clip && !key) wells.splice(wells.indexOf(well), 1).forEach(({ root }) => root.remove());
    show();
    if (!clip) return;
    clips.set(clip.id, clip);
    const buffer = await fetched(deck, `/clips/${clip.id}/sound`);
    if (well.clip !== clip) return;
    deck.add(track, { strength: 0, buffer, loudness: clip.loudness });
    if (role === "content" && !deck.playing) deck.hear(track);
  }));
  return well;
}
const addStyle = () => addWell("style", `Style ${Math.max(...wells.map(({ name }) => Number(name.slice(6)) || 1)) + 1}`, "Its sound is mixed in.");
function takePointer(lane, track) {
  lane.dataset.track = track;
  const at = (share) => view().start + share * view().length;
  const onPlace = (share) => deck.hear(track, deck.seek(at(share)));
  const onLoop = ([from, to], isLast) => isLast && at(to) - at(from) > 0.05 && deck.setLoop([at(from), at(to)]);
  followPointer(lane.querySelector(".wave"), onPlace, onLoop);
  lane.querySelector("h2").onclick = () => deck.hear(track);
}

// What can be done now.
function show() {
  const isBusy = atWork(result.transfer);
  const isReady = wells[0].clip && styles().length;
  $("go").textContent = isBusy ? "Stop" : "Transfer";
  $("go").classList.toggle("stop", isBusy);
  $("go").disabled = !isBusy && !isReady;
  $("go-texture").disabled = isBusy || !styles().length;
  $("go-compare").disabled = isBusy || !isReady || !$("networks").querySelector(":checked");
  for (const well of wells) well.find(".weight").hidden = !styles().includes(well) || styles().length < 2;
  for (const well of wells) well.find(".another").hidden = well !== wells.at(-1) || well.role === "content";
  const value = isChosen || result.settled ? Number(slider.value).toFixed(2) : "auto";
  $("strength-value").textContent = value;
  slider.style.setProperty("--at", slider.value);
  slider.setAttribute("aria-valuetext", value);
  $("strength-auto").hidden = !isChosen;
  $("strength-state").textContent = !result.settled ? "" : result.isExact ? "exact" : "mixed, exact in a moment";
  for (const tick of $("ticks").children) tick.classList.toggle("ready", result.shapes.has(Number(tick.textContent)));
  draw();
}

async function begin(kind, settings = {}, isCompared = false) {
  const wanted = { ...options.changed, ...settings };
  if (isChosen && kind === "transfer" && wanted.content_weight === undefined) wanted.strength = Number(slider.value);
  const transfer = await api.begin({
    kind,
    styles: styles().map(({ clip, weight }) => ({ clip: clip.id, weight })),
    settings: wanted,
    ...(kind === "texture" ? { seconds: Number($("seconds").value) } : { content: wells[0].clip.id, strengths: isCompared ? [] : BACKGROUND }),
  });
  history.add(transfer, isCompared);
  if (!isCompared) open(transfer);
}
function open(transfer) {
  while (wells.length <= transfer.styles.length) addStyle();
  const put = (well, id) => clips.has(id) && well.clip?.id !== id && well.fill(clips.get(id));
  put(wells[0], transfer.content);
  transfer.styles.forEach(({ clip }, k) => put(wells[k + 1], clip));
  result.open(transfer);
  show();
}
async function showPictures() {
  if (!result.settled) return;
  $("pictures").hidden = false;
  $("pictures").append(...wells.map(({ picture }) => picture.root), result.picture.root);
  for (const { clip, picture } of wells) {
    picture.root.hidden = !clip;
    if (!clip || picture.of === clip.id) continue;
    picture.of = clip.id;
    picture.show(await api.picture(`/clips/${clip.id}/picture`));
  }
  await result.showPicture();
  draw();
}
function onTransfer(transfer) {
  history.update(transfer);
  if (transfer.id !== result.transfer?.id) return;
  const wasSettled = result.settled;
  result.update(transfer);
  if (!wasSettled && result.settled) slider.value = result.strength;
  show();
}

function wire() {
  $("go").onclick = () => attempt(() => (atWork(result.transfer) ? api.stop(result.transfer.id) : begin("transfer")));
  $("go-texture").onclick = () => attempt(() => begin("texture"));
  $("go-compare").onclick = () => attempt(async () => {
    for (const { value } of $("networks").querySelectorAll(":checked")) await begin("transfer", { network: value }, true);
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
  takePointer($("result"), "result");

  const nudge = (by) => slider.oninput((slider.value = Number(slider.value) + by));
  const loop = (from, to) => deck.setLoop(from < to ? [from, to] : null);
  const hearStyle = () => {
    const tracks = wells.map(({ root }) => root.dataset.track).filter((track) => track !== "content" && deck.tracks.has(track));
    deck.hear(tracks[(tracks.indexOf(deck.heard) + 1) % tracks.length]);
  };
  const columns = [4, 5, 6, 7, 8, 9].map((number) => [number, () => history.hearColumn(number - 4)]);
  const transport = new Transport(deck, {
    " ": () => transport.toggle(), 1: () => deck.hear("content"), 2: hearStyle, 3: () => deck.hear("result"),
    a: () => deck.hear("a"), b: () => deck.hear("b"), ...Object.fromEntries(columns),
    ArrowLeft: () => deck.seek(deck.place() - 1), ArrowRight: () => deck.seek(deck.place() + 1),
    "[": () => loop(deck.place(), deck.loop?.[1] ?? deck.frame), "]": () => loop(deck.loop?.[0] ?? 0, deck.place()),
    l: () => deck.setLoop(null), m: () => $("matched").click(), "-": () => nudge(-0.05), "+": () => nudge(0.05),
    t: () => $("go").click(), "?": () => $("keys").showModal(),
  });
  return transport;
}

async function start() {
  const { settings, networks, examples, ...others } = await api.getSettings();
  ({ limits } = others);
  await api.openSession(onTransfer, () => say($("notice"), ENDED));
  addWell("content", "Content", "Its notes and its rhythm are kept.", "1");
  addWell("style", "Style", "Its sound is taken.", "2");
  options = new Options($("options"), settings, ["strength"]);
  const take = (name) => attempt(async () => {
    const { content, style } = await api.takeExample(name);
    wells[0].fill(content);
    wells[1].fill(style);
  });
  for (const { name, title } of examples) $("examples").append(make("button", title, { type: "button", className: "link", onclick: () => take(name) }));
  for (const { name, help, available } of networks) {
    const choice = copyOf("network", { b: name, span: help });
    Object.assign(choice.querySelector("input"), { value: name, disabled: !available, onchange: show });
    $("networks").append(choice);
  }
  const transport = wire();
  show();
  follow(transport);
}
attempt(start);

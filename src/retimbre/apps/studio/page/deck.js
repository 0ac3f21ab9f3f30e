// The player: all clips run at once, locked to the sample, and gains decide which of them is heard.
//
// A track holds one sound or, for a result, several of different strengths, of which the two neighbours of the
// wanted strength are mixed. Every change takes the context's time at which it is to happen, so that an offline
// context renders the same graph.

const FADE = 0.01; // s: a switch is an exponential, of which five time constants are over by then
const AHEAD = 0.03; // s: sources started in one task are given one time that no audio block has passed yet
const SEAM = 0.005; // s, where a loop's end meets its start
const SILENT = -70; // LUFS

class Voice {
  constructor(deck, sound) {
    Object.assign(this, sound, { deck, gain: 0, alike: new Map(), peak: 0 });
    this.node = new GainNode(deck.context, { gain: 0 });
    this.node.connect(deck.output);
    for (const samples of channels(this.buffer)) for (const x of samples) this.peak = Math.max(this.peak, Math.abs(x));
  }
  start(at, place) {
    const { buffer, deck: { context, loop, frame } } = this;
    const source = new AudioBufferSourceNode(context, { buffer: loop ? cut(context, buffer, loop) : buffer });
    const edge = new GainNode(context, { gain: 0 });
    source.connect(edge).connect(this.node);
    source.loop = Boolean(loop) || buffer.duration < frame - 0.01; // a shorter clip is repeated
    const first = source.loop ? (place - (loop?.[0] ?? 0)) % source.buffer.duration : place;
    source.start(at, Math.min(first, source.buffer.duration));
    if (!loop) source.stop(at + Math.max(0, Math.max(frame, buffer.duration) - place));
    source.onended = () => this.running?.source === source && this.deck.ended(this);
    fade(edge, 1, at);
    this.running = { source, edge };
  }
  stop(at) {
    if (!this.running) return;
    const { source, edge } = this.running;
    this.running = null;
    fade(edge, 0, at);
    source.stop(at + 2 * FADE);
    source.onended = () => edge.disconnect();
  }
}

export class Deck extends EventTarget {
  constructor(context) {
    super();
    Object.assign(this, { context, output: new GainNode(context), tracks: new Map(), strengths: new Map() });
    Object.assign(this, { heard: null, loop: null, matched: true, from: 0, began: null });
    this.output.connect(context.destination);
  }
  get playing() { return this.began !== null; }
  get voices() { return [...this.tracks.values()].flat(); }
  get soon() { return this.whole(this.context.currentTime + AHEAD); }
  whole(seconds) { return Math.round(seconds * this.context.sampleRate) / this.context.sampleRate; }

  // Length on which the clips lie above one another: the result's, the content's, or that of what there is.
  get frame() {
    const longest = () => Math.max(0, ...this.voices.map(({ buffer }) => buffer.duration));
    return this.seconds("result") || this.seconds("content") || longest();
  }
  seconds(id) { return this.tracks.get(id)?.[0].buffer.duration ?? 0; }
  end(id) { return Math.max(this.frame, this.seconds(id)); }
  place(at = this.context.currentTime) {
    const [from, to] = this.loop ?? [0, Infinity];
    return this.playing ? from + ((this.from - from + Math.max(0, at - this.began)) % (to - from)) : this.from;
  }

  add(id, sound, at = this.soon) {
    const voice = new Voice(this, sound);
    const others = (this.tracks.get(id) ?? []).filter((old) => old.strength !== sound.strength || old.stop(at));
    this.tracks.set(id, [...others, voice].sort((a, b) => a.strength - b.strength));
    this.heard ??= id;
    if (this.playing) voice.start(at, this.place(at));
    this.mix(at);
  }
  remove(id, strength = null, at = this.soon) {
    const isKept = (voice) => (strength !== null && voice.strength !== strength) || voice.stop(at);
    const kept = (this.tracks.get(id) ?? []).filter(isKept);
    if (!this.tracks.delete(id)) return;
    if (kept.length) this.tracks.set(id, kept);
    if (!this.tracks.has(this.heard)) this.heard = this.tracks.keys().next().value ?? null;
    if (!this.tracks.size) this.pause(at);
    this.mix(at);
  }

  // How loud each sound of a track is: neighbours are weighted so that their sum keeps its power, whether they
  // are alike (correlation 1: weights add up to 1) or not (correlation 0: squares do).
  weights(id) {
    const voices = this.tracks.get(id);
    const wanted = this.strengths.get(id) ?? voices[0].strength;
    const above = voices.findIndex((voice) => voice.strength >= wanted);
    const [low, high] = [voices[above - 1], voices[above] ?? voices.at(-1)];
    if (!low || high.strength === wanted) return new Map([[high, 1]]);
    const b = (wanted - low.strength) / (high.strength - low.strength);
    if (!low.alike.has(high)) low.alike.set(high, correlation(low.buffer, high.buffer));
    const power = Math.hypot(1 - b, b, Math.sqrt(2 * b * (1 - b) * low.alike.get(high)));
    return new Map([[low, (1 - b) / power], [high, b / power]]);
  }
  // One loudness for all: that of the loudest, or as much as none needs more than full scale for.
  level(voice) {
    const sounding = this.voices.filter(({ loudness, peak }) => loudness > SILENT && peak > 0);
    if (!this.matched || !sounding.includes(voice)) return 1;
    const most = sounding.map(({ loudness, peak }) => loudness - 20 * Math.log10(peak));
    return 10 ** ((Math.min(Math.max(...sounding.map(({ loudness }) => loudness)), ...most) - voice.loudness) / 20);
  }
  mix(at = this.soon) {
    for (const [id, voices] of this.tracks) {
      const weights = id === this.heard ? this.weights(id) : new Map();
      for (const voice of voices) {
        const gain = weights.has(voice) ? weights.get(voice) * this.level(voice) : 0;
        if (gain !== voice.gain) fade(voice.node, (voice.gain = gain), at);
      }
    }
    this.dispatchEvent(new Event("change"));
  }
  hear(id, at = this.soon) {
    if (!this.tracks.has(id)) return;
    this.heard = id;
    if (this.place(at) >= this.end(id)) this.seek(this.place(at) % this.end(id), at); // on from a longer style
    this.mix(at);
  }
  setStrength(id, strength, at) { this.strengths.set(id, strength), this.mix(at); }
  setMatched(matched, at) { Object.assign(this, { matched }).mix(at); }

  // Go on from a place, playing or not.
  go(place, at, isPlaying = this.playing) {
    const [from, to] = this.loop ?? [0, Infinity];
    for (const voice of this.voices) voice.stop(at);
    this.from = this.whole(isPlaying && (place < from || place >= to) ? from : place);
    this.began = isPlaying ? at : null;
    if (isPlaying) for (const voice of this.voices) voice.start(at, this.from);
    this.dispatchEvent(new Event("change"));
  }
  play(at = this.soon) { this.context.resume?.(), this.go(this.from, at, true); }
  pause(at = this.soon) { this.go(this.place(at), at, false); }
  seek(place, at = this.soon) { this.go(Math.min(Math.max(place, 0), Math.max(0, this.end(this.heard) - 0.02)), at); }
  setLoop(loop, at = this.soon) {
    const place = this.place(at);
    this.loop = loop?.map((edge) => this.whole(edge)) ?? null;
    this.go(loop && !this.playing ? this.loop[0] : place, at);
  }
  ended(voice) { if (this.tracks.get(this.heard)?.includes(voice)) this.pause(), this.seek(0); }
}

const fade = ({ gain }, to, at) => gain.setTargetAtTime(to, at, FADE / 5);
const channels = (buffer) => Array.from({ length: buffer.numberOfChannels }, (_, k) => buffer.getChannelData(k));

// The part of a clip that a loop repeats; its end fades into what is before its start. A shorter clip is repeated.
function cut(context, buffer, [from, to]) {
  const { sampleRate: rate, length, numberOfChannels } = buffer;
  const first = Math.round(from * rate);
  const part = context.createBuffer(numberOfChannels, Math.max(1, Math.round(to * rate) - first), rate);
  const seam = Math.min(Math.round(SEAM * rate), part.length, length);
  channels(buffer).forEach((whole, channel) => {
    const out = part.getChannelData(channel);
    for (let i = 0; i < part.length; i++) out[i] = whole[(first + i) % length];
    for (let i = 0, at = part.length - seam; i < seam; i++, at++) {
      const weight = (i + 1) / (seam + 1);
      out[at] = (1 - weight) * out[at] + weight * whole[(first - seam + i + length) % length];
    }
  });
  return part;
}

function correlation(...buffers) {
  const [a, b] = buffers.map((buffer) => buffer.getChannelData(0).subarray(0, 1 << 20));
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return Math.max(0, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b) || 1));
}

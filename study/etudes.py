"""Random clips whose notes are known: what the network of note events is trained on.

Voices walk, break chords, repeat a note or hold chords, bound or detached. They are played by programs of two
soundfonts, and by instruments that are drawn by formula, through random equalisers, rooms and noise. No song
of the study is in it, and none of the instruments of its reported pairs, nor programs that share samples with
them.
"""

from typing import NamedTuple, get_args

import numpy as np

from retimbre.music.orchestra import Soundfont, render
from retimbre.music.score import Note, Piece
from study.kits import Random, Wave, log_uniform
from study.pairs import RATE, Sounding

PROGRAMS: dict[int, tuple[int, int]] = {
    **{4: (36, 96), 7: (36, 88), 8: (60, 100), 10: (60, 96), 11: (53, 89), 22: (58, 90), 25: (40, 86)},
    **{26: (40, 86), 27: (40, 86), 32: (36, 60), 35: (36, 62), 45: (40, 90), 46: (36, 98), 50: (40, 90)},
    **{52: (43, 84), 53: (43, 84), 60: (36, 77), 61: (36, 84), 62: (40, 84), 64: (56, 88), 65: (50, 82)},
    **{66: (44, 76), 67: (37, 70), 68: (58, 91), 69: (52, 82), 70: (36, 76), 72: (72, 100), 74: (60, 96)},
    **{75: (60, 94), 79: (60, 90), 80: (45, 90), 81: (45, 90), 104: (45, 80), 105: (48, 86), 107: (45, 84)},
    **{108: (48, 84), 111: (60, 88)},
}
"""Programs of both soundfonts, as General MIDI counts them from zero, and the range of each."""

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_LENGTHS, _LIKELY = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0), (0.2, 0.35, 0.25, 0.08, 0.08, 0.04)  # quarter notes
_APART = 0.09  # s between two onsets of a pitch


class Etude(NamedTuple):
    """Clip, samples (N,) at :data:`study.pairs.RATE`, and the notes in it."""

    samples: Wave
    notes: list[Sounding]


def etude(random: Random, seconds: float) -> Etude:
    """Draw a clip: music, an instrument, and what its sound goes through."""
    if random.random() < 0.25:  # by formula
        lowest = int(random.integers(36, 70))
        notes = draw_notes(random, seconds, lowest, lowest + int(random.integers(20, 36)))
        samples = _formula(random, notes, seconds)
    else:
        program = list(PROGRAMS)[random.integers(len(PROGRAMS))]
        fonts = get_args(Soundfont)
        notes = draw_notes(random, seconds, *PROGRAMS[program])
        samples = _played(notes, seconds, program, fonts[random.integers(len(fonts))])
    samples = _disguised(random, samples) if random.random() < 0.6 else samples
    return Etude(samples, [note[0] for note in notes])


_Played = tuple[Sounding, int]


def draw_notes(random: Random, seconds: float, lowest: int, highest: int) -> list[_Played]:
    """Draw one to four voices in a range: notes with their velocities, by onset.

    No two notes of a pitch overlap, as no listener could tell them apart.
    """
    quarter, tonic = 60 / random.uniform(55, 165), int(random.integers(12))
    scale = _SCALES[random.integers(2)]
    ladder = [pitch for pitch in range(lowest, highest + 1) if (pitch - tonic) % 12 in scale]
    loudness, loose = random.uniform(55, 110), random.uniform(0, 0.02) * (random.random() < 0.4)
    drawn: list[_Played] = []
    for _ in range(int(random.choice([1, 2, 3, 4], p=[0.35, 0.3, 0.2, 0.15]))):
        width = min(int(random.integers(7, 16)), len(ladder))
        bottom = int(random.integers(len(ladder) - width + 1))
        steps = _voice(random, ladder[bottom : bottom + width], seconds / quarter)
        held = 1.0 if random.random() < 0.6 else random.uniform(0.35, 1)
        velocity = loudness + random.uniform(-15, 15)
        for at, length, pitch in steps:
            onset = max(0.0, at * quarter + loose * random.standard_normal())
            end = min(at * quarter + held * length * quarter, seconds)
            loud = round(float(np.clip(velocity + random.uniform(-12, 12), 25, 127)))
            if end - onset > 0.06:
                drawn.append((Sounding(onset, end, pitch), loud))
    return _parted(sorted(drawn))


def _parted(drawn: list[_Played]) -> list[_Played]:
    """End notes where their pitch starts again; leave out those that start with it, or too soon after."""
    kept: list[_Played] = []
    latest: dict[int, int] = {}
    for note, velocity in drawn:
        before = latest.get(note.pitch)
        if before is not None:
            other, loud = kept[before]
            if note.onset < other.onset + _APART:
                continue
            kept[before] = (other._replace(end=min(other.end, note.onset)), loud)
        latest[note.pitch] = len(kept)
        kept.append((note, velocity))
    return kept


def _voice(random: Random, ladder: list[int], quarters: float) -> list[tuple[float, float, int]]:
    """Draw a voice on a ladder of pitches: start and length in quarter notes, and pitch."""
    kind = random.choice(["walk", "broken", "again", "held"], p=[0.5, 0.2, 0.15, 0.15])
    width, at, notes = len(ladder), 0.0, []
    step, even = int(random.integers(width)), float(random.choice([0.25, 0.5, 0.5, 1.0]))
    chord = [0, 2, 4, 2]
    while at < quarters:
        length = float(random.choice(_LENGTHS, p=_LIKELY))
        above = [0]
        if kind == "broken":
            length, above = even, [chord[round(at / even) % 4]]
        elif kind == "again":
            length = even if random.random() < 0.8 else length
        elif kind == "held":
            length, above = float(random.choice([1.0, 2.0, 3.0, 4.0])), [0, 2, 4][: random.integers(2, 4)]
        elif random.random() < 0.2:
            above = [0, 2, 4][: random.integers(2, 4)]
        if at == 0 or random.random() > 0.08:
            pitches = {ladder[min(max(step + k, 0), width - 1)] for k in above}
            notes += [(at, length, pitch) for pitch in sorted(pitches)]
        at += length
        moves = random.random() < {"walk": 0.8, "broken": 0.3, "again": 0.2, "held": 0.7}[kind]
        step = min(max(step + moves * int(random.integers(-3, 4)), 0), width - 1)
    return notes


def _played(notes: list[_Played], seconds: float, program: int, soundfont: Soundfont) -> Wave:
    written = [Note(n.onset, n.end - n.onset, n.pitch, velocity) for n, velocity in notes]
    piece = Piece("Etude", "", 60, 4, 1, (tuple(written),))
    mix = render(piece, program, soundfont=soundfont).resampled(RATE).samples.mean(axis=0, dtype=np.float64)
    samples = np.zeros(round(seconds * RATE))
    samples[: len(mix)] = mix[: len(samples)]
    return samples


def _formula(random: Random, notes: list[_Played], seconds: float) -> Wave:
    """Play notes on an instrument drawn by formula: partials, formants, attack, decay, release, trembling."""
    k = np.arange(1, 33)
    source = k ** -random.uniform(0.4, 2.0) * 10 ** (random.uniform(0, 9) * random.standard_normal(32) / 20)
    if random.random() < 0.25:
        source[1::2] *= random.uniform(0.05, 0.6)  # as in a closed pipe
    if random.random() < 0.25:
        source[0] *= random.uniform(0.2, 0.7)
    formants = [(log_uniform(random, 250, 4000), random.uniform(0.1, 0.6)) for _ in range(3)]
    depth, stiff = random.uniform(0, 12), log_uniform(random, 1e-6, 4e-4) * (random.random() < 0.5)
    attack, release = log_uniform(random, 0.003, 0.12), log_uniform(random, 0.015, 0.4)
    decay = random.uniform(0, 6) if random.random() < 0.5 else log_uniform(random, 6, 60)
    faster = random.uniform(0, 0.2) * decay  # partials decay faster the higher they are
    vibrato = random.uniform(0.05, 0.4) * (random.random() < 0.4)
    trembling, late = random.uniform(4, 7), random.uniform(0, 0.4)
    hiss = log_uniform(random, 1e-3, 0.1) * (random.random() < 0.5)
    n_samples = round(seconds * RATE)
    samples = np.zeros(n_samples)
    for note, velocity in notes:
        begin = round(note.onset * RATE)
        n_own = min(n_samples - begin, round((note.end - note.onset + 6 * release) * RATE))
        time = np.arange(n_own) / RATE
        hertz = 440 * 2 ** ((note.pitch - 69) / 12)
        partials = k * np.sqrt(1 + stiff * k**2)
        partials = partials[hertz * partials < 0.45 * RATE]
        shape = sum(np.exp(-0.5 * (np.log(hertz * partials / f) / w) ** 2) for f, w in formants)
        levels = source[: len(partials)] * 10 ** (depth * (shape - 0.5) / 20)
        swing = (
            vibrato
            * np.sin(2 * np.pi * trembling * time + random.uniform(0, 6))
            * np.clip(time / 0.3 - late, 0, 1)
        )
        phase = 2 * np.pi * np.cumsum(hertz * 2 ** (swing / 12)) / RATE
        wave = np.zeros(n_own)
        for n, (partial, level) in enumerate(zip(partials, levels, strict=True)):
            fall = 10 ** (-(decay + faster * n) * time / 20)
            wave += level * fall * np.sin(partial * phase + random.uniform(0, 2 * np.pi))
        own = attack * random.uniform(0.7, 1.4)
        rise = np.clip(time / own, 0, 1)
        if hiss:
            burst = np.exp(-time / 0.04) if decay > 6 else 0.3
            wave += hiss * np.abs(levels).sum() * burst * random.standard_normal(n_own)
        gone = np.exp(-(time - (note.end - note.onset)).clip(min=0) / release)
        samples[begin : begin + n_own] += 10 ** ((velocity - 100) / 40) * wave * rise * gone
    return samples / max(1e-9, float(np.abs(samples).max()))


def _disguised(random: Random, samples: Wave) -> Wave:
    """Pass a clip through a random room, an equaliser and noise."""
    n = len(samples)
    n_fft = 1 << (2 * n - 1).bit_length()
    bins = np.fft.rfft(samples, n_fft)
    place = np.linspace(0, 1, len(bins)) ** 0.5
    curve = random.uniform(-8, 8) * (place - 0.5)  # dB
    for turn in range(1, 5):
        curve = curve + random.uniform(-3, 3) * np.cos(np.pi * turn * place + random.uniform(0, 2 * np.pi))
    bins *= 10 ** (curve / 20)
    if random.random() < 0.4:
        time = np.arange(RATE) / RATE
        room = random.standard_normal(RATE) * 10 ** (-3 * time / random.uniform(0.15, 1.0))
        room *= 10 ** (random.uniform(-26, -6) / 20) / np.sqrt(np.square(room).sum())
        room[0] = 1
        bins *= np.fft.rfft(room, n_fft)
    samples = np.fft.irfft(bins, n_fft)[:n]
    noise = np.fft.rfft(random.standard_normal(n))
    noise /= (np.arange(len(noise)) + 30) ** random.uniform(0, 0.8)
    added = np.fft.irfft(noise, n)
    added *= np.sqrt(np.square(samples).mean() / np.square(added).mean()) * 10 ** (
        random.uniform(-60, -24) / 20
    )
    return samples + added

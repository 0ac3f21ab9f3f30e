"""Random drums by formula, and random grooves of them: what the network of strokes is trained on.

Each drum is drawn anew: sweeps, modes, filtered noise and sums of squares with random places, bends and
decays, wider than recorded kits are. No song and no kit of the study's reported pairs is in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RATE = 22_050
"""Hz."""

Wave = npt.NDArray[np.float64]
Random = np.random.Generator


class Stroke(NamedTuple):
    """Stroke of a groove: seconds, and its kind."""

    onset: float
    kind: str


def log_uniform(random: Random, low: float, high: float) -> float:
    """Draw a number whose logarithm is as likely anywhere from ``low`` to ``high``."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _time(seconds: float) -> Wave:
    return np.arange(int(seconds * RATE)) / RATE


def _fall(time: Wave, seconds: float) -> Wave:
    """Fall by 20 dB in so many seconds."""
    level: Wave = 10 ** (-time / seconds)
    return level


def _loudest(samples: Wave) -> Wave:
    scaled: Wave = samples / np.abs(samples).max()
    return scaled


def _filtered(samples: Wave, low: float, high: float, slope: float = 2.0) -> Wave:
    n_fft = 1 << (2 * len(samples) - 1).bit_length()
    hertz = np.fft.rfftfreq(n_fft, 1 / RATE) + 1e-3
    gain = 1 / np.sqrt((1 + (low / hertz) ** (2 * slope)) * (1 + (hertz / high) ** (2 * slope)))
    return np.fft.irfft(np.fft.rfft(samples, n_fft) * gain, n_fft)[: len(samples)]


def _noise(random: Random, time: Wave, low: float, high: float, slope: float = 2.0) -> Wave:
    return _filtered(random.standard_normal(len(time)), low, high, slope)


def _sweep(time: Wave, hertz: float, ratio: float, seconds: float) -> Wave:
    """Sound a sine that falls from ``ratio`` times a frequency to it."""
    return np.sin(2 * np.pi * np.cumsum(hertz * (1 + (ratio - 1) * np.exp(-time / seconds))) / RATE)


def _kick(random: Random) -> Wave:
    time = _time(1.2)
    body = _sweep(time, log_uniform(random, 40, 85), random.uniform(1, 6), log_uniform(random, 0.005, 0.06))
    made = _loudest(np.tanh(body * _fall(time, log_uniform(random, 0.08, 0.7)) * log_uniform(random, 0.5, 4)))
    click = _noise(random, time, log_uniform(random, 300, 3000), log_uniform(random, 2000, 9000))
    made += log_uniform(random, 0.02, 0.6) * _loudest(click * _fall(time, log_uniform(random, 0.004, 0.03)))
    if random.random() < 0.4:
        thud = _noise(random, time, 20, log_uniform(random, 150, 900)) * _fall(
            time, random.uniform(0.03, 0.15)
        )
        made += log_uniform(random, 0.05, 0.6) * _loudest(thud)
    return made


def _snare(random: Random) -> Wave:
    time = _time(1.0)
    noise = _noise(
        random, time, log_uniform(random, 150, 1800), log_uniform(random, 3500, 14000), random.uniform(1, 3)
    )
    attack = 0.0005 if random.random() < 0.8 else random.uniform(0.005, 0.04)  # a brush swells
    noise *= _fall(time, log_uniform(random, 0.06, 0.4)) * np.clip(time / attack, 0, 1)
    modes = [
        random.uniform(0.3, 1)
        * _sweep(time, log_uniform(random, 140, 340) * k, random.uniform(1, 1.6), 0.02)
        * _fall(time, log_uniform(random, 0.04, 0.25))
        for k in (1, random.uniform(1.4, 1.9))
    ]
    tone = _loudest(np.sum(modes, axis=0))
    return log_uniform(random, 0.25, 1) * _loudest(noise) + log_uniform(random, 0.05, 1) * tone


def _clap(random: Random) -> Wave:
    time, gap, n_hands = _time(0.8), random.uniform(0.007, 0.016), int(random.integers(2, 5))
    envelope = np.zeros_like(time)
    for hand in range(n_hands):
        seconds = 0.012 if hand < n_hands - 1 else log_uniform(random, 0.06, 0.3)
        after = (time - hand * gap).clip(min=0)
        envelope = np.maximum(envelope, np.where(time >= hand * gap, _fall(after, seconds), 0))
    return envelope * _noise(random, time, log_uniform(random, 500, 1200), log_uniform(random, 1800, 7000))


def _tom(random: Random) -> Wave:
    time, hertz = _time(1.4), log_uniform(random, 65, 260)
    made = _sweep(time, hertz, random.uniform(1.02, 1.8), log_uniform(random, 0.02, 0.12))
    made *= _fall(time, log_uniform(random, 0.12, 0.8))
    second = _sweep(time, hertz * random.uniform(1.4, 1.7), 1.1, 0.05)
    made += random.uniform(0, 0.4) * second * _fall(time, log_uniform(random, 0.06, 0.3))
    stick = _noise(random, time, 200, log_uniform(random, 1000, 8000))
    return made + log_uniform(random, 0.02, 0.4) * _loudest(stick * _fall(time, random.uniform(0.005, 0.06)))


def _metal(random: Random, seconds: float, lowest: float) -> Wave:
    """Strike metal: noise and squares at random frequencies."""
    time, share = _time(min(3.0, 4 * seconds + 0.2)), random.random() ** 0.5
    squares = [
        np.sign(np.sin(2 * np.pi * (log_uniform(random, 250, 1200) * time + random.random())))
        for _ in range(6)
    ]
    made = share * random.standard_normal(len(time)) + (1 - share) / 3 * np.sum(squares, axis=0)
    made = _filtered(made, lowest, log_uniform(random, 7000, 20000), random.uniform(1, 4))
    return made * _fall(time, seconds) * np.clip(time / random.uniform(0.0003, 0.003), 0, 1)


def _closed(random: Random) -> Wave:
    return _metal(random, log_uniform(random, 0.015, 0.12), log_uniform(random, 1500, 8000))


def _pedal(random: Random) -> Wave:
    return _metal(random, log_uniform(random, 0.015, 0.1), log_uniform(random, 900, 5000))


def _open(random: Random) -> Wave:
    return _metal(random, log_uniform(random, 0.2, 0.9), log_uniform(random, 1500, 7000))


def _ride(random: Random) -> Wave:
    wash = _loudest(_metal(random, log_uniform(random, 0.65, 2), log_uniform(random, 400, 4000)))
    time = np.arange(len(wash)) / RATE
    ping = [
        np.sin(2 * np.pi * (log_uniform(random, 1500, 6000) * time + random.random()))
        * _fall(time, log_uniform(random, 0.03, 0.5))
        for _ in range(int(random.integers(1, 6)))
    ]
    stick = _noise(random, time, 2000, 9000) * _fall(time, log_uniform(random, 0.01, 0.05))
    return (
        log_uniform(random, 0.1, 0.6) * wash
        + log_uniform(random, 0.1, 1) * _loudest(np.sum(ping, axis=0))
        + log_uniform(random, 0.05, 0.6) * _loudest(stick)
    )


def _crash(random: Random) -> Wave:
    return _metal(random, log_uniform(random, 0.7, 2.5), log_uniform(random, 250, 3000))


def _stick(random: Random) -> Wave:
    time = _time(0.4)
    modes = [
        random.uniform(0.2, 1)
        * np.sin(2 * np.pi * log_uniform(random, 400, 3500) * time)
        * _fall(time, log_uniform(random, 0.012, 0.08))
        for _ in range(int(random.integers(2, 5)))
    ]
    click = _noise(random, time, 800, 9000) * _fall(time, log_uniform(random, 0.003, 0.015))
    made: Wave = np.sum(modes, axis=0) + random.uniform(0.1, 1) * click
    return made


def _bell(random: Random) -> Wave:
    time, hertz = _time(1.0), log_uniform(random, 450, 900)
    pair = np.sum([np.sin(2 * np.pi * hertz * k * time) for k in (1, random.uniform(1.3, 1.6))], axis=0)
    if random.random() < 0.5:
        pair = np.sign(pair)
    above = [np.sin(2 * np.pi * hertz * random.uniform(*k) * time) for k in ((2, 2.8), (3, 4.5))]
    made = _filtered(pair + 0.4 * np.sum(above, axis=0), hertz * 0.8, 6000)
    return made * _fall(time, log_uniform(random, 0.05, 0.5))


DRUMS: Mapping[str, Sequence[Callable[[Random], Wave]]] = {
    "kick": (_kick,),
    "snare": (_snare, _snare, _clap),
    "tom": (_tom,),
    "hat": (_closed, _closed, _pedal),
    "cymbal": (_open, _ride, _crash),
    "click": (_stick, _bell),
}
"""Formulas of every kind, each as likely as it occurs."""

_LEVELS = {"kick": 0, "snare": 0, "tom": -1, "hat": -9, "cymbal": -7, "click": -6}  # dB
_DENSITIES = {"kick": 0.2, "snare": 0.15, "tom": 0.1, "hat": 0.5, "cymbal": 0.2, "click": 0.2}
_KIT = (  # kinds of a kit's drums, and how likely each is there
    *(("kick", 0.97), ("snare", 0.93), ("hat", 0.85), ("cymbal", 0.7), ("cymbal", 0.35)),
    *(("tom", 0.35), ("tom", 0.2), ("click", 0.3), ("snare", 0.15), ("hat", 0.2)),
)

Recorded = Mapping[str, Sequence[Wave]]
"""Recorded drums of every kind, at :data:`RATE`."""


def groove(random: Random, seconds: float, recorded: Recorded | None = None) -> tuple[Wave, list[Stroke]]:
    """Draw a groove on a random kit.

    Args:
        random: Source of the numbers.
        seconds: Length.
        recorded: Drums of which half of a kit's are taken, resampled and damped at random.

    Returns:
        Samples (N,), and the strokes.
    """
    n_steps = (16, 16, 16, 12)[random.integers(4)]
    bar = log_uniform(random, 1.3, 3.4)
    made, strokes = np.zeros(round((seconds + 4) * RATE)), []
    for kind, likely in _KIT:
        if random.random() > likely:
            continue
        drum = _drum(random, kind, recorded) * 10 ** ((_LEVELS[kind] + 4 * random.standard_normal()) / 20)
        pattern = _pattern(random, kind, n_steps)
        accents = 10 ** (random.uniform(-10, 0, n_steps) * random.random() / 20)
        unsteady = random.uniform(0, 0.15)
        seldom = kind in ("cymbal", "tom") and random.random() < 0.3
        for n in range(int(seconds / bar) + 1):
            if seldom and random.random() < 0.5:
                continue
            for step in np.flatnonzero(pattern):
                late = 0.004 * random.standard_normal() * (random.random() < 0.3)
                onset = max(0.0, (n + step / n_steps) * bar + late)
                if onset >= seconds - 0.05 or random.random() < 0.04:
                    continue
                at = round(onset * RATE)
                gain = accents[step] * np.exp(unsteady * random.standard_normal())
                made[at : at + len(drum)] += gain * drum[: len(made) - at]
                strokes.append(Stroke(onset, kind))
    return _recorded_somehow(random, made[: round(seconds * RATE)]), strokes


def _drum(random: Random, kind: str, recorded: Recorded | None) -> Wave:
    drum: Wave
    if recorded is not None and random.random() < 0.5:
        drum = recorded[kind][int(random.integers(len(recorded[kind])))]
        ratio = log_uniform(random, 0.8, 1.25)
        drum = np.interp(np.arange(int(len(drum) / ratio)) * ratio, np.arange(len(drum)), drum)
        if random.random() < 0.4:
            drum *= _fall(np.arange(len(drum)) / RATE, log_uniform(random, 0.15, 2))
    else:
        formulas = DRUMS[kind]
        drum = formulas[int(random.integers(len(formulas)))](random)
    drum /= np.sqrt(np.square(drum[: RATE // 10]).mean()) + 1e-9
    return drum


def _pattern(random: Random, kind: str, n_steps: int) -> npt.NDArray[np.bool_]:
    steps, regular, drawn = np.arange(n_steps), random.random() < 0.5, random.random(n_steps)
    pattern: npt.NDArray[np.bool_] = drawn < _DENSITIES[kind] * log_uniform(random, 0.3, 1.6)
    if kind == "hat" and regular:
        pattern = (steps % (1, 2, 2, 2, 4)[random.integers(5)] == 0) & (drawn < 0.9)
    elif kind == "snare" and regular:
        pattern = (steps % (n_steps // 2) == n_steps // 4) | (drawn < 0.08)
    elif kind == "kick" and regular:
        pattern = (steps % (n_steps // (1, 2, 4)[random.integers(3)]) == 0) | (drawn < 0.12)
    return pattern


def _recorded_somehow(random: Random, samples: Wave) -> Wave:
    """Put a clip through a random equaliser, room, saturation and noise."""
    n_samples = len(samples)
    n_fft = 1 << (2 * n_samples).bit_length()
    hertz = np.fft.rfftfreq(n_fft, 1 / RATE)
    walk = np.cumsum(random.standard_normal(9)) * 2
    gains = (walk - walk.mean()) * random.random() + np.linspace(-1, 1, 9) * random.uniform(-6, 6)
    gain = 10 ** (np.interp(np.log2(np.maximum(hertz, 30) / 30), np.linspace(0, 9, 9), gains) / 20)
    if random.random() < 0.15:
        gain /= np.sqrt(1 + (hertz / log_uniform(random, 5000, 10000)) ** 8)
    if random.random() < 0.5:
        time = _time(0.8)
        room = random.standard_normal(len(time)) * _fall(time, log_uniform(random, 0.05, 0.35))
        room *= 10 ** (random.uniform(-25, -6) / 20) / np.sqrt(np.square(room).sum())
        gain = gain * (1 + np.fft.rfft(room, n_fft))
    samples = np.fft.irfft(np.fft.rfft(samples, n_fft) * gain, n_fft)[:n_samples]
    samples /= np.sqrt(np.square(samples).mean()) + 1e-9
    if random.random() < 0.3:
        samples = 3 * np.tanh(samples * log_uniform(random, 0.1, 0.5))
    return samples + 10 ** (random.uniform(-75, -38) / 20) * random.standard_normal(n_samples)

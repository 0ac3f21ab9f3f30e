"""The style as a sampler: its notes at the content's places, pitches and lengths."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.passage import Passage
from retimbre.alignment.sampler import Sampler, Wanted
from retimbre.sound.stft import Window

RATE = 22_050
Wave = npt.NDArray[np.float64]
Note = tuple[float, float, int]  # onset and end in seconds, pitch


def _play(notes: list[Note], decay: float, amplitudes: list[float], seconds: float = 4.0) -> Wave:
    """Play notes whose level falls by ``decay`` dB per second."""
    time = np.arange(round(seconds * RATE)) / RATE
    made = np.zeros(len(time))
    for onset, end, pitch in notes:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        gate = np.clip((time - onset) / 0.005, 0, 1) * np.clip((end - time) / 0.02, 0, 1)
        gate *= 10 ** (-decay * (time - onset).clip(min=0) / 20)
        made += gate * sum(
            a * np.sin(2 * np.pi * k * hertz * time) for k, a in enumerate(amplitudes, start=1)
        )
    return made


def _passage(samples: Wave, notes: list[Note], levels: list[float] | None = None) -> Passage:
    passage = Passage([torch.from_numpy(np.atleast_2d(samples)).float()], RATE, Window(2048, 512))
    vars(passage)["events"] = [
        NoteEvent(*note, level, 1.0) for note, level in zip(notes, levels or [1.0] * len(notes), strict=True)
    ]
    return passage


FLUTE, PLUCK = [0.2, 0.02], [0.1 / k for k in range(1, 13)]
MELODY: list[Note] = [(0.2, 1.1, 69), (1.2, 2.1, 72), (2.2, 3.5, 67)]
STRING: list[Note] = [(0.2, 1.2, 62), (1.3, 2.3, 64), (2.4, 3.4, 66)]
CONTENT = _passage(_play(MELODY, 0, FLUTE), MELODY)
PLUCKED = _passage(_play(STRING, 30, PLUCK), STRING)


def _level(samples: npt.NDArray[np.float32], first: float, last: float) -> float:
    part = samples[round(first * RATE) : round(last * RATE)]
    return 10 * float(np.log10(np.square(part).mean() + 1e-12))


def _spectrum(samples: npt.NDArray[np.float32], first: float, last: float) -> tuple[Wave, Wave]:
    part = samples[round(first * RATE) : round(last * RATE)]
    spectrum: Wave = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
    return np.arange(len(spectrum)) * RATE / (1 << 16), spectrum


def test_the_pitches_are_the_contents_and_the_partials_the_styles() -> None:
    (made,) = Sampler(PLUCKED).play(CONTENT, CONTENT.events)
    for onset, end, pitch in MELODY:
        hertz, spectrum = _spectrum(made, onset, end)
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        at = [spectrum[np.abs(hertz - k * f0) < 12].max() for k in range(1, 7)]
        assert hertz[np.argmax(spectrum)] == pytest.approx(f0, rel=3e-3)
        assert np.abs(20 * np.log10(np.array(at) * np.arange(1, 7) / at[0])).max() < 4


def test_a_plucked_style_decays_however_long_the_content_holds() -> None:
    sampler = Sampler(PLUCKED)
    (made,) = sampler.play(CONTENT, CONTENT.events)
    chosen = sampler.choose([Wanted(pitch, end - onset, 1.0) for onset, end, pitch in MELODY])
    for (onset, end, pitch), index in zip(MELODY, chosen, strict=True):  # the last is longer than any
        fall = _level(made, end - 0.2, end - 0.1) - _level(made, onset + 0.1, onset + 0.2)
        faster = 2 ** ((pitch - STRING[index][2]) / 12)  # as it is resampled
        assert fall / (end - onset - 0.3) == pytest.approx(-30 * faster, abs=4)


def test_short_notes_go_on_decaying() -> None:
    short: list[Note] = [(0.2, 0.4, 67), (0.6, 0.8, 70), (1.0, 1.2, 72)]
    content: list[Note] = [(0.2, 1.0, 70)]
    held = _passage(_play(content, 0, FLUTE), content)
    (made,) = Sampler(_passage(_play(short, 40, PLUCK), short)).play(held, held.events)
    fall = _level(made, 0.8, 0.9) - _level(made, 0.4, 0.5)
    assert fall / 0.4 == pytest.approx(-40, abs=6)


def test_a_sustained_style_lasts_as_long_as_the_contents_note() -> None:
    short: list[Note] = [(0.2, 0.6, 62), (0.7, 1.1, 64), (1.2, 1.6, 67)]
    held = Sampler(_passage(_play(short, 0, PLUCK), short))
    plucked = _passage(_play(MELODY, 30, PLUCK), MELODY)
    (made,) = held.play(plucked, plucked.events)
    for onset, end, _ in MELODY:
        assert _level(made, end - 0.2, end - 0.05) == pytest.approx(
            _level(made, onset + 0.1, onset + 0.3), abs=1.5
        )
        assert _level(made, end + 0.06, end + 0.1) < _level(made, onset + 0.1, onset + 0.3) - 20


def test_attacks_are_where_the_contents_are() -> None:
    (made,) = Sampler(PLUCKED).play(CONTENT, CONTENT.events)
    for onset, _, _ in MELODY:
        loud = _level(made, onset + 0.02, onset + 0.06)
        assert _level(made, onset - 0.04, onset - 0.02) < loud - 12
        assert _level(made, onset + 0.01, onset + 0.02) > loud - 6


def test_levels_follow_the_content_within_limits() -> None:
    content = _passage(_play(MELODY, 0, FLUTE), MELODY, [1.0, 0.5, 0.01])
    (made,) = Sampler(_passage(_play(STRING, 0, PLUCK), STRING)).play(content, content.events)
    first, second, third = (_level(made, onset + 0.1, onset + 0.3) for onset, _, _ in MELODY)
    assert first - second == pytest.approx(20 * np.log10(1.0 / 0.5), abs=1.5)
    assert second - third == pytest.approx(20 * np.log10(1 / 0.3), abs=1.5)


def test_notes_stand_where_the_contents_notes_stand() -> None:
    left, right = _play(MELODY[:1], 0, FLUTE), _play(MELODY[1:2], 0, FLUTE)
    content = _passage(np.stack([left + 0.1 * right, right]), MELODY[:2])
    made = Sampler(PLUCKED).play(content, content.events)
    assert made.shape == (2, content.n_samples)
    one, two = ([_level(channel, on + 0.05, on + 0.3) for channel in made] for on, _, _ in MELODY[:2])
    assert one[0] > one[1] + 20
    assert two[1] - two[0] == pytest.approx(20, abs=2)


def test_the_cheapest_note_is_nearest_in_pitch_and_length() -> None:
    long: list[Note] = [(0.1, 0.4, 60), (0.5, 1.7, 60), (1.8, 2.1, 71), (2.2, 3.4, 71)]  # no octave
    sampler = Sampler(_passage(_play(long, 0, PLUCK), long))
    wanted = [Wanted(p, d, 1.0) for p, d in ((61, 0.3), (61, 1.1), (70, 1.1), (70, 0.3))]
    assert sampler.choose(wanted) == [0, 1, 3, 2]


def test_the_styles_song_is_not_replayed() -> None:
    notes: list[Note] = [(0.1 + 0.3 * n, 0.35 + 0.3 * n, 60 + 2 * (n % 5)) for n in range(12)]
    sampler = Sampler(_passage(_play(notes, 0, PLUCK), notes))
    chosen = np.array(sampler.choose([Wanted(63.0, 0.25, 1.0)] * 40))
    assert len(set(chosen)) > 2  # one note over and over would be a machine gun
    assert np.mean(np.diff(chosen) == 1) <= 2 / len(notes)

"""Isolation of notes: a mix of known notes is taken apart."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.isolation import isolate_notes
from retimbre.alignment.partials import mean_pitch
from retimbre.alignment.passage import Passage
from retimbre.sound.stft import Window

RATE = 22_050
Wave = npt.NDArray[np.float64]


def _tone(pitch: float, onset: float, end: float, amplitudes: list[float], total: float = 2.5) -> Wave:
    """Play a note with a soft release of 20 ms."""
    time = np.arange(round(total * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    gate = np.clip((time - onset) / 0.005, 0, 1) * np.clip((end - time) / 0.02, 0, 1)
    waves = [a * np.sin(2 * np.pi * k * hertz * (time - onset)) for k, a in enumerate(amplitudes, start=1)]
    return gate * sum(waves)


def _passage(samples: Wave, *events: tuple[float, float, int]) -> Passage:
    tensor = torch.from_numpy(np.atleast_2d(samples)).float()
    passage = Passage([tensor], RATE, Window(2048, 512))
    vars(passage)["events"] = [NoteEvent(on, end, pitch, 1.0, 1.0) for on, end, pitch in events]
    return passage


SAW = [0.1 / k for k in range(1, 13)]


def _match(found: npt.NDArray[np.float32], true: Wave, begin: float) -> float:
    """Correlation of a note with what was played, from the first sample that was cut."""
    first = round(begin * RATE)
    true = true[first : first + len(found)]
    return float(found[: len(true)] @ true / np.linalg.norm(found[: len(true)]) / np.linalg.norm(true))


@pytest.mark.parametrize("interval", [3, 4, 7, 9, 16])
def test_two_notes_of_a_chord_are_told_apart(interval: int) -> None:
    low, high = _tone(57, 0.3, 1.5, SAW), _tone(57 + interval, 0.3, 1.5, SAW)
    passage = _passage(low + high, (0.3, 1.5, 57), (0.3, 1.5, 57 + interval))
    for note, true in zip(isolate_notes(passage, passage.events), (low, high), strict=True):
        assert _match(note.samples, true, 0.3 - note.onset) > 0.95
        assert note.duration == pytest.approx(1.2)
        assert 20 * np.log10(note.level / np.sqrt(np.square(true[8000:20000]).mean())) == pytest.approx(
            0, abs=1
        )


def test_without_notes_there_is_nothing_to_cut_out() -> None:
    assert isolate_notes(_passage(_tone(60, 0.2, 1.0, [1.0])), []) == []


def test_a_note_alone_is_clear_and_a_note_on_anothers_partials_is_not() -> None:
    octaves = _tone(57, 0.3, 1.5, SAW) + _tone(69, 0.3, 1.5, SAW) + _tone(64, 1.7, 2.3, SAW)
    passage = _passage(octaves, (0.3, 1.5, 57), (0.3, 1.5, 69), (1.7, 2.3, 64))
    low, high, alone = isolate_notes(passage, passage.events)
    assert high.clarity < 0.05
    assert 0.3 < low.clarity < 0.95
    assert alone.clarity > 0.9
    assert alone.pitch == pytest.approx(64, abs=0.03)


def test_hammer_noise_belongs_to_the_newest_onset() -> None:
    first, second = _tone(57, 0.2, 2.2, SAW), _tone(64, 1.2, 2.2, SAW)
    time = np.arange(len(first)) / RATE
    rng = np.random.default_rng(0)
    hammer = 0.1 * rng.standard_normal(len(first)) * np.exp(-(time - 1.2) / 0.03) * (time >= 1.2)
    passage = _passage(first + second + hammer, (0.2, 2.2, 57), (1.2, 2.2, 64))
    held, struck = isolate_notes(passage, passage.events)
    at = round((1.2 - 0.2 + held.onset) * RATE)
    attack = slice(0, round(0.06 * RATE))
    noisy = struck.samples[round(struck.onset * RATE) :][attack]
    calm = held.samples[at:][attack]
    high = [np.square(np.diff(part, n=3)).mean() for part in (noisy, calm)]  # the tones have little treble
    assert high[0] > 100 * high[1]


def test_the_decay_is_measured_in_decibels_per_second() -> None:
    time = np.arange(round(2.5 * RATE)) / RATE
    decaying = _tone(60, 0.3, 1.8, SAW) * 10 ** (-20 * (time - 0.3) / 20)
    passage = _passage(decaying + _tone(67, 1.9, 2.0, SAW), (0.3, 1.8, 60), (1.9, 2.0, 67))
    long, short = isolate_notes(passage, passage.events)
    assert long.decay == pytest.approx(-20, abs=1.5)
    assert np.isnan(short.decay)


def test_channels_that_cancel_are_heard() -> None:
    tone = _tone(60, 0.3, 1.5, SAW)
    one, other = (
        isolate_notes(p, p.events)[0]
        for p in (
            _passage(np.stack([tone, tone]), (0.3, 1.5, 60)),
            _passage(np.stack([tone, -tone]), (0.3, 1.5, 60)),
        )
    )
    assert other.level == pytest.approx(one.level, rel=1e-3)
    mono = _passage(tone, (0.3, 1.5, 60))
    assert one.level == pytest.approx(isolate_notes(mono, mono.events)[0].level, rel=1e-3)


def test_the_pitch_of_a_note_is_found_between_semitones() -> None:
    passage = _passage(
        _tone(60.0, 0.1, 1.0, SAW) + _tone(67.3, 1.1, 2.3, SAW), (0.1, 1.0, 60), (1.1, 2.3, 67)
    )
    pitches = [mean_pitch(passage, event) for event in passage.events]
    assert pitches == pytest.approx([60.0, 67.3], abs=0.04)


def test_notes_of_many_pieces_are_cut_out_where_they_are() -> None:
    piece = _tone(60, 0.3, 0.7, SAW, total=1.0)  # 22 050 samples: each piece has 418 fewer than its frames
    passage = Passage([torch.from_numpy(piece).float()[None]] * 12, RATE, Window(2048, 512))
    notes = isolate_notes(passage, passage.events)
    assert len(notes) == 12
    for note in notes:
        # The onset is found to some milliseconds, more than a period's: they are tried.
        lags = np.arange(-0.005, 0.005, 1 / RATE)
        assert max(_match(note.samples, piece, 0.3 - note.onset + lag) for lag in lags) > 0.95

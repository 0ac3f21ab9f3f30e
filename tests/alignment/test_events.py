"""Notes whose times are known, found again."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.alignment.events import NoteEvent, reliability
from retimbre.alignment.passage import Passage
from retimbre.settings import Settings
from retimbre.sound.stft import Window

RATE = 22_050
STRING = [1 / k for k in range(1, 11)]
OBOE = [0.5, 1.0, 0.4, 0.6, 0.1, 0.3, 0.05, 0.15]  # even partials louder than odd ones

Part = tuple[float, float, int]


def _note(
    part: Part,
    seconds: float,
    *,
    partials: Sequence[float] = STRING,
    decay: float = 0.0,
    release: float = 0.02,
    vibrato: float = 0.0,
    rate: int = RATE,
) -> Tensor:
    """Play a note (onset, end, pitch): decay in dB a second, release in seconds, vibrato in semitones."""
    onset, end, pitch = part
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate - onset
    swing = vibrato * torch.sin(2 * np.pi * 5.5 * time)
    phase = 2 * np.pi * torch.cumsum(440 * 2 ** ((pitch - 69 + swing) / 12), dim=0) / rate
    wave = torch.stack([a * torch.sin(k * phase + k) for k, a in enumerate(partials, start=1)]).sum(dim=0)
    attack = (time / 0.005).clamp(0, 1)
    fall = torch.exp(-(time - (end - onset)).clamp(min=0) / release)
    return (wave * attack * fall * 10 ** (-decay * time.clamp(min=0) / 20)).float()


def _events(*notes: Tensor, rate: int = RATE) -> list[NoteEvent]:
    mix = torch.stack(notes).sum(dim=0)
    noise = 1e-4 * torch.randn(len(mix), generator=torch.Generator().manual_seed(0))
    window = Window.at_rate(Settings(), rate, torch.device("cpu"))
    return Passage([(0.1 * mix + noise)[None]], rate, window).events


def _parts(events: Sequence[NoteEvent]) -> list[Part]:
    return [(event.onset, event.end, event.pitch) for event in events]


def _assert_found(events: Sequence[NoteEvent], parts: Sequence[Part], end: float = 0.05) -> None:
    found = sorted(_parts(events), key=lambda part: (round(part[0], 1), part[2]))
    expected = sorted(parts, key=lambda part: (round(part[0], 1), part[2]))
    assert [part[2] for part in found] == [part[2] for part in expected], found
    for ours, true in zip(found, expected, strict=True):
        assert ours[0] == pytest.approx(true[0], abs=0.015)
        assert ours[1] == pytest.approx(true[1], abs=end)


MELODY = [(0.3, 0.7, 64), (0.7, 1.1, 67), (1.1, 1.6, 62), (1.8, 2.3, 71)]


def test_a_melody_is_found_at_its_times() -> None:
    _assert_found(_events(*(_note(part, 2.6) for part in MELODY)), MELODY)


def test_a_note_that_is_struck_again_is_two() -> None:
    parts = [(0.3, 0.8, 60), (0.8, 1.4, 60), (1.4, 1.7, 60)]
    _assert_found(_events(*(_note(part, 2.0, decay=20) for part in parts)), parts)


def test_a_held_note_that_starts_again_as_loud_is_two() -> None:
    parts = [(0.3, 0.8, 60), (0.8, 1.4, 60)]
    _assert_found(_events(*(_note(part, 1.8) for part in parts)), parts)


def test_sixteenths_without_a_gap_are_cut() -> None:
    onsets = [0.3 + 0.15 * k for k in range(6)]
    parts = [(onset, onset + 0.15, 71) for onset in onsets]
    _assert_found(_events(*(_note(part, 1.6, partials=OBOE, decay=20) for part in parts)), parts)


def test_a_note_that_ends_as_another_begins_is_not_struck_again() -> None:
    parts = [(0.3, 0.7, 64), (0.7, 1.1, 67), (1.1, 1.6, 62)]
    found = _events(*(_note(part, 2.2, release=0.15, decay=10) for part in parts))
    assert [event.pitch for event in found] == [64, 67, 62]


def test_a_chord_is_three_notes() -> None:
    parts = [(0.4, 1.2, 60), (0.4, 1.2, 64), (0.4, 1.2, 67)]
    _assert_found(_events(*(_note(part, 1.6, decay=6) for part in parts)), parts)


def test_loud_even_partials_are_no_octave() -> None:
    _assert_found(_events(*(_note(part, 2.6, partials=OBOE) for part in MELODY)), MELODY)


def test_a_voice_above_does_not_strike_a_held_note_again() -> None:
    parts = [(0.3, 2.0, 48), (0.7, 1.1, 67), (1.1, 1.5, 64), (1.5, 2.0, 60)]
    _assert_found(_events(*(_note(part, 2.3) for part in parts)), parts)


def test_a_vibrato_is_one_note() -> None:
    _assert_found(_events(_note((0.3, 2.3, 69), 2.6, vibrato=0.4)), [(0.3, 2.3, 69)])


def test_a_note_that_rings_on_ends_where_the_next_begins() -> None:
    parts = [(0.3, 0.7, 64), (0.7, 1.1, 67), (1.1, 1.6, 62), (1.6, 2.0, 71)]
    found = _events(*(_note(part, 2.9, release=0.1) for part in parts))
    _assert_found(found[:3], parts[:3])
    assert found[3].end > 2.0


def test_stereo_at_twice_the_rate_gives_the_same_times() -> None:
    once = _events(*(_note(part, 2.6) for part in MELODY))
    window = Window.at_rate(Settings(), 2 * RATE, torch.device("cpu"))
    mono = torch.stack([0.1 * _note(part, 2.6, rate=2 * RATE) for part in MELODY]).sum(dim=0)
    noise = 1e-4 * torch.randn(2, len(mono), generator=torch.Generator().manual_seed(1))
    twice = Passage([torch.stack([mono, 0.5 * mono]) + noise], 2 * RATE, window).events
    assert [event.pitch for event in twice] == [event.pitch for event in once]
    for a, b in zip(once, twice, strict=True):
        assert (a.onset, a.end) == pytest.approx((b.onset, b.end), abs=0.012)


def test_no_note_reaches_from_one_piece_to_the_next() -> None:
    window = Window.at_rate(Settings(), RATE, torch.device("cpu"))
    piece = (0.1 * _note((0.3, 9.0, 60), 1.0))[None]
    passage = Passage([piece, piece], RATE, window)
    second = (1 + RATE // 512) * 512 / RATE  # 1.02 s: events are counted by the passage's frames
    _assert_found(passage.events, [(0.3, 1.0, 60), (second + 0.3, second + 1.0, 60)])


def test_a_tone_that_swings_wide_is_one_note() -> None:
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    hertz = 440 * 2 ** (0.4 * torch.sin(2 * np.pi * 3 * time) / 12)
    phase = 2 * np.pi * torch.cumsum(hertz, dim=0) / RATE
    tone = torch.cat([torch.zeros(RATE // 2), torch.sin(phase) + 0.1 * torch.sin(2 * phase)])
    (long,) = (event for event in _events(tone.float()) if event.end - event.onset > 0.3)
    assert long.pitch == 69
    assert long.onset == pytest.approx(0.5, abs=0.02)
    assert long.end - long.onset > 1.8  # of 2 s: all but what may be half of its last swing


def test_what_is_sure_is_rated_above_what_is_not() -> None:
    clear = _events(*(_note(part, 2.6, decay=10) for part in MELODY))
    blurred = _events(
        *(_note(part, 2.6, vibrato=0.6) for part in MELODY),
        0.5 * torch.randn(round(2.6 * RATE), generator=torch.Generator().manual_seed(0)),
    )
    assert all(0 <= event.certainty <= 1 for event in (*clear, *blurred))
    assert reliability(clear) > reliability(blurred)

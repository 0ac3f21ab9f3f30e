"""The style's strokes at the content's: low ones for low ones, in time, with their own ring."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from retimbre.alignment.kit import Kit, StrokeSample
from retimbre.alignment.passage import Passage
from retimbre.alignment.percussion import (
    StrokeAlignment,
    choose_kind,
    choose_samples,
    is_percussive,
    play_strokes,
)
from retimbre.alignment.strokes import KINDS
from retimbre.errors import InputError
from retimbre.sound.stft import Window

RATE = 22_050
Wave = npt.NDArray[np.float64]


def _low(hertz: float, fall: float) -> Wave:
    time = np.arange(RATE) / RATE
    stroke: Wave = 10 ** (-time / fall) * np.sin(2 * np.pi * (hertz * time - 2 * np.exp(-time / 0.02)))
    return stroke


def _high(seed: int, fall: float) -> Wave:
    noise = np.diff(np.random.default_rng(seed).standard_normal(RATE + 2), 2)
    return 0.1 * 10 ** (-np.arange(RATE) / RATE / fall) * noise


def _play(low: Wave, high: Wave, step: float, pattern: str, seconds: float = 4.0) -> tuple[Wave, list[float]]:
    """Play a pattern of low (l), high (h) and both (b)."""
    made, onsets = np.zeros(round((seconds + 2) * RATE)), []
    for n in range(int((seconds - 0.4) / step)):
        at = round((0.2 + n * step) * RATE)
        sign = pattern[n % len(pattern)]
        for drum, signs in ((low, "lb"), (high, "hb")):
            if sign in signs:
                made[at : at + RATE] += drum
        onsets.append(at / RATE)
    return made[: round(seconds * RATE)], onsets


def _passage(*channels: Wave) -> Passage:
    return Passage([torch.from_numpy(np.stack(channels)).float()], RATE, Window(2048, 512))


def _transferred(content: Passage, style: Passage) -> Wave:
    alignment = StrokeAlignment()
    alignment.fit([(style, 1.0)])
    samples = alignment.play(content).samples
    assert samples is not None
    return samples.numpy().astype(np.float64)


CONTENT, ONSETS = _play(_low(60, 0.1), _high(1, 0.03), 0.25, "bhlh")
STYLE, _ = _play(_low(90, 0.25), _high(2, 0.12), 0.31, "lhbhh")


def _band(samples: Wave, first: float, last: float, low: float, high: float) -> float:
    part = samples[round(first * RATE) : round(last * RATE)]
    hertz = np.fft.rfftfreq(len(part), 1 / RATE)
    spectrum = np.square(np.abs(np.fft.rfft(part * np.hanning(len(part)))))
    return 10 * float(np.log10(spectrum[(hertz >= low) & (hertz < high)].sum() + 1e-12))


def test_low_strokes_are_played_by_low_ones_and_high_by_high() -> None:
    (made,) = _transferred(_passage(CONTENT), _passage(STYLE))
    low = [_band(made, onset, onset + 0.15, 30, 200) for onset in ONSETS]
    high = [_band(made, onset, onset + 0.15, 4000, 10000) for onset in ONSETS]
    struck = np.array(["bhlh"[n % 4] for n in range(len(ONSETS))])
    assert min(np.array(low)[struck != "h"]) > max(np.array(low)[struck == "h"]) + 6
    assert min(np.array(high)[struck != "l"]) > max(np.array(high)[struck == "l"]) + 6


def test_the_drums_are_the_styles() -> None:
    (made,) = _transferred(_passage(CONTENT), _passage(STYLE))
    onset = ONSETS[2]  # low alone
    part = made[round((onset + 0.06) * RATE) : round((onset + 0.2) * RATE)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), RATE))
    assert np.argmax(spectrum[:300]) == pytest.approx(90, abs=8)  # the content's is at 60 Hz


def test_strokes_ring_as_the_styles_do() -> None:
    alone, onsets = _play(_low(60, 0.05), _high(1, 0.03), 0.5, "lh")
    (made,) = _transferred(_passage(alone), _passage(STYLE))
    onset = onsets[2]
    fall = _band(made, onset + 0.05, onset + 0.1, 60, 150) - _band(made, onset + 0.2, onset + 0.25, 60, 150)
    assert fall / 0.15 == pytest.approx(20 / 0.25, rel=0.3)


def test_strokes_are_in_time() -> None:
    (made,) = _transferred(_passage(CONTENT), _passage(STYLE))
    for n, onset in enumerate(ONSETS):
        edges = (30, 200) if "bhlh"[n % 4] == "l" else (4000, 10000)
        before, after = (_band(made, onset + at, onset + at + 0.03, *edges) for at in (-0.045, 0.0))
        assert after > before + 10


def test_levels_follow_the_content() -> None:
    loud, onsets = _play(_low(60, 0.1), _high(1, 0.03), 0.5, "lh")
    gains = np.repeat([1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.5, 1.0], RATE // 2)
    (made,) = _transferred(_passage(loud * np.roll(gains, round(0.15 * RATE))), _passage(STYLE))
    first, softer = (_band(made, onsets[n], onsets[n] + 0.2, 30, 200) for n in (0, 2))
    assert first - softer == pytest.approx(6, abs=2)


def _kit(
    passage: Passage, onsets: list[float], struck: dict[str, list[float]], loud: dict[str, float]
) -> Kit:
    """Make a kit whose strokes are clicks, as loud as is said, at onsets in seconds."""
    frames = passage.strokes.frames
    levels, templates = np.zeros((len(onsets), len(KINDS))), np.zeros((len(KINDS), len(frames.levels), 120))
    for kind, values in struck.items():
        levels[:, KINDS.index(kind)] = values
        templates[KINDS.index(kind), 0, 0] = loud[kind]
    at = np.array([round(onset * RATE / frames.hop_length) for onset in onsets])
    kit = Kit(frames, at, levels, templates)
    click = {kind: np.array([loud[kind]], np.float32) for kind in loud}
    vars(kit)["samples"] = {
        KINDS.index(kind): [StrokeSample(click[kind], 0, value, 1.0) for value in values if value]
        for kind, values in struck.items()
    }
    return kit


def test_a_kind_struck_once_is_an_accent_and_takes_the_contents_balance() -> None:
    passage, onsets = _passage(CONTENT), [0.5, 1.0, 1.5, 2.0]
    own = _kit(passage, onsets, {"kick": [1, 0, 1, 0], "cymbal": [0, 1, 0, 1]}, {"kick": 8.0, "cymbal": 2.0})
    crashes, crash = (
        _kit(passage, onsets, {"kick": [1, 0, 1, 0], "cymbal": cymbal}, {"kick": 4.0, "cymbal": 16.0})
        for cymbal in ([0.0, 1, 0, 1], [0.0, 1, 0, 0])
    )
    heights = []
    for style in (crashes, crash):
        (made,) = play_strokes(own, style, passage)
        clicks = np.abs(made[np.abs(made) > 0])
        heights.append(clicks[1] / clicks[0])
    assert heights[1] < 1 < heights[0]  # softer than the kick, as in the content; louder, as in the style


def test_strokes_stand_where_the_contents_stand() -> None:
    left, _ = _play(_low(60, 0.1), np.zeros(RATE), 0.25, "l.")
    right, _ = _play(np.zeros(RATE), _high(1, 0.03), 0.25, ".h")
    made = _transferred(_passage(left, right), _passage(STYLE))
    low, high = (made[:, round(ONSETS[n] * RATE) : round((ONSETS[n] + 0.05) * RATE)] for n in (4, 5))
    assert np.square(low[0]).sum() > 4 * np.square(low[1]).sum()
    assert np.square(high[1]).sum() > np.square(high[0]).sum()


def test_no_stroke_is_played_twice_in_a_row_where_there_is_another() -> None:
    samples = [
        StrokeSample(np.zeros(4, np.float32), 0, level, clarity) for level, clarity in ((1, 1), (0.9, 0.2))
    ]
    chosen = choose_samples(samples, np.ones(6), np.arange(6.0))
    assert chosen == [0, 1, 0, 1, 0, 1]
    assert choose_samples(samples[:1], np.ones(3), np.arange(3.0)) == [0, 0, 0]


def test_a_stroke_as_loud_is_taken_first() -> None:
    samples = [StrokeSample(np.zeros(4, np.float32), 0, level, 1.0) for level in (0.1, 0.5, 1.0)]
    assert choose_samples(samples, np.array([1.0, 0.1, 0.5]), np.arange(3.0)) == [2, 0, 1]


def test_a_kind_that_is_missing_is_played_by_the_next() -> None:
    kick, snare, tom, hat, cymbal, _ = range(len(KINDS))
    assert choose_kind(hat, [kick, cymbal, snare]) == cymbal
    assert choose_kind(kick, [hat, tom]) == tom
    assert all(choose_kind(kind, [snare]) == snare for kind in range(len(KINDS)))


def test_a_style_without_strokes_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="no stroke was found in the style: expected drums"):
        _transferred(_passage(CONTENT), _passage(np.zeros(RATE)))


def test_a_block_without_strokes_stays_as_it_is() -> None:
    content, alignment = _passage(np.zeros(RATE)), StrokeAlignment()  # a rest between two blocks of drums
    alignment.fit([(_passage(STYLE), 1.0)])
    played = alignment.play(content)
    assert played.clips[0][0] is content.frames
    assert not played.replaces_style


def _noise(seconds: float, seed: int) -> Wave:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def test_noise_that_swells_is_no_kit() -> None:
    # Strokes explain a crowd's clapping as well as drums, but drums fall.
    time = np.arange(4 * RATE) / RATE
    swelling = _noise(4, 0) * (1.2 + np.sin(2 * np.pi * 0.8 * time))
    assert is_percussive(_passage(CONTENT))
    assert not is_percussive(_passage(swelling))


def test_notes_that_rise_slowly_are_not_struck() -> None:
    time = np.arange(4 * RATE) / RATE
    for rise, struck in ((0.005, True), (0.3, False)):
        since = time % 0.5
        wave = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 11))
        notes = wave * np.clip(since / rise, 0, 1) * np.clip((0.5 - since) / 0.02, 0, 1)
        assert (_suits(_passage(CONTENT), _passage(notes)) > 0) == struck


def _suits(content: Passage, style: Passage) -> float:
    alignment = StrokeAlignment()
    alignment.fit([(style, 1.0)])
    return alignment.suits(content)


def test_it_suits_drums_and_notes_that_begin_and_nothing_else() -> None:
    time = np.arange(4 * RATE) / RATE
    partials = [0.2 * np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 10)]
    held = _passage(np.sum(partials, axis=0))
    again = _passage(np.sum(partials, axis=0) * 10 ** (-(time % 0.5) * 2))
    noise = _passage(0.1 * np.random.default_rng(0).standard_normal(4 * RATE))
    bright, _ = _play(_low(90, 0.25), 12 * _high(2, 0.12), 0.31, "lhbhh")
    drums, content = _passage(bright), _passage(CONTENT)
    assert _suits(content, drums) == _suits(again, drums) == _suits(drums, again) == 0.5
    assert _suits(held, drums) == _suits(noise, drums) == _suits(again, again) == 0
    assert _suits(drums, _passage(0.1 * bright)) == 0  # the same kit: nothing to exchange
    content = _passage(CONTENT)
    assert _suits(content, noise) == 0
    assert content.n_strokes is None  # not sought, as the style has none


def test_between_two_kits_the_parts_keep_what_was_not_found() -> None:
    """A shaker too soft to be struck is heard, in the style's levels, beneath the strokes."""
    shaker = 0.004 * np.random.default_rng(3).standard_normal(len(CONTENT))
    quiet, loud = (_passage(CONTENT + gain * shaker) for gain in (0.0, 1.0))
    assert is_percussive(loud)
    assert is_percussive(_passage(STYLE))
    between = [onset + at for onset in ONSETS[1:-1] for at in (0.16, 0.2)]
    heard = [
        np.mean([_band(made, at, at + 0.03, 2000, 10_000) for at in between])
        for (made,) in (_transferred(content, _passage(STYLE)) for content in (quiet, loud))
    ]
    assert heard[1] > heard[0] + 6

"""A style at the content's pitches: what sounds, where, and how loud."""

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.alignment.pitch import TONAL, PitchAlignment
from retimbre.alignment.target import interpolate
from retimbre.losses.terms import Style
from retimbre.sound.stft import Window, from_log_magnitude

RATE, WINDOW = 22_050, Window(2048, 512)


def _clip(samples: Tensor) -> Passage:
    return Passage([samples[None]], RATE, WINDOW)


def _play(content: Passage, *style: tuple[Passage, float]) -> list[tuple[Tensor, float]]:
    alignment = PitchAlignment()
    alignment.fit(style)
    return list(alignment.play(content).clips)


def _melody(pitches: list[int], amplitudes: list[float]) -> Tensor:
    time = torch.arange(RATE // 2, dtype=torch.float64) / RATE
    notes = []
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        waves = [a * torch.sin(2 * np.pi * k * hertz * time) for k, a in enumerate(amplitudes, start=1)]
        notes.append(torch.stack(waves).sum(dim=0) * torch.hann_window(len(time)) ** 0.2)
    return torch.cat(notes).float()


FLUTE, SAW = [1.0, 0.1], [1 / k for k in range(1, 16)]
CONTENT = _clip(0.3 * _melody([69, 72, 76, 72], FLUTE))
SAWS = _clip(0.3 * _melody([58, 61, 66, 63], SAW))


def _level(frames: Tensor, hertz: float, frame: int) -> float:
    """Magnitude around a frequency, the sum of seven bins."""
    at = round(hertz * WINDOW.n_fft / RATE)
    return float(from_log_magnitude(frames)[at - 3 : at + 4, frame].sum())


def test_the_style_sounds_at_the_contents_pitches() -> None:
    played = _play(CONTENT, (SAWS, 1.0))[0][0]
    assert played.shape == CONTENT.frames.shape
    for n, pitch in enumerate((69, 72, 76)):
        frame, hertz = 11 + 21 * n, 440 * 2 ** ((pitch - 69) / 12)
        fundamental = _level(played, hertz, frame)
        for k in range(2, 8):  # the saw's partials, which the flute does not have
            decibels = 20 * np.log10(_level(played, k * hertz, frame) / fundamental * k)
            assert abs(decibels) < 6, (pitch, k)
            assert _level(played, k * hertz, frame) > 10 * _level(played, (k + 0.5) * hertz, frame)


def test_the_styles_own_notes_are_not_there() -> None:
    played = _play(CONTENT, (SAWS, 1.0))[0][0]
    for pitch in (58, 61, 66, 63):
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        assert max(_level(played, hertz, frame) for frame in (11, 32, 53)) < 0.05 * float(
            from_log_magnitude(played).max()
        )


def test_the_power_is_the_contents() -> None:
    played = _play(CONTENT, (SAWS, 1.0))[0][0]
    assert float(from_log_magnitude(played).square().sum()) == pytest.approx(
        float(from_log_magnitude(CONTENT.frames).square().sum()), rel=1e-3
    )


def test_a_style_that_is_tuned_elsewhere_plays_in_the_contents_tuning() -> None:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    sharp = torch.stack([torch.sin(2 * np.pi * k * 452 * time) / k for k in range(1, 12)]).sum(dim=0)
    played = _play(CONTENT, (_clip(0.3 * sharp.float()), 1.0))[0][0]
    fifth = from_log_magnitude(played)[:, 11]
    at = 5 * 440 * 2048 / RATE
    assert int(fifth[round(at) - 6 : round(at) + 7].argmax()) - 6 in (-1, 0, 1)


def test_pitched_clips_are_told_from_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    hiss = _clip(0.1 * torch.randn(RATE, generator=generator))
    clicks = torch.zeros(RATE)
    clicks[:: RATE // 5] = 1
    for noise in (hiss, _clip(clicks)):
        alignment = PitchAlignment()
        alignment.fit([(noise, 1.0)])
        assert alignment.tonalities[0] < TONAL
        assert alignment.suits(CONTENT) == 0
    mixed = PitchAlignment()
    mixed.fit([(SAWS, 0.5), (hiss, 0.5)])
    assert mixed.tonalities[0] > TONAL > mixed.tonalities[1]
    assert mixed.suits(CONTENT) == 0  # the least of the styles decides
    alignment = PitchAlignment()
    alignment.fit([(SAWS, 1.0)])
    assert TONAL < alignment.suits(CONTENT) <= CONTENT.transcription.notes.tonality
    assert alignment.suits(hiss) == 0


def test_several_styles_keep_their_shares() -> None:
    assert [share for _, share in _play(CONTENT, (SAWS, 0.25), (CONTENT, 0.75))] == [0.25, 0.75]


def test_the_way_to_the_style_is_straight() -> None:
    played = Style([(torch.full((3, 2), 4.0), 0.5), (torch.zeros(3, 2), 0.5)]).mean
    content = torch.ones(3, 2)
    assert torch.equal(interpolate(content, played, 0.0), content)
    assert torch.allclose(interpolate(content, played, 1.0), torch.full((3, 2), 2.0))
    assert torch.allclose(interpolate(content, played, 0.25), torch.full((3, 2), 1.25))

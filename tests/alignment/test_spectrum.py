"""Closed-form matches: what they do to the levels in bands, and what they leave alone."""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import torch
from torch import Tensor

from retimbre import Audio, InputError, Settings, transfer
from retimbre.alignment.passage import Passage
from retimbre.alignment.spectrum import (
    BOOST,
    FLOOR,
    EqualisedMatch,
    QuantileMatch,
    match_quantiles,
    match_spectrum,
    spectrum_distance,
)
from retimbre.losses.terms import Style
from retimbre.sound.mel import slaney_mel
from retimbre.sound.stft import Window, from_log_magnitude, log_magnitude

WIDTH = 22_050 / 2048
Match = Callable[[Tensor, Style, float], Tensor]
MATCHES: dict[str, Match] = {"equalised": match_spectrum, "quantile": match_quantiles}
BOTH = pytest.mark.parametrize("match", list(MATCHES.values()), ids=list(MATCHES))


def _clip(n_frames: int, seed: int, *, tilt: float = 0.0, depth: float = 6.0, n_bins: int = 1025) -> Tensor:
    """Noise whose level swings by ``depth`` dB (standard deviation) and falls by ``tilt`` dB to the top."""
    generator = torch.Generator().manual_seed(seed)
    magnitude = torch.rand(n_bins, n_frames, generator=generator) + 0.2
    swing = depth * torch.randn(n_frames, generator=generator)
    slope = torch.linspace(0, -tilt, n_bins)
    return log_magnitude(5 * magnitude * 10 ** ((swing + slope[:, None]) / 20))


def _levels(compressed: Tensor) -> Tensor:
    """Levels of the 40 bands in dB, by the bank alone."""
    bank = slaney_mel(40, 2048, 22_050, 40, 22_050 / 2)
    return 10 * (bank.T @ from_log_magnitude(compressed).square()).clamp(min=1e-20).log10()


def _of(*clips: Tensor) -> Style:
    return Style([(clip, 1 / len(clips)) for clip in clips])


def _sound(samples: npt.NDArray[np.float64], mirrored: tuple[int, int] = (0, 0)) -> Passage:
    return Passage([torch.from_numpy(samples).float()[None]], 22_050, Window(2048, 512), mirrored=mirrored)


def test_spectra_are_apart_by_what_was_done_to_one() -> None:
    noise = np.random.default_rng(0).standard_normal(88_200)
    hertz = np.fft.rfftfreq(len(noise), 1 / 22_050)
    low, high = (np.fft.irfft(np.fft.rfft(noise) * part, len(noise)) for part in (hertz < 900, hertz >= 900))
    flat, tilted = (_sound(low + gain * high) for gain in (1.0, 10 ** (-6 / 20)))
    assert spectrum_distance(flat, _sound(0.1 * noise)) == pytest.approx(0, abs=0.02)
    shift = 10 * np.log10(np.mean([1.0] * 10 + [10 ** (-6 / 10)] * 30))  # of the mean power of the bands
    expected = (10 * abs(shift) + 30 * abs(6 + shift)) / 40
    assert spectrum_distance(flat, tilted) == pytest.approx(expected, abs=0.7)
    # A margin that is a mirror image of the clip's start does not count.
    margin = np.sin(np.arange(22_050) * 0.5)
    padded = _sound(np.concatenate([margin, noise]), mirrored=(22_050, 0))
    assert spectrum_distance(padded, _sound(noise)) < 0.5


@BOTH
def test_a_clip_matched_with_itself_is_itself(match: Match) -> None:
    clip = _clip(80, 0, tilt=30)
    torch.testing.assert_close(match(clip, _of(clip), WIDTH), clip, rtol=1e-4, atol=1e-5)
    clip[:, 20:40] = 0  # and so where many frames have the same level
    torch.testing.assert_close(match(clip, _of(clip), WIDTH), clip, rtol=1e-4, atol=1e-5)


def test_after_the_quantile_match_the_levels_have_the_styles_distribution() -> None:
    content, style = _clip(200, 0, tilt=40, depth=3), _clip(311, 1, tilt=15, depth=9)
    before, after, wanted = (
        _levels(content),
        _levels(match_quantiles(content, _of(style), WIDTH)),
        _levels(style),
    )
    for band in range(40):
        distance = scipy.stats.wasserstein_distance(after[band], wanted[band])
        assert distance < 1.0  # dB
        assert distance < 0.25 * scipy.stats.wasserstein_distance(before[band], wanted[band])


def test_the_quantile_match_keeps_the_order_of_the_levels() -> None:
    content, style = _clip(150, 2, tilt=20), _clip(90, 3, depth=12)
    flat = content[:1].expand(1025, -1).contiguous()  # every band has the same order of frames
    for band in _levels(match_quantiles(flat, _of(style), WIDTH)):
        assert bool((band[flat[0].argsort()].diff() > -1e-3).all())


def test_a_gain_is_one_number_per_band_and_moves_no_note() -> None:
    content, style = _clip(60, 4), _clip(60, 5, tilt=30)
    content[100:110] = 0  # bins between two notes
    for match in (match_quantiles, match_spectrum):
        matched = match(content, _of(style), WIDTH)
        assert not bool(matched[100:110].any())
        gains = 20 * (from_log_magnitude(matched) / from_log_magnitude(content)).log10()
        inside = gains[700:].diff(dim=0)
        assert float(inside.abs().nanmedian()) < 0.2  # dB from bin to bin: smooth


def test_the_equalised_content_has_the_styles_mean_spectrum_and_its_own_rhythm() -> None:
    content, style = _clip(200, 6, tilt=40), _clip(150, 7, tilt=10)
    matched = match_spectrum(content, _of(style), WIDTH)
    mean = [10 * (10 ** (_levels(clip) / 10)).mean(dim=1).log10() for clip in (matched, style)]
    assert float((mean[0] - mean[1]).abs().max()) < 1.0
    gains = (from_log_magnitude(matched) / from_log_magnitude(content))[:, :1]
    torch.testing.assert_close(
        from_log_magnitude(matched), gains * from_log_magnitude(content), rtol=1e-3, atol=1e-6
    )


@BOTH
def test_silence_and_the_noise_between_notes_are_not_raised(match: Match) -> None:
    content, style = _clip(100, 8, depth=1), _clip(100, 9, depth=1)
    highest = float(_levels(content).max())
    content[:, :20] = 0
    hiss = from_log_magnitude(content[:, 20:40]) * 10 ** ((FLOOR - 5) / 20)
    content[:, 20:40] = log_magnitude(hiss)
    matched = match(content, _of(style), WIDTH)
    assert not bool(matched[:, :20].any())
    assert bool(matched.isfinite().all())
    rise = _levels(matched)[:, 20:40] - _levels(content)[:, 20:40]
    limit = BOOST if match is match_spectrum else 0.1
    assert float(rise.max()) < limit
    assert float(_levels(matched)[:, 20:40].max()) < highest - 30


@BOTH
def test_no_band_is_raised_by_more_than_the_limit_and_cuts_are_free(match: Match) -> None:
    loud, quiet = _clip(60, 10), log_magnitude(from_log_magnitude(_clip(60, 11)) * 1e-4)
    raised = _levels(match(quiet, _of(loud), WIDTH)) - _levels(quiet)
    assert float(raised.max()) == pytest.approx(BOOST, abs=0.1)
    lowered = _levels(match(loud, _of(quiet), WIDTH)) - _levels(loud)
    assert float(lowered.mean()) == pytest.approx(-80, abs=3)


@BOTH
def test_a_band_that_is_silent_in_the_style_or_the_content(match: Match) -> None:
    content, style = _clip(50, 12), _clip(50, 13)
    style[500:] = 0
    matched = match(content, _of(style), WIDTH)
    assert bool(matched.isfinite().all())
    assert float(from_log_magnitude(matched)[600:].max()) < 1e-4 * float(
        from_log_magnitude(content)[600:].max()
    )
    back = match(style, _of(content), WIDTH)
    assert not bool(back[500:].any())


@BOTH
def test_several_styles_have_their_shares(match: Match) -> None:
    content = _clip(100, 14)
    one, other = _clip(70, 15, depth=0.1), log_magnitude(10 * from_log_magnitude(_clip(40, 16, depth=0.1)))
    matched = {
        shares: _levels(match(content, Style([(one, shares), (other, 1 - shares)]), WIDTH)).mean()
        for shares in (1.0, 0.75, 0.25, 0.0)
    }
    for more, less in itertools.pairwise((0.0, 0.25, 0.75, 1.0)):
        assert matched[more] > matched[less] + 0.5  # the other is 20 dB louder
    if match is match_quantiles:  # a quarter of the frames has the loud style's level
        levels = _levels(match_quantiles(content, Style([(one, 0.75), (other, 0.25)]), WIDTH))[20]
        middle = (_levels(one)[20].mean() + _levels(other)[20].mean()) / 2
        assert float((levels > middle).float().mean()) == pytest.approx(0.25, abs=0.03)
    again = match(content, Style([(one, 0.5), (one, 0.5)]), WIDTH)
    assert float((_levels(again) - _levels(match(content, _of(one), WIDTH))).abs().mean()) < 0.02


@BOTH
@pytest.mark.parametrize(("n_bins", "width"), [(17, 689.0), (129, 31.25), (4097, WIDTH / 4)])
def test_any_window_and_few_frames_will_do(match: Match, n_bins: int, width: float) -> None:
    content, style = _clip(7, 17, n_bins=n_bins), _clip(1, 18, n_bins=n_bins)
    assert bool(match(content, _of(style), width).isfinite().all())


@pytest.mark.parametrize("name", list(MATCHES))
def test_a_transfer_starts_nearer_to_the_style(name: str) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(12_000) / 16_000
    tone = 0.2 * np.sin(2 * np.pi * 440 * t) + 1e-2 * rng.standard_normal(12_000)
    content = Audio(tone.astype(np.float32), 16_000)
    style = Audio(0.1 * rng.standard_normal((2, 12_000), np.float32), 16_000)
    first = {}
    for align in ("none", name):
        settings = Settings(align=align, strength=1.0, n_iter=1, n_iter_waveform=0)
        result = transfer(content, style, settings)
        assert result.audio.n_samples == 12_000
        assert [choice.how for choice in result.choices] == [align]
        first[align] = result.steps[0].style
    assert first[name] < first["none"]


def test_a_match_is_an_alignment_that_leaves_the_style() -> None:
    rng = np.random.default_rng(1)
    window = Window(512, 128)
    content, style = (
        Passage([torch.from_numpy(level * rng.standard_normal((1, 8000), np.float32))], 16_000, window)
        for level in (0.1, 0.4)
    )
    for alignment, match in ((EqualisedMatch(), match_spectrum), (QuantileMatch(), match_quantiles)):
        alignment.fit([(style, 1.0)])
        assert alignment.suits(content) == 0  # not chosen by itself
        played = alignment.play(content)
        assert not played.replaces_style
        ((made, share),) = played.clips
        assert share == 1
        torch.testing.assert_close(made, match(content.frames, _of(style.frames), 16_000 / 512))


@pytest.mark.parametrize("align", ["quantile", "pitch", "strokes"])
def test_a_network_that_takes_samples_has_no_alignment(align: str) -> None:
    settings = Settings(network="cnn14", random_weights=True, align=align)
    clip = Audio(np.random.default_rng(0).standard_normal((1, 12_000), np.float32), 16_000)
    with pytest.raises(InputError, match=f"align is {align}: expected one of auto, none, as the network"):
        transfer(clip, clip, settings)


def test_an_unknown_alignment_is_refused_with_those_there_are() -> None:
    clip = Audio(np.random.default_rng(0).standard_normal((1, 12_000), np.float32), 16_000)
    names = "auto, none, equalised, notes, parts, pitch, quantile, strokes"
    with pytest.raises(InputError, match=f"align is drums: expected one of {names}"):
        transfer(clip, clip, Settings(align="drums"))

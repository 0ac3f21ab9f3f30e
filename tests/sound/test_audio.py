from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from retimbre.errors import InputError
from retimbre.sound.audio import Audio, Samples, collect, fix_length, recut

Tone = Callable[..., Samples]

# --- what an Audio is ---


def test_samples_become_float32_channels_first() -> None:
    clip = Audio(np.arange(10, dtype=np.float64) / 10, 8000)  # type: ignore[arg-type]
    assert clip.samples.dtype == np.float32
    assert (clip.n_channels, clip.n_samples, clip.seconds) == (1, 10, 10 / 8000)
    assert Audio([[0.5, 0.25, 0.0], [0, 0, 1]], 8000).n_channels == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "no samples"),
        (np.zeros((2, 0)), "no samples"),
        (np.zeros((22_050, 2)), r"shape \(22050, 2\): expected \(channels, samples\)"),
        (np.zeros((1, 2, 100)), "shape"),
        ([0.0, np.nan], "NaN or infinite"),
        ([0.0, -np.inf], "NaN or infinite"),
        (["a", "b"], "not numbers"),
        ([[1.0, 2.0], [3.0]], "not numbers"),
    ],
)
def test_samples_that_cannot_be_used(samples: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Audio(samples, 22_050)


@pytest.mark.parametrize("rate", [0, -44_100, 7_999, 192_001, float("nan"), float("inf")])
def test_a_rate_out_of_range(rate: Any) -> None:
    with pytest.raises(InputError, match=rf"{rate} Hz: expected 8000 to 192000 Hz"):
        Audio(np.zeros(100, dtype=np.float32), rate)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_the_ends_of_the_range_of_rates_belong_to_it(rate: int) -> None:
    assert Audio(np.zeros(100, dtype=np.float32), rate).sample_rate == rate


@pytest.mark.parametrize("constant", [0.0, 0.5, -1.0, 3e-39, 1e-30])
def test_silence_is_when_nothing_moves(constant: float) -> None:
    samples = np.full((2, 100), constant, dtype=np.float32)
    samples[1] *= -1
    assert Audio(samples, 8000).is_silent
    samples[1, 99] += 2**-40  # nothing, or less than the last bit
    assert Audio(samples, 8000).is_silent
    samples[1, 99] += 2**-23
    assert not Audio(samples, 8000).is_silent


def test_fitting_cuts_or_appends_silence() -> None:
    samples = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(fix_length(samples, 2), [[1, 2], [4, 5]])
    np.testing.assert_array_equal(fix_length(samples, 5), [[1, 2, 3, 0, 0], [4, 5, 6, 0, 0]])
    np.testing.assert_array_equal(fix_length(samples, 3), samples)


# --- resampling ---


@pytest.mark.parametrize(
    ("before", "after"), [(22_050, 44_100), (44_100, 22_050), (48_000, 44_100), (8_000, 192_000)]
)
@pytest.mark.parametrize("frequency", [100.0, 1_000.0, 3_000.0])
def test_a_tone_keeps_its_frequency_and_level(before: int, after: int, frequency: float, tone: Tone) -> None:
    clip = Audio(tone(frequency, 1.0, before, channels=2), before).resampled(after)
    assert (clip.sample_rate, clip.n_channels, clip.n_samples) == (after, 2, after)
    middle = clip.samples[:, after // 4 : 3 * after // 4]  # half a second: bins are 2 Hz wide
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.shape[1])))
    np.testing.assert_array_equal(spectrum.argmax(axis=1) * after / middle.shape[1], frequency)
    level = 20 * np.log10(np.sqrt(2 * np.mean(middle.astype(np.float64) ** 2, axis=1)) / 0.5)
    np.testing.assert_allclose(level, 0, atol=0.1)


@pytest.mark.parametrize(("before", "after"), [(22_050, 44_100), (44_100, 22_050), (48_000, 32_000)])
def test_resampling_against_scipy(before: int, after: int) -> None:
    from scipy.signal import firwin, lfilter, resample_poly

    rng = np.random.default_rng(0)
    # Up to .3 of the lower rate, where both filters are flat.
    band = firwin(255, 0.3 * min(before, after), fs=before)
    samples = lfilter(band, 1, 0.3 * rng.standard_normal((2, before))).astype(np.float32)
    found = Audio(samples, before).resampled(after).samples
    window = ("kaiser", 12.0)
    expected = resample_poly(samples.astype(np.float64), after, before, axis=1, window=window)
    inside = slice(after // 10, -after // 10)
    assert found.shape == expected.shape
    error = np.abs(found - expected)[:, inside].max() / np.abs(expected).max()
    assert error < 2e-3


def test_what_lies_above_half_the_new_rate_goes_away(tone: Tone) -> None:
    clip = Audio(tone(15_000, 1.0, 44_100), 44_100).resampled(22_050)
    assert np.abs(clip.samples[:, 1000:-1000]).max() < 1e-4


@pytest.mark.parametrize("n_samples", [1, 2, 1000, 1001, 44_099])
@pytest.mark.parametrize(("before", "after"), [(44_100, 22_050), (44_100, 48_000), (192_000, 8_000)])
def test_the_number_of_samples_is_rounded(n_samples: int, before: int, after: int) -> None:
    clip = Audio(np.ones((1, n_samples), dtype=np.float32), before).resampled(after)
    assert clip.n_samples == max(1, round(n_samples * after / before))


def test_resampling_to_the_same_rate_is_nothing(tone: Tone) -> None:
    clip = Audio(tone(440, 0.1), 22_050)
    assert clip.resampled(22_050) is clip


# --- in pieces ---


@pytest.mark.parametrize("length", [1, 7, 100, 250, 1000])
def test_pieces_are_the_clip(length: int) -> None:
    clip = Audio(np.arange(500, dtype=np.float32).reshape(2, 250), 8000)
    pieces = list(clip.pieces(length))
    assert all(p.shape[1] == length for p in pieces[:-1])
    assert 0 < pieces[-1].shape[1] <= length
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), clip.samples)
    np.testing.assert_array_equal(collect(clip).samples, clip.samples)


@pytest.mark.parametrize("lengths", [[250], [1, 2, 247], [100, 0, 150], [10] * 25])
@pytest.mark.parametrize("length", [1, 7, 99, 250, 300])
def test_recut_changes_the_cuts_and_nothing_else(lengths: list[int], length: int) -> None:
    samples = np.arange(500, dtype=np.float32).reshape(2, 250)
    pieces = np.split(samples, np.cumsum(lengths)[:-1], axis=1)
    found = list(recut(pieces, length))
    assert all(p.shape[1] == length for p in found[:-1])
    np.testing.assert_array_equal(np.concatenate(found, axis=1), samples)


@pytest.mark.parametrize(
    ("dtype", "quietest", "loudest"),
    [(np.uint8, 0, 255), (np.int16, -(1 << 15), (1 << 15) - 1), (np.int32, -(1 << 31), (1 << 31) - 1)],
)
def test_whole_numbers_have_the_full_scale_of_their_type(dtype: type, quietest: int, loudest: int) -> None:
    middle = (quietest + loudest + 1) // 2
    samples = Audio(np.array([quietest, middle, loudest], dtype), 8000).samples[0]
    np.testing.assert_allclose(samples, [-1, 0, 1], atol=0.01)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool, complex, object, str])
def test_other_types_are_refused_in_one_line(dtype: type) -> None:
    with pytest.raises(InputError, match=r"the samples are (of type|not numbers:) .*: expected") as caught:
        Audio(np.ones(9000).astype(dtype), 8000)
    assert len(str(caught.value)) < 300


def test_a_tensor_leaves_gradient_and_type_behind() -> None:
    make: Any = Audio
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        tensor = torch.full((2, 100), 0.5, dtype=dtype, requires_grad=True)
        np.testing.assert_array_equal(make(tensor, 8000).samples, np.full((2, 100), 0.5, np.float32))


def test_a_rate_of_numpy_is_a_rate_and_an_array_is_none() -> None:
    make: Any = Audio
    assert make(np.ones(100), np.int64(44_100)).sample_rate == 44_100
    assert make(np.ones(100), np.float32(8000)).sample_rate == 8000
    with pytest.raises(InputError, match=r"an array of shape .100,.: expected .samples, rate."):
        make(44_100, np.ones(100))
    with pytest.raises(InputError, match="the sample rate is True Hz"):
        make(np.ones(100), True)

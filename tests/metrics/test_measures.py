"""Measures on clips whose answer is known, and against librosa and scipy."""

import librosa
import numpy as np
import pytest
import scipy.linalg

from retimbre.metrics import measures, spectral
from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.content import onset_f1, pitch_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET
from retimbre.sound.audio import Audio, Samples

_MISSING = transcribe.missing()
transcribed = pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
pytestmark = pytest.mark.usefixtures("librosa_compiled")


@pytest.fixture(scope="module")
def piano() -> Audio:
    return render(MINUET, "piano", seconds=5.0)


@pytest.fixture(scope="module")
def strings() -> Audio:
    return render(MINUET, "strings", seconds=5.0)


def _noise(seconds: float, seed: int = 0) -> Audio:
    return Audio(np.random.default_rng(seed).standard_normal(round(seconds * 22_050), np.float32), 22_050)


def test_a_clip_keeps_all_of_itself_and_has_reached_itself(piano: Audio, strings: Audio) -> None:
    assert measures.content_preservation(piano, piano) == pytest.approx(dict.fromkeys(_names(), 1.0))
    own = {"timbre": 1.0, "spectrum": 1.0, "gram": 1.0}
    assert measures.style_gain(strings, strings, piano) == pytest.approx(own)
    assert measures.style_gain(piano, strings, piano) == pytest.approx(dict.fromkeys(own, 0.0), abs=1e-9)
    assert measures.style_distance(piano, piano) == pytest.approx(dict.fromkeys(own, 0.0), abs=1e-9)


def _names() -> list[str]:
    return ["onsets", "chroma", "onset_f1", *(["pitch"] if _MISSING is None else [])]


def test_level_rate_and_channels_do_not_matter(piano: Audio, strings: Audio) -> None:
    other = Audio(np.float32(0.1) * np.concatenate([piano.samples] * 2), piano.sample_rate).resampled(48_000)
    assert measures.content_preservation(other, piano)["onsets"] > 0.999
    assert measures.content_preservation(other, piano)["chroma"] > 0.999
    assert spectral.timbre_distance(other, piano) < 1e-2 * spectral.timbre_distance(strings, piano)


def test_noise_keeps_nothing(piano: Audio) -> None:
    preservation = measures.content_preservation(_noise(5.0), piano)
    assert abs(preservation["onsets"]) < 0.2
    assert preservation["chroma"] < 0.5
    assert preservation["onset_f1"] < 0.4
    assert preservation.get("pitch", 0.0) < 0.1


def test_another_song_keeps_less_than_another_instrument(piano: Audio, strings: Audio) -> None:
    other = render(GREENSLEEVES, "piano", seconds=5.0)
    same, another = measures.content_preservation(strings, piano), measures.content_preservation(other, piano)
    for name in _names():
        assert same[name] > another[name] + 0.1
    assert spectral.timbre_distance(other, piano) < 0.5 * spectral.timbre_distance(strings, piano)


# librosa 1.0 gives its own phase vocoder both, and warns of them.
@pytest.mark.filterwarnings("ignore:The `(hop_length|n_fft)` parameter:FutureWarning")
def test_a_transposed_clip_keeps_its_onsets_and_not_its_chroma(piano: Audio) -> None:
    """Played a semitone higher, at the same tempo."""
    samples = piano.samples.mean(axis=0)
    moved = librosa.effects.pitch_shift(samples, sr=piano.sample_rate, n_steps=1)
    preservation = measures.content_preservation(Audio(moved, piano.sample_rate), piano)
    assert preservation["onsets"] > 0.6
    assert preservation["onset_f1"] > 0.9
    assert preservation["chroma"] < 0.4
    assert preservation.get("pitch", 0.0) < 0.2


def test_shifted_onsets_are_lost(piano: Audio) -> None:
    late = np.roll(piano.samples, round(0.2 * piano.sample_rate), axis=1)
    preservation = measures.content_preservation(Audio(late, piano.sample_rate), piano)
    assert preservation["onsets"] < 0.3
    between = np.roll(piano.samples, round(0.12 * piano.sample_rate), axis=1)  # half an eighth
    assert onset_f1(Audio(between, piano.sample_rate), piano) < 0.2
    slightly = np.roll(piano.samples, round(0.03 * piano.sample_rate), axis=1)
    assert onset_f1(Audio(slightly, piano.sample_rate), piano) > 0.9


def test_frechet_distance_against_scipy(piano: Audio, strings: Audio) -> None:
    a, b = (ClipFeatures(clip).mfcc for clip in (piano, strings))
    root = scipy.linalg.sqrtm(np.cov(a) @ np.cov(b)).real
    expected = np.square(a.mean(1) - b.mean(1)).sum() + np.trace(np.cov(a) + np.cov(b) - 2 * root)
    assert spectral.timbre_distance(piano, strings) == pytest.approx(expected, rel=1e-4)


def test_balance_is_a_harmonic_mean() -> None:
    assert measures.balance({"onsets": 1.0, "chroma": 0.0}, {"timbre": 0.25}) == pytest.approx(1 / 3)
    assert measures.balance({"onsets": 1.0}, {"timbre": -2.0}) == 0.0
    assert measures.balance({"onsets": 1.0}, {"timbre": 1.0}) == 1.0


def test_a_balance_is_made_of_four_measures_whatever_else_is_measured(piano: Audio, strings: Audio) -> None:
    some = {"names": measures.BALANCE_TERMS}
    preservation = measures.content_preservation(strings, piano)
    gain = measures.style_gain(strings, strings, piano)
    few = measures.content_preservation(strings, piano, **some)
    fewer = measures.style_gain(strings, strings, piano, **some)
    assert (set(few), set(fewer)) == ({"onsets", "chroma"}, {"timbre", "spectrum"})
    assert few.items() <= preservation.items()
    assert measures.balance(preservation, gain) == measures.balance(few, fewer)
    assert measures.mean_balance_term(preservation) == np.mean(list(few.values()))


@transcribed
def test_pitch_sets_of_known_rolls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames: the same set; a third of the union; nothing in either; nothing in one."""
    rolls = {1.0: [{40}, {40, 44}, set(), {50}], 0.5: [{40}, {44, 47}, set(), set()]}

    def roll(clip: Audio) -> transcribe.Roll:
        return np.array([[p in frame for frame in rolls[float(clip.samples.max())]] for p in range(88)])

    monkeypatch.setattr(transcribe, "piano_roll", roll)
    one, other = (Audio(np.full(8000, level, np.float32), 8000) for level in rolls)
    assert pitch_distance(one, other) == pytest.approx((0 + 2 / 3 + 0 + 1) / 4)
    assert measures.content_preservation(one, other)["pitch"] == pytest.approx(1 - 5 / 12)
    assert measures.target_distance(one, other)["pitch"] == pytest.approx(5 / 12)


def test_against_a_target(piano: Audio, strings: Audio) -> None:
    assert measures.target_distance(piano, piano) == pytest.approx(dict.fromkeys(_against(), 0.0), abs=1e-6)
    far = measures.target_distance(piano, strings)
    near = measures.target_distance(_mixed(piano, strings), strings)
    assert all(near[name] < far[name] for name in _against())


def _against() -> list[str]:
    return ["lsd", "timbre", *(["pitch"] if _MISSING is None else [])]


def _mixed(one: Audio, other: Audio) -> Audio:
    return Audio(np.float32(0.3) * one.samples + other.samples, one.sample_rate)


def test_a_louder_half_is_that_far_in_log_spectral_distance() -> None:
    """Half of a clip 6.02 dB louder; equal mean power takes 3.98 dB off both: 2.04 and 3.98 dB are left."""
    noise = _noise(8.0)
    samples = noise.samples.copy()
    samples[:, : noise.n_samples // 2] *= 2
    found = measures.target_distance(Audio(samples, noise.sample_rate), noise)["lsd"]
    assert found == pytest.approx(np.sqrt((2.04**2 + 3.98**2) / 2), abs=0.05)


def test_clipping_and_length_are_counted(piano: Audio) -> None:
    samples = piano.samples.copy()
    samples[:, :1000] = 1.0
    found = measures.artifacts(Audio(samples[:, :-441], piano.sample_rate), piano)
    n_samples = piano.n_samples - 441
    assert found["clipped"] == pytest.approx(1000 / n_samples, rel=1e-6)
    assert found["length"] == pytest.approx(-441 / piano.sample_rate)
    assert found["samples"] == -441
    assert measures.artifacts(piano.resampled(32_000), piano)["samples"] == 0


def test_hiss_is_beyond_both_inputs_and_the_inputs_are_not(piano: Audio, strings: Audio) -> None:
    for clip in (piano, strings):
        found = measures.artifacts(clip, piano, strings)
        assert (found["treble"], found["flatness"]) == (0, 0)
    hiss = np.float32(0.02) * np.random.default_rng(0).standard_normal(piano.samples.shape, np.float32)
    found = measures.artifacts(Audio(piano.samples + hiss, piano.sample_rate), piano, strings)
    assert found["treble"] > 0.005
    assert found["flatness"] > 1
    dull = librosa.resample(librosa.resample(piano.samples, orig_sr=8, target_sr=1), orig_sr=1, target_sr=8)
    assert measures.artifacts(Audio(dull, piano.sample_rate), piano, strings)["flatness"] < -1


def test_a_copy_is_found_wherever_it_stands_and_noise_is_none(piano: Audio) -> None:
    late = Audio(np.pad(piano.samples, ((0, 0), (9999, 0))), piano.sample_rate)
    assert measures.copying(late, piano)["correlation"] > 0.99
    assert measures.copying(_noise(3.0, 1), _noise(3.0, 2))["correlation"] < 0.05


def test_a_clip_heard_before_is_measured_as_one_that_was_not(piano: Audio, strings: Audio) -> None:
    given = {"content": piano, "style": strings, "target": _mixed(piano, strings)}
    heard = {name: ClipFeatures(clip) for name, clip in given.items()}
    expected = measures.measure(strings, **given)
    assert set(expected) == {
        *("content_preservation", "artifacts", "style_distance", "copying"),
        *("style_gain", "overall", "target_distance"),
    }
    for _ in range(2):
        assert measures.measure(strings, **heard) == expected


@pytest.mark.parametrize(
    "samples", [np.zeros(8000, np.float32), np.full(1, 0.1, np.float32), np.full(300, 0.1, np.float32)]
)
def test_silence_and_a_moment_have_finite_measures(samples: Samples, piano: Audio) -> None:
    clip = Audio(samples, 8000)
    for one, other in ((clip, piano), (piano, clip), (clip, clip)):
        found = measures.measure(one, content=other, style=other, target=other)
        assert all(np.isfinite(value) for group in found.values() for value in group.values())

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from study.envelopes import compare_envelopes, compare_noise
from study.pairs import TUNE, Sounding

RATE = 22_050
SCORE = [Sounding(0.1, 1.0, 60), Sounding(1.2, 2.1, 64), Sounding(2.3, 3.2, 67)]
Envelope = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def _play(envelope: Envelope, score: list[Sounding] = SCORE) -> npt.NDArray[np.float64]:
    """Play notes of six equal partials: ``envelope`` of the seconds since the onset, 100 ms past the end."""
    samples = np.zeros(round(3.6 * RATE))
    for onset, end, pitch in score:
        first, last = round(onset * RATE), round((end + 0.1) * RATE)
        t = np.arange(last - first) / RATE
        f = 440 * 2 ** ((pitch - 69) / 12)
        edges = np.clip(
            np.minimum(t, t[-1] - t) / 0.03, 0, 1
        )  # without them there is a click, which is noise
        samples[first:last] += (
            edges * envelope(t) * sum(np.sin(2 * np.pi * k * f * t + k) for k in range(1, 7))
        )
    return samples


def _level(samples: npt.NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.square(samples).mean()))


def _clip(samples: npt.NDArray[np.float64]) -> Audio:
    return Audio((0.05 * samples).astype(np.float32), RATE)


def _held(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.ones_like(t)


def _plucked(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 10.0 ** (-t)  # 20 dB a second


def test_a_clip_has_no_distance_to_itself_at_any_level() -> None:
    pytest.importorskip("midirenderer")
    pair = TUNE[0]
    target = pair.target()
    louder = Audio(1.9 * target.samples, target.sample_rate)
    envelopes, noise = (
        compare(louder, target, pair.score()) for compare in (compare_envelopes, compare_noise)
    )
    assert envelopes == pytest.approx({"error": 0, "attack": 0, "decay": 0}, abs=1e-4)
    assert noise == pytest.approx({"noise": 0, "noise_absolute": 0}, abs=1e-4)


def test_a_held_tone_for_a_plucked_one_is_off_by_the_missing_decay() -> None:
    held, plucked = _play(_held), _play(_plucked)
    found = compare_envelopes(_clip(held), _clip(plucked), SCORE)
    louder = _level(held) - _level(plucked)  # of which the clips are relieved: they count at one power
    assert louder > 5
    t = np.arange(0.1, 1.0, 0.01)
    assert found["decay"] == pytest.approx(np.abs(20 * t - louder).mean(), rel=0.1)
    assert found["attack"] == pytest.approx(np.abs(20 * t[:10] - 2 - louder).mean(), rel=0.1)


def test_attack_and_decay_are_apart() -> None:
    slow = _clip(_play(lambda t: np.minimum(t / 0.1, 1)))
    found = compare_envelopes(slow, _clip(_play(_held)), SCORE)
    assert found["attack"] > 3 > 5 * found["decay"]
    dying = _clip(_play(lambda t: np.where(t < 0.5, 1.0, 0.1)))
    found = compare_envelopes(dying, _clip(_play(_held)), SCORE)
    assert found["decay"] > 2 * found["attack"]
    assert found["attack"] < found["error"] < found["decay"]


def test_what_lies_under_the_floor_is_not_heard() -> None:
    quiet = _play(lambda t: 1e-3 * _held(t), [note._replace(pitch=note.pitch + 1) for note in SCORE])
    target = _play(_plucked)
    found = compare_envelopes(_clip(target + quiet), _clip(target), SCORE)
    assert found["error"] < 0.05


def test_a_partial_of_another_note_is_left_out() -> None:
    """Under an octave, all partials of the upper note are the lower one's too."""
    chord = [Sounding(0.1, 1.0, 60), Sounding(0.1, 1.0, 72)]
    lower = _play(_held, chord[:1])
    assert compare_envelopes(_clip(lower), _clip(_play(_held, chord)), chord)["error"] < 6
    apart = compare_envelopes(_clip(_play(_plucked, chord)), _clip(_play(_held, chord)), chord)
    odd = compare_envelopes(_clip(_play(_plucked, chord[:1])), _clip(_play(_held, chord[:1])), chord[:1])
    assert apart["error"] == pytest.approx(odd["error"], rel=0.35)


@pytest.mark.parametrize("gain", [-6.0, 10.0])
def test_noise_between_the_partials_is_told_in_db(gain: float) -> None:
    tone = _play(_held)
    noise = 3e-2 * np.random.default_rng(0).standard_normal((2, len(tone)))
    target = _clip(tone + noise[0])
    found = compare_noise(_clip(tone + 10 ** (gain / 20) * noise[1]), target, SCORE)
    assert found["noise"] == pytest.approx(gain, abs=0.5)
    assert found["noise_absolute"] == pytest.approx(abs(gain), abs=0.5)


def test_noise_of_another_colour_has_no_sign() -> None:
    tone = _play(_held)
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(3e-2 * rng.standard_normal((2, len(tone))))
    octave = np.log2(
        np.maximum(np.fft.rfftfreq(len(tone), 1 / RATE), 1) / 1095
    )  # from the middle of the band
    spectrum[1] *= 10 ** (4 * octave / 20)  # 4 dB an octave
    white, blue = np.fft.irfft(spectrum, len(tone))
    found = compare_noise(_clip(tone + blue), _clip(tone + white), SCORE)
    assert abs(found["noise"]) < 1
    assert found["noise_absolute"] > 3


def test_what_cannot_be_compared() -> None:
    tone = _clip(_play(_held))
    silence = Audio(np.zeros(RATE, np.float32), RATE)
    for compare in (compare_envelopes, compare_noise):
        with pytest.raises(InputError, match="silent"):
            compare(silence, tone, SCORE)
        with pytest.raises(InputError, match="expected 22050"):
            compare(Audio(tone.samples, 16_000), tone, SCORE)
    assert compare_noise(tone, tone, []) == compare_envelopes(tone, tone, []) == {}

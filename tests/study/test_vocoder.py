"""The vocoder: notes of known partials, and noise of a known spectrum."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.alignment.events import NoteEvent
from retimbre.errors import InputError
from retimbre.metrics.content import chroma_cosine
from retimbre.sound.audio import Audio
from study.envelopes import compare_envelopes
from study.pairs import Sounding
from study.vocoder import N_PARTIALS, Vocoder, _Analysis, _levels, _noise, _Note, vocode

RATE = 22_050
SCORE = [Sounding(0.5 * k, 0.5 * (k + 1), pitch) for k, pitch in enumerate((60, 64, 67, 62))]
Samples = npt.NDArray[np.float64]
BRIGHT, DULL = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2), (1.0, 0.1, 0.02, 0.0, 0.0, 0.0)


def _tone(pitch: float, seconds: float, shares: tuple[float, ...], fall: float = 0.5) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    wave = sum(a * np.sin(2 * np.pi * hertz * k * time) for k, a in enumerate(shares, start=1))
    return np.asarray(0.1 * wave * np.exp(-time / fall) * np.minimum(1, time / 0.01))


def _melody(pitches: tuple[int, ...], shares: tuple[float, ...]) -> Audio:
    return Audio(np.concatenate([_tone(p, 0.5, shares) for p in pitches]).astype(np.float32), RATE)


def test_partials_are_measured_where_they_are() -> None:
    clip = Audio(_tone(60.2, 1.0, BRIGHT, fall=1e9).astype(np.float32), RATE)
    (note,) = _Analysis.of(clip, [NoteEvent(0.0, 1.0, 60, 1.0, 1.0)]).notes
    middle = note.amplitudes[:, len(note.frequency) // 2]
    hertz = 440 * 2 ** ((60.2 - 69) / 12)
    assert np.median(note.frequency) == pytest.approx(hertz, rel=3e-3)
    assert middle[:6] == pytest.approx([0.1 * share for share in BRIGHT], rel=0.2)
    assert (middle[6:] < 0.003).all()


def test_shares_are_taken_over_by_number_or_by_frequency() -> None:
    one = np.zeros((N_PARTIALS, 4))
    one[:4] = np.array([[4.0], [3.0], [2.0], [1.0]])
    model = _Note(60, 0, np.full(4, 200.0), one)
    note = _Note(72, 0, np.full(6, 400.0), np.vstack([np.full((1, 6), 5.0), np.zeros((N_PARTIALS - 1, 6))]))
    by_number = _levels(note, model, Vocoder(by_frequency=False))
    assert by_number[:4, 5] == pytest.approx([2, 1.5, 1, 0.5])  # 5 in all; beyond its end it goes on
    by_frequency = _levels(note, model, Vocoder(by_frequency=True))
    assert by_frequency[:3, 0] == pytest.approx([5 * 3 / 4, 5 * 1 / 4, 0])


def test_the_content_s_notes_with_the_style_s_partials() -> None:
    content, style = _melody((60, 64, 67, 62), DULL), _melody((65, 60, 69, 62), BRIGHT)
    target = _melody((60, 64, 67, 62), BRIGHT)
    made = vocode(content, style)
    ours, copied = (compare_envelopes(clip, target, SCORE)["error"] for clip in (made, content))
    assert ours < 0.4 * copied
    assert chroma_cosine(made, content) > 0.9


def test_a_clip_in_its_own_corpus_is_reconstructed() -> None:
    clip = _melody((60, 64, 67, 62), BRIGHT)
    other = _melody((60, 64, 67, 62), DULL)
    ours, far = (compare_envelopes(made, clip, SCORE)["error"] for made in (vocode(clip, clip), other))
    assert ours < 0.3 * far


def test_the_noise_has_the_style_s_spectrum_and_the_partials_strength() -> None:
    size = 2 * round(0.0929 * RATE / 2)
    share = np.where(np.arange(size // 2 + 1) * RATE / size < 3000, 0.02, 0.0)
    noise = _noise(share, np.full(400, 0.5), RATE, 2 * RATE, 0)
    window = np.hanning(size)
    frames = np.lib.stride_tricks.sliding_window_view(noise, size)[::500]
    measured = (np.abs(np.fft.rfft(frames * window, axis=1)) * 2 / window.sum()).mean(axis=0)
    low = share > 0
    assert measured[low][5:-5].mean() == pytest.approx(0.01, rel=0.1)
    assert measured[~low][5:].max() < 1e-3


def test_noise_without_notes_is_silence_and_silence_is_refused() -> None:
    silence, clip = Audio(np.zeros(RATE, np.float32), RATE), _melody((60, 64), BRIGHT)
    with pytest.raises(InputError, match="the content is silent"):
        vocode(silence, clip)
    with pytest.raises(InputError, match="the style is silent"):
        vocode(clip, silence)

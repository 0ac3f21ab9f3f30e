"""Mixes in parts: tones and strokes are told apart, and each takes the style's own."""

import numpy as np
import numpy.typing as npt
import torch

from retimbre.alignment.parts import PartsAlignment, is_mix, is_one_sound, separate
from retimbre.alignment.passage import Passage
from retimbre.sound.stft import Window

RATE = 22_050
SECONDS = 4.0
TIME = np.arange(round(SECONDS * RATE)) / RATE
Wave = npt.NDArray[np.float64]


def _notes(pitches: list[int], amplitudes: list[float]) -> Wave:
    """Play notes of equal length one after the other."""
    made, length = np.zeros(len(TIME)), SECONDS / len(pitches)
    for n, pitch in enumerate(pitches):
        gate = np.clip((TIME - n * length) / 0.02, 0, 1) * np.clip(((n + 1) * length - TIME) / 0.02, 0, 1)
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        made += gate * sum(a * np.sin(2 * np.pi * k * hertz * TIME) for k, a in enumerate(amplitudes, 1))
    return 0.1 * made


def _strokes(onsets: list[float], decay: float, seed: int = 0) -> Wave:
    """Strike noise whose level falls by ``decay`` dB per second."""
    noise = np.random.default_rng(seed).standard_normal(len(TIME))
    made = np.zeros(len(TIME))
    for onset in onsets:
        since = TIME - onset
        made += np.where(since >= 0, 10 ** (-decay * since.clip(min=0) / 20), 0)
    return 0.2 * noise * made


def _kicks(onsets: list[float]) -> Wave:
    """Strike bass drums: sines of 60 Hz, a little higher at first, that fall by 80 dB per second."""
    made = np.zeros(len(TIME))
    for onset in onsets:
        since = (TIME - onset).clip(min=0)
        stroke = 10 ** (-80 * since / 20) * np.sin(2 * np.pi * (60 * since - 2 * np.exp(-since / 0.02)))
        made += np.where(onset <= TIME, stroke, 0)
    return 0.4 * made


def _passage(samples: Wave, channels: int = 1) -> Passage:
    return Passage([torch.from_numpy(np.tile(samples, (channels, 1))).float()], RATE, Window(2048, 512))


MELODY = _notes([60, 64, 67, 72], [1, 0.5, 0.3])
BEAT = _strokes([0.3, 0.8, 1.3, 1.8, 2.3, 2.8, 3.3], 300)


def _energy(passage: Passage) -> float:
    return float(sum(piece.square().sum() for piece in passage.pieces))


def test_the_parts_are_the_whole() -> None:
    mix = _passage(MELODY + BEAT, channels=2)
    tonal, percussive = separate(mix)
    torch.testing.assert_close(tonal.pieces[0] + percussive.pieces[0], mix.pieces[0], atol=1e-5, rtol=0)


def test_a_tone_is_tonal_and_a_stroke_is_not() -> None:
    for samples, tone in ((MELODY, True), (BEAT, False)):
        passage = _passage(samples)
        tonal, percussive = separate(passage)
        rest = percussive if tone else tonal
        assert _energy(rest) < 0.1 * _energy(passage)


def test_each_part_is_found_in_the_mix() -> None:
    tonal, percussive = separate(_passage(MELODY + BEAT))
    for part, expected in ((tonal, MELODY), (percussive, BEAT)):
        samples = part.pieces[0][0].double().numpy()
        cosine = samples @ expected / np.sqrt((samples @ samples) * (expected @ expected))
        assert cosine > 0.9


def test_excerpts_are_separated_one_by_one() -> None:
    piece = torch.from_numpy((MELODY + BEAT)[None]).float()
    whole, cut = (
        separate(Passage(pieces, RATE, Window(2048, 512)))[0]
        for pieces in ([piece], [piece, piece[:, : RATE * 2]])
    )
    torch.testing.assert_close(cut.pieces[0], whole.pieces[0])
    assert cut.pieces[1].shape == (1, RATE * 2)


def test_a_mix_has_notes_and_strokes() -> None:
    kicks = _kicks([0.3, 1.3, 2.3, 3.3])
    assert is_mix(_passage(MELODY + 0.5 * BEAT + kicks))
    assert not is_mix(_passage(MELODY))
    assert not is_mix(_passage(MELODY + 0.5 * BEAT))  # breath, or a brush on a string
    assert not is_mix(_passage(MELODY + kicks))  # a hand on a guitar's body


def test_a_clip_without_treble_is_no_mix() -> None:
    rate = 8000  # up to 4 kHz
    samples = torch.from_numpy((MELODY + BEAT)[::3]).float()[None]
    mix = Passage([samples, samples[:, : rate // 2]], rate, Window(744, 186))
    assert not is_mix(mix)
    parts = PartsAlignment()
    parts.fit([(mix, 1.0)])
    assert 0 <= parts.suits(mix) <= 1


def test_hiss_is_one_sound_and_notes_are_music() -> None:
    assert is_one_sound(_passage(0.1 * np.random.default_rng(0).standard_normal(len(TIME))))
    assert not is_one_sound(_passage(MELODY))
    assert not is_one_sound(_passage(_notes([60], [1, 0.5, 0.3])))


def test_it_suits_two_mixes_above_all_else() -> None:
    mix, other = (
        _passage(MELODY + 0.5 * BEAT + _kicks([0.3, 1.3, 2.3, 3.3])),
        _passage(_notes([55, 59], [1, 0.2]) + 0.3 * _strokes([0.5, 1.5, 2.5], 200) + _kicks([0.5, 1.5, 2.5])),
    )
    tune, beat = _passage(MELODY), _passage(BEAT)
    for style, content, suits in (
        (mix, other, True),
        (mix, tune, False),
        (tune, mix, False),
        (beat, mix, False),
        (mix, beat, False),
    ):
        alignment = PartsAlignment()
        alignment.fit([(style, 1.0)])
        assert (alignment.suits(content) > 0.5) == suits


def test_the_strokes_stay_where_the_content_has_them() -> None:
    """The treble of the output rises at the content's strokes and not at the style's."""
    content = _passage(MELODY + BEAT)
    style = _passage(_notes([55, 59, 62], [1, 0.2, 0.6, 0.4]) + _strokes([0.55, 1.55, 2.55], 100, seed=1))
    alignment = PartsAlignment()
    alignment.fit([(style, 1.0)])
    played = alignment.play(content)
    assert played.samples is not None
    assert played.samples.shape == content.pieces[0].shape
    treble = content.window.stft(played.samples).abs()[0, 500:].square().mean(dim=0).numpy()
    frame = 512 / RATE

    def level(at: float) -> float:
        return float(treble[round((at - 0.01) / frame) : round((at + 0.06) / frame)].max())

    struck = [level(at) for at in (0.3, 0.8, 1.3, 1.8, 2.3, 2.8, 3.3)]
    between = [level(at) for at in (0.6, 1.1, 1.6, 2.1, 2.6, 3.1)]
    assert min(struck) > 4 * max(between)


def test_the_mean_spectrum_comes_nearer_to_the_styles() -> None:
    content = _passage(MELODY + BEAT)
    style = _passage(
        _notes([60, 64, 67], [1, 0.9, 0.9, 0.9, 0.9, 0.9]) + _strokes([0.5, 1.5, 2.5], 60, seed=2)
    )
    alignment = PartsAlignment()
    alignment.fit([(style, 1.0)])
    samples = alignment.play(content).samples
    assert samples is not None

    def spectrum(pieces: list[torch.Tensor]) -> torch.Tensor:
        power = torch.cat([content.window.stft(p).abs().square()[0] for p in pieces], dim=1).mean(dim=1)
        bands = power[16:1008].view(-1, 62).mean(dim=1)
        return 10 * (bands / bands.sum()).log10()

    theirs = spectrum(style.pieces)
    far, near = ((spectrum(p) - theirs).abs().mean() for p in (content.pieces, [samples]))
    assert near < 0.6 * far

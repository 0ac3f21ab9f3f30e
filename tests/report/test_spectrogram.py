import io
import sys
from pathlib import Path

import numpy as np
import pytest

from retimbre.errors import DependencyError
from retimbre.report import spectrogram as pictures
from retimbre.report.spectrogram import levels, position, spectrogram_png
from retimbre.sound.audio import Audio
from study.pictures import save_spectrograms

pytest.importorskip("matplotlib")


def tone(hertz: float, sample_rate: int = 22_050, seconds: float = 1.0) -> Audio:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return Audio(np.sin(2 * np.pi * hertz * time).astype(np.float32), sample_rate)


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


@pytest.mark.parametrize("sample_rate", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("hertz", [100.0, 1000.0, 5000.0])
def test_a_tone_is_bright_where_the_axis_says(hertz: float, sample_rate: int) -> None:
    picture = pixels(spectrogram_png(tone(hertz, sample_rate))).sum(axis=2)
    middle = picture[:, picture.shape[1] // 2]
    # A tone is as wide as the window makes it: take the centre of its bright rows.
    bright = np.flatnonzero(middle >= middle.max())
    at = 1 - (bright.mean() + 0.5) / len(middle)
    window = 4 * 22_050 / 2048  # width in Hz of the main lobe
    assert abs(at - position(hertz)) < max(2 / len(middle), position(hertz + window / 4) - at)


def test_a_full_scale_tone_has_zero_decibels() -> None:
    assert levels(tone(1000.0)).max() == pytest.approx(0.0, abs=0.2)


def test_channels_that_cancel_are_still_seen() -> None:
    mono = tone(1000.0)
    stereo = Audio(np.concatenate([mono.samples, -mono.samples]), mono.sample_rate)
    np.testing.assert_allclose(levels(stereo), levels(mono), atol=1e-3)


def test_nothing_is_above_half_the_sample_rate() -> None:
    rng = np.random.default_rng(0)
    grid = levels(Audio(rng.standard_normal(8000, dtype=np.float32), 8000))[::-1]
    nyquist = int(position(4000) * len(grid))
    assert grid[: nyquist - 2].max() > -40
    assert (grid[nyquist + 2 :] <= -140).all()


@pytest.mark.parametrize("seconds", [0.01, 1.0, 60.0])
def test_pictures_have_at_most_800_columns(seconds: float) -> None:
    assert levels(tone(440.0, seconds=seconds)).shape[1] in range(1, 801)


def test_the_scale_of_colours_spans_80_db() -> None:
    quiet = tone(1000.0)
    quiet = Audio(quiet.samples * np.float32(10 ** (-90 / 20)), quiet.sample_rate)
    dark = pixels(spectrogram_png(quiet, loudest=0.0))
    assert (dark == dark[0, 0]).all()
    silence = Audio(np.zeros(22_050, dtype=np.float32), 22_050)
    assert spectrogram_png(silence)  # no level to be relative to, and no warning


def test_one_picture_of_several_clips(tmp_path: Path) -> None:
    path = tmp_path / "row.png"
    save_spectrograms(path, [("low", tone(200.0)), ("high", tone(4000.0, 44_100)), ("C", tone(1e3))])
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 2 * picture.height
    assert list(tmp_path.iterdir()) == [path]


def test_matplotlib_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match=r"matplotlib.*retimbre\[report\]"):
        pictures.spectrogram_png(tone(440.0))
    with pytest.raises(DependencyError, match=r"matplotlib.*retimbre\[report\]"):
        save_spectrograms("row.png", [("tone", tone(440.0))])

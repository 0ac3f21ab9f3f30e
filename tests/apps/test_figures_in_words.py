"""Figures in words, where the answer is known."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from retimbre.apps.figures import Figure, figures
from retimbre.sound.audio import Audio

RATE = 22_050


def _melody(partials: tuple[float, ...], *, fall: int = 0) -> Audio:
    times = np.arange(2 * RATE) / RATE
    wave: npt.NDArray[np.float64] = np.zeros_like(times)
    for n, note in enumerate((60, 64, 67, 72, 60, 67)):
        since = np.maximum(0, times - n / 3)
        hertz = 440 * 2 ** ((note + fall - 69) / 12)
        for k, gain in enumerate(partials, start=1):
            wave += (times >= n / 3) * gain * np.exp(-8 * since) * np.sin(2 * np.pi * k * hertz * since)
    return Audio((0.3 * wave / np.abs(wave).max()).astype(np.float32), RATE)


def _by_label(found: Iterable[Figure]) -> dict[str, Figure]:
    return {figure.label: figure for figure in found}


def test_a_content_keeps_all_and_reaches_nothing() -> None:
    content, style = _melody((1.0,)), _melody((0.1, 0.5, 1.0, 1.0, 0.8), fall=5)
    found = _by_label(figures(content, content, style))
    n = found["onsets kept"].value.split(" of ")
    assert n[0] == n[1]
    assert found["onsets kept"].words == found["harmony kept"].words == "all"
    assert found["timbre reached"] == Figure("timbre reached", "0 %", "hardly nearer")


def test_a_style_reaches_all() -> None:
    content, style = _melody((1.0,)), _melody((0.1, 0.5, 1.0, 1.0, 0.8), fall=5)
    found = _by_label(figures(style, content, style))
    assert found["timbre reached"] == Figure("timbre reached", "100 %", "very near")
    assert found["harmony kept"].words in ("few", "some")


def test_noise_has_no_harmony_to_keep() -> None:
    rng = np.random.default_rng(0)
    noise = Audio(0.1 * rng.standard_normal((1, 2 * RATE)).astype(np.float32), RATE)
    assert "harmony kept" not in _by_label(figures(noise, noise, _melody((1.0,)), has_pitches=False))

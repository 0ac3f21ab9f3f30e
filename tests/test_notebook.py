"""Python manners: clips and results in notebooks and NumPy, pickles, and the notebook of the docs."""

import ast
import base64
import copy
import io
import json
import pickle
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import retimbre
from retimbre.sound import player

Samples = npt.NDArray[np.float32]
NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"


@pytest.fixture(scope="module")
def result(tone: Callable[..., Samples]) -> retimbre.Result:
    noise = np.random.default_rng(0).standard_normal((2, 8000), np.float32)
    restyle = retimbre.Transfer((noise, 16_000), retimbre.Settings(n_iter=2, align="none"))
    return restyle((tone(440, 0.5), 22_050))


def _heard(page: str) -> tuple[npt.NDArray[Any], int]:
    """Decode the sound of the one player on a page."""
    addresses = re.findall(r'<audio[^>]* src="data:audio/mpeg;base64,([^"]+)"', page)
    assert len(addresses) == 1
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(addresses[0])), always_2d=True)
    return samples.T, rate


def _lanes(page: str) -> list[npt.NDArray[np.float64]]:
    """Give the heights of each lane of the waveform's picture, from its top line to its bottom line."""
    svg = re.search(r"<svg.*?</svg>", page)
    assert svg
    root = ET.fromstring(svg[0])
    points = [
        np.array([tuple(map(float, point.split(","))) for point in polygon.attrib["points"].split()])
        for polygon in root
    ]
    return [found[len(found) // 2 :, 1][::-1] - found[: len(found) // 2, 1] for found in points]


def test_a_clip_in_a_notebook_is_heard_as_it_is(tone: Callable[..., Samples]) -> None:
    clip = retimbre.Audio(np.concatenate([tone(440, 1.0), tone(880, 1.0)]), 22_050)
    heard, rate = _heard(clip._repr_html_())
    assert rate == 22_050
    assert heard.shape[0] == 2
    for channel, frequency in zip(heard, (440, 880), strict=True):
        middle = channel[5000:15_000]
        peak = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * rate / len(middle)
        assert peak == pytest.approx(frequency, abs=3)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 6), (96_000, 2), (192_000, 1)])
def test_every_rate_and_number_of_channels_plays(
    rate: int, channels: int, tone: Callable[..., Samples]
) -> None:
    heard, heard_rate = _heard(retimbre.Audio(tone(440, 0.5, rate, channels=channels), rate)._repr_html_())
    assert heard.shape[1] / heard_rate == pytest.approx(0.5, abs=0.1)
    assert 0.3 < np.abs(heard).max() < 0.7


@pytest.mark.parametrize("n_samples", [1, 7, 481, 100_001])
def test_the_waveform_is_as_high_as_the_sound(n_samples: int) -> None:
    samples = np.linspace(0, 1, n_samples, dtype=np.float32) * np.where(np.arange(n_samples) % 2, 1, -1)
    lowest, highest = player.extremes(retimbre.Audio(samples, 8000))
    assert lowest.shape == highest.shape
    assert lowest.shape[0] == 1
    assert lowest.shape[1] <= player.COLUMNS
    assert lowest.min() == samples.min()
    assert highest.max() == samples.max()
    if n_samples > 1000:  # a wedge: each column goes further than the one before
        assert (np.diff(highest[0]) > 0).all()


def test_the_picture_shows_loud_and_soft(tone: Callable[..., Samples]) -> None:
    soft, loud = tone(440, 1.0, amplitude=0.1), tone(440, 1.0, amplitude=0.8)
    clip = retimbre.Audio(np.concatenate([np.hstack([soft, loud]), np.hstack([loud, soft])]), 22_050)
    left, right = _lanes(clip._repr_html_())
    first, second = slice(5, 235), slice(245, 470)
    for lane, quiet, high in ((left, first, second), (right, second, first)):
        assert lane[high].mean() / lane[quiet].mean() == pytest.approx(8, rel=0.15)


def test_an_hour_makes_no_larger_page_than_a_minute_of_noise() -> None:
    rng = np.random.default_rng(0)
    minute = rng.uniform(-1, 1, (2, 60 * 44_100)).astype(np.float32)
    page = retimbre.Audio(np.tile(minute[:, : 15 * 44_100], 20), 44_100)._repr_html_()
    assert len(page) < 3e6
    heard, rate = _heard(page)
    assert heard.shape[1] / rate == pytest.approx(player.LONGEST, abs=0.1)
    assert "the player holds the first 60 s" in page
    assert "300.00 s, 44100 Hz, stereo" in page


def test_a_result_says_what_was_chosen(result: retimbre.Result, tmp_path: Path) -> None:
    page = result._repr_html_()
    assert "align none, strength 0.5" in page
    assert f"({result.stopped})" in page
    heard, _ = _heard(page)
    assert np.abs(heard).max() > 0.01
    result.save(tmp_path / "a<b>.wav")
    written = replace(result, clip=tmp_path / "a<b>.wav")._repr_html_()
    assert "a&lt;b&gt;.wav" in written
    assert "<b>" not in written


def test_numpy_takes_samples_without_a_copy_unless_one_is_asked_for(result: retimbre.Result) -> None:
    for sound, samples in ((result.audio, result.audio.samples), (result, result.audio.samples)):
        assert np.shares_memory(np.asarray(sound), samples)
        assert np.asarray(sound, dtype=np.float64).dtype == np.float64
        assert not np.shares_memory(np.array(sound), samples)
        assert not np.shares_memory(np.array(sound, copy=True), samples)
        assert np.abs(sound).max() == np.abs(samples).max()
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        assert np.shares_memory(np.asarray(result, copy=False), result.audio.samples)
        with pytest.raises(ValueError, match="copy"):
            np.asarray(result, dtype=np.float64, copy=False)


def test_numpy_reads_a_result_that_was_written(result: retimbre.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "out.wav")
    written = replace(result, clip=tmp_path / "out.wav")
    np.testing.assert_allclose(np.asarray(written), result.audio.samples, atol=2**-23)
    with pytest.raises(ValueError, match="in a file"):
        written.__array__(copy=False)


def test_clips_settings_and_results_can_be_pickled(result: retimbre.Result) -> None:
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(np.asarray(again), np.asarray(result))
    assert again.audio.sample_rate == result.audio.sample_rate
    # Arrays are not compared by their numbers.
    comparable = [replace(r, clip=result.clip, delivery=None, blocks=()) for r in (again, result)]
    assert comparable[0] == comparable[1]
    assert again.choices == result.choices
    assert [block.loss for block in again.blocks] == [block.loss for block in result.blocks]
    settings = retimbre.Settings(strength=0.3, n_fft=1024)
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_step_is_pickled_without_its_sound(tone: Callable[..., Samples]) -> None:
    steps: list[retimbre.Step] = []

    def keep(step: retimbre.Step) -> None:
        step.audio()
        steps.append(pickle.loads(pickle.dumps(step)))
        assert steps[-1].numbers() == step.numbers()
        step.audio()  # of the one at hand nothing is lost

    noise = np.random.default_rng(0).standard_normal(8000, np.float32)
    settings = retimbre.Settings(n_iter=1, align="none")
    retimbre.transfer((tone(440, 0.4), 22_050), (noise, 16_000), settings, on_step=keep)
    with pytest.raises(retimbre.InputError, match="no sound any more"):
        steps[0].audio()


def test_what_cannot_be_pickled_says_so(tone: Callable[..., Samples]) -> None:
    restyle = retimbre.Transfer((tone(440, 0.5), 22_050))
    for prepared in (restyle, restyle.prepare((tone(220, 0.5), 22_050))):
        with pytest.raises(retimbre.InputError, match=r"cannot be pickled.*expected its"):
            pickle.dumps(prepared)


def _cells() -> list[dict[str, Any]]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells: list[dict[str, Any]] = notebook["cells"]
    return cells


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = _cells()
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        for line in "".join(cell["source"]).splitlines():
            assert len(line) <= 120, line
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (NOTEBOOK.parent / link).exists(), link


def test_the_notebook_runs_from_top_to_bottom() -> None:
    """Run each cell as Jupyter does: what its last expression gives is shown."""
    names: dict[str, Any] = {}
    shown: list[object] = []
    for cell in _cells():
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop()
        assert isinstance(last, ast.Expr), "a cell ends with an expression, which is shown"
        exec(compile(tree, NOTEBOOK.name, "exec"), names)
        shown.append(eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names))
    pages = [value._repr_html_() for value in shown if isinstance(value, retimbre.Audio | retimbre.Result)]
    assert len(pages) == 5
    assert all("<audio" in page and "<svg" in page for page in pages)
    assert shown[-1] == (True, True)  # the last cell compares a pickle with what was pickled
    assert copy.copy(names["result"]).stopped == names["result"].stopped
    assert names["samples"].shape == names["content"].samples.shape

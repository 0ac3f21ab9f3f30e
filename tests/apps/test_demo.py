import re
from pathlib import Path

import numpy as np
import pytest

from retimbre.apps.demo import PAIRS, demo
from retimbre.errors import InputError
from retimbre.optim.step import Step
from retimbre.settings import Settings
from retimbre.sound.files import read

for package in ("midirenderer", "pretty_midi", "matplotlib", "jinja2"):
    pytest.importorskip(package)


def test_the_pairs_are_those_of_the_study() -> None:
    assert [pair.title for pair in PAIRS] == [
        "Piano to drums, same song",
        "Drums to piano, same song",
        "Drums to piano, different song",
        "Piano to strings, same song",
    ]


@pytest.mark.slow
def test_twelve_clips_and_a_page(tmp_path: Path) -> None:
    told: list[tuple[str, Step]] = []
    page = demo(
        tmp_path / "new" / "folder",
        seconds=2,
        settings=Settings(filters=64, n_iter=2, n_iter_phase=2, n_iter_waveform=2),
        on_progress=lambda title, step: told.append((title, step)),
    )
    folder = tmp_path / "new" / "folder"
    assert page == folder / "index.html"
    clips = {path.name: read(path) for path in folder.glob("*.wav")}
    assert len(clips) == 12
    assert len(list(folder.iterdir())) == 13
    assert list(dict.fromkeys(title for title, _ in told)) == [pair.title for pair in PAIRS]
    assert all(isinstance(step, Step) for _, step in told)

    html = page.read_text(encoding="utf-8")
    assert set(re.findall(r"[\w-]+\.wav", html)) == set(clips)
    for number, pair in enumerate(PAIRS, start=1):
        content, style, output = (
            clips[f"{number}-{pair.slug}-{role}.wav"] for role in ("content", "style", "output")
        )
        assert content.n_samples == style.n_samples == 2 * content.sample_rate
        assert output.samples.shape == content.samples.shape
        assert output.sample_rate == content.sample_rate
        assert not np.allclose(output.samples, content.samples, atol=1e-3)
        assert pair.title in html


@pytest.mark.parametrize("seconds", [0.5, 0, 21, float("nan")])
def test_seconds_out_of_range(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(InputError, match="expected a number from 1 to 20"):
        demo(tmp_path / "demo", seconds=seconds)
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        demo(tmp_path / "file")

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

import retimbre
from retimbre.apps import compare as module
from retimbre.apps.compare import ComparedPair, compare, compare_pairs
from retimbre.apps.demo import PAIRS, compared
from retimbre.apps.network_runs import opening
from retimbre.apps.network_trials import STRENGTHS, kind_of_weights
from retimbre.errors import InputError, WeightsError
from retimbre.report import comparison
from retimbre.report.comparison import UNTRAINED, Comparison, Score
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

QUICK = Settings(filters=8, n_iter=4, n_iter_phase=2, n_iter_waveform=2, tolerance=0, device="cpu")
Run = Callable[..., subprocess.CompletedProcess[str]]
Samples = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a cache without weights."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("RETIMBRE_CACHE", str(folder))
    return folder


@pytest.fixture
def clips(tmp_path: Path, sweeps: Callable[..., Samples]) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    paths = tmp_path / "sweep.wav", tmp_path / "noise.wav"
    write(paths[0], Audio(sweeps(0.8, 16_000), 16_000))
    write(paths[1], Audio(0.1 * rng.standard_normal((1, 9000), dtype=np.float32), 16_000))
    return paths


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Comparison]:
    """Collect what pages are made of."""
    seen: list[Comparison] = []
    make = comparison.page

    def page(title: str, comparisons: list[Comparison], *, intro: str = "") -> str:
        seen.extend(comparisons)
        return make(title, comparisons, intro=intro)

    monkeypatch.setattr(comparison, "page", page)
    return seen


def test_clips_a_page_and_the_best_strength(
    clips: tuple[Path, Path], tmp_path: Path, shown: list[Comparison]
) -> None:
    told: list[tuple[str, float]] = []
    folder = tmp_path / "new" / "folder"
    page = compare(
        *clips,
        folder,
        networks=["kernel", "shallow"],
        settings=QUICK,
        on_progress=lambda title, share: told.append((title, share)),
    )
    assert page == folder / "index.html"
    names = ["1-content.wav", "1-kernel.wav", "1-shallow.wav", "1-style.wav", "index.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    content = read(clips[0])
    for network in ("kernel", "shallow"):
        output = read(folder / f"1-{network}.wav")
        assert output.samples.shape == content.samples.shape
        assert not np.allclose(output.samples, content.samples, atol=1e-3)
        done = [share for title, share in told if title == f"1 {network}"]
        assert sorted({0.125, 0.25, 0.375, 0.5, 1.0} | set(done)) == [0.125, 0.25, 0.375, 0.5, 1.0]
        assert done == sorted(done)
        assert done[-1] == 1
    assert [each.title for each in shown] == ["sweep to noise"]
    for trial in shown[0].trials:
        assert trial.weights == "none"
        assert tuple(trial.sweep) == STRENGTHS
        assert trial.result.settings.strength is not None
        best = trial.sweep[trial.result.settings.strength]
        assert best.balance == max(score.balance for score in trial.sweep.values())
        assert trial.result.settings.n_iter == QUICK.n_iter
        assert trial.result.settings.init == QUICK.init
        assert trial.result.settings.align == "none"  # no network has what the others cannot
    assert UNTRAINED not in re.findall(r'class="untrained">([^<]*)', page.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_without_weights_a_trained_network_is_shown_as_untrained(
    clips: tuple[Path, Path], tmp_path: Path, shown: list[Comparison]
) -> None:
    page = compare(*clips, tmp_path / "page", networks=["vggish"], settings=QUICK)
    assert re.findall(r'class="untrained">([^<]*)', page.read_text(encoding="utf-8")) == [UNTRAINED]
    (trial,) = shown[0].trials
    assert trial.weights == UNTRAINED
    assert {(step.stage, step.n_iter) for step in trial.result.steps} == {("waveform", QUICK.n_iter)}


def test_weights_that_are_there_are_used_unless_told_otherwise(
    clips: tuple[Path, Path], tmp_path: Path, no_weights: Path
) -> None:
    (no_weights / "vggish.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="vggish"):
        compare(*clips, tmp_path / "page", networks=["kernel", "vggish"], settings=QUICK)
    assert not (tmp_path / "page").exists()  # found out before the work
    assert kind_of_weights("vggish", QUICK) == "trained"
    assert kind_of_weights("vggish", Settings(random_weights=True)) == UNTRAINED
    assert kind_of_weights("cnn14", QUICK) == UNTRAINED


def test_the_sweep_hears_the_first_seconds_that_sound() -> None:
    samples = np.zeros((2, 100_000), np.float32)
    samples[1, 30_000:] = 0.5
    first = opening(Audio(samples, 8000))
    assert first.seconds == 5
    assert first.samples[1, 0] == 0.5
    samples[1, :90_000] = 0
    assert opening(Audio(samples, 8000)).seconds == 5
    assert opening(Audio(samples[:, -20_000:], 8000)).seconds == 2.5


def test_an_interrupt_shows_what_is_done(
    clips: tuple[Path, Path], tmp_path: Path, shown: list[Comparison]
) -> None:
    def interrupt(title: str, share: float) -> None:
        if share == 1:
            raise KeyboardInterrupt

    networks = ["kernel", "shallow", "vggish"]
    page = compare(
        *clips, tmp_path / "page", networks=networks, settings=QUICK, workers=1, on_progress=interrupt
    )
    assert [trial.network for trial in shown[0].trials] == ["kernel"]
    names = ["1-content.wav", "1-kernel.wav", "1-style.wav", "index.html"]
    assert sorted(path.name for path in page.parent.iterdir()) == names


def test_an_interrupt_before_anything_is_done_makes_no_page(clips: tuple[Path, Path], tmp_path: Path) -> None:
    def interrupt(title: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(*clips, tmp_path / "page", networks=["kernel"], settings=QUICK, on_progress=interrupt)
    assert list((tmp_path / "page").iterdir()) == []


def test_a_run_is_the_transfer_that_it_stands_for(
    clips: tuple[Path, Path], tmp_path: Path, shown: list[Comparison]
) -> None:
    """With as many processes as there are, each result is that of :func:`retimbre.transfer` in this one."""
    compare(*clips, tmp_path / "page", networks=["kernel"], settings=QUICK, workers=2)
    (trial,) = shown[0].trials
    content, style = map(read, clips)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = retimbre.transfer(content, style, trial.result.settings)
        quarter = replace(trial.result.settings, n_iter=1, n_iter_waveform=1, strength=0.3)
        short = retimbre.transfer(content, style, quarter)
    finally:
        torch.set_num_threads(n_threads)
    assert np.array_equal(trial.result.audio.samples, expected.audio.samples)
    assert trial.score == Score.of(expected.audio, style, content)
    assert trial.sweep[0.3] == Score.of(short.audio, style, content)
    assert [step.loss for step in trial.result.steps] == [step.loss for step in expected.steps]


@pytest.mark.parametrize(
    ("networks", "settings", "message"),
    [
        ([], QUICK, "expected one or more names"),
        (["kernel", "kernel"], QUICK, "each once"),
        (["deep"], QUICK, "network is deep: expected one of cnn14, harmonic, kernel"),
        (["kernel"], Settings(content_weight=1), "content_weight is 1: expected none"),
        (["kernel"], Settings(style_layers="conv1"), "style_layers is conv1: expected none"),
    ],
)
def test_refusals(
    networks: list[str], settings: Settings, message: str, clips: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        compare(*clips, tmp_path / "page", networks=networks, settings=settings)
    assert not (tmp_path / "page").exists()


def test_an_input_is_not_overwritten(clips: tuple[Path, Path], tmp_path: Path) -> None:
    taken = clips[0].rename(tmp_path / "1-kernel.wav")
    before = taken.read_bytes()
    with pytest.raises(InputError, match=r"1-kernel\.wav would be overwritten"):
        compare(taken, clips[1], tmp_path, networks=["kernel"], settings=QUICK)
    assert taken.read_bytes() == before


def test_several_pairs_are_on_one_page(clips: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = map(read, clips)
    pairs = [ComparedPair("There", one, other, "A note."), ComparedPair("And back", other, one)]
    page = compare_pairs(pairs, tmp_path / "page", networks=["kernel"], settings=QUICK)
    html = page.read_text(encoding="utf-8")
    assert "There" in html
    assert "And back" in html
    assert "Mean over the pairs" in html
    assert len(list(page.parent.glob("*.wav"))) == 6


def test_the_pairs_of_the_demonstration(
    tmp_path: Path, shown: list[Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("midirenderer", "pretty_midi"):
        pytest.importorskip(package)
    defaults = module.compare_pairs.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "networks", ("kernel",))
    settings = replace(QUICK, n_iter=1, n_iter_phase=1, n_iter_waveform=1)
    page = compared(tmp_path / "page", seconds=1.0, settings=settings)
    assert page == tmp_path / "page" / "index.html"
    assert [entry.title for entry in shown] == [pair.title for pair in PAIRS]
    assert all(clip.seconds == pytest.approx(1) for e in shown for clip in (e.content, e.style))
    with pytest.raises(InputError, match="expected a number from 1 to 20"):
        compared(tmp_path / "page", seconds=0.5, settings=QUICK)


# --- the command ---


def test_the_command_prints_the_page(run: Run, clips: tuple[Path, Path], tmp_path: Path) -> None:
    quick = ("--n-iter", "2", "--n-iter-phase", "1", "--n-iter-waveform", "1", "--filters", "8")
    done = run("compare", *clips, "-o", "page", "--networks", "shallow, kernel", *quick, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "page/index.html\n", "")
    html = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<button[^>]*>(\w+)<", html) == ["Content", "Style", "shallow", "kernel"]


def test_the_command_refuses_in_one_line(run: Run, clips: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("compare", *clips, "-o", "page", "--networks", "deep", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"retimbre: error: network is deep: expected one of [^\n]*\n", done.stderr)


def test_the_networks_are_listed(run: Run, tmp_path: Path) -> None:
    done = run("networks", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("cnn14", "kernel", "shallow", "vggish"):
        (entry,) = re.findall(rf"^{name}: .+\n((?:  .+\n)+)", done.stdout, re.MULTILINE)
        assert [line[2:11].strip() for line in entry.splitlines()] == ["rate", "front end", "layers", "needs"]

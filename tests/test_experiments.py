"""The experiments: what their networks know, what their judge says, how they count, and that they run."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from retimbre.sound.audio import Audio

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module("common")


@pytest.mark.parametrize(
    ("options", "hears_pitch"),
    [
        ({"dimensions": 1}, True),
        ({"dimensions": 2}, False),
        ({"dimensions": 2, "apart": True}, True),
        ({"dimensions": 2, "pooling": "max"}, False),
    ],
)
def test_only_where_frequencies_are_positions_style_is_the_same_at_every_pitch(
    common: Any, options: dict[str, Any], hears_pitch: bool
) -> None:
    low = torch.zeros(common.WINDOW.n_bins, 32)
    low[100:120] = torch.rand(20, 32, generator=torch.Generator().manual_seed(0))
    network = common.Random(0, filters=4, **options)
    for layer, moved in zip(network(low).values(), network(low.roll(40, dims=0)).values(), strict=True):
        here, there = (x @ x.T for x in (layer, moved))
        assert torch.allclose(here, there, rtol=1e-4, atol=1e-4 * float(here.max())) is not hears_pitch


def test_the_content_is_at_no_decibels_and_the_style_far_below(common: Any) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 2 * common.RATE)).astype(np.float32)
    bursts = (np.arange(2 * common.RATE) % 5000 < 1500) * noise[0]
    content = Audio(np.float32(0.1) * bursts, common.RATE)
    style = Audio(np.float32(1e-3) * np.cumsum(noise[1]), common.RATE)
    for gain in (1, 0.1):
        copied = common.judge(Audio(np.float32(gain) * content.samples, common.RATE), content, style)
        assert copied.onsets == pytest.approx(1, abs=1e-4)
        assert [copied.timbre, copied.spectrum] == pytest.approx([0, 0], abs=1e-3)
    reached = common.judge(style, content, style)
    assert max(reached.timbre, reached.spectrum) < -40
    assert reached.onsets < 0.5


def test_stars_are_those_of_a_paired_t_test(common: Any) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((2, 4, 3, 4)) * 0.3 + np.array([0, 0.2, 0.4, 0.8])  # variant, pair, seed
    values[1] -= np.array([0, 0.2, 0.4, 0.8])
    results = [
        common.Result("ab"[v], 0.5, str(pair), seed, common.Measures(*values[v, pair, seed]))
        for v, pair, seed in np.ndindex(2, 4, 3)
    ]
    row = common.table(results, [("a", "b"), ("a", "unknown")]).splitlines()[-1]
    stars = [cell.strip().endswith("*") for cell in row.split("|")[3:-1]]
    expected = scipy.stats.ttest_rel(values[0].mean(axis=1), values[1].mean(axis=1))
    assert stars == list(expected.pvalue < 0.05)
    assert 0 < sum(stars) < 4


def test_errors_over_pairs_and_over_seeds(common: Any) -> None:
    results = [
        common.Result("a", 0.5, str(pair), seed, common.Measures(pair, seed, pair + seed, 7))
        for pair in range(4)
        for seed in range(3)
    ]
    row = common.table(results, []).splitlines()[-1]
    pairs, seeds = (scipy.stats.sem(range(n)) for n in (4, 3))
    assert [cell.strip() for cell in row.split("|")[3:-1]] == [
        f"1.50 ± {pairs:.2f} (0.00)",
        f"1.00 ± 0.00 ({seeds:.2f})",
        f"2.50 ± {pairs:.2f} ({seeds:.2f})",
        "7.00 ± 0.00 (0.00)",
    ]


@pytest.mark.slow
def test_an_experiment_runs(tmp_path: Path) -> None:
    options = ["--only", "1-D, 32", "--seeds", "2", "--seconds", "1", "--n-iter", "2"]
    files = ["-o", str(tmp_path / "x" / "y.png"), "--results", str(tmp_path / "single.jsonl")]
    command = [sys.executable, "-W", "error", str(EXPERIMENTS / "dimensions.py"), *options, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:3] for line in done.stdout.splitlines() if line.startswith("| 0")]
    assert rows == [[" 0.5 ", " 1-D, 32 filters "], [" 0.8 ", " 1-D, 32 filters "]]
    single = [
        json.loads(line) for line in (tmp_path / "single.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len({(r["strength"], r["pair"], r["seed"]) for r in single}) == len(single) == 2 * 4 * 2
    mean = np.mean([r["measures"]["timbre"] for r in single if r["strength"] == 0.5])
    assert f" {mean:.2f} ± " in done.stdout
    assert (tmp_path / "x" / "y.png").read_bytes().startswith(b"\x89PNG")

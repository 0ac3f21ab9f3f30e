"""Listening tests: sounds that differ in what is to be judged alone, orders from a seed, and intervals."""

import csv
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import scipy.stats
import soundfile
import yaml

from retimbre.apps.listening import configuration, ratings, sounds, trials
from retimbre.apps.listening.trials import Description
from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from retimbre.sound.loudness import loudness

Run = Callable[..., subprocess.CompletedProcess[str]]
RATE = 22_050
METHODS = ("content-copied", "style-copied", "retimbre")


def noise(seed: int, seconds: float = 1.5, channels: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * RATE), channels))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder as the benchmark writes it: three pairs, of which one has no target."""
    folder = tmp_path_factory.mktemp("quality")
    for number, pair in enumerate(("a", "b", "c")):
        (folder / "cache" / pair).mkdir(parents=True)
        for place, name in enumerate((*METHODS, "retimbre-0.5", "target")):
            if (pair, name) == ("c", "target"):
                continue
            at = folder / "cache" / pair / f"{name}.flac"
            soundfile.write(at, 0.1**place * noise(10 * number + place, 1.5 - 0.1 * place), RATE)
            at.with_suffix(".json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "test"
    configuration.make(folder, trials.find(benchmark, None, 10, seed=3), n_listeners=6, seed=3)
    return folder


def configurations(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]


def pages(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [page for page in config["pages"] if page["type"] == "mushra"]


def test_a_trial_has_a_target_and_methods_without_a_strength(benchmark: Path) -> None:
    found = trials.find(benchmark, None, 10, seed=0)
    assert [trial.name for trial in found] == ["a", "b"]
    assert all(set(trial.conditions) == set(METHODS) for trial in found)
    (trial,) = trials.find(benchmark, ["retimbre-0.5"], 1, seed=0)
    assert set(trial.conditions) == {"retimbre-0.5"}


def test_the_seed_chooses_the_trials(benchmark: Path) -> None:
    chosen = [trials.find(benchmark, None, 1, seed)[0].name for seed in range(20)]
    assert set(chosen) == {"a", "b"}
    assert chosen == [trials.find(benchmark, None, 1, seed)[0].name for seed in range(20)]


def test_all_sounds_have_one_form_and_loudness(made: Path) -> None:
    files = sorted((made / "sounds").rglob("*.wav"))
    assert len(files) == 2 * (len(METHODS) + 3)
    about = json.loads((made / "test.json").read_text(encoding="utf-8"))
    levels = []
    for file in files:
        samples, rate = soundfile.read(file)
        assert (rate, soundfile.info(file).subtype) == (48_000, "PCM_16")
        assert np.abs(samples).max() <= 10 ** (sounds.PEAK / 20) + 2**-14
        levels.append(pyloudnorm.Meter(rate).integrated_loudness(samples))
    assert np.ptp(levels) < 0.1
    assert levels[0] == pytest.approx(about["loudness"], abs=0.1)
    for trial in ("a", "b"):  # webMUSHRA takes one length in a trial
        assert len({soundfile.info(file).frames for file in (made / "sounds" / trial).iterdir()}) == 1


def test_peaks_lower_the_loudness_of_all() -> None:
    click = np.full((1, 48_000), 1e-3, np.float32) * np.sin(np.arange(48_000))
    click[0, 24_000] = 1.0
    level = sounds.common_loudness([Audio(click, 48_000), Audio(noise(0).T, RATE)])
    assert level == pytest.approx(loudness(Audio(click, 48_000)) - 1.0, abs=1e-4)
    assert level < sounds.LOUDEST


def test_anchors_are_the_reference_without_what_is_above() -> None:
    reference = noise(1, 4.0).T
    for hertz in sounds.ANCHORS.values():
        _, before = scipy.signal.welch(reference[0], sounds.RATE, nperseg=4096)
        frequency, after = scipy.signal.welch(
            sounds.low_passed(reference, hertz)[0], sounds.RATE, nperseg=4096
        )
        change = 10 * np.log10(after / before)
        assert np.abs(change[(frequency > 50) & (frequency < hertz - 50)]).max() < 0.2
        assert change[frequency > hertz + 600].max() < -50


def test_every_listener_has_an_order_that_the_seed_decides(
    benchmark: Path, made: Path, tmp_path: Path
) -> None:
    orders = [[page["id"] for page in pages(config)] for config in configurations(made)]
    assert len(orders) == 6
    assert all(sorted(order) == ["a", "b"] for order in orders)
    assert {tuple(order) for order in orders} == {("a", "b"), ("b", "a")}
    again = tmp_path / "test"
    configuration.make(again, trials.find(benchmark, None, 10, seed=3), n_listeners=6, seed=3)
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*.*") if path.is_file()} == {
        path.relative_to(made): path.read_bytes() for path in made.rglob("*.*") if path.is_file()
    }


def test_pages_are_those_of_a_mushra_test(made: Path) -> None:
    for config in configurations(made):
        assert [page["type"] for page in config["pages"]] == [
            "generic",
            "volume",
            "mushra",
            "mushra",
            "finish",
        ]
        for page in pages(config):
            assert page["randomize"]
            assert not page["showConditionNames"]
            assert set(page["stimuli"]) == {*METHODS, "anchor35", "anchor70"}
            assert "reference" not in page["stimuli"]  # webMUSHRA adds it, hidden
            for path in (*page["stimuli"].values(), page["reference"]):
                assert path.startswith("configs/test/sounds/")
                assert (made.parent / path.removeprefix("configs/")).is_file()
    assert len({config["testId"] for config in configurations(made)}) == 6


def test_configurations_are_yaml_that_the_parser_of_webmushra_takes(made: Path) -> None:
    """yaml.js, in all its versions, takes no braces or brackets that go over several lines."""
    for path in made.glob("*.yaml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.fullmatch(r'(?:  )*(?:- )?"[^"\\]+":(?: (.+))?', line)
            assert found, line
            assert found[1] is None or not isinstance(json.loads(found[1]), dict | list), line
        listener = yaml.safe_load(path.read_text(encoding="utf-8"))["testId"].removeprefix("test-")
        assert listener == path.stem


@pytest.mark.parametrize("place", ["test", "pair", "method"])
@pytest.mark.parametrize(("name", "message"), [("rock & roll", "has & in it"), ("50%", "has % in it")])
def test_names_that_webmushra_cannot_take_are_refused(
    place: str, name: str, message: str, tmp_path: Path
) -> None:
    names = {"test": "test", "pair": "pair", "method": "method"} | {place: name}
    (tmp_path / "in" / names["pair"]).mkdir(parents=True)
    for sound in ("target", names["method"]):
        soundfile.write(tmp_path / "in" / names["pair"] / f"{sound}.wav", noise(0), RATE)
    found = trials.find(tmp_path / "in", None, 10, seed=0)
    with pytest.raises(InputError, match=message):
        configuration.make(tmp_path / names["test"], found, n_listeners=1, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("name", ["reference", "anchor35", "anchor70"])
def test_a_method_cannot_take_the_place_of_the_reference_or_an_anchor(name: str, tmp_path: Path) -> None:
    (tmp_path / "in" / "pair").mkdir(parents=True)
    for sound in ("target", name):
        soundfile.write(tmp_path / "in" / "pair" / f"{sound}.wav", noise(0), RATE)
    with pytest.raises(InputError, match=f"{name} is a name that the test gives itself"):
        configuration.make(
            tmp_path / "out", trials.find(tmp_path / "in", None, 10, seed=0), n_listeners=1, seed=0
        )


@pytest.mark.parametrize(
    ("names", "message"),
    [(["nothing"], "there is no nothing"), ([f"m{n}" for n in range(10)], "has 10 methods: expected 9")],
)
def test_methods_that_cannot_be_are_named(names: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "pair").mkdir()
    for name in ("target", *(f"m{n}" for n in range(10))):
        soundfile.write(tmp_path / "pair" / f"{name}.wav", noise(0), RATE)
    with pytest.raises(InputError, match=message):
        trials.find(tmp_path, names, 10, seed=0)


def test_a_silent_sound_and_a_folder_in_use_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "pair").mkdir(parents=True)
    soundfile.write(tmp_path / "in/pair/target.wav", noise(0), RATE)
    soundfile.write(tmp_path / "in/pair/retimbre.wav", 0 * noise(0), RATE)
    found = trials.find(tmp_path / "in", None, 10, seed=0)
    with pytest.raises(InputError, match=r"retimbre\.wav is silent"):
        configuration.make(tmp_path / "out", found, n_listeners=1, seed=0)
    with pytest.raises(InputError, match="not empty"):
        configuration.make(tmp_path / "in", found, n_listeners=1, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


# --- ratings ---

MISSED = 80.0


def rated(
    path: Path, scores: Mapping[str, Mapping[str, float]], listener: str = "one", test: str = "test"
) -> Path:
    """Write the ratings of a listener as webMUSHRA's service does: scores by trial and name."""
    head = ["session_test_id", "listener", "session_uuid", "trial_id", "rating_stimulus", "rating_score"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "rating_time", "rating_comment"])
        for trial, by_name in scores.items():
            for name, score in by_name.items():
                row = [f"{test}-listener-01", listener, path.stem, trial, name, score, 1234, ""]
                writer.writerow(row)
    return path


def stored(path: Path, *sent: tuple[str, str, Mapping[Any, Mapping[Any, float]]]) -> Path:
    """Write what pymushra stores: of each listener a configuration, a word, and scores by trial and name."""
    database: dict[str, Any] = {}
    for identity, word, scores in sent:
        records = database.setdefault(identity, {})
        for trial, by_name in scores.items():
            responses = [
                {"stimulus": name, "score": score, "comment": None, "time": 2652}
                for name, score in by_name.items()
            ]
            records[str(len(records) + 1)] = {
                "id": trial,
                "type": "mushra",
                "responses": responses,
                "config": f"configs/test/{identity}.yaml",
                "testId": identity,
                "date": "2026-11-27 03:31:42.487841",
                "questionaire": {"listener": word, "uuid": f"{identity}-{len(records)}"},
            }
    path.write_text(json.dumps(database), encoding="utf-8")
    return path


TRIALS = {trial: ["retimbre", "other", "reference"] for trial in ("a", "b")}
TEST = Description("test", TRIALS)


def scores(retimbre: float, other: float, reference: float = 100.0) -> dict[str, dict[str, float]]:
    """Give ratings that differ between the trials by 10, around these."""
    return {
        trial: {"retimbre": retimbre + by, "other": other + by, "reference": reference}
        for trial, by in (("a", -5), ("b", 5))
    }


def test_intervals_are_students_over_listeners(tmp_path: Path) -> None:
    ours, others = [71.0, 64.0, 80.0, 75.0], [40.0, 44.0, 35.0, 41.0]
    files = [
        rated(tmp_path / f"{n}.csv", scores(a, b), f"listener {n}")
        for n, (a, b) in enumerate(zip(ours, others, strict=True))
    ]
    found = {row.condition: row for row in ratings.table(ratings.read(files, TEST))}
    assert list(found) == ["reference", "retimbre", "other"]
    for name, values in (("retimbre", ours), ("other", others)):
        low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
        row = found[name]
        assert row.n == 4
        assert row.half is not None
        assert (row.mean - row.half, row.mean + row.half) == pytest.approx((low, high), rel=1e-6)
    assert found["reference"].half == 0


@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 200])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_students_quantiles_are_scipys(freedom: int, confidence: float) -> None:
    expected = scipy.stats.t.ppf(0.5 + confidence / 2, freedom)
    assert ratings.student(freedom, confidence) == pytest.approx(expected, rel=1e-6)


def test_one_listener_has_no_interval(tmp_path: Path) -> None:
    rows = ratings.table(ratings.read([rated(tmp_path / "1.csv", scores(70, 40))], TEST))
    assert [row.half for row in rows] == [None] * 3


def test_a_listener_who_misses_the_reference_is_left_out(run: Run, made: Path, tmp_path: Path) -> None:
    names = (*METHODS, "anchor35", "anchor70")

    def of(by: float, reference: float) -> dict[str, dict[str, float]]:
        return {t: {n: 10.0 * p + by for p, n in enumerate(names)} | {"reference": reference} for t in "ab"}

    rated(tmp_path / "1.csv", of(0, 100), "good")
    rated(tmp_path / "2.csv", of(10, 95), "fair")
    rated(tmp_path / "3.csv", of(40, MISSED), "deaf")
    done = run("listening-test", "read", made, tmp_path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out: " in done.stderr
    assert "deaf" in done.stderr
    found = json.loads(done.stdout)
    assert found["listeners"] == 2
    assert list(found["left_out"].values()) == [1.0]
    means = {row["condition"]: row["mean"] for row in found["conditions"]}
    assert means == {n: 10.0 * p + 5 for p, n in enumerate(names)} | {"reference": 97.5}

    done = run("listening-test", "read", made, tmp_path, "--everybody", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("reference ")
    assert len(done.stdout.splitlines()) == 1 + 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("a", "retimbre", "101"), "rating 101"),
        (("a", "retimbre", "well"), "rating well"),
        (("a", "nobody", "50"), "rates nobody of a"),
        (("z", "retimbre", "50"), "rates retimbre of z"),
        (("b", "retimbre", "50"), "second rating of retimbre of b"),
    ],
)
def test_ratings_that_the_test_cannot_have_given_are_refused(
    change: tuple[str, str, str], message: str, tmp_path: Path
) -> None:
    path = rated(tmp_path / "1.csv", {"b": scores(70, 40)["b"]})
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["test-listener-01", "one", "1", *change, 1, ""])
    with pytest.raises(InputError, match=message):
        ratings.read([path], TEST)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for number, text in enumerate(("{", "[]", '{"test-listener-01": {"1": {"id": "a"}}}')):
        (tmp_path / f"{number}.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=f"{number}.json cannot be read"):
            ratings.read([tmp_path / f"{number}.json"], TEST)
    with pytest.raises(InputError, match=r"no\.csv, row 2 has no session_test_id"):
        ratings.read([tmp_path / "no.csv"], TEST)
    with pytest.raises(InputError, match="no ratings"):
        ratings.read([], TEST)
    with pytest.raises(InputError, match="no folder of a test"):
        configuration.described(tmp_path)


def test_the_database_of_pymushra_is_read_as_the_tables_are(run: Run, made: Path, tmp_path: Path) -> None:
    names = (*METHODS, "anchor35", "anchor70", "reference")
    given = [
        {trial: {name: 10 * n + by for n, name in enumerate(names, start=5)} for trial in ("a", "b")}
        for by in (0, -4)
    ]
    stored(
        tmp_path / "webmushra.json",
        ("test-listener-01", "anna", given[0]),
        ("another", "anna", {"nothing": {"of this": 50}}),
        ("test-listener-02", "anna", given[1]),
    )
    for place, scores in enumerate(given):
        (tmp_path / "results" / str(place)).mkdir(parents=True)
        rated(tmp_path / "results" / str(place) / "mushra.csv", scores, f"listener {place}")
    found = [
        run("listening-test", "read", made, tmp_path / results, "--json", cwd=tmp_path)
        for results in ("webmushra.json", "results")
    ]
    assert [done.returncode for done in found] == [0, 0], found[0].stderr + found[1].stderr
    tables = [json.loads(done.stdout) for done in found]
    assert tables[0]["listeners"] == 2
    assert {row["condition"]: row["mean"] for row in tables[0]["conditions"]} == {
        name: 10 * n - 2 for n, name in enumerate(names, start=5)
    }
    assert tables[0] == tables[1]


def test_names_that_read_as_numbers_are_found_in_the_database_of_pymushra(tmp_path: Path) -> None:
    test = Description("test", {"01": ["1e3", "true", "reference"], "2": ["nan", "reference"]})
    scores = {1: {1000.0: 20, True: 30, "reference": 100}, 2: {float("nan"): 40, "reference": 100}}
    path = stored(tmp_path / "webmushra.json", ("test-listener-01", "anna", scores))
    (found,) = ratings.read([path], test).values()
    assert found == {
        ("01", "1e3"): 20,
        ("01", "true"): 30,
        ("01", "reference"): 100,
        ("2", "nan"): 40,
        ("2", "reference"): 100,
    }


def test_a_listener_who_sends_twice_is_no_second_listener(tmp_path: Path) -> None:
    files = [rated(tmp_path / f"{session}.csv", scores(70, 40), "anna") for session in range(2)]
    with pytest.raises(InputError, match="second rating of retimbre of a by test-listener-01, anna"):
        ratings.read(files, TEST)
    sent = ("test-listener-01", "anna", scores(70, 40))
    with pytest.raises(InputError, match="second rating of retimbre of a by test-listener-01, anna"):
        ratings.read([stored(tmp_path / "webmushra.json", sent, sent)], TEST)


def test_tables_of_other_tests_are_passed_over(tmp_path: Path) -> None:
    ours = rated(tmp_path / "1.csv", scores(70, 40))
    theirs = rated(tmp_path / "2.csv", {"z": {"bad": 1}}, test="tests")
    (tmp_path / "3.csv").write_text("session_test_id,trial_id,choice_answer\ntests,z,yes\n", encoding="utf-8")
    assert len(ratings.read([ours, theirs, tmp_path / "3.csv"], TEST)) == 1
    with pytest.raises(InputError, match="no ratings of test"):
        ratings.read([theirs], TEST)


def test_who_moved_no_slider_is_named(run: Run, made: Path, tmp_path: Path) -> None:
    names = (*METHODS, "anchor35", "anchor70", "reference")
    pages = {"a": {name: 10.0 * n + 50 for n, name in enumerate(names)}, "b": dict.fromkeys(names, 100.0)}
    rated(tmp_path / "1.csv", pages, "hasty")
    done = run("listening-test", "read", made, tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "retimbre: test-listener-01, hasty left every sound of b at 100, where the sliders start"
    ]


def test_the_command_makes_a_test(run: Run, benchmark: Path, tmp_path: Path) -> None:
    made = tmp_path / "test"
    done = run("listening-test", "make", benchmark, "-o", made, "--listeners", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(made)
    assert sorted(path.name for path in made.iterdir()) == [
        "listener-01.yaml",
        "listener-02.yaml",
        "sounds",
        "test.json",
    ]
    done = run("listening-test", "make", benchmark, "-o", made, cwd=tmp_path)
    assert done.returncode == 2
    assert "not empty" in done.stderr

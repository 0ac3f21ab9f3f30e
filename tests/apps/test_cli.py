"""The command line through its real entry point: processes, files, signals and a terminal."""

import dataclasses
import functools
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

import retimbre
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write
from retimbre.sound.loudness import loudness

Samples = npt.NDArray[np.float32]
Sweeps = Callable[..., Samples]

COMMAND = (sys.executable, "-W", "error", "-m", "retimbre")
# One thread each: with more of them than free cores, small operations wait for each other.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80"}
QUICK_SETTINGS = Settings(
    network="shallow", filters=16, n_iter=2, n_iter_phase=4, n_iter_waveform=2, device="cpu"
)
QUICK = tuple(
    word
    for field in dataclasses.fields(Settings)
    if (value := getattr(QUICK_SETTINGS, field.name)) != field.default
    for word in (f"--{field.name.replace('_', '-')}", str(value))
)
ENDLESS = (*QUICK, "--filters", "256", "--n-iter", "100000", "--tolerance", "0")


def run(
    *arguments: str | Path, cwd: Path, command: Sequence[str] = COMMAND, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Give the message of a run that was refused: exit code 2 and one line on stderr."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"retimbre: error: \S[^\n]*\n", done.stderr), done.stderr
    return done.stderr.removeprefix("retimbre: error: ").rstrip("\n")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, sweeps: Sweeps) -> Path:
    """Make the folder of good clips, which no test changes."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)

    def notes(seconds: float, sample_rate: int, channels: int) -> Samples:
        """Plucked sounds: ups and downs that a limiter and a loudness meter can tell from noise."""
        decay = np.exp(-6 * (np.arange(round(seconds * sample_rate)) / sample_rate % 0.2) / 0.2)
        return (sweeps(seconds, sample_rate, channels) * decay).astype(np.float32)

    def noise(seconds: float, sample_rate: int, channels: int) -> Samples:
        return 0.1 * rng.standard_normal((channels, round(seconds * sample_rate)), dtype=np.float32)

    write(folder / "mono.wav", Audio(notes(0.6001, 22_050, 1), 22_050))
    write(folder / "stereo.wav", Audio(notes(0.4001, 48_000, 2), 48_000))
    panned = notes(0.4, 48_000, 2)
    panned[1] = 0
    write(folder / "panned.wav", Audio(panned, 48_000))
    write(folder / "style.flac", Audio(noise(0.5, 44_100, 2), 44_100))
    write(folder / "style.wav", Audio(noise(0.5, 16_000, 1), 16_000))
    return folder


# --- help ---


def script() -> list[str]:
    return [str(Path(sys.executable).with_name("retimbre"))]


def test_the_script_tells_its_version(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path, command=script())
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == f"retimbre {retimbre.__version__}"
    assert second.startswith(f"torch {torch.__version__}, threads {torch.get_num_threads()}, Python 3.")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_script_tells_its_commands(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path, command=script())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +transfer +\S", done.stdout, re.MULTILINE)
    assert re.search(r"^ +demo +\S", done.stdout, re.MULTILINE)


def test_every_setting_is_a_flag_with_its_default(tmp_path: Path) -> None:
    done = run("transfer", "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    for field in dataclasses.fields(Settings):
        flag = field.name.replace("_", "-")
        value = "" if isinstance(field.default, bool) else r" <\w+>"
        (entry,) = re.findall(rf" --{flag}{value} (.+?)(?= --\w|$)", shown)
        assert field.metadata["help"] in entry
        assert field.metadata["unit"] in entry
        default = f"{field.default:g}" if isinstance(field.default, float) else field.default
        told = field.default is not None and field.default is not False
        assert (f"default {default}]" in entry) == told
        assert "inf" not in entry


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--help"), ("transfer", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "retimbre")
    done = run(*arguments, cwd=tmp_path, command=command)
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "retimbre.apps.cli" in imported  # so that an empty report does not pass
    assert not imported & {"torch", "numpy", "soundfile", "soxr", "scipy", "av", "matplotlib", "librosa"}


# --- refusals: exit code 2, one line, nothing written ---


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def big_tag(path: Path) -> None:
    """Put a tag with a picture before an MP3."""
    size = 50_000
    tag = b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)
    path.write_bytes(tag + path.read_bytes())


def spoil(folder: Path, kind: str) -> Path:
    """Make a clip that cannot be used."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 22_050), dtype=np.float32)
    if kind in {"a truncated MP3", "an MP3 cut near its end", "a truncated MP3 with a picture"}:
        path = folder / "bad.mp3"
        write(path, Audio(noise, 22_050))
        if kind.endswith("picture"):
            big_tag(path)
        cut(path, {"a truncated MP3": 0.5, "an MP3 cut near its end": 0.95}.get(kind, 0.9))
        return path
    if kind == "a truncated FLAC":
        path = folder / "bad.flac"
        write(path, Audio(noise, 22_050))
        cut(path, 0.5)
        return path
    path = folder / "bad.wav"
    if kind == "a folder":
        path.mkdir()
    elif kind == "an empty file":
        path.touch()
    elif kind == "a truncated WAV":
        write(path, Audio(noise, 22_050))
        cut(path, 0.5)
    elif kind == "not audio":
        path.write_text("This is a shopping list: eggs, milk, bread.\n" * 100)
    elif kind == "zero samples":
        soundfile.write(path, noise[0, :0], 22_050)
    elif kind in {"NaN", "infinity"}:
        noise[0, 1000] = float(kind)
        soundfile.write(path, noise.T, 22_050, subtype="FLOAT")
    elif kind == "silence":
        write(path, Audio(np.zeros((2, 22_050), dtype=np.float32), 22_050))
    elif kind == "a clip shorter than a window":
        write(path, Audio(noise[:, :2047], 22_050))
    else:
        assert kind == "a missing file"
    return path


READ_ERRORS = {
    "a missing file": "does not exist",
    "a folder": "holds no file of sound",
    "an empty file": "is empty",
    "a truncated WAV": "is truncated",
    "a truncated MP3": "is truncated",
    "an MP3 cut near its end": "is truncated",
    "a truncated MP3 with a picture": "is truncated",
    "a truncated FLAC": "is truncated",
    "not audio": "cannot be read as sound",
    "zero samples": "no samples",
    "NaN": "NaN or infinite samples",
    "infinity": "NaN or infinite samples",
}
USE_ERRORS = {"silence": "is silent", "a clip shorter than a window": "expected at least one window"}


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        *(("content", kind) for kind in READ_ERRORS),
        *(("style", kind) for kind in ("a missing file", "a truncated WAV", "NaN")),
        *(("content", kind) for kind in USE_ERRORS),
        ("style", "silence"),
    ],
)
def test_clips_that_cannot_be_used(role: str, kind: str, clips: Path, tmp_path: Path) -> None:
    bad = spoil(tmp_path, kind)
    pair = {"content": clips / "mono.wav", "style": clips / "style.wav"} | {role: bad}
    before = sorted(os.listdir(tmp_path))
    done = run("transfer", pair["content"], pair["style"], "-o", "out.wav", *QUICK, cwd=tmp_path)
    message = refusal(done)
    assert (READ_ERRORS | USE_ERRORS)[kind] in message
    assert (role if kind in USE_ERRORS else str(bad)) in message
    assert sorted(os.listdir(tmp_path)) == before


def test_m4a_without_the_package_that_reads_it(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "av.py").write_text("raise ModuleNotFoundError('No module named av', name='av')\n")
    (tmp_path / "clip.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(1000))
    arguments = ("transfer", "clip.m4a", clips / "style.wav", "-o", "out.wav")
    done = run(*arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path / "hidden"), PYTHONDONTWRITEBYTECODE="1")
    assert "pip install 'retimbre[av]'" in refusal(done)
    assert sorted(os.listdir(tmp_path)) == ["clip.m4a", "hidden"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strength", "-0.1"], "strength is -0.1: expected a number from 0 to 1"),
        (["--strength", "1.5"], "strength is 1.5: expected a number from 0 to 1"),
        (["--strength", "nan"], "strength is nan: expected"),
        (["--content-weight", "-1"], "content_weight is -1"),
        (["--content-weight", "inf"], "content_weight is inf"),
        (["--layers", "0"], "layers is 0: expected a whole number from 1 to 8"),
        (["--filters", "65537"], "filters is 65537"),
        (["--taps", "4"], "taps is 4: expected an odd number"),
        (["--n-fft", "31"], "n_fft is 31"),
        (["--n-fft", "1001"], "n_fft is 1001: expected an even number"),
        (["--hop-length", "2048"], "hop_length is 2048: expected at most half of n_fft, 1024"),
        (["--n-iter", "0"], "n_iter is 0"),
        (["--n-iter-phase", "-1"], "n_iter_phase is -1"),
        (["--seed", "-1"], "seed is -1"),
        (["--tolerance", "2"], "tolerance is 2"),
        (["--network", "deep"], "network is deep: expected one of "),
        (["--init", "silence"], "init is silence: expected one of content, noise, style"),
        (["--optimizer", "sgd"], "optimizer is sgd: expected one of lbfgs, adam"),
        (["--device", "abacus"], "device is abacus: expected one of auto, cpu, cuda"),
        (["--strength", "much"], "Invalid value for '--strength': much is none: expected a number"),
        (["--strength", "0,5"], "0,5 is none: expected a number, with a point: 0.5"),
        (
            ["--strength", "0.2", "--content-weight", "1"],
            "strength is 0.2 and content_weight is 1",
        ),
        (["--n-iter", "2.5"], "Invalid value for '--n-iter': '2.5' is none: expected a whole number"),
        (["--n-iter", ""], "Invalid value for '--n-iter': '' is none: expected a whole number"),
        (["--strenght", "1"], "--strenght"),
        (["--seed"], "--seed"),
        (["third.wav"], "3 clips are given and no --style"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, clips: Path, tmp_path: Path
) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    done = run("transfer", *pair, "-o", "out.wav", *arguments, cwd=tmp_path)
    assert message in refusal(done)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transfer"], "CONTENT"),
        (["transfer", "a.wav", "-o", "b.wav"], "style"),
        (["transpose"], "transpose"),
        (["--nothing"], "--nothing"),
    ],
)
def test_arguments_that_are_missing_or_unknown(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in refusal(run(*arguments, cwd=tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.txt", "'.txt': expected one of .wav, .flac, .ogg, .opus, .mp3"),
        ("out", "expected one of"),
        ("missing/out.wav", "missing is not a folder"),
        ("n" * 300 + ".wav", "long"),
    ],
)
def test_outputs_that_cannot_be_written(output: str, message: str, clips: Path, tmp_path: Path) -> None:
    done = run("transfer", clips / "mono.wav", clips / "style.wav", "-o", output, *QUICK, cwd=tmp_path)
    assert message in refusal(done)
    assert os.listdir(tmp_path) == []


def test_an_output_folder_without_permission(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    if os.geteuid() == 0:  # whom permissions do not bind
        folder = Path("/sys")
    output = folder / "out.wav"
    done = run("transfer", clips / "mono.wav", clips / "style.wav", "-o", output, cwd=tmp_path)
    assert f"{folder} cannot be written to" in refusal(done)
    assert not output.exists()


@pytest.mark.parametrize("same", ["content.wav", "style.wav", "../work/style.wav", "link.wav"])
def test_an_output_that_is_an_input(same: str, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    sources = {"content.wav": clips / "mono.wav", "style.wav": clips / "style.wav"}
    for name, source in sources.items():
        (folder / name).write_bytes(source.read_bytes())
    (folder / "link.wav").symlink_to("content.wav")
    done = run("transfer", "content.wav", "style.wav", "-o", same, cwd=folder)
    assert "is one of the inputs" in refusal(done)
    for name, source in sources.items():
        assert (folder / name).read_bytes() == source.read_bytes()
    assert sorted(os.listdir(folder)) == ["content.wav", "link.wav", "style.wav"]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        ("missing/trace", "missing is not a folder"),
        ("out.wav", "expected a file of its own"),
        ("folder", "is a folder"),
    ],
)
def test_traces_that_cannot_be_written(trace: str, message: str, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    pair = (clips / "mono.wav", clips / "style.wav")
    done = run("transfer", *pair, "-o", "out.wav", "--trace", trace, cwd=tmp_path)
    assert message in refusal(done)
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_trace_on_a_full_disk(clips: Path, tmp_path: Path) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    done = run("transfer", *pair, "-o", "out.wav", "--trace", "/dev/full", *QUICK, cwd=tmp_path)
    assert done.returncode == 0  # the run is worth more than its trace
    assert done.stderr.count("/dev/full") == done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["out.wav"]


# --- transfers ---


@dataclass(frozen=True)
class Transfer:
    """A run that went well."""

    content: Audio
    output: Path
    stdout: str
    stderr: str

    @property
    def audio(self) -> Audio:
        return read(self.output)

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        return parse(self.stdout)


def parse(line: str) -> dict[str, Any]:
    """Read one line of strict JSON, which knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert line.endswith("}\n")
    assert line.count("\n") == 1
    found: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return found


def transfer(content: Path, style: Path, output: Path, *options: str | Path) -> Transfer:
    done = run("transfer", content, style, "-o", output, *QUICK, *options, cwd=output.parent)
    assert done.returncode == 0, done.stderr
    return Transfer(read(content), output, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def mono(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Transfer:
    """Transfer a 44.1 kHz stereo style to a 22.05 kHz mono content, with a trace and JSON."""
    folder = tmp_path_factory.mktemp("mono")
    pair = (clips / "mono.wav", clips / "style.flac")
    return transfer(*pair, folder / "out.wav", "--json", "--trace", folder / "trace.jsonl")


def test_the_output_has_the_form_of_the_content(mono: Transfer) -> None:
    assert mono.content.sample_rate == 22_050
    assert mono.audio.sample_rate == 22_050
    assert mono.audio.samples.shape == mono.content.samples.shape
    assert sorted(os.listdir(mono.output.parent)) == ["out.wav", "trace.jsonl"]


def test_the_output_is_as_loud_as_the_content(mono: Transfer) -> None:
    wanted = loudness(mono.content)
    assert loudness(mono.audio) == pytest.approx(wanted, abs=0.5)
    assert np.abs(mono.audio.samples).max() < 10 ** (-1 / 20)


def test_the_output_is_changed_but_in_time_with_the_content(mono: Transfer) -> None:
    found, content = mono.audio.samples[0], mono.content.samples[0]
    assert np.corrcoef(found, content)[0, 1] > 0.5
    assert np.abs(found - content).max() > 1e-3


def test_several_styles_are_mixed(clips: Path, tmp_path: Path) -> None:
    """By weight, which is 1 where none is given; a colon that is no weight belongs to the name."""
    (tmp_path / "b:side.wav").write_bytes((clips / "mono.wav").read_bytes())
    styles = ("--style", f"{clips / 'style.flac'}:0.7", "--style", "b:side.wav")
    done = run("transfer", clips / "mono.wav", "-o", "out.wav", "--json", *styles, *QUICK, cwd=tmp_path)
    assert done.returncode == 0
    # The styles differ in kind, and that has a consequence: one line says so.
    assert re.fullmatch(
        r"retimbre: no style is aligned, as \S*style.flac \(0\.\d\d\) has no pitches .*\n", done.stderr
    )
    assert json.loads(done.stdout)["styles"] == {str(clips / "style.flac"): 0.7, "b:side.wav": 1.0}
    none = run("transfer", clips / "mono.wav", "-o", "no.wav", cwd=tmp_path)
    assert "no style is given" in refusal(none)


def test_json_says_what_happened(mono: Transfer, clips: Path) -> None:
    assert mono.stderr == ""
    summary = mono.summary
    assert set(summary) >= {
        "content",
        "styles",
        "output",
        "settings",
        "seed",
        "seconds",
        "stopped",
        "evaluations",
        "terms",
        "loss",
        "ignored",
        "choices",
        "content_weight",
        "spectral_convergence",
        "versions",
    }
    assert summary["content"] == str(clips / "mono.wav")
    assert summary["styles"] == {str(clips / "style.flac"): 1.0}
    assert 0 < summary["loss"] < 10 * summary["terms"]["loss"]
    assert summary["output"] == str(mono.output)
    assert Settings(**summary["settings"]) == QUICK_SETTINGS
    assert (summary["seed"], summary["stopped"]) == (0, "n_iter")
    assert summary["seconds"] > 0
    assert summary["content_weight"] > 0
    assert summary["spectral_convergence"] < 0
    assert summary["versions"]["retimbre"] == retimbre.__version__


def test_the_trace_has_every_evaluation(mono: Transfer) -> None:
    lines = (mono.output.parent / "trace.jsonl").read_text().splitlines(keepends=True)
    steps = [parse(line) for line in lines]
    assert len(steps) == mono.summary["evaluations"] > 2
    assert [step["evaluation"] for step in steps] == list(range(1, len(steps) + 1))
    weight = mono.summary["content_weight"]
    for step in steps:
        assert step["loss"] == pytest.approx(weight * step["content"] + step["style"], rel=1e-4)
    for earlier, later in itertools.pairwise(steps):
        assert later["seconds"] > earlier["seconds"]
        assert later["iteration"] >= earlier["iteration"] or later["stage"] != earlier["stage"]
    assert [stage for stage, _ in itertools.groupby(step["stage"] for step in steps)] == [
        "spectrogram",
        "waveform",
    ]
    best = best_of(steps)
    assert mono.summary["terms"] == {key: best[key] for key in ("loss", "content", "style")}
    assert best["loss"] < steps[0]["loss"]


def best_of(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Find the spectrogram that was asked for."""
    asked = (step for step in steps if step["stage"] == "spectrogram")
    return min(asked, key=lambda step: float(step["loss"]))


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_a_stereo_content_and_a_mono_style(suffix: str, clips: Path, tmp_path: Path) -> None:
    done = transfer(clips / "stereo.wav", clips / "style.wav", tmp_path / f"out{suffix}")
    assert done.audio.sample_rate == 48_000
    assert done.audio.samples.shape == done.content.samples.shape == (2, 19_205)
    wanted = loudness(done.content)
    assert loudness(done.audio) == pytest.approx(wanted, abs=0.5)
    # Each channel's sweep stays in its channel.
    correlation = np.corrcoef(done.audio.samples, done.content.samples)[:2, 2:]
    assert (np.diag(correlation) > 2 * np.abs(np.diag(correlation[::-1])) + 0.1).all()


def test_a_channel_without_sound_stays_so(clips: Path, tmp_path: Path) -> None:
    done = transfer(clips / "panned.wav", clips / "style.flac", tmp_path / "out.flac")
    assert done.audio.sample_rate == 48_000
    assert done.audio.samples.shape == done.content.samples.shape
    left, right = done.audio.samples
    assert np.abs(left).max() > 0.1
    assert np.abs(right).max() < 1e-6  # 120 dB below full scale: nobody hears what rounding left


def test_strength_zero_gives_back_the_content(clips: Path, tmp_path: Path) -> None:
    pair = (clips / "stereo.wav", clips / "style.wav")
    done = transfer(*pair, tmp_path / "out.wav", "--strength", "0", "--json")
    np.testing.assert_allclose(done.audio.samples, done.content.samples, rtol=0, atol=2**-23)
    assert (done.summary["stopped"], done.summary["evaluations"]) == ("untouched", 0)
    assert done.summary["terms"] is None
    assert done.summary["content_weight"] is None  # infinite, for which JSON has no word


def on_a_terminal(*arguments: str | Path, cwd: Path) -> str:
    """Run with stderr on a terminal of 80 columns; give what it showed, without the escape sequences."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
        assert process.wait(timeout=60) == 0, shown
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).strip()


def test_progress_shows_on_a_terminal(clips: Path, tmp_path: Path) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    shown = on_a_terminal("transfer", *pair, "-o", "out.wav", *QUICK, cwd=tmp_path)
    number = r"\d+\.\d+"
    assert re.search(rf"evaluation [1-9]\d* +loss {number} +content {number} +style {number}", shown)
    assert shown.splitlines()[-1].startswith("retimbre: out.wav: made in ")


def test_a_seed_says_every_byte_and_quiet_is_quiet_on_a_terminal(
    mono: Transfer, clips: Path, tmp_path: Path
) -> None:
    pair = (clips / "mono.wav", clips / "style.flac")
    options = ("-o", "same.wav", "--seed", "0", "--quiet")
    assert on_a_terminal("transfer", *pair, *QUICK, *options, cwd=tmp_path) == ""
    assert (tmp_path / "same.wav").read_bytes() == mono.output.read_bytes()
    other = transfer(*pair, tmp_path / "other.wav", "--seed", "1")
    assert other.output.read_bytes() != mono.output.read_bytes()
    assert (other.stdout, other.stderr) == ("", "")  # with no terminal, no news is good news


def test_what_was_chosen_is_explained(tmp_path: Path, clips: Path) -> None:
    time = np.arange(22_050) / 22_050
    for name, hertz in (("low", 220.0), ("high", 330.0)):
        partials = [np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 9)]
        write(tmp_path / f"{name}.wav", Audio(0.2 * np.sum(partials, axis=0).astype(np.float32), 22_050))
    command = ("transfer", tmp_path / "low.wav", "-o", "out.wav", "--explain", "--json", "--n-iter", "2")
    done = run(*command, "--style", tmp_path / "high.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    style, strength, network = done.stderr.splitlines()
    assert re.search(r"own notes are played at the content's: tonality is 0\.\d\d for the style", style)
    assert strength == "retimbre: strength 0.95, the default for a style whose notes are played"
    assert network.startswith("retimbre: network kernel, the default; start from")
    (choice,) = json.loads(done.stdout)["choices"]
    assert (choice["how"], choice["strength"]) == ("notes", 0.95)
    assert style.endswith(f"certainty of the content's notes is {choice['reliability']:.2f}")
    assert f"{choice['style_tonality'][0]:.2f} for the style and {choice['tonality']:.2f}" in style
    noise = run(*command, "--style", clips / "style.flac", "--strength", "0.3", cwd=tmp_path)
    assert "content and style stay as they are" in noise.stderr
    assert "strength 0.3, as the settings say" in noise.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--network", "vggish", "--random-weights", "--filters", "64"), "filters means nothing here"),
        (("--filters", "64", "--patches"), "patches, filters mean nothing here (network kernel)"),
    ],
)
def test_settings_that_mean_nothing_are_named_in_one_line(
    options: tuple[str, ...], line: str, clips: Path, tmp_path: Path
) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    done = run("transfer", *pair, "-o", "out.wav", "--json", "--n-iter", "1", *options, cwd=tmp_path)
    assert done.returncode == 0
    lines = [shown for shown in done.stderr.splitlines() if "random weights" not in shown]
    assert len(lines) == 1
    assert lines[0].startswith(f"retimbre: {line}")
    named = line.split(" mean", maxsplit=1)[0].split(", ")
    assert sorted(json.loads(done.stdout)["ignored"]) == sorted(named)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--match", "quantile"), "--match quantile is no longer there: write --align quantile"),
        (("--align", "off"), "align is off: expected none, its new name"),
        (("--align", "on"), "align is on: expected pitch, its new name"),
        (
            ("--align", "drums"),
            "align is drums: expected one of auto, none, equalised, notes, parts, pitch, quantile, strokes",
        ),
    ],
)
def test_former_flags_are_answered_with_the_new_ones(
    options: tuple[str, ...], message: str, clips: Path, tmp_path: Path
) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    assert message in refusal(run("transfer", *pair, "-o", "out.wav", *options, cwd=tmp_path))
    assert os.listdir(tmp_path) == []
    assert "--match" not in run("transfer", "--help", cwd=tmp_path).stdout


DIVERGE = """
from retimbre.losses.kernel import KernelTerms
from retimbre.losses.terms import Terms
real, calls = KernelTerms.__call__, 0
def terms(self, spectrogram):
    global calls
    calls += spectrogram.requires_grad
    content, style = real(self, spectrogram)
    return Terms(content, style * float("nan") if calls == 4 else style)
KernelTerms.__call__ = terms
from retimbre.__main__ import main
main()
"""


def test_a_run_that_diverges_keeps_the_best_before_it_and_fails(clips: Path, tmp_path: Path) -> None:
    pair = (clips / "mono.wav", clips / "style.wav")
    command = (sys.executable, "-W", "error", "-c", DIVERGE)
    done = run("transfer", *pair, "-o", "out.wav", "--json", cwd=tmp_path, command=command)
    assert done.returncode == 2
    assert re.fullmatch(
        r"retimbre: error: the loss stopped being a number: out.wav is as it was; the best result so far "
        r"\(evaluation \d\) is in out.wav.retimbre-part\n",
        done.stderr,
    )
    assert parse(done.stdout)["stopped"] == "diverged"
    assert not (tmp_path / "out.wav").exists()
    partial = read(tmp_path / "out.wav.retimbre-part")
    assert partial.n_samples == read(clips / "mono.wav").n_samples


# --- interrupts ---


@dataclass
class Endless:
    """A run that does not end by itself in the time of a test."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def trace(self) -> list[str]:
        path = self.folder / "trace.jsonl"
        text = path.read_text() if path.exists() else ""
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait_for_line(self, words: str) -> None:
        """Read stderr up to the line that holds the words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return
        raise AssertionError(f"no line with {words!r}")

    def end(self) -> tuple[str, str]:
        """Wait for the end; give stdout and stderr."""
        try:
            return self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def endless(clips: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Start a run, with the options that the test's parameter adds."""
    pair = (str(clips / "mono.wav"), str(clips / "style.wav"))
    options = (*ENDLESS, "--json", "--trace", "trace.jsonl", *getattr(request, "param", ()))
    process = subprocess.Popen(
        [*COMMAND, "transfer", *pair, "-o", "out.wav", *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Endless(process, tmp_path)
        if process.poll() is None:
            process.kill()


def test_an_interrupt_keeps_the_best_so_far(endless: Endless, clips: Path, tmp_path: Path) -> None:
    endless.wait_for(lambda: len(endless.trace) >= 2)
    endless.process.send_signal(signal.SIGINT)
    stdout, stderr = endless.end()
    assert endless.process.returncode == 130
    content = read(clips / "mono.wav")
    clip = read(tmp_path / "out.wav")
    assert clip.samples.shape == content.samples.shape
    wanted = loudness(content)
    assert loudness(clip) == pytest.approx(wanted, abs=0.5)
    assert sorted(os.listdir(tmp_path)) == ["out.wav", "trace.jsonl"]

    steps = [parse(line) for line in endless.trace]
    best = best_of(steps)
    said = f"interrupted: wrote the best result so far (evaluation {best['evaluation']}) to out.wav"
    assert said in stderr
    summary = parse(stdout)
    assert (summary["stopped"], summary["evaluations"]) == ("interrupted", len(steps))


@pytest.mark.parametrize("endless", [("--n-iter-phase", "100000")], indirect=True)
def test_a_second_interrupt_right_after_the_first_stops_at_once(endless: Endless, tmp_path: Path) -> None:
    endless.wait_for(lambda: len(endless.trace) >= 2)
    endless.process.send_signal(signal.SIGINT)
    endless.wait_for_line("again to stop at once")
    endless.process.send_signal(signal.SIGINT)
    stdout, stderr = endless.end()
    assert endless.process.returncode == 130
    assert stdout == ""
    assert stderr == "retimbre: interrupted: nothing was written\n"
    assert os.listdir(tmp_path) == ["trace.jsonl"]


@pytest.mark.parametrize("endless", [("--n-iter", "1", "--n-iter-phase", "100000")], indirect=True)
def test_a_second_interrupt_in_the_search_for_the_phase_stops_at_once(
    endless: Endless, tmp_path: Path
) -> None:
    endless.wait_for(lambda: len(endless.trace) >= 2)
    endless.process.send_signal(signal.SIGINT)
    endless.wait_for_line("again to stop at once")
    endless.process.send_signal(signal.SIGINT)
    stdout, stderr = endless.end()
    assert endless.process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1] == "retimbre: interrupted: nothing was written"
    assert os.listdir(tmp_path) == ["trace.jsonl"]

"""Faults: damaged files of every format that is read, and what becomes of each.

``make faults``, or ``python -m benchmarks.faults [--files N] [--keep DIR]``. Files are made from fixed seeds,
damaged in twelve ways and read by a child process with limits of time and memory; PyAV's decoder says how
long each is. Then a hundred transfers are killed at random moments. The table is printed, and the exit code
is 1 where anything is in a column that must be empty.
"""

import argparse
import contextlib
import importlib
import itertools
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SECONDS_AT_MOST, BYTES_AT_MOST = 10.0, 1 << 30
N_FILES, N_KILLS = 2880, 100
RATE = 22_050
COLUMNS = ("read whole", "refused", "traceback", "hang", "shorter than PyAV", "over 1 GB")
BAD = COLUMNS[2:]
FRAME = 4608
"""Samples by which decoders may disagree: the longest codec frame (FLAC's, with libsndfile's encoder)."""


# --- sound files ---


def whole_files(folder: Path) -> dict[str, bytes]:
    """Make a file of each format: two seconds of noise that changes, mono or stereo."""
    av: Any = importlib.import_module("av")

    rng = np.random.default_rng(0)
    swell = 0.05 + 0.3 * np.sin(np.linspace(0, 9, 2 * RATE)) ** 2
    samples = (rng.standard_normal((2, 2 * RATE)) * 0.3 * swell).astype(np.float32)
    made = {}
    for name, suffix, container, subtype, channels in (
        ("wav16", "wav", "WAV", "PCM_16", 2),
        ("wav24", "wav", "WAV", "PCM_24", 1),
        ("wavfloat", "wav", "WAV", "FLOAT", 1),
        ("wavex", "wav", "WAVEX", "PCM_16", 2),
        ("rf64", "wav", "RF64", "PCM_16", 1),
        ("adpcm", "wav", "WAV", "MS_ADPCM", 1),
        ("gsm", "wav", "WAV", "GSM610", 1),
        ("aiff", "aiff", "AIFF", "PCM_16", 2),
        ("au", "au", "AU", "PCM_16", 2),
        ("caf", "caf", "CAF", "PCM_16", 2),
        ("alac", "caf", "CAF", "ALAC_16", 1),
        ("w64", "w64", "W64", "PCM_16", 2),
        ("voc", "voc", "VOC", "PCM_16", 1),
        ("nist", "nist", "NIST", "PCM_16", 2),
        ("flac", "flac", "FLAC", "PCM_16", 2),
        ("ogg", "ogg", "OGG", "VORBIS", 2),
        ("opus", "opus", "OGG", "OPUS", 1),
        ("mp3", "mp3", "MP3", "MPEG_LAYER_III", 2),
    ):
        path, rate = folder / f"whole.{suffix}", 24_000 if name == "opus" else RATE
        soundfile.write(path, samples[:channels].T, rate, format=container, subtype=subtype)
        made[f"{name}.{suffix}"] = path.read_bytes()
    for name, codec, suffix, container, options in (
        ("mp3vbr", "libmp3lame", "mp3", "mp3", {"write_xing": "0"}),
        ("mp3inwav", "libmp3lame", "wav", "wav", {}),
        ("flacff", "flac", "flac", "flac", {}),
        ("m4a", "aac", "m4a", "mp4", {}),
        ("webm", "libopus", "webm", "webm", {}),
        ("aac", "aac", "aac", "adts", {}),
    ):
        path = folder / f"whole.{suffix}"
        rate = 48_000 if codec == "libopus" else RATE
        with av.open(str(path), "w", format=container, options=options) as output:
            stream = output.add_stream(codec, rate=rate, layout="mono")
            if name == "mp3vbr":
                stream.codec_context.global_quality, stream.codec_context.flags = 236, 2
            form = stream.codec_context.codec.audio_formats[0].name
            size = stream.codec_context.frame_size or 1024
            cut = av.AudioResampler(format=form, layout="mono", rate=rate, frame_size=size)
            frame = av.AudioFrame.from_ndarray(samples[:1], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            for part in [*cut.resample(frame), *cut.resample(None), None]:
                output.mux(stream.encode(part))
        made[f"{name}.{suffix}"] = path.read_bytes()
    return made


# --- damage ---

Damage = Callable[[bytearray, random.Random, list[bytes]], None]


def flip(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Flip up to twenty bits."""
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_header(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Flip bits among the first bytes."""
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(min(120, len(data)))] ^= 1 << rng.randrange(8)


def cut_end(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Cut the end off."""
    del data[rng.randrange(len(data)) :]


def cut_start(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Cut the start off."""
    del data[: rng.randrange(len(data))]


def cut_middle(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Cut a part out."""
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 5000)]


def zero(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Set a block to zero."""
    at = rng.randrange(len(data))
    size = len(data[at : at + rng.randint(1, 8192)])
    data[at : at + size] = bytes(size)


def double(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Double a block."""
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randint(1, 8192)]


def lengths(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Write a wrong number of four bytes among the first, as a length is."""
    at = rng.randrange(min(64, len(data) - 4))
    number = rng.choice([0, 1, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x8000_0000, rng.getrandbits(32)])
    data[at : at + 4] = number.to_bytes(4, rng.choice(["little", "big"]))


def join(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Append the same file, or another one."""
    data += rng.choice([bytes(data), rng.choice(others)])


def append(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Append bytes of chance, or a tag."""
    data += rng.choice([rng.randbytes(rng.randint(1, 9000)), b"TAG" + bytes(125), bytes(5000)])


def swap(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Put the content of another format under the name."""
    data[:] = rng.choice(others)


def move(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Move a chunk to another place."""
    at = rng.randrange(len(data))
    piece = data[at : at + rng.randint(4, 4096)]
    del data[at : at + len(piece)]
    to = rng.randrange(len(data) + 1)
    data[to:to] = piece


DAMAGES: list[Damage] = [
    *(flip, flip_header, cut_end, cut_start, cut_middle, zero),
    *(double, lengths, join, append, swap, move),
]


def mutants(whole: dict[str, bytes], n_files: int) -> Iterator[tuple[str, str, bytes]]:
    """Give names, kinds of damage and bytes, from fixed seeds; the formats and damages in turn."""
    others = list(whole.values())
    for number, (damage, name) in zip(
        range(n_files), itertools.cycle(itertools.product(DAMAGES, whole)), strict=False
    ):
        data = bytearray(whole[name])
        damage(data, random.Random(number), others)
        stem, _, suffix = name.partition(".")
        yield f"{number:05d}-{stem}-{damage.__name__}.{suffix}", damage.__name__, bytes(data)


# --- reading ---


def av_length(path: Path, sample_rate: int) -> float:
    """Count the samples that FFmpeg's decoder finds, as far as it comes, at a rate in Hz."""
    import av

    n_samples = 0.0
    with contextlib.suppress(Exception), av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            # Opus has other rates for its decoder; a rate that is damaged makes no sound longer.
            n_samples += frame.samples * min(1.0, sample_rate / frame.sample_rate)
    return n_samples


def read_all(connection: Any) -> None:
    """Read the files whose names come through a pipe; answer each with its outcome."""
    resource.setrlimit(resource.RLIMIT_DATA, (4 * BYTES_AT_MOST, 4 * BYTES_AT_MOST))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    from retimbre.errors import RetimbreError
    from retimbre.sound.files import Recording

    while (path := connection.recv()) is not None:
        try:
            found = Recording(path)
            outcome: tuple[str, Any] = ("read", (found.n_samples, found.sample_rate))
        except RetimbreError as error:
            message = str(error)
            fine = "\n" not in message and len(message) < 300 + len(str(path))
            outcome = ("refused" if fine else "traceback", message)
        except BaseException as error:
            outcome = ("traceback", repr(error))
        connection.send(outcome)


class Reader:
    """A child process that reads files, and is started anew where it hangs or dies."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=read_all, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, path: Path) -> tuple[str, Any]:
        """Read a file; give the column that it belongs to, and what was found."""
        self._ours.send(path)
        try:
            if not self._ours.poll(SECONDS_AT_MOST):
                peak = self._peak()
                self.stop()
                self._start()
                return "hang", f"{peak / 1e6:.0f} MB"
            outcome, found = self._ours.recv()
            peak = self._peak()
        except EOFError:
            self.stop()
            self._start()
            return "traceback", "the process died"
        if peak > BYTES_AT_MOST:
            self.stop()
            self._start()
            return "over 1 GB", peak
        return outcome, found

    def _peak(self) -> int:
        """Read the most memory that the child had, in bytes; getrusage counts what it was forked from."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def stop(self) -> None:
        """End the child process."""
        self._process.kill()
        self._process.join()


def judged(reader: Reader, path: Path) -> tuple[str, Any]:
    """Read a file with retimbre and with PyAV; give its column and a remark."""
    outcome, found = reader.read(path)
    if outcome != "read":
        return outcome, found
    n_samples, sample_rate = found
    there = av_length(path, sample_rate)
    if n_samples + FRAME < there:
        return "shorter than PyAV", f"{n_samples} of {there:.0f}"
    return "read whole", n_samples


def fault_table(folder: Path, n_files: int, keep: Path | None) -> tuple[dict[str, Counter[str]], list[str]]:
    """Read all mutants; give counts by damage and column, and what is bad."""
    whole = whole_files(folder)
    reader = Reader()
    counts: dict[str, Counter[str]] = {damage.__name__: Counter() for damage in DAMAGES}
    bad = []
    try:
        for name, data in whole.items():
            path = folder / f"undamaged-{name}"
            path.write_bytes(data)
            outcome, remark = judged(reader, path)
            if outcome != "read whole":
                bad.append(f"{path.name}: {outcome}: {remark}")
        for name, damage, data in mutants(whole, n_files):
            path = folder / name
            path.write_bytes(data)
            outcome, remark = judged(reader, path)
            counts[damage][outcome] += 1
            if outcome in BAD:
                bad.append(f"{name}: {outcome}: {remark}")
                if keep is not None:
                    shutil.copy(path, keep / name)
            path.unlink()
    finally:
        reader.stop()
    return counts, bad


# --- files that announce too much ---


def giants(folder: Path) -> Iterator[tuple[str, Path]]:
    """Make files that announce 2^36 samples and more, and 100 GB of nothing."""
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32) * 0.1
    for container, suffix, place in (("FLAC", "flac", (21, 5)), ("AU", "au", (8, 4)), ("W64", "w64", None)):
        path = folder / f"giant.{suffix}"
        soundfile.write(path, samples, RATE, format=container, subtype="PCM_16")
        data = bytearray(path.read_bytes())
        if place is None:
            at = data.index(b"data") + 16
            data[at : at + 8] = (1 << 41).to_bytes(8, "little")
        elif container == "FLAC":
            data[21] |= 0x0F
            data[22:26] = b"\xff" * 4
        else:
            data[place[0] : place[0] + place[1]] = b"\x7f" + b"\xff" * (place[1] - 1)
        path.write_bytes(data)
        yield f"{container} of 2^31 samples or more", path
    path = folder / "sparse.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    with path.open("r+b") as file:
        file.truncate(100 << 30)
    yield "100 GB of sparse zeros behind a WAV", path
    path = folder / "sparse.mp3"
    path.touch()
    os.truncate(path, 100 << 30)
    yield "100 GB of sparse zeros", path
    path = folder / "sparse-rf64.wav"
    soundfile.write(path, samples, RATE, format="RF64", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"ds64") + 8
    data[at : at + 24] = b"".join(n.to_bytes(8, "little") for n in (100 << 30, (100 << 30) - 200, 50 << 30))
    path.write_bytes(data)
    os.truncate(path, 100 << 30)
    yield "100 GB of sparse zeros in RF64", path


# --- kills ---


def _is_whole(found: bytes | None, expected: bytes) -> bool:
    """Tell whether a WAV of 16 bits is the expected one but for rounding.

    With two threads one run of some forty, on a busy machine, has samples that are 1 of 32768 off.
    """
    if found is None or len(found) != len(expected) or found[:44] != expected[:44]:
        return False
    samples, others = (np.frombuffer(each[44:], "<i2").astype(int) for each in (found, expected))
    return int(np.abs(samples - others).max()) <= 1


def kills(folder: Path, n_kills: int) -> Counter[str]:
    """Kill transfers at random moments; count what the output is: absent, the old one, or whole."""
    rng = random.Random(0)
    for name, seed in (("a.wav", 0), ("s.wav", 1)):
        noise = 0.1 * np.random.default_rng(seed).standard_normal((RATE, 2))
        soundfile.write(folder / name, noise, RATE)
    found: Counter[str] = Counter()
    options = ["--n-iter", "3", "--n-iter-waveform", "1", "--align", "none"]
    command = [sys.executable, "-m", "retimbre", "transfer", "a.wav", "s.wav", "-o", "out.wav", *options]
    took = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(command, cwd=folder, check=True)
        took.append(time.monotonic() - began)
    whole = (folder / "out.wav").read_bytes()
    for number in range(n_kills):
        old = None if number % 2 else b"old"
        out = folder / "out.wav"
        out.unlink(missing_ok=True)
        if old is not None:
            out.write_bytes(old)
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
            # Half of them near the end, where the file is written.
            time.sleep(rng.uniform(0.7 if number % 4 < 2 else 0.0, 1.0) * min(took))
            process.send_signal(signal.SIGKILL)
        now, same = out.read_bytes() if out.exists() else None, "the old one" if old else "absent"
        found["whole" if _is_whole(now, whole) else same if now == old else "torn"] += 1
        if {path.name for path in folder.glob("*.wav")} - {"a.wav", "s.wav", "out.wav"}:
            found["remnants that look like sound"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=N_FILES)
    parser.add_argument("--kills", type=int, default=N_KILLS)
    parser.add_argument("--keep", type=Path, help="folder for the files that are in a bad column")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        counts, bad = fault_table(folder, arguments.files, arguments.keep)
        print(f"| {'damage':12} | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
        for damage, row in counts.items():
            print(f"| {damage:12} | {' | '.join(f'{row[c]:{len(c)}}' for c in COLUMNS)} |")
        total = sum(counts.values(), Counter[str]())
        print(f"| {'all':12} | {' | '.join(f'{total[c]:{len(c)}}' for c in COLUMNS)} |", flush=True)
        reader = Reader()
        for what, path in giants(folder):
            outcome, remark = reader.read(path)
            if outcome == "hang" and float(remark.split()[0]) < 1000:
                outcome = "read in pieces for minutes"  # as it must be: what counts is the memory
            print(f"{what}: {outcome} ({str(remark).replace(f'{name}/', '')})", flush=True)
            bad += [f"{what}: {outcome}"] if outcome in BAD else []
            path.unlink()
        reader.stop()
        if arguments.kills:
            (folder / "kills").mkdir()
            found = kills(folder / "kills", arguments.kills)
            print("killed:", ", ".join(f"{n} {what}" for what, n in found.items()))
            bad += [what for what in ("torn", "remnants that look like sound") if found[what]]
    for line in bad:
        print(line)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

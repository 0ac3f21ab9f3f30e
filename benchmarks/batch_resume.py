"""Two hundred transfers of played music, interrupted five times: the same bytes as without.

``python benchmarks/batch_resume.py`` (extra ``demo``): 2 s of two pieces by four instruments, each with
five styles, default settings, two workers.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

from retimbre.music import orchestra, score

_SECONDS = 2.0
_CONTENTS = ("piano", "nylon guitar", "flute", "drums")
_STYLES = ("violin", "vibraphone", "clarinet", "trumpet", "tr-808")
_PIECES = ("MINUET", "GREENSLEEVES")
_PARTS = 5  # of each piece
_INTERRUPTS = ("SIGINT", "SIGTERM", "SIGINT twice", "SIGKILL of the driver", "SIGKILL of all processes")


def clips(folder: Path) -> None:
    """Play the contents and the styles."""
    for kind, instruments in (("contents", _CONTENTS), ("styles", _STYLES)):
        (folder / kind).mkdir()
        for instrument in instruments:
            for piece in _PIECES if kind == "contents" else _PIECES[:1]:
                n_parts = _PARTS if kind == "contents" else 1
                played = getattr(score, piece)
                if instrument in orchestra.KITS:
                    played = score.arrange_for_drums(played)
                audio = orchestra.render(played, instrument, seconds=n_parts * _SECONDS)
                length = round(_SECONDS * audio.sample_rate)
                for part in range(n_parts):
                    samples = audio.samples[:1, part * length : (part + 1) * length].T
                    name = f"{instrument.replace(' ', '-')}-{piece.lower()}-{part}.wav"
                    soundfile.write(folder / kind / name, samples, audio.sample_rate, "PCM_24")


def command(folder: Path, out: Path) -> list[str]:
    """Give the command of the batch."""
    styles = [f"--style={path}" for path in sorted((folder / "styles").iterdir())]
    rows = [str(folder / "contents"), *styles, "--each-style", "-o", str(out)]
    return [sys.executable, "-m", "retimbre", "batch", *rows, "--workers", "2", "--quiet"]


def n_done(out: Path) -> int:
    """Count the outputs."""
    return len(list(out.glob("*.wav")))


def hashes(out: Path) -> dict[str, str]:
    """Hash every output."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.wav"))}


def interrupted(batch: list[str], out: Path, how: str, at: int) -> int:
    """Start the batch and interrupt it once there are so many outputs; give its exit code."""
    with subprocess.Popen(batch, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while n_done(out) < at and process.poll() is None:
            time.sleep(0.02)
        if how == "SIGKILL of all processes":
            os.killpg(process.pid, signal.SIGKILL)
        elif how == "SIGKILL of the driver":
            process.kill()
        else:
            process.send_signal(getattr(signal, how.partition(" ")[0]))
            if how.endswith("twice"):
                time.sleep(0.05)
                process.send_signal(signal.SIGINT)
        return process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        folder = Path(name)
        clips(folder)
        began = time.monotonic()
        subprocess.run(command(folder, folder / "whole"), check=True)
        print(f"{n_done(folder / 'whole')} rows in {time.monotonic() - began:.0f} s")
        out = folder / "interrupted"
        out.mkdir()
        for number, how in enumerate(_INTERRUPTS, start=1):
            code = interrupted(command(folder, out), out, how, 33 * number)
            print(f"{how} at {33 * number} outputs: exit code {code}, {n_done(out)} outputs")
        done = subprocess.run(command(folder, out), check=False).returncode
        are_same = hashes(out) == hashes(folder / "whole")
        left = [path.name for path in (out / ".retimbre" / "work").iterdir()]
        print(
            f"then exit code {done}, {n_done(out)} outputs, left behind: {left}; the same bytes: {are_same}"
        )
        sys.exit(0 if are_same and done == 0 and not left else 1)


if __name__ == "__main__":
    main()

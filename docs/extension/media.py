"""Clips, pictures and figures of situations: made once, and kept under a hash of the code that makes them."""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "situations"
"""Folder where clips, pictures and figures are kept from build to build."""

FOLDER = "situations"
"""Folder of the site that they are copied to."""

_CODE = ("docs/extension", "src/retimbre", "study")


def kept(name: str) -> dict[str, Any]:
    """Give what is known of a situation, from the cache where no code has changed since it was made."""
    record = CACHE / f"{name}.json"
    if record.is_file():
        found: dict[str, Any] = json.loads(record.read_text("utf-8"))
        if found["code"] == code():
            return found
    from docs.extension.situations import SITUATIONS, make
    from retimbre.sound.player import mp3

    outcome = make(SITUATIONS[name])
    CACHE.mkdir(parents=True, exist_ok=True)
    for role, _, audio in outcome.clips:
        (CACHE / f"{name}-{role}.mp3").write_bytes(mp3(audio.samples, audio.sample_rate))
        (CACHE / f"{name}-{role}.png").write_bytes(_picture(audio))
    found = {
        "code": code(),
        "clips": [{"role": role, "about": about} for role, about, _ in outcome.clips],
        "choice": asdict(outcome.choice),
        "kept": outcome.kept,
        "gained": outcome.gained,
        "off": outcome.off,
    }
    record.write_text(json.dumps(found, default=str), "utf-8")
    return found


@cache
def code() -> str:
    """Hash all code that decides what is made."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _picture(audio: Any) -> bytes:
    """Draw the constant-Q transform of a clip, a row for each quarter tone, as PNG of 600 columns."""
    from matplotlib import colormaps
    from PIL import Image

    from retimbre.report.constant_q import constant_q
    from retimbre.report.spectrogram import COLOURS

    levels = constant_q(audio, 600)[::-1]
    picture = Image.fromarray(levels // 8 * 8)  # 32 levels: half of the bytes, and no difference to be seen
    picture.putpalette(colormaps[COLOURS](np.arange(256), bytes=True)[:, :3].tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()


def copy_media(app: Any, failure: Exception | None) -> None:
    """Copy clips and pictures that pages show into a site that was built."""
    if failure is None and app.builder.format == "html" and CACHE.is_dir():
        for name in _used(Path(app.outdir)):
            to = Path(app.outdir) / FOLDER / name
            to.parent.mkdir(exist_ok=True)
            shutil.copyfile(CACHE / name, to)


def _used(site: Path) -> Iterator[str]:
    for page in site.glob("*.html"):
        yield from sorted(set(re.findall(rf'(?:src|href)="{FOLDER}/([\w.-]+)"', page.read_text("utf-8"))))

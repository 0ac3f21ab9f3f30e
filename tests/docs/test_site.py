"""The site as it is built: links lead somewhere, clips play, nothing is asked of other hosts, 390 pixels do.

It is built with one situation; `make docs` makes all ten.
"""

import io
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import filelock
import numpy as np
import pytest
import soundfile
from PIL import Image

ROOT = Path(__file__).parents[2]
ROLES = ("content", "style", "output", "target")

pytestmark = pytest.mark.slow


class Links(HTMLParser):
    """Addresses of a page, and what can be pointed at in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names |= {value for value in (values.get("id"), values.get("name")) if value}
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        elif tag == "link" and values.get("href"):
            self.sources.append(str(values["href"]))
        if values.get("src"):
            self.sources.append(str(values["src"]))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once for all workers."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # the parent of all runs is no place
    folder = shared / "site"
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "index.html").exists():
            command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
            command += ["-D", "situations=melody", "-d", str(shared / "doctrees"), "docs", str(folder)]
            told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
            assert told.returncode == 0, told.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Links]:
    """Parse the pages, by their file names."""
    found = {}
    for path in sorted(site.glob("*.html")):
        found[path.name] = Links()
        found[path.name].feed(path.read_text("utf-8"))
    return found


def test_every_page_of_the_folder_is_there(pages: dict[str, Links]) -> None:
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {Path(name).stem for name in pages}


def test_links_lead_somewhere(site: Path, pages: dict[str, Links]) -> None:
    n_checked = 0
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            target = unquote(parts.path) or page
            assert (site / target).is_file(), (page, link)
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names | {""}, (page, link)
            n_checked += 1
    assert n_checked > 300


def test_what_a_page_loads_is_beside_it(site: Path, pages: dict[str, Links]) -> None:
    for page, found in pages.items():
        for source in found.sources:
            parts = urlsplit(source)
            assert not parts.scheme, (page, source)
            assert not parts.netloc, (page, source)
            assert (site / unquote(parts.path)).is_file() or source == "#", (page, source)


@pytest.mark.parametrize("role", ROLES)
def test_players_have_sounds_and_pictures_of_bounded_size(site: Path, role: str) -> None:
    sound, picture = (site / "situations" / f"melody-{role}.{kind}" for kind in ("mp3", "png"))
    samples, rate = soundfile.read(io.BytesIO(sound.read_bytes()), always_2d=True)
    assert len(samples) / rate == pytest.approx(6.0, abs=0.1)
    assert 0.2 < np.abs(samples).max() <= 1
    assert 20_000 < sound.stat().st_size < 100_000
    assert picture.stat().st_size < 80_000
    with Image.open(picture) as image:
        assert image.size == (600, 216)
        assert len(np.unique(np.asarray(image))) > 10


def test_the_output_is_neither_of_the_inputs(site: Path) -> None:
    sounds = [(site / "situations" / f"melody-{role}.mp3").read_bytes() for role in ROLES]
    assert len(set(sounds)) == len(ROLES)


def test_pages_ask_for_nothing_elsewhere_and_fit_a_telephone(
    site: Path, pages: dict[str, Links], browser: Any
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    for name in pages:
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert len(asked) > len(pages)
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert not faults


def test_a_click_on_a_picture_plays_from_there_and_one_clip_at_a_time(site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "index.html").as_uri())
    pictures = page.locator(".situation .picture")
    assert pictures.count() == len(ROLES)
    box = pictures.nth(0).bounding_box()
    pictures.nth(0).click(position={"x": box["width"] / 2, "y": 20})
    audio = "document.querySelectorAll('.situation audio')[n]"
    playing = f"n => {audio}.paused ? false : {audio}.currentTime"
    page.wait_for_function(f"({playing})(0) >= 2.9")
    assert page.evaluate(playing, 0) < 5
    pictures.nth(2).click(position={"x": 5, "y": 20})
    page.wait_for_function(f"({playing})(2) > 0")
    assert page.evaluate(playing, 0) is False
    assert page.locator(".situation .playhead").nth(2).is_visible()

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from retimbre._output import make_folder
from retimbre.sound.audio import Audio
from retimbre.sound.files import write
from study.benchmark_page import page
from study.methods import METHODS, Method, _content, methods
from study.pairs import REPORT
from study.trials import Trial, tasks

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

HOSTILE = """<script>alert('x')</script> & "quoted" {{ 7 * 7 }}"""
STRENGTHS = [0.1, 0.5, 1.0]
PAIRS = [next(p for p in REPORT if p.kind == kind) for kind in ("melodic", "percussive")]
KERNEL = METHODS[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def trials(folder: Path) -> list[Trial]:
    """Made-up trials: the more strength, the less of the content and the more of the style."""
    hostile = Method("hostile", HOSTILE, _content, swept=False)
    rng = np.random.default_rng(0)
    found = []
    for task in tasks(PAIRS, [*methods(["kernel"]), hostile], STRENGTHS):
        strength = {"content copied": 0.0, "target": 1.0, "style copied": 1.0}.get(task.method.name, 0.4)
        strength = strength if task.strength is None else task.strength
        make_folder(folder / "cache" / task.pair.slug)
        file = folder / "cache" / task.pair.slug / f"{task.name}.flac"
        write(file, Audio(np.float32(0.1) * rng.standard_normal(16_000, np.float32), 8000))
        measures = {
            "target_distance": {"lsd": 10 - 5 * strength, "timbre": 100 - 120 * strength},
            "content_preservation": {"onset_f1": 1 - strength / 2},
            "style_distance": {"gram": 1 - strength},
        }
        if task.pair.pitched:
            measures["score_distance"] = {"pitch": 0.2 + strength / 2}
        found.append(Trial(task, 1.5, measures, file))
    return found


@pytest.fixture(scope="module")
def html(trials: list[Trial], folder: Path) -> str:
    return page(HOSTILE, trials, folder, intro=f"{HOSTILE}\n\nSecond paragraph.")


def test_the_page_refers_to_its_own_files_alone_and_escapes(html: str, folder: Path) -> None:
    links = [t for t in re.findall(r' (?:src|href)="([^"]{,300})', html) if not t.startswith(("data:", "#"))]
    assert len(links) == 2 * 7
    for link in links:
        assert (folder / unquote(link)).is_file()
    without_data = re.sub(r"data:[^\"]*", "", html)
    assert not re.search(r"(https?|file|ftp):|//[a-z]|url\(|@import", without_data)
    assert html.count("<script") == 1
    assert "&lt;script&gt;alert(" in html
    assert "{{ 7 * 7 }}" in html


def test_a_table_and_two_curves_for_each_kind(html: str) -> None:
    assert re.findall(r"<h2 id=\"kind-\d\">(.*?)</h2>", html) == ["Melodic: 1 pair", "Percussive: 1 pair"]
    (row, _) = re.findall(r'<th scope="row">kernel, \.5</th>(.*?)</tr>', html)
    # LSD 7.5 of 10, timbre 40 of 100, pitch .2 + .25, F1 .75, Gram .5 of 1, seconds.
    assert re.findall(r'<td class="n">(.*?)</td>', row) == [".75", ".40", ".45", ".75", ".50", "1.50"]
    assert html.count('class="plot curve"') == 4
    # The kernel's notes (1 - pitch) against timbre (1 - ratio) and Gram; onsets where there are no notes.
    curves = re.findall(r'<g class="colour-0">\s*<polyline points="([^"]*)"', html)
    assert curves[1] == "75.00,90.00 55.00,50.00 30.00,0.00"
    assert curves[2].startswith("95.00,")


def test_each_method_is_heard_once_at_its_own_strength(html: str) -> None:
    buttons = re.findall(r"<button[^>]*>(\w+)<", html)
    assert buttons == 2 * ["Content", "Style", "Target", "kernel", "hostile"]
    assert html.count("strength 0.5</small>") == 2
    assert html.count("<audio ") == html.count("<img ") == 10


def test_published_figures_are_marked_as_others(html: str) -> None:
    assert "Published figures" in html
    assert "They are of other songs" in html
    assert re.search(r"NMF musaicing</th><td class=\"n\">\.99</td><td class=\"n\">\.79</td>", html)


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(browser: Any, html: str, folder: Path, width: int) -> None:
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 900})
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
    dots = tab.evaluate("[...document.querySelectorAll('.dot')].map(d => getComputedStyle(d).stroke)")
    assert len(dots) == 4 * 7
    assert "none" not in dots
    assert tab.locator(".links a").first.is_hidden()
    tab.locator(".links summary").first.click()
    assert tab.locator(".links a").first.is_visible()

    buttons = tab.locator(".players button")
    playing = "[...document.querySelectorAll('audio')].map(a => !a.paused)"
    for now in (0, 3, 6):
        buttons.nth(now).click()
        deadline = time.monotonic() + 60
        while tab.evaluate(playing).count(True) != 1 or not tab.evaluate(playing)[now]:
            assert time.monotonic() < deadline, tab.evaluate(playing)
            time.sleep(0.02)
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    tab.close()

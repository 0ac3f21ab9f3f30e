import dataclasses
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retimbre
from retimbre.errors import DependencyError
from retimbre.report.page import Entry, page
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.player import mp3

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

HOSTILE = """<script>alert('x')</script> & "quoted" {{ 7 * 7 }}"""


def tone(hertz: float, sample_rate: int, seconds: float, n_channels: int = 1) -> Audio:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = 0.5 * np.sin(2 * np.pi * hertz * time).astype(np.float32)
    return Audio(np.tile(wave, (n_channels, 1)), sample_rate)


@pytest.fixture(scope="module")
def entry() -> Entry:
    content, style = tone(440, 22_050, 1.0), tone(1500, 48_000, 1.5, n_channels=2)
    result = retimbre.transfer(content, style, Settings(filters=16, n_iter=5, tolerance=0, align="none"))
    return Entry("High on low", content, style, result, "A note.", ("low", "high", "both"))


@pytest.fixture(scope="module")
def html(entry: Entry) -> str:
    untouched = retimbre.transfer(entry.content, entry.style, Settings(strength=0))
    hostile = Entry(HOSTILE, entry.content, entry.style, untouched, HOSTILE, (HOSTILE,) * 3)
    return page(HOSTILE, [entry, hostile], intro=f"{HOSTILE}\n\nSecond paragraph.")


class Tags(HTMLParser):
    """Collects the tags of a page and the text of its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.scripts += tag == "script"


def test_the_page_refers_to_nothing_outside(html: str) -> None:
    for tag, attributes in Tags(html).tags:
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), f"{tag} {name}"
    assert "url(" not in html
    assert "@import" not in html
    without_data = re.sub(r"data:[^\"]*", "", html)
    assert not re.search(r"(https?|file|ftp):|//[a-z]", without_data)


def test_titles_and_notes_are_escaped(html: str) -> None:
    assert Tags(html).scripts == 1  # the page's own
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(") >= 6
    assert "{{ 7 * 7 }}" in html  # text, not a template


def test_one_player_and_one_described_picture_per_clip(html: str) -> None:
    tags = Tags(html).tags
    players = [attributes for tag, attributes in tags if tag == "audio"]
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(players) == len(pictures) == 6
    assert all("controls" in player and player["aria-label"] for player in players)
    assert all(picture["alt"] for picture in pictures)


def test_numbers_of_the_transfer_are_there(html: str, entry: Entry) -> None:
    result = entry.result
    assert result.best is not None
    assert f"{result.seconds:.1f} s" in html
    assert f"{result.steps[0].loss:.3g} at first, {result.best.loss:.3g} at best" in html
    assert f"{result.spectral_convergence:.1f} dB".replace("-", "\N{MINUS SIGN}") in html
    assert "all iterations done" in html
    assert "strength 0: nothing to do" in html
    assert html.count("<polyline") == 3  # an untouched clip has no curve


def test_settings_are_shown_once_where_they_are_alike(entry: Entry, html: str) -> None:
    n_fields = len(dataclasses.fields(Settings))
    alike = page("Alike", [entry, entry])
    assert alike.count("the same for every transfer") == 1
    assert alike.count('<th scope="row"><code>') == n_fields
    assert html.count("Settings of this transfer") == 2
    assert html.count('<th scope="row"><code>') == 2 * n_fields
    changed = re.findall(r"<code>(\w+)</code></th>\s*<td>([^<]*?) <em>changed</em>", alike)
    assert changed == [("align", "none"), ("filters", "16"), ("n_iter", "5"), ("tolerance", "0")]


def test_the_curve_is_the_loss(entry: Entry, html: str) -> None:
    points = re.search(r'<polyline class="total" points="([^"]*)"', html)
    assert points is not None
    x, y = np.array([point.split(",") for point in points[1].split()], dtype=float).T
    losses = np.array([step.loss for step in entry.result.steps])
    assert x[0] == 0
    assert x[-1] == 100
    assert ((y >= 0) & (y <= 100)).all()
    # Logarithmic: heights are a straight line in log loss, and fall as y grows.
    slope, offset = np.polyfit(np.log10(losses), y, 1)
    assert slope < 0
    np.testing.assert_allclose(slope * np.log10(losses) + offset, y, atol=0.02)


def test_clips_that_are_the_same_have_no_curve() -> None:
    clip = tone(440, 22_050, 0.5)
    result = retimbre.transfer(clip, clip, Settings(filters=8, n_iter=2))
    nothing = [dataclasses.replace(step, loss=0.0, content=0.0, style=0.0) for step in result.steps]
    result = dataclasses.replace(result, steps=(*nothing, *nothing))
    assert "<polyline" not in page("Same", [Entry("Same", clip, clip, result)])


@pytest.mark.parametrize("n_channels", [1, 2, 5])
@pytest.mark.parametrize("sample_rate", [8000, 22_050, 37_800, 96_000])
def test_sound_is_encoded_at_any_rate(sample_rate: int, n_channels: int) -> None:
    import soundfile

    clip = tone(440, sample_rate, 0.5, n_channels)
    decoded, rate = soundfile.read(io.BytesIO(mp3(clip.samples, clip.sample_rate)), always_2d=True)
    assert len(decoded) / rate == pytest.approx(0.5, abs=1e-3)
    assert decoded.shape[1] == (n_channels if n_channels <= 2 else 1)
    spectrum = np.abs(np.fft.rfft(decoded[:, 0]))
    assert spectrum.argmax() * rate / len(decoded) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=rf"{package}.*retimbre\[report\]"):
        page("Nothing", [])


def _soon(tab: Any, expression: str, wanted: list[bool]) -> bool:
    """Whether the first values come to be as wanted: a browser tells of a play and a pause a little later."""
    for _ in range(100):
        if tab.evaluate(expression)[: len(wanted)] == wanted:
            return True
        tab.wait_for_timeout(20)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(browser: Any, html: str, entry: Entry, tmp_path: Path, width: int) -> None:
    path = tmp_path / "index.html"
    path.write_text(html, encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function("[...document.querySelectorAll('audio')].every(a => a.readyState > 0)")

    durations = tab.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    lengths = [entry.content.seconds, entry.style.seconds, entry.content.seconds]
    np.testing.assert_allclose(durations, 2 * lengths, atol=0.01)
    assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
    assert tab.title() == HOSTILE
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]

    # A click in the middle of a spectrogram plays from there; a second player silences the first.
    playing = "[...document.querySelectorAll('audio')].map(a => !a.paused)"
    pictures = tab.locator(".spectrogram .box")
    pictures.nth(1).click()
    assert tab.evaluate("document.querySelectorAll('audio')[1].currentTime") >= 0.7
    assert _soon(tab, playing, [False, True, False])
    pictures.nth(0).click(position={"x": 5, "y": 5})
    assert _soon(tab, playing, [True, False, False])

    # The keyboard reaches the players.
    tab.locator("audio").nth(2).focus()
    assert tab.evaluate("document.activeElement.tagName") == "AUDIO"
    tab.close()

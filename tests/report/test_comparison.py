import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import retimbre
from retimbre.errors import DependencyError
from retimbre.report.comparison import UNTRAINED, Comparison, NetworkTrial, Score, page
from retimbre.settings import Settings
from retimbre.sound.audio import Audio

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

HOSTILE = """<script>alert('x')</script> & "quoted" {{ 7 * 7 }}"""
SECONDS = 4.0
Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def comparison(sweeps: Callable[..., Samples]) -> Comparison:
    rng = np.random.default_rng(0)
    content = Audio(sweeps(SECONDS, 16_000), 16_000)
    style = Audio(0.1 * rng.standard_normal((1, round(SECONDS * 16_000)), dtype=np.float32), 16_000)
    sweep = {
        0.3: Score({"onsets": 0.9, "chroma": 0.7}, {"timbre": 0.1, "spectrum": 0.3}),
        0.7: Score({"onsets": 0.8, "chroma": 0.4}, {"timbre": 0.4, "spectrum": 0.8}),
    }
    trials = []
    for network, weights in (("kernel", "none"), ("shallow", UNTRAINED)):
        settings = Settings(network=network, strength=0.7, filters=8, n_iter=3, n_iter_phase=2)
        result = retimbre.transfer(content, style, settings)
        trials.append(NetworkTrial(network, weights, result, sweep[0.7], sweep, 12.34, f"1-{network}.wav"))
    return Comparison("Sweep to noise", content, style, trials, "A note.", ("1-content.wav", "1-style.wav"))


@pytest.fixture(scope="module")
def html(comparison: Comparison) -> str:
    hostile = Comparison(HOSTILE, comparison.content, comparison.style, comparison.trials, HOSTILE)
    return page(HOSTILE, [comparison, hostile], intro=f"{HOSTILE}\n\nSecond paragraph.")


def test_a_score_is_the_means_and_their_harmonic_mean() -> None:
    score = Score({"onsets": 0.8, "chroma": 0.4}, {"timbre": 0.1, "spectrum": 0.5})
    assert score.means == pytest.approx((0.6, 0.3))
    assert score.balance == pytest.approx(0.4)


def test_a_score_knows_the_content_from_the_style(comparison: Comparison) -> None:
    same = Score.of(comparison.content, comparison.style, comparison.content)
    assert same.means == pytest.approx((1, 0), abs=1e-3)
    other = Score.of(comparison.style, comparison.style, comparison.content)
    assert other.means[1] == pytest.approx(1, abs=1e-3)


def test_the_page_refers_to_nothing_outside_and_escapes(html: str) -> None:
    for target in re.findall(r' (?:src|href)="([^"]{,40})', html):
        assert target.startswith(("data:", "#"))
    without_data = re.sub(r"data:[^\"]*", "", html)
    assert not re.search(r"(https?|file|ftp):|//[a-z]|url\(|@import", without_data)
    assert html.count("<script") == 1
    assert "&lt;script&gt;alert(" in html
    assert "{{ 7 * 7 }}" in html


def test_a_player_and_a_picture_for_each_clip(html: str) -> None:
    assert html.count("<audio ") == html.count("<img ") == html.count("<button ") == 2 * 4
    assert re.findall(r"<button[^>]*>(\w+)<", html)[:4] == ["Content", "Style", "kernel", "shallow"]
    for name in ("1-content.wav", "1-style.wav", "1-kernel.wav", "1-shallow.wav"):
        assert name in html


def test_the_tables_have_the_numbers_and_say_what_is_untrained(html: str, comparison: Comparison) -> None:
    (row, *_) = re.findall(
        r'<th scope="row">kernel</th><td>none</td>\s*<td class="n">0\.7<.*?</tr>', html, re.DOTALL
    )
    kernel = re.sub(r"<[^>]+>", " ", row).split()
    assert kernel[2:9] == ["0.7", "0.60", "onsets", "0.80", "chroma", "0.40", "0.60"]
    result = comparison.trials[0].result
    assert kernel[-5:-2] == [str(len(result.steps)), f"{result.seconds:.1f}", "s"]
    assert html.count(f'class="untrained">{UNTRAINED}<') == 3  # over all, and in each pair
    assert html.count('<span class="best">0.60</span>') == 4
    assert html.count("<polyline") == 2 * 2 * 3


def test_one_pair_has_no_means_over_pairs(comparison: Comparison) -> None:
    assert "Mean over the pairs" not in page("One", [comparison])


def test_a_network_that_is_missing_in_a_pair_has_no_mean(comparison: Comparison) -> None:
    cut_off = Comparison("Cut", comparison.content, comparison.style, comparison.trials[:1])
    (overall,) = re.findall(r"Mean over the pairs.*?</table>", page("Two", [comparison, cut_off]), re.DOTALL)
    assert "kernel" in overall
    assert "shallow" not in overall


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_names_the_extra(
    package: str, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=rf"{package}.*retimbre\[report\]"):
        page("Nothing", [comparison])


def wait_for(tab: Any, condition: str) -> None:
    """Wait until an expression is true; playwright's own way polls with what the page's policy forbids."""
    deadline = time.monotonic() + 60
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_switching_keeps_the_place_in_the_music(browser: Any, html: str, tmp_path: Path, width: int) -> None:
    path = tmp_path / "index.html"
    path.write_text(html, encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    wait_for(tab, "[...document.querySelectorAll('audio')].every(a => a.readyState > 0)")
    durations = tab.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    np.testing.assert_allclose(durations, SECONDS, atol=0.01)
    assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out

    playing = "[...document.querySelectorAll('audio')].map(a => !a.paused)"
    times = "[...document.querySelectorAll('audio')].map(a => a.currentTime)"
    # Music goes on between a click and a question: these are the places at the end of the click itself.
    tab.evaluate(f"document.addEventListener('click', () => {{ window.at = {times}; }})")
    buttons = tab.locator(".players button")
    buttons.nth(0).click()
    wait_for(tab, "document.querySelectorAll('audio')[0].currentTime > 0.6")
    for before, now in ((0, 2), (2, 3), (3, 1)):  # content, kernel, shallow, style
        buttons.nth(now).click()
        at = tab.evaluate("window.at")
        assert at[now] == pytest.approx(at[before], abs=0.3)
        assert [k for k, plays in enumerate(tab.evaluate(playing)) if plays] == [now]
        assert buttons.nth(now).get_attribute("aria-pressed") == "true"
        wait_for(tab, f"document.querySelectorAll('audio')[{now}].currentTime > {at[now] + 0.2}")

    # A second click pauses, and the place is kept over the pause too.
    buttons.nth(1).click()
    assert not any(tab.evaluate(playing))
    stopped_at = tab.evaluate(times)[1]
    buttons.nth(2).click()
    assert tab.evaluate("window.at")[2] == pytest.approx(stopped_at, abs=0.3)

    # A click in the middle of a spectrogram, the slider by the keyboard, and another pair silences this one.
    tab.locator(".spectrogram .box").nth(3).click()
    assert tab.evaluate("window.at")[3] == pytest.approx(SECONDS / 2, abs=0.3)
    tab.locator(".place input").first.focus()
    tab.keyboard.press("Home")
    assert tab.evaluate(times)[3] < 0.3
    buttons.nth(4).click()
    assert [k for k, plays in enumerate(tab.evaluate(playing)) if plays] == [4]
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    tab.close()

"""The studio's page in a real browser: from two files to what is heard."""

import base64
import shlex
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import retimbre

pytestmark = pytest.mark.slow

RATE = 22_050
SECONDS = 2.0
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
Samples = npt.NDArray[np.float64]

STUDIO = "window.studio = await import('/page/main.js');"
SETTLED = "() => window.studio?.result.settled"
MIXED = f"() => {list(STRENGTHS)}.every((s) => window.studio.result.shapes.has(s))"
HEARD = "window.studio.deck.heard"

TAP = """async () => {
  const { deck } = window.studio;
  await deck.context.audioWorklet.addModule("/page/recorder-worklet.js");
  window.tap = new AudioWorkletNode(deck.context, "recorder", { numberOfOutputs: 0 });
  window.blocks = [];
  window.tap.port.onmessage = ({ data }) => window.blocks.push(data);
  deck.output.connect(window.tap);
}"""
TAPPED = """() => {
  window.studio.deck.output.disconnect(window.tap);
  const all = new Float32Array(128 * window.blocks.length);
  window.blocks.forEach((block, k) => all.set(block, 128 * k));
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return btoa(text);
}"""
BUFFER = """([track, strength]) => {
  const voices = window.studio.deck.tracks.get(track);
  const voice = voices.find((each) => strength === null || each.strength === strength);
  const bytes = new Uint8Array(voice.buffer.getChannelData(0).slice().buffer);
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return btoa(text);
}"""


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def floats(text: str) -> Samples:
    return np.array(np.frombuffer(base64.b64decode(text), "<f4"), float)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, plucks: Callable[..., Samples]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    clips = {
        "content": plucks([60, 64, 67, 72], decay=4, partials=3, seconds=SECONDS),
        "style": plucks([57, 62, 65], decay=9, partials=9, seconds=1.5),
        "long": plucks([60, 64, 67, 72, 69, 65], decay=3, partials=3, seconds=4),
        "<img src=x onerror=alert(1)>": plucks([60], decay=3, partials=2, seconds=SECONDS),
    }
    for name, samples in clips.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    (folder / "no sound.wav").write_text("These are words.\n" * 200, encoding="utf-8")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def tabs(browser: Any, studio: str) -> Iterator[Callable[..., Any]]:
    """Open pages of the studio; none may complain, or ask anything of anybody else."""
    complaints: list[str] = []
    requests: list[str] = []

    def opened(*, viewport: tuple[int, int] = (1280, 800), before: Any = None, **options: Any) -> Any:
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), viewport, strict=True)),
            permissions=["microphone", "clipboard-read", "clipboard-write"],
            **options,
        )
        tab = context.new_page()
        tab.set_default_timeout(15_000)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("filechooser", lambda chooser: None)  # from now on, not from some time after it is waited for
        if before is not None:
            before(tab)
        tab.goto(studio)
        tab.evaluate(f"async () => {{ {STUDIO} }}")
        tab.wait_for_selector(".lane.style")
        return tab

    yield opened
    for context in browser.contexts:
        context.close()
    assert [
        line for line in complaints if "status of 4" not in line
    ] == []  # Chromium tells of refused uploads
    assert [url for url in requests if not url.startswith((studio, "blob:"))] == []


@pytest.fixture(autouse=True)
def _only_done_stays(browser: Any) -> Iterator[None]:
    """Close the pages of a test, but for one that others share."""
    before = list(browser.contexts)
    yield
    for context in browser.contexts:
        if context not in before and not any(
            page.evaluate("window.isShared ?? false") for page in context.pages
        ):
            context.close()


def choose(tab: Any, role: str, path: Path) -> None:
    tab.locator(f".well.{role} input[type=file]").last.set_input_files(path)
    tab.wait_for_function(f"() => window.studio.deck.tracks.has('{role}')")


def fill(tab: Any, files: dict[str, Path]) -> None:
    for role in ("content", "style"):
        choose(tab, role, files[role])


@pytest.fixture(scope="module")
def done(tabs: Any, files: dict[str, Path]) -> Any:
    """A page with a transfer that is done, all background strengths too."""
    tab = tabs(accept_downloads=True)
    tab.evaluate("window.isShared = true")
    fill(tab, files)
    tab.click("#go")
    tab.wait_for_function(SETTLED)
    tab.wait_for_function(MIXED)
    return tab


@pytest.fixture
def player(done: Any) -> Any:
    """The same, silent, at its start, without a loop."""
    script = (
        "const { deck } = window.studio; deck.pause(); deck.setLoop(null); deck.seek(0); deck.hear('result')"
    )
    done.evaluate(f"() => {{ {script} }}")
    done.evaluate("document.activeElement.blur()")
    return done


def test_first_sight(tabs: Any) -> None:
    tab = tabs()
    for selector in (".well.content .wave", ".well.style .wave", "#strength", "#go", "#result .wave"):
        box = tab.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, selector
    assert tab.locator("#go").is_disabled()
    assert tab.locator("#transport").is_hidden()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(tabs: Any, files: dict[str, Path], width: int) -> None:
    tab = tabs(viewport=(width, 800))
    for summary in tab.locator("summary").all():
        summary.click()
    choose(tab, "content", files["<img src=x onerror=alert(1)>"])
    assert tab.evaluate("document.documentElement.scrollWidth") == width


def test_the_player_has_the_clips_and_a_result_of_the_contents_length(done: Any) -> None:
    lengths = done.evaluate(
        "() => ['content', 'style', 'result'].map((id) => window.studio.deck.seconds(id))"
    )
    np.testing.assert_allclose(lengths, [SECONDS, 1.5, SECONDS], atol=1e-3)
    shapes = done.evaluate("() => [...window.studio.result.shapes.keys()]")
    assert set(STRENGTHS) <= set(shapes)
    assert "notes" in done.inner_text("#told")
    done.wait_for_selector("#figures dd")
    assert done.locator("#figures dt").count() >= 3


def test_strength_0_is_the_content_itself(done: Any) -> None:
    content, result = (floats(done.evaluate(BUFFER, each)) for each in (["content", None], ["result", 0]))
    np.testing.assert_allclose(result, content, atol=2e-4)


def test_what_is_heard_is_the_clip_at_its_place_and_the_slider_changes_it_at_once(player: Any) -> None:
    player.evaluate(TAP)
    player.keyboard.press("Space")
    player.wait_for_timeout(400)
    moved = player.evaluate(
        """() => { const { deck } = window.studio; const slider = document.getElementById("strength");
        slider.value = 0.6; slider.dispatchEvent(new Event("input")); return deck.place(); }"""
    )
    player.wait_for_timeout(150)
    player.wait_for_function("() => window.studio.result.isExact")
    player.wait_for_timeout(250)
    heard = floats(player.evaluate(TAPPED))
    rate = player.evaluate("window.studio.deck.context.sampleRate")
    used, exact, low, high = (
        floats(player.evaluate(BUFFER, ["result", strength]))
        for strength in (player.evaluate("window.studio.result.transfer.strength"), 0.6, 0.5, 0.75)
    )
    first = np.flatnonzero(np.abs(heard) > 1e-4)[0]
    probe = heard[first + 4000 : first + 8000]
    # Where in the clip the tap is: the place at which the residual is nothing but rounding.
    scores = np.correlate(used, probe, "valid") / np.sqrt(
        np.convolve(used**2, np.ones(len(probe)), "valid") * (probe**2).sum() + 1e-12
    )
    place = int(scores.argmax())
    gain = (used[place : place + 4000] @ probe) / (used[place : place + 4000] @ used[place : place + 4000])
    assert np.abs(probe - gain * used[place : place + 4000]).max() < 1e-4
    offset = place - (first + 4000)  # samples of the clip ahead of those of the tap

    def residual(clip: Samples, at: int, length: int = 512) -> float:
        part = clip[at : at + length]
        given = heard[at - offset : at - offset + length]
        scale = (part @ given) / (part @ part + 1e-12)
        return float(np.linalg.norm(given - scale * part) / (np.linalg.norm(given) + 1e-9))

    left = next(at for at in range(place, len(used) - 512, 64) if residual(used, at) > 0.01)
    assert left / rate - moved < 0.1
    mixture = 0.6 * low + 0.4 * high
    assert residual(mixture, left + 1024) < 0.02
    arrived = next(at for at in range(left + 1024, len(used) - 512, 64) if residual(exact, at) < 1e-3)
    assert arrived / rate < SECONDS
    gaps = [
        np.abs(heard[at - offset : at - offset + 1024]).max() for at in range(left - 512, arrived + 512, 256)
    ]
    assert min(gaps) > 0.01 * np.abs(used).max()


def test_the_download_and_the_command_are_the_exact_sound(
    player: Any, files: dict[str, Path], run: Any, tmp_path: Path
) -> None:
    player.evaluate(
        """() => { const slider = document.getElementById("strength");
        slider.value = 0.42; slider.dispatchEvent(new Event("input")); }"""
    )
    with player.expect_download() as download:
        player.click("[data-what=wav]")  # before it is there: the download waits for it
    download.value.save_as(tmp_path / "downloaded.wav")
    downloaded, _ = soundfile.read(tmp_path / "downloaded.wav")
    settings = retimbre.Settings(strength=0.42)
    expected = retimbre.transfer(files["content"], files["style"], settings).audio
    np.testing.assert_allclose(downloaded, expected.samples[0], atol=2 / 32768)

    player.click("[data-what=command]")
    player.wait_for_function("() => document.getElementById('copied').textContent.includes('retimbre')")
    command = shlex.split(player.evaluate("navigator.clipboard.readText()"))
    assert command[0] == "retimbre"
    for role in ("content", "style"):
        shutil.copy(files[role], tmp_path)
    assert run(*command[1:], cwd=tmp_path).returncode == 0
    written, _ = soundfile.read(tmp_path / command[command.index("-o") + 1])
    np.testing.assert_array_equal(written, downloaded)

    player.click("[data-what=python]")
    player.wait_for_function("() => document.getElementById('copied').title.includes('import retimbre')")
    python = player.evaluate("navigator.clipboard.readText()")
    assert "strength=0.42" in python
    compile(python, "copied", "exec")
    with player.expect_download() as download:
        player.click("[data-what=flac]")
    assert download.value.suggested_filename.endswith(".flac")


def test_keys(player: Any) -> None:
    press = player.keyboard.press
    for key, track in (("1", "content"), ("2", "style"), ("3", "result")):
        press(key)
        assert player.evaluate(HEARD) == track
        assert player.locator(f"#heard input[value={track}]").is_checked()
    press("Space")
    assert player.evaluate("window.studio.deck.playing")
    player.wait_for_timeout(300)
    before = player.evaluate("window.studio.deck.place()")
    press("1")
    after = player.evaluate("window.studio.deck.place()")
    assert 0 <= after - before < 0.5  # it goes on where it was
    press("Space")
    assert not player.evaluate("window.studio.deck.playing")
    player.evaluate("window.studio.deck.seek(0.5)")
    press("[")
    press("ArrowRight")
    press("]")
    np.testing.assert_allclose(player.evaluate("window.studio.deck.loop"), [0.5, 1.5], atol=1e-3)
    press("l")
    assert player.evaluate("window.studio.deck.loop") is None
    press("m")
    assert not player.evaluate("window.studio.deck.matched")
    press("m")
    strength = float(player.input_value("#strength"))
    press("-")
    assert float(player.input_value("#strength")) == pytest.approx(strength - 0.05)
    press("+")
    press("?")
    assert player.locator("#keys").is_visible()
    press("1")  # nothing behind the list of keys
    press("Escape")
    assert player.locator("#keys").is_hidden()


def test_a_drag_loops_and_a_click_sets_the_place(player: Any) -> None:
    player.locator(".well.content").scroll_into_view_if_needed()
    box = player.locator(".well.content .wave").bounding_box()
    middle = box["y"] + box["height"] / 2
    player.mouse.move(box["x"] + 0.25 * box["width"], middle)
    player.mouse.down()
    player.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=4)
    player.mouse.up()
    np.testing.assert_allclose(player.evaluate("window.studio.deck.loop"), [0.5, 1.0], atol=0.01)
    player.keyboard.press("Space")
    player.wait_for_timeout(900)
    assert 0.5 <= player.evaluate("window.studio.deck.place()") < 1.0
    player.click("#unloop")
    player.keyboard.press("Space")
    player.mouse.click(box["x"] + 0.75 * box["width"], middle)
    assert player.evaluate("window.studio.deck.place()") == pytest.approx(1.5, abs=0.01)
    assert player.evaluate(HEARD) == "content"


def test_pictures_lie_along_the_same_time(player: Any) -> None:
    player.wait_for_function("() => window.studio.result.picture.image")
    waves = [
        player.locator(selector).bounding_box() for selector in ("#result .wave", ".picture .wave >> nth=0")
    ]
    assert waves[0]["x"] == waves[1]["x"]
    assert waves[0]["width"] == waves[1]["width"]
    names = player.locator(".picture >> nth=0").locator(".notes span").all_inner_texts()
    assert {"C3", "C4", "C5"} <= set(names)
    # The darkest row of the content's first note is middle C's.
    row = player.evaluate(
        """() => { const canvas = document.querySelector(".picture.content canvas");
        const { width, height } = canvas;
        const column = canvas.getContext("2d").getImageData(Math.round(0.08 * width), 0, 1, height);
        const inks = [...column.data].filter((_, k) => k % 4 === 3);
        return 1 - (inks.indexOf(Math.max(...inks)) + 0.5) / inks.length; }"""
    )
    heights = dict(zip(names, player.evaluate("window.studio.result.picture.heights"), strict=True))
    octave = heights["C5"] - heights["C4"]
    assert row == pytest.approx(heights["C4"], abs=octave / 12)


def test_history_compares_two_entries_by_keys(player: Any, files: dict[str, Path]) -> None:
    player.locator("#options").evaluate("(form) => form.closest('details').open = true")
    player.fill("#setting-seed", "7")
    player.keyboard.press("Tab")
    player.evaluate("window.studio.result.settled = false")
    player.click("#go")
    player.wait_for_function(SETTLED)
    entries = player.locator("#entries .entry")
    assert entries.count() == 2
    player.wait_for_function("() => document.querySelector('#entries .facts').textContent.includes('seed 7')")
    entries.nth(0).locator("[data-slot=a]").click()
    entries.nth(1).locator("[data-slot=b]").click()
    player.wait_for_function("() => ['a', 'b'].every((slot) => window.studio.deck.tracks.has(slot))")
    for slot in ("a", "b"):
        player.keyboard.press(slot)
        assert player.evaluate(HEARD) == slot
    entries.nth(1).locator("[data-deed=open]").click()
    player.wait_for_function(MIXED)
    assert player.input_value("#setting-seed") == ""
    entries.nth(0).locator("[data-deed=open]").click()
    player.wait_for_function(MIXED)
    assert player.input_value("#setting-seed") == "7"
    assert player.evaluate("window.studio.result.transfer.settings.seed") == 7
    player.fill("#setting-seed", "")


def test_networks_are_compared_side_by_side(player: Any) -> None:
    player.locator("#compare").evaluate("(fold) => fold.open = true")
    player.fill("#setting-filters", "16")
    for name in ("kernel", "shallow"):
        player.check(f"#networks input[value={name}]")
    player.click("#go-compare")
    player.wait_for_function(
        "() => document.querySelectorAll('#columns [data-deed=hear]:enabled').length === 2"
    )
    assert player.locator("#columns .name").all_inner_texts() == ["kernel", "shallow"]
    heard = []
    for number in (0, 1):
        button = player.locator("#columns [data-deed=hear]").nth(number)
        button.press("Enter")
        assert button.get_attribute("aria-pressed") == "true"
        heard.append(player.evaluate(HEARD))
    assert len(set(heard)) == 2
    tops = [column.bounding_box()["y"] for column in player.locator("#columns > li").all()]
    assert tops[0] == tops[1]
    player.fill("#setting-filters", "")


def test_several_styles_have_weights(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    fill(tab, files)
    assert tab.locator(".weight").first.is_hidden()
    tab.click(".another >> visible=true")
    tab.locator(".well.style input[type=file]").last.set_input_files(files["content"])
    tab.wait_for_function("() => window.studio.deck.tracks.has('Style 2')")
    tab.locator(".weight input >> visible=true").nth(1).fill("0.3")
    tab.click("#go")
    tab.wait_for_function(SETTLED)
    styles = tab.evaluate("window.studio.result.transfer.styles")
    assert [style["weight"] for style in styles] == [1, 0.3]
    tab.locator(".weight input >> visible=true").nth(1).fill("0.8")
    tab.locator("#entries [data-deed=open]").click()
    assert tab.locator(".weight output >> visible=true").all_inner_texts() == ["1", "0.3"]
    tab.wait_for_function("() => window.studio.result.isExact")
    tab.keyboard.press("2")
    tab.keyboard.press("2")
    assert tab.evaluate(HEARD) == "Style 2"


def test_a_texture_has_the_length_asked_for(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    choose(tab, "style", files["style"])
    assert tab.locator("#go").is_disabled()
    tab.locator("#seconds").evaluate("(field) => field.closest('details').open = true")
    tab.fill("#seconds", "2.5")
    tab.click("#go-texture")
    tab.wait_for_function("() => window.studio.result.isExact")
    assert tab.evaluate("window.studio.deck.seconds('result')") == pytest.approx(2.5, abs=1e-3)


def test_the_sound_so_far_plays_and_stop_keeps_the_best(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    choose(tab, "content", files["long"])
    choose(tab, "style", files["style"])
    tab.locator("#options").evaluate("(form) => form.closest('details').open = true")
    tab.select_option("#setting-align", "none")  # what is aligned is soon at its end
    tab.select_option("#setting-network", "shallow")
    tab.fill("#setting-n_iter", "100000")
    tab.fill("#setting-tolerance", "0")
    tab.click("#go")
    tab.wait_for_selector("#go.stop")
    tab.wait_for_function("() => window.studio.deck.tracks.has('result')")
    assert not tab.evaluate("window.studio.result.settled")
    assert tab.evaluate("window.studio.deck.seconds('result')") == pytest.approx(4, abs=1e-3)
    tab.keyboard.press("Space")
    assert tab.evaluate(HEARD) == "result"
    assert tab.inner_text("#words").strip()
    tab.wait_for_selector("#spark")
    tab.keyboard.press("t")
    tab.wait_for_function(SETTLED)
    tab.wait_for_function("() => window.studio.result.isExact")
    assert "Stopped" in tab.inner_text("#words")
    assert tab.inner_text("#go") == "Transfer"


def test_the_microphone_is_recorded(tabs: Any) -> None:
    tab = tabs()
    tab.click(".well.content .record")
    tab.wait_for_function(
        "() => /0:01\\.[2-9]/.test(document.querySelector('.well.content .drop').textContent)"
    )
    tab.click(".well.content .record")
    tab.wait_for_function("() => window.studio.deck.tracks.has('content')")
    samples = floats(tab.evaluate(BUFFER, ["content", None]))
    assert 1.1 <= tab.evaluate("window.studio.deck.seconds('content')") < 10
    assert np.abs(samples).max() > 0.05  # Chromium's microphone beeps once a second
    assert tab.inner_text(".well.content .file").startswith("Recording ")


def test_a_bad_file_is_one_line_and_the_page_lives(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    tab.locator(".well.content input[type=file]").set_input_files(files["no sound"])
    tab.wait_for_selector(".well.content .problem:not([hidden])")
    line = tab.inner_text(".well.content .problem")
    assert "no sound.wav" in line
    assert "\n" not in line
    assert "/" not in line  # no path of the server's
    choose(tab, "content", files["content"])
    assert tab.locator(".well.content .problem").is_hidden()


def test_too_large_a_file_is_refused_before_it_is_sent(tabs: Any, files: dict[str, Path]) -> None:
    def smaller(route: Any) -> None:
        settings = route.fetch().json()
        settings["limits"]["bytes"] = 20_000
        route.fulfill(json=settings)

    sent: list[str] = []
    tab = tabs(before=lambda tab: tab.route("**/settings*", smaller))
    tab.on("request", lambda request: sent.append(request.url))
    tab.locator(".well.style input[type=file]").set_input_files(files["style"])
    tab.wait_for_selector(".well.style .problem:not([hidden])")
    assert "expected at most 0.02 MB" in tab.inner_text(".well.style .problem")
    assert not [url for url in sent if "/clips" in url]


def test_names_are_text(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    path = files["<img src=x onerror=alert(1)>"]
    choose(tab, "content", path)
    assert tab.inner_text(".well.content .file") == path.name
    assert tab.locator("img").count() == 0


def test_two_sessions_do_not_see_each_other_and_a_closed_tab_ends_its_own(
    tabs: Any, files: dict[str, Path], studio: str
) -> None:
    addresses: list[str] = []
    tab, other = (
        tabs(before=lambda tab: tab.on("request", lambda request: addresses.append(request.url))),
        tabs(),
    )
    choose(tab, "content", files["content"])
    (own,) = {url for url in addresses if "/sound" in url}
    assert other.evaluate(
        "async (url) => (await fetch(url.split('?')[0] + '?session=guessed')).status", own
    ) in (401, 403, 404)
    assert other.evaluate("window.studio.deck.tracks.size") == 0
    assert status(own) == 200
    tab.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if status(own) == 404:
            return
        time.sleep(0.2)
    pytest.fail("the session of a closed tab lives on")


def test_the_keyboard_alone_does_everything(tabs: Any, files: dict[str, Path]) -> None:
    tab = tabs()
    reached: list[str] = []

    def tab_to(selector: str) -> None:
        for _ in range(60):
            tab.keyboard.press("Tab")
            reached.append(tab.evaluate("document.activeElement.id || document.activeElement.className"))
            if tab.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} cannot be reached: {reached}")

    for role in ("content", "style"):
        tab_to(f".well.{role} .choose")
        with tab.expect_file_chooser() as chooser:
            tab.keyboard.press("Enter")
        chooser.value.set_files(files[role])
        tab.wait_for_function(f"() => window.studio.deck.tracks.has('{role}')")
    tab_to("#strength")
    tab.keyboard.press("ArrowLeft")
    tab_to("#go")
    tab.keyboard.press("Enter")
    tab.wait_for_function(MIXED)
    assert tab.evaluate("window.studio.result.transfer.strength") == pytest.approx(0.79)
    for selector in (
        "#place",
        "[data-what=wav]",
        "[data-what=python]",
        ".entry [data-slot=a]",
        "summary",
        "#play",
    ):
        tab_to(selector)
    tab.keyboard.press("Enter")
    assert tab.evaluate("window.studio.deck.playing")
    tab_to("#heard input")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate(HEARD) == "style"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_nothing_wrong(tabs: Any, files: dict[str, Path], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab = tabs(color_scheme=scheme, bypass_csp=True)

    def violations() -> list[str]:
        found = axe.Axe().run(tab).response["violations"]
        return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]

    assert violations() == []
    fill(tab, files)
    tab.click("#go")
    tab.wait_for_function(MIXED)
    tab.wait_for_function("() => window.studio.result.picture.image")
    for summary in tab.locator("summary").all():
        summary.click()
    assert violations() == []
    tab.keyboard.press("?")
    assert violations() == []


@pytest.mark.skipif(find_spec("midirenderer") is None, reason="midirenderer is not installed")
def test_an_example_fills_both_wells(tabs: Any) -> None:
    tab = tabs()
    tab.locator("#examples button").first.click()
    tab.wait_for_function("() => ['content', 'style'].every((id) => window.studio.deck.tracks.has(id))")
    assert tab.locator("#go").is_enabled()

"""The studio measured from outside: a server in a process of its own, and a page in Chromium.

``python -m benchmarks.studio``: seconds from the slider to the sound and to the exact sound (10 s, 44.1 kHz,
stereo), memory of the server after fifty transfers and after two hundred requests from eight sessions, as
Linux tells it, and the start. ``--pictures`` makes the pictures of the page in ``docs/images``: empty, at
work, done and heard, 1280 and 390 pixels wide, light and dark.
"""

import argparse
import contextlib
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retimbre import Audio, write
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
N_MOVES, N_TRANSFERS, N_SESSIONS, N_REQUESTS = 20, 50, 8, 200
SECONDS, RATE = 10.0, 44_100
IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = {1280: 800, 390: 844}
SCHEMES = ("light", "dark")
DONE = "() => document.querySelectorAll('#ticks .ready').length === 5"

MOVE = """async (strength) => {
  const { deck, result } = (await import("/page/main.js"));
  const slider = document.getElementById("strength");
  const channel = new MessageChannel();
  const tick = () => new Promise((go) => { channel.port1.onmessage = go; channel.port2.postMessage(0); });
  const voices = () => deck.tracks.get("result");
  const isAt = () => voices().every(({ node, gain }) => Math.abs(node.gain.value - gain) < 0.01);
  const began = performance.now();
  slider.value = strength;
  for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name));  // moved and let go
  while (!isAt()) await tick();
  const heard = performance.now() - began;
  while (!result.isExact || !isAt()) await new Promise((go) => setTimeout(go, 2));
  return [heard / 1000, (performance.now() - began) / 1000];
}"""

ALIGN = "(how) => { document.getElementById('setting-align').value = how; }"
LOOP = """async () => {
  const { deck } = await import("/page/main.js");
  deck.setLoop([0, deck.frame]);
}"""


@contextlib.contextmanager
def served() -> Iterator[tuple[str, int, float]]:
    """Start a studio; give its address, its process and the seconds until it answered."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "retimbre", "studio", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            found = [word for word in line.split() if word.startswith("http://")]
            if found:
                break
        else:
            raise RuntimeError(f"the studio did not start: {said}")
        with urllib.request.urlopen(found[0]) as answer:
            answer.read()
        yield found[0].rstrip("/") + "/", process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


def clips(folder: Path, seconds: float = SECONDS, rate: int = RATE) -> dict[str, Path]:
    """Write a content and a style in stereo."""
    paths = {}
    for role, piece, who in (("content", GREENSLEEVES, "piano"), ("style", MINUET, "strings")):
        played = render(piece, who, seconds=seconds).resampled(rate)
        left = played.samples.mean(axis=0)
        paths[role] = folder / f"{role}.wav"
        write(paths[role], Audio(np.stack([left, 0.8 * np.roll(left, rate // 1000)]), rate))
    return paths


def memory(process: int) -> float:
    """Read the memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


class Client:
    """Session of a program."""

    def __init__(self, address: str) -> None:
        self._address, self._token = address, ""
        self._token = self.ask("sessions", {})["session"]

    def ask(self, path: str, body: Any = None) -> Any:
        """Get a route, or post to it."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        with urllib.request.urlopen(urllib.request.Request(self._address + path, data, headers)) as answer:
            found = answer.read()
            return json.loads(found) if "json" in answer.headers["Content-Type"] else found

    def upload(self, paths: dict[str, Path]) -> dict[str, str]:
        """Send the clips; give their names."""
        return {
            role: self.ask(f"clips?name={role}.wav", path.read_bytes())["id"] for role, path in paths.items()
        }

    def transfer(self, clips: dict[str, str], **settings: Any) -> dict[str, Any]:
        """Make a transfer and wait for its end."""
        wanted = {"kind": "transfer", "content": clips["content"], "settings": settings, "strengths": []}
        made = self.ask("transfers", wanted | {"styles": [{"clip": clips["style"], "weight": 1}]})
        while made["state"] in ("queued", "running"):
            time.sleep(0.05)
            made = self.ask(f"transfers/{made['id']}")
        return dict(made)


def slider(address: str, paths: dict[str, Path]) -> list[tuple[float, float]]:
    """Move the slider in the page: seconds to the sound and to the exact sound, for each move."""
    with browser() as launched:
        tab = launched.new_page()
        tab.set_default_timeout(120_000)
        tab.goto(address)
        for role, path in paths.items():
            tab.locator(f".well.{role} input[type=file]").set_input_files(path)
        tab.wait_for_selector("#go:enabled")
        tab.click("#go")
        tab.wait_for_function("() => document.querySelectorAll('#ticks .ready').length === 5")
        tab.wait_for_selector("#figures dd")  # from now on nothing else computes
        tab.evaluate(LOOP)
        tab.keyboard.press("Space")
        strengths = [number / 100 for number in range(3, 95) if number % 25]
        moves = np.random.default_rng(0).permutation(strengths)[:N_MOVES]
        return [tuple(tab.evaluate(MOVE, float(strength))) for strength in moves]


def many_sessions(address: str, paths: dict[str, Path]) -> None:
    """Ask two hundred times from eight sessions at once."""

    def one() -> None:
        client = Client(address)
        ids = client.upload(paths)
        made = client.transfer(ids, n_iter=5)
        for number in range(N_REQUESTS // N_SESSIONS - 5):
            client.ask(f"transfers/{made['id']}/{('sound', 'picture')[number % 2]}")

    threads = [threading.Thread(target=one) for _ in range(N_SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def save(tab: Any, name: str) -> None:
    """Write what is seen, in the 256 colours that it needs most."""
    from PIL import Image  # matplotlib needs it

    image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    image.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(IMAGES / f"studio-{name}.png", optimize=True)


def take_pictures(launched: Any, address: str, width: int, scheme: str) -> None:
    """Take the page through a transfer."""
    tab = launched.new_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
    tab.set_default_timeout(120_000)
    tab.goto(address)
    tab.wait_for_selector("#examples button")
    save(tab, f"empty-{width}-{scheme}")
    tab.locator("#examples button").first.click()
    tab.wait_for_function("() => document.querySelectorAll('#heard label:not([hidden])').length === 2")
    tab.evaluate(ALIGN, "none")  # which takes long enough for a picture
    tab.click("#go")
    tab.wait_for_selector("#heard input[value=result]:checked")
    if width < 1280:
        tab.evaluate("document.querySelector('.lane.style').scrollIntoView()")
    tab.keyboard.press("Space")
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(1200)
    save(tab, f"running-{width}-{scheme}")
    tab.keyboard.press("t")
    tab.wait_for_selector("#go:enabled:not(.stop)")
    tab.keyboard.press("Space")
    tab.evaluate(ALIGN, "auto")
    tab.click("#go")
    tab.mouse.move(0, 0)
    tab.wait_for_function(DONE)
    tab.wait_for_timeout(1500)
    save(tab, f"done-{width}-{scheme}")
    tab.keyboard.press("Space")
    tab.evaluate("document.querySelector('#pictures').scrollIntoView()")
    tab.wait_for_timeout(300)
    save(tab, f"heard-{width}-{scheme}")
    tab.close()


def figures() -> None:
    """Print the figures."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    torch_alone = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder, served() as (address, process, start):
        print(f"start: {start:.2f} s, import torch alone: {torch_alone:.2f} s", flush=True)
        moves = slider(address, clips(Path(folder)))
        for name, values in zip(("sound", "exact sound"), zip(*moves, strict=True), strict=True):
            median, worst = statistics.median(values), max(values)
            print(
                f"slider to {name}: median {median:.3f} s, worst {worst:.3f} s of {len(values)}", flush=True
            )
        print(f"memory after the page: {memory(process):.0f} MB", flush=True)
        client, short = Client(address), clips(Path(folder), seconds=2)
        ids = client.upload(short)
        for number in range(N_TRANSFERS):
            client.transfer(ids, strength=round(0.3 + number / 100, 2))
            if number % 10 == 9:
                print(f"memory after {number + 1} transfers: {memory(process):.0f} MB", flush=True)
        many_sessions(address, short)
        print(f"memory after {N_REQUESTS} requests of {N_SESSIONS} sessions: {memory(process):.0f} MB")


def pictures() -> None:
    """Make the pictures."""
    with served() as (address, _, _), browser() as launched:
        for width in SIZES:
            for scheme in SCHEMES:
                take_pictures(launched, address, width, scheme)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", action="store_true", help="make the pictures")
    (pictures if parser.parse_args().pictures else figures)()

"""The pictures of the studio: its page empty, at work and done, 1280 and 390 pixels wide, light and dark.

python -m benchmarks.studio_pictures
"""

import io
from pathlib import Path
from typing import Any

from benchmarks.studio import browser, served

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = {1280: 800, 390: 844}
SCHEMES = ("light", "dark")
DONE = "() => document.querySelectorAll('#ticks .ready').length === 5"


def save(tab: Any, name: str) -> None:
    """Write what is seen, in the 256 colours that it needs most."""
    from PIL import Image  # matplotlib needs it

    image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    image.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(IMAGES / f"studio-{name}.png", optimize=True)


def pictures(launched: Any, address: str, width: int, scheme: str) -> None:
    """Take the page through a transfer."""
    tab = launched.new_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
    tab.set_default_timeout(120_000)
    tab.goto(address)
    tab.wait_for_selector("#examples button")
    save(tab, f"empty-{width}-{scheme}")
    tab.locator("#examples button").first.click()
    tab.wait_for_function("() => document.querySelectorAll('#heard label:not([hidden])').length === 2")
    tab.mouse.move(0, 0)
    tab.click("#go")
    tab.wait_for_selector("#heard input[value=result]:checked")
    if width < 1280:
        tab.locator(".strength").scroll_into_view_if_needed()
        tab.evaluate("document.querySelector('.lane.style').scrollIntoView()")
    tab.keyboard.press("Space")
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(600)
    save(tab, f"running-{width}-{scheme}")
    tab.wait_for_function(DONE)
    tab.wait_for_timeout(1500)
    save(tab, f"done-{width}-{scheme}")
    tab.keyboard.press("Space")
    tab.evaluate("document.querySelector('#pictures').scrollIntoView()")
    tab.wait_for_timeout(300)
    save(tab, f"heard-{width}-{scheme}")
    tab.close()


def main() -> None:
    with served() as (address, _, _), browser() as launched:
        for width in SIZES:
            for scheme in SCHEMES:
                pictures(launched, address, width, scheme)


if __name__ == "__main__":
    main()

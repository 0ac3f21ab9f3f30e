"""What the pages are filled in with: formulas, situations from the cache, figures."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from docs.extension import mathml, media, pages, situations
from retimbre.alignment.registry import alignment_names

DOCS = Path(__file__).parents[2] / "docs"
FORMULAS = re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", (DOCS / "how.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one situation that was made by the present code."""
    monkeypatch.setattr(media, "CACHE", tmp_path)
    record = {
        "code": media.code(),
        "clips": [{"role": "content", "about": "a <b> & c"}, {"role": "output", "about": "d"}],
        "choice": {"how": "notes", "strength": 0.95},
        "kept": {"onsets": 0.9, "chroma": 1.0},
        "gained": {"timbre": -0.051, "spectrum": 0.324},
        "off": {},
    }
    (tmp_path / "melody.json").write_text(json.dumps(record))
    return tmp_path


def test_every_formula_is_understood() -> None:
    assert len(FORMULAS) > 20
    for block, inline in FORMULAS:
        found = mathml.rendered(block or inline, block=bool(block))
        root = ET.fromstring(found.replace("&ApplyFunction;", ""))  # a name of HTML, not of XML
        assert root.get("display") == ("block" if block else None)
        assert "merror" not in found
        assert "\\" not in "".join(root.itertext())


def test_every_situation_is_on_the_page_once_with_text_of_its_own() -> None:
    page = (DOCS / "choose.md").read_text("utf-8")
    assert re.findall(r"<!-- situation: (\S+) -->", page) == list(situations.SITUATIONS)
    assert len(situations.SITUATIONS) == 10


def test_a_situation_is_shown_from_the_cache(cache: Path) -> None:
    shown = pages.filled_in("before\n\n<!-- situation: melody -->\n\nafter", pages.ALL)
    assert shown.count("<figure>") == shown.count("<audio") == 2
    assert "\n\n" not in shown.removeprefix("before\n\n").removesuffix("\n\nafter")
    assert "a &lt;b&gt; &amp; c" in shown
    figures = re.findall(r"<dt>([\w ]+)</dt><dd>([-.\d]+)</dd>", shown)
    assert figures == [
        ("rhythm kept", ".90"),
        ("harmony kept", "1"),
        ("timbre gained", "-.05"),
        ("spectrum gained", ".32"),
    ]


def test_the_overview_has_a_row_for_each_situation_with_a_link(cache: Path) -> None:
    page = "<!-- situations -->\n\n## One as two\nText.\n\n<!-- situation: melody -->\n\n## Other\n"
    page += "<!-- situation: speech -->\n"
    table = pages.filled_in(page, "melody").partition("\n\n")[0].splitlines()
    assert len(table) == 3
    assert len({line.count("|") for line in table}) == 1
    assert table[2] == "| [One as two](#one-as-two) | `notes` | .90 | 1 | -.05 | .32 | - | - |"


def test_what_other_code_made_is_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((cache / "melody.json").read_text())
    (cache / "melody.json").write_text(json.dumps(record | {"code": "of yesterday"}))
    asked: list[Any] = []

    def make(situation: Any) -> Any:
        asked.append(situation)
        raise KeyboardInterrupt

    monkeypatch.setattr(situations, "make", make)
    with pytest.raises(KeyboardInterrupt):
        media.kept("melody")
    assert asked == [situations.SITUATIONS["melody"]]


def test_situations_that_are_not_wanted_stay_comments() -> None:
    page = "<!-- situation: speech -->"
    assert pages.filled_in(page, "melody") == page
    assert pages.filled_in(page, "") == page


def test_every_alignment_is_put_in_words() -> None:
    assert {"none", *alignment_names()} <= set(pages.HOW)

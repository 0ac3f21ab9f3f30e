"""The pictures of the README and the docs, made by retimbre itself.

python benchmarks/pictures.py
"""

from pathlib import Path

from retimbre import Settings, transfer
from retimbre.apps.demo import PAIRS
from retimbre.apps.orchestra import render
from retimbre.quality.pictures import save_spectrograms

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Transfer the demonstration's first pair and draw what went in and what came out."""
    pair = PAIRS[0]
    content, style = (render(piece, who, seconds=4.0) for who, piece in (pair.content, pair.style))
    result = transfer(content, style, Settings(strength=0.7))
    clips = [("content", content), ("style", style), ("output", result.audio)]
    save_spectrograms(IMAGES / "transfer.png", clips)


if __name__ == "__main__":
    main()

"""What a strength means on different clips: the table of docs/method.md.

    python benchmarks/strength.py [--network kernel] [--filters 512] [--seconds 6]

For each strength and each of the demonstration's pairs (22 050 Hz, mono): the style term that is left, as
a share of what there was at the start, and the content term, as a share of what there is to lose.
"""

import argparse

from retimbre import Audio, Settings, transfer
from retimbre.apps.demo import PAIRS
from retimbre.music.orchestra import render


def main() -> None:
    """Print one line per strength and pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", default="kernel")
    parser.add_argument("--filters", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.2, 0.5, 0.8])
    arguments = parser.parse_args()
    print("strength  style not reached  content lost  pair")
    for strength in arguments.strengths:
        for pair in PAIRS:
            content, style = (
                _mono(render(piece, who, seconds=arguments.seconds))
                for who, piece in (pair.content, pair.style)
            )
            settings = Settings(
                network=arguments.network,
                filters=arguments.filters,
                strength=strength,
                align="none",
                n_iter_phase=0,
                n_iter_waveform=0,
            )
            result = transfer(content, style, settings)
            assert result.best is not None
            gain = result.steps[0].style
            to_lose = gain / result.content_weight * (1 - strength) / strength
            print(
                f"{strength:8.2f}  {result.best.style / gain:17.3f}  {result.best.content / to_lose:12.3f}"
                f"  {pair.title}"
            )


def _mono(clip: Audio) -> Audio:
    return Audio(clip.samples.mean(axis=0), clip.sample_rate).resampled(22_050)


if __name__ == "__main__":
    main()

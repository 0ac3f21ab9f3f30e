"""Which layers of VGGish and CNN14 should be content and style?

    python experiments/layers.py [--networks vggish cnn14] [--seconds 4] [--random-weights]

For each content layer and each set of style layers: transfers of the demonstration's four pairs at strengths
.3, .6 and .9, 30 iterations, judged by measures that nothing optimises (retimbre.metrics.measures): the
harmonic mean of content preservation and style gain, at the best strength of each pair, and its mean over the
pairs.
"""

import argparse

import numpy as np
from common import clips

from retimbre import Audio, Settings, transfer
from retimbre.metrics import measures

CONTENT = {"vggish": ("conv1", "conv2", "conv3_2"), "cnn14": ("conv1_2", "conv2_2", "conv3_2")}
STYLE = {
    "vggish": ("conv1", "conv1,conv2", "conv1,conv2,conv3_2,conv4_2", "conv3_2,conv4_2"),
    "cnn14": ("conv1_2", "conv1_2,conv2_2", "conv1_2,conv2_2,conv3_2,conv4_2", "conv3_2,conv4_2"),
}
STRENGTHS = (0.3, 0.6, 0.9)


def score(content: Audio, style: Audio, settings: Settings) -> float:
    """Balance of one transfer."""
    output = transfer(content, style, settings).audio
    names = measures.BALANCE_TERMS
    preservation = measures.content_preservation(output, content, names=names)
    return measures.balance(preservation, measures.style_gain(output, style, content, names=names))


def main() -> None:
    """Print a line per choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", default=list(CONTENT), choices=list(CONTENT))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--random-weights", action="store_true")
    arguments = parser.parse_args()
    pairs = [pair for _, *pair in clips(arguments.seconds)]
    print("network  content layer  style layers                            balance  (of each pair)")
    for network in arguments.networks:
        for content_layer in CONTENT[network]:
            for style_layers in STYLE[network]:
                best = []
                for content, style in pairs:
                    choices = [
                        Settings(
                            network=network,
                            content_layers=content_layer,
                            style_layers=style_layers,
                            random_weights=arguments.random_weights,
                            strength=strength,
                            n_iter=30,
                        )
                        for strength in STRENGTHS
                    ]
                    best.append(max(score(content, style, settings) for settings in choices))
                each = " ".join(f"{value:.2f}" for value in best)
                print(
                    f"{network:<9}{content_layer:<15}{style_layers:<40}{np.mean(best):.3f}    ({each})",
                    flush=True,
                )


if __name__ == "__main__":
    main()

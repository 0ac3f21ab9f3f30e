"""2-D against 1-D convolution, with random weights and without pooling.

    python experiments/dimensions.py [--seeds 3] [--seconds 4] [-o docs/images/dimensions.png]

Three random convolutions of three frames. A 2-D network differs from a 1-D one in two things: its filters
move along frequency, and its Gram matrix takes frequencies for positions, so that style is the same at every
pitch. The last variant has the first without the second: 2-D filters, frequencies apart. It has many more
features of a frame, hence the widest of the 1-D networks.
"""

from collections.abc import Mapping
from functools import partial

from common import Make, Random, run

MANY = "1-D, 1024 filters"
WIDE, NARROW, PICTURE, APART = "1-D, 128 filters", "1-D, 32 filters", "2-D, 32 filters", "2-D, 32, bins apart"
DIFFERENCES = [
    (WIDE, MANY),
    (NARROW, WIDE),
    (PICTURE, NARROW),
    (APART, NARROW),
    (APART, PICTURE),
    (APART, MANY),
]


def variants(n_seeds: int) -> Mapping[str, tuple[Make, int]]:
    """1-D with few and with many filters, 2-D, and 2-D with frequencies apart."""
    return {
        MANY: (partial(Random, dimensions=1, filters=1024), n_seeds),
        WIDE: (partial(Random, dimensions=1, filters=128), n_seeds),
        NARROW: (partial(Random, dimensions=1, filters=32), n_seeds),
        PICTURE: (partial(Random, dimensions=2, filters=32), n_seeds),
        APART: (partial(Random, dimensions=2, filters=32, apart=True), n_seeds),
    }


if __name__ == "__main__":
    run(__doc__ or "", "dimensions", variants, DIFFERENCES)

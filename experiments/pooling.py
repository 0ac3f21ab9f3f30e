"""No pooling, average or max, in otherwise equal random networks.

    python experiments/pooling.py [--seeds 3] [--seconds 4] [-o docs/images/pooling.png]

Three random convolutions of three frames, in 1-D (128 filters) and in 2-D (32 filters, of three bins too);
pooling by two, in every dimension, stands before the second and the third.
"""

from collections.abc import Mapping
from functools import partial

from common import Make, Random, run

FILTERS = {1: 128, 2: 32}
POOLINGS = {"none": "", "average": "avg", "max": "max"}


def variants(n_seeds: int) -> Mapping[str, tuple[Make, int]]:
    """Every pooling in either dimension."""
    return {
        f"{dimensions}-D, {name}": (
            partial(Random, dimensions=dimensions, filters=filters, pooling=pooling),
            n_seeds,
        )
        for dimensions, filters in FILTERS.items()
        for name, pooling in POOLINGS.items()
    }


DIFFERENCES = [(f"{d}-D, {name}", f"{d}-D, none") for d in FILTERS for name in POOLINGS if name != "none"]

if __name__ == "__main__":
    run(__doc__ or "", "pooling", variants, DIFFERENCES)

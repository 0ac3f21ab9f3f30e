"""retimbre: the notes and rhythm of one recording with the sound of another.

The public names stand in :mod:`retimbre._api`. They are imported when one is first used, so that
``retimbre --help`` does not wait for torch.
"""

import os
from typing import TYPE_CHECKING

from retimbre import _threads

_threads.prepare(os.environ)

__version__ = "0.2.0"

if TYPE_CHECKING:
    from retimbre._api import *  # noqa: F403


def __getattr__(name: str) -> object:
    if name == "__all__":
        return __dir__()
    if not name.startswith("_"):
        import retimbre._api as api

        if hasattr(api, name):
            return getattr(api, name)
    raise AttributeError(f"module 'retimbre' has no attribute {name!r}")


def __dir__() -> list[str]:
    import retimbre._api as api

    return ["__version__", *(name for name in dir(api) if not name.startswith("_"))]

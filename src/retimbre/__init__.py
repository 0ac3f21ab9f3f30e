"""retimbre: the notes and rhythm of one recording with the sound of another.

The public surface. Names are imported when first used, so that ``import retimbre`` and
``retimbre --help`` stay fast; ``torch`` comes in with the first computation.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from retimbre._result import Result
    from retimbre._texture import texture
    from retimbre._transfer import transfer
    from retimbre.errors import (
        AudioReadError,
        DependencyError,
        DivergedError,
        InputError,
        RetimbreError,
        WeightsError,
    )
    from retimbre.losses.terms import ContentLoss, StyleLoss
    from retimbre.optim.minimise import Step
    from retimbre.settings import Settings
    from retimbre.sound.audio import Audio
    from retimbre.sound.files import read, write

__all__ = [
    "Audio",
    "AudioReadError",
    "ContentLoss",
    "DependencyError",
    "DivergedError",
    "InputError",
    "Result",
    "RetimbreError",
    "Settings",
    "Step",
    "StyleLoss",
    "WeightsError",
    "__version__",
    "read",
    "texture",
    "transfer",
    "write",
]

_HOMES = {
    "retimbre._texture": ("texture",),
    "retimbre._result": ("Result",),
    "retimbre._transfer": ("transfer",),
    "retimbre.errors": (
        "AudioReadError",
        "DependencyError",
        "DivergedError",
        "InputError",
        "RetimbreError",
        "WeightsError",
    ),
    "retimbre.losses.terms": ("ContentLoss", "StyleLoss"),
    "retimbre.optim.minimise": ("Step",),
    "retimbre.settings": ("Settings",),
    "retimbre.sound.audio": ("Audio",),
    "retimbre.sound.files": ("read", "write"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'retimbre' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__

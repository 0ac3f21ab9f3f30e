"""Networks of the judges: trained on random music, and kept in a file until what they depend on changes."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from retimbre._output import atomic, make_folder
from retimbre.music import orchestra
from retimbre.music.orchestra import Soundfont
from study import exercises, ranges


def training_key(training: object, module: str, soundfonts: Iterable[Soundfont]) -> str:
    """Hash everything that weights depend on.

    Args:
        training: What the network is trained on; its representation counts.
        module: File of the network's code.
        soundfonts: Soundfonts that play the music.

    Returns:
        64 hexadecimal digits.
    """
    hashed = hashlib.sha256(repr(training).encode())
    for path in (module, exercises.__file__, ranges.__file__, orchestra.__file__):
        hashed.update(Path(path).read_bytes())
    for soundfont in soundfonts:
        font = orchestra.locate(soundfont)
        hashed.update(f"{soundfont} {font.stat().st_size if font.is_file() else 0}".encode())
    return hashed.hexdigest()


def load_or_train(path: Path, key: str, network: nn.Module, train: Callable[[], None]) -> None:
    """Load the weights of a network; train it and save them where there are none, or others.

    Args:
        path: File of the weights; its folder is made if it is not there.
        key: What the weights depend on (:func:`training_key`).
        network: The network, which is left in its mode of evaluation.
        train: Trains it in place.

    Raises:
        RetimbreError: the file cannot be written.
    """
    try:
        with safe_open(path, "pt") as file:
            fits = file.metadata() == {"key": key}
            if fits:
                network.load_state_dict({name: file.get_tensor(name) for name in network.state_dict()})
    except (OSError, SafetensorError):  # none there, or damaged
        fits = False
    if not fits:
        train()
        make_folder(path.parent)
        with atomic(path) as temporary:
            save_file(network.state_dict(), temporary, metadata={"key": key})
    network.eval()

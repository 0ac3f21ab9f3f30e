"""No loop copies to the host: on a GPU each read of a tensor waits until all that was asked for is done.

There need not be a GPU: what would be read there is read here too, and is counted.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from retimbre import Audio, Settings, Transfer
from retimbre.alignment.grid import Grid
from retimbre.alignment.notes import transcribe
from retimbre.sound.phase import griffin_lim
from retimbre.sound.stft import Window

READS = {"item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__index__", "__array__"}


class Reads(TorchFunctionMode):
    """Sizes of the tensors that are read by the host."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in READS or (name == "to" and "cpu" in map(str, [*args[1:], *(kwargs or {}).values()])):
            self.sizes.append(args[0].numel())
        return func(*args, **(kwargs or {}))


def _reads(work: Callable[..., object], *args: Any) -> list[int]:
    reads = Reads()
    with reads:
        work(*args)
    return reads.sizes


@pytest.mark.parametrize(
    "read", [Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.cpu, float, int, bool, lambda t: t.to("cpu")]
)
def test_every_way_to_read_is_counted(read: Callable[[Tensor], object]) -> None:
    assert _reads(read, torch.ones(1)) == [1]


def test_a_descent_reads_a_few_numbers_for_each_evaluation() -> None:
    """The loss with its terms, a finite gradient, inner products of the line search and of past steps."""

    def run(n_iter: int) -> tuple[int, list[int]]:
        settings = Settings(align="none", strength=0.9, tolerance=0, n_iter_waveform=0, n_iter=n_iter)
        restyle = Transfer(_noise(1), settings)
        content = restyle.prepare(_noise(2))
        restyle(content)
        with Reads() as reads:
            result = restyle(content)
        return len(result.steps), reads.sizes

    (n_few, few), (n_many, many) = run(4), run(24)
    assert n_many > n_few + 15
    assert sorted(size for size in many if size > 50) == sorted(size for size in few if size > 50)
    assert len(many) - len(few) <= 10 * (n_many - n_few)  # of which the host has two


def _noise(seed: int) -> Audio:
    samples = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(seed))
    return Audio(samples.numpy(), 16000)


def test_phase_retrieval_reads_nothing_in_its_rounds() -> None:
    window = Window(512, 128)
    samples = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    bins = window.stft(samples)
    few, many = (
        _reads(partial(griffin_lim, n_iter=n), bins[0].abs(), bins / 4, window, 8000) for n in (1, 9)
    )
    assert many == few


def test_a_transcription_reads_nothing_for_a_frame() -> None:
    grid = Grid.of(2048, 22050, 0.0, torch.device("cpu"))
    magnitude = torch.rand(1025, 200, generator=torch.Generator().manual_seed(0))
    short, long = (_reads(transcribe, magnitude[:, :n], grid) for n in (40, 200))
    assert len(short) == len(long) <= 40

"""Runner of the blocks of a clip, one after the other or several at once, with progress and interrupts."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

import torch

from retimbre.errors import DivergedError, InputError, Terminated, shown
from retimbre.optim.step import OnStep, Report, Step, StopReason
from retimbre.result import Block

Item = TypeVar("Item")
Made = TypeVar("Made", bound=Block)


class Runner:
    """Runner of blocks, which counts their steps and stops at an interrupt or a divergence.

    Args:
        n_blocks: Number of blocks.
        jobs: Number of blocks at once, one thread each.
        on_step: Called with every step, by one thread at a time; see :class:`retimbre.optim.step.OnStep`.

    Attributes:
        steps: Steps of all blocks in the order of their evaluation.
    """

    def __init__(self, n_blocks: int, *, jobs: int = 1, on_step: OnStep | None = None) -> None:
        if on_step is not None and not callable(on_step):
            raise InputError(f"on_step is {shown(on_step)}: expected a function of a Step")
        self.steps: list[Step] = []
        self._interrupted = self._terminated = False
        self._on_step, self._jobs = on_step, min(jobs, n_blocks)
        self._request: Callable[[], None] | None = getattr(on_step, "check", None)
        self._done = [0.0] * n_blocks
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._began = time.perf_counter()

    def run(
        self, items: Iterable[Item], make: Callable[[Item, Report], Made | None]
    ) -> Iterator[tuple[Item, Made | None]]:
        """Make a block of each item and give both, in order.

        Args:
            items: Items, one per block.
            make: Function from an item and a report of its steps to its block; ``None`` for a silent one.

        Returns:
            Each item with its block; ``None`` for a silent one, and after a stop.
        """
        tasks = enumerate(items)
        if self._jobs == 1:
            yield from ((item, self._make(number, item, make)) for number, item in tasks)
            return
        n_threads = torch.get_num_threads()
        waiting: deque[tuple[Item, Future[Made | None]]] = deque()
        # Threads and not processes: torch releases Python's lock while it computes, and a thread needs no
        # second torch, no copy of the style, and no second start of the caller's program
        # (docs/performance.md).
        with ThreadPoolExecutor(self._jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for number, item in tasks:
                    if len(waiting) == self._jobs:
                        yield self._finished(*waiting.popleft())
                    waiting.append((item, pool.submit(self._make, number, item, make)))
                while waiting:
                    yield self._finished(*waiting.popleft())
            finally:
                self._stop.set()  # where the caller has stopped taking blocks
                torch.set_num_threads(n_threads)

    def _finished(self, item: Item, future: "Future[Made | None]") -> tuple[Item, Made | None]:
        try:
            return item, future.result()
        except KeyboardInterrupt:  # the main thread waits here at a Ctrl-C
            self._stop.set()
            return item, future.result()

    def _make(self, number: int, item: Item, make: Callable[[Item, Report], Made | None]) -> Made | None:
        if self._stop.is_set():
            return None
        try:
            block = make(item, _BlockReport(self, number))
        except KeyboardInterrupt:  # before the first evaluation was completed
            self._stop.set()
            self._interrupted = True
            return None
        if block is not None and block.stopped in ("interrupted", "diverged"):
            self._stop.set()
        self._done[number] = 1.0
        return block

    def count(self, step: Step, number: int) -> Step:
        """Number a step of a block among those of all blocks, keep it without its sound, and pass it on."""
        with self._lock:
            self._done[number] = step.done
            counted = replace(
                step,
                evaluation=len(self.steps) + 1,
                seconds=time.perf_counter() - self._began,
                block=number + 1,
                n_blocks=len(self._done),
                done=fmean(self._done),
            )
            self.steps.append(counted.silent())
            try:
                if self._on_step is not None:
                    self._on_step(counted)
            except KeyboardInterrupt as interrupt:
                self._end(interrupt)
            return counted

    def stop_reason(self, blocks: Sequence[Block]) -> StopReason:
        """Give the reason of the block that ended before its time, or else of the last one.

        Raises:
            KeyboardInterrupt: no block was made before an interrupt.
            DivergedError: every block diverged at its first evaluation.
        """
        if not blocks:
            raise KeyboardInterrupt
        if all(block.best is None for block in blocks):
            raise DivergedError("the loss was no number at the first evaluation: nothing to keep")
        reasons = [block.stopped for block in blocks]
        if "diverged" in reasons:
            return "diverged"
        if self._interrupted or "interrupted" in reasons:
            return "terminated" if self._terminated else "interrupted"
        return reasons[-1]

    def check(self) -> None:
        """Raise a ``KeyboardInterrupt`` after a stop, and where one is requested."""
        if self._request is not None and not self._stop.is_set():
            try:
                self._request()
            except KeyboardInterrupt as interrupt:
                self._end(interrupt)
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _end(self, interrupt: KeyboardInterrupt) -> None:
        self._terminated = isinstance(interrupt, Terminated)
        self._stop.set()


@dataclass(frozen=True)
class _BlockReport:
    """Report of the steps of one block to its runner."""

    runner: Runner
    number: int

    def count(self, step: Step) -> Step:
        return self.runner.count(step, self.number)

    def check(self) -> None:
        self.runner.check()

"""The queue of the work: turns, urgency, bounds, and how jobs make way."""

import threading
from collections.abc import Callable, Iterator

import pytest

from retimbre.apps.sessions.limits import LimitError
from retimbre.apps.sessions.queue import Job, Urgency, WorkQueue

EXACT, ASKED, BACKGROUND = Urgency.EXACT, Urgency.ASKED, Urgency.BACKGROUND


class _Bench:
    """A queue whose first job holds the thread until it is let go."""

    def __init__(self, most: int = 10) -> None:
        self.queue = WorkQueue(most, lambda: None)
        self.done: list[str] = []
        self.go, self.begun, self.finished = threading.Event(), threading.Event(), threading.Event()

    def hold(self, urgency: Urgency = ASKED, owner: object = "holder") -> Job:
        def run(job: Job) -> None:
            self.begun.set()
            assert self.go.wait(10)
            if not job.stopped:
                self.done.append("hold")

        job = Job(owner, "hold", urgency, run)
        self.queue.submit(job)
        assert self.begun.wait(10)
        return job

    def add(self, owner: object, name: str, urgency: Urgency = ASKED) -> None:
        self.queue.submit(Job(owner, name, urgency, lambda job: self.done.append(f"{owner} {name}")))

    def all(self) -> list[str]:
        self.queue.submit(Job("last", "last", BACKGROUND, lambda job: self.finished.set()))
        self.go.set()
        assert self.finished.wait(10)
        return self.done


@pytest.fixture
def make() -> Iterator[Callable[..., _Bench]]:
    made: list[_Bench] = []

    def bench(most: int = 10) -> _Bench:
        made.append(_Bench(most))
        return made[-1]

    yield bench
    for each in made:
        each.go.set()
        each.queue.end()
        each.queue.thread.join(10)
        assert not each.queue.thread.is_alive()


def test_owners_take_turns_and_exact_sounds_come_first_of_their_owners(make: Callable[..., _Bench]) -> None:
    bench = make()
    bench.hold()
    for name in ("1", "2", "3"):
        bench.add("a", name)
    bench.add("b", "1")
    bench.add("a", "background", BACKGROUND)
    bench.add("a", "exact", EXACT)
    assert bench.all() == ["hold", "a exact", "b 1", "a 1", "a 2", "a 3", "a background"]


def test_those_that_wait_are_bounded_without_the_background(make: Callable[..., _Bench]) -> None:
    bench = make(2)
    bench.hold()
    for n in range(50):
        bench.add("a", f"background {n}", BACKGROUND)
    bench.add("a", "1")
    bench.add("b", "1")
    with pytest.raises(LimitError, match="2 transfers wait"):
        bench.add("c", "1")
    bench.add("a", "1")  # in the place of the other
    done = bench.all()
    assert done.count("a 1") == 1
    assert [name for name in done if "background" in name] == [f"a background {n}" for n in range(10, 50)]


def test_the_background_makes_way_and_is_done_later(make: Callable[..., _Bench]) -> None:
    bench = make()
    job = bench.hold(BACKGROUND)
    bench.add("b", "more", BACKGROUND)
    assert not job.stopped
    bench.add("b", "1")
    assert str(job.stopped) == "yielding"
    with pytest.raises(KeyboardInterrupt):
        job.check()
    assert bench.all() == ["b 1", "b more", "hold"] or bench.done == ["b 1", "hold", "b more"]


def test_a_newer_job_of_the_name_ends_the_older(make: Callable[..., _Bench]) -> None:
    bench = make()
    job = bench.hold(EXACT)
    bench.queue.submit(Job("holder", "hold", EXACT, lambda job: bench.done.append("newer")))
    assert job.stopped == "ended"
    assert bench.all() == ["newer"]


def test_what_waits_in_the_background_can_be_hurried(make: Callable[..., _Bench]) -> None:
    bench = make()
    job = bench.hold(BACKGROUND)
    for name in ("1", "2", "3"):
        bench.add("a", name, BACKGROUND)
    assert not bench.queue.hurry("a", "4")
    assert not bench.queue.hurry("b", "3")
    assert bench.queue.hurry("a", "3")
    assert job.stopped == "yielding"
    assert bench.all() == ["a 3", "hold", "a 1", "a 2"]


def test_stopping_by_owner_and_by_name(make: Callable[..., _Bench]) -> None:
    bench = make()
    job = bench.hold()
    for owner in ("a", "b"):
        for name in ("1", "2"):
            bench.add(owner, name)
    assert bench.queue.ahead("b", "2") == 4
    assert not bench.queue.stop("a", "1")
    assert not bench.queue.stop("b")
    assert not job.stopped
    assert bench.queue.stop("holder", "hold")
    assert str(job.stopped) == "asked"
    assert bench.all() == ["a 2"]

"""Work on a transfer: its first sound, the strengths after it, its figures; what is said while it runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from retimbre.apps.studio.limits import Limits
from retimbre.apps.studio.prepared import Prepared
from retimbre.apps.studio.queue import Job, Urgency, WorkQueue
from retimbre.apps.studio.records import SessionTransfer, StrengthRecord
from retimbre.apps.studio.sessions import Session
from retimbre.apps.studio.soundfiles import outline
from retimbre.errors import RetimbreError

if TYPE_CHECKING:
    from retimbre import Result, Step

_PREVIEW_EVERY, _TELL_EVERY = 0.5, 0.1  # seconds
_MOST_STRENGTHS = 24  # sounds of a transfer that are kept; the one used longest ago gives way


def strength_key(strength: float) -> str:
    """Write a strength as its key.

    >>> strength_key(0.25), strength_key(1.0)
    ('0.25', '1')
    """
    return f"{strength:g}"


class Work:
    """Work on transfers, one step after the other.

    Args:
        limits: Limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.prepared = Prepared(limits)
        self.queue = WorkQueue(limits.waiting, _import)

    def start(self, session: Session, transfer: SessionTransfer, strengths: list[float]) -> None:
        """Start a transfer, and the strengths after it.

        Raises:
            LimitError: too many wait.
        """
        run = self._job(session, transfer, lambda job: self._first(session, transfer, strengths, job))
        self.queue.submit(Job(session, transfer.id, Urgency.ASKED, run))
        self._tell(session, transfer)

    def prepare(self, session: Session, transfer: SessionTransfer) -> None:
        """Prepare the style and the content of a transfer that may be asked for, in the background."""

        def run(job: Job) -> None:
            def stop_at_once(step: "Step") -> None:
                raise KeyboardInterrupt

            try:
                restyle, content = self.prepared.pair(transfer)
                restyle(content, on_step=stop_at_once)
            except (KeyboardInterrupt, RetimbreError):  # which is said when the transfer is asked for
                pass

        self.queue.submit(Job(session, "prepare", Urgency.BACKGROUND, run))

    def ask(self, session: Session, transfer: SessionTransfer, strength: float) -> None:
        """Ask for the exact sound of a strength, before everything in the background.

        Raises:
            LimitError: too many wait.
        """
        key = strength_key(strength)
        record = transfer.strengths.get(key)
        if record is not None and record.state == "done":
            record.used = time.monotonic()
        elif record is None or not self.queue.hurry(session, record.job):
            last = transfer.strengths.get(transfer.asked_last)
            self._add(session, transfer, strength, Urgency.EXACT, f"{transfer.id} exact")
            if last is not None and last.state == "queued" and last.job == f"{transfer.id} exact":
                del transfer.strengths[transfer.asked_last]
            transfer.asked_last = key
        self._tell(session, transfer)

    def stop(self, session: Session, transfer: SessionTransfer) -> None:
        """Stop a transfer and keep the best so far."""
        if not self.queue.stop(session, transfer.id) and transfer.state == "queued":
            transfer.state = transfer.first.state = "stopped"
            transfer.words = "stopped before it began"
        self._tell(session, transfer)

    def drop(self, session: Session, transfer: SessionTransfer | None = None) -> None:
        """Drop all work of a session, or of one of its transfers."""
        if transfer is None:
            self.queue.stop(session)
            self.prepared.forget(set(session.clips.values()))
        else:
            names = {transfer.id, *(record.job for record in transfer.strengths.values())}
            for name in names:
                self.queue.stop(session, name)

    def _add(
        self, session: Session, transfer: SessionTransfer, strength: float, urgency: Urgency, name: str
    ) -> None:
        record = StrengthRecord(job=name)
        run = self._job(session, transfer, lambda job: self._strength(session, transfer, strength, record, job))
        self.queue.submit(Job(session, name, urgency, run))
        transfer.strengths[strength_key(strength)] = record
        done = [key for key, other in transfer.strengths.items() if other.path is not None]
        for key in sorted(done, key=lambda key: transfer.strengths[key].used)[: len(done) - _MOST_STRENGTHS]:
            lost = transfer.strengths.pop(key)
            if lost.path is not None and lost.path != transfer.first.path:
                lost.path.unlink(missing_ok=True)

    def _job(
        self, session: Session, transfer: SessionTransfer, run: Callable[[Job], None]
    ) -> Callable[[Job], None]:
        """Wrap a run, so that its errors become a line and the thread lives."""

        def guarded(job: Job) -> None:
            try:
                run(job)
            except Exception as error:  # the thread outlives what went wrong in a job
                if not session.ended:
                    transfer.error = _line(error, transfer)
                    if transfer.state in ("queued", "running"):
                        transfer.state = transfer.first.state = "failed"
                        transfer.words = transfer.error
            finally:
                if session.ended:
                    session.clean()
                    self.drop(session)
                else:
                    self._tell(session, transfer)

        return guarded

    def _first(self, session: Session, transfer: SessionTransfer, strengths: list[float], job: Job) -> None:
        transfer.state = transfer.first.state = "running"
        self._say(session, transfer, "reading")
        path = session.folder / f"{transfer.id}.wav"
        try:
            result = self._made(session, transfer, transfer.settings.strength, path, _Progress(self, session, transfer, job))
        except KeyboardInterrupt:
            transfer.state = transfer.first.state = "stopped"
            transfer.words = "stopped before there was anything to keep"
            return
        if session.ended:
            return
        self._say(session, transfer, "measuring its loudness")
        transfer.first.path = result.path
        transfer.first.outline = outline(result.path)
        transfer.took = result.seconds
        _explain(transfer, result)
        whole = result.stopped not in ("interrupted", "diverged")
        transfer.state = transfer.first.state = "done" if whole else "stopped"
        transfer.words = "done" if whole else "stopped: the best so far is kept"
        transfer.done = 1.0 if whole else transfer.done
        used = {choice.strength for choice in result.choices}
        transfer.strength = used.pop() if len(used) == 1 else transfer.settings.strength
        if transfer.strength is not None and whole:
            transfer.strengths[strength_key(transfer.strength)] = transfer.first
        self._tell(session, transfer)
        if transfer.content is None or transfer.settings.content_weight is not None:
            return
        if self.prepared.keeps(transfer.content):
            for strength in strengths:
                if strength_key(strength) not in transfer.strengths:
                    self._add(
                        session, transfer, strength, Urgency.BACKGROUND, f"{transfer.id} {strength_key(strength)}"
                    )

    def _strength(
        self, session: Session, transfer: SessionTransfer, strength: float, record: StrengthRecord, job: Job
    ) -> None:
        record.state = "running"
        path = session.folder / f"{transfer.id}-{strength_key(strength)}.wav"

        def check(step: "Step") -> None:
            job.check()

        try:
            result = self._made(session, transfer, strength, path, check)
            stopped = result.stopped == "interrupted"
        except KeyboardInterrupt:
            stopped = True
        if stopped:
            path.unlink(missing_ok=True)
            record.state = "queued" if job.stopped == "yielding" else "stopped"
            key = strength_key(strength)
            if record.state == "stopped" and transfer.strengths.get(key) is record:
                del transfer.strengths[key]
            return
        record.path, record.outline = result.path, outline(result.path)
        record.state, record.used = "done", time.monotonic()

    def _made(
        self,
        session: Session,
        transfer: SessionTransfer,
        strength: float | None,
        path: Path,
        on_step: "Callable[[Step], None]",
    ) -> "Result":
        from retimbre import texture

        if transfer.content is None:
            clip = transfer.styles[0][0]
            return texture(
                clip.path,
                transfer.seconds,
                transfer.settings,
                loop=transfer.loop,
                output=path,
                output_format="wav",
                on_step=on_step,
            )
        restyle, content = self.prepared.pair(transfer)
        if transfer.state == "running":
            self._say(session, transfer, "analysing style and content")
        return restyle(content, strength=strength, output=path, output_format="wav", on_step=on_step)

    def _say(self, session: Session, transfer: SessionTransfer, words: str) -> None:
        transfer.words = words
        self._tell(session, transfer)

    def _tell(self, session: Session, transfer: SessionTransfer) -> None:
        session.publish("transfer", transfer.id, transfer.shown())


class _Progress:
    """Listener of the first run: words, loss, the sound so far."""

    def __init__(self, work: Work, session: Session, transfer: SessionTransfer, job: Job) -> None:
        self._work, self._session, self._transfer, self._job = work, session, transfer, job
        self._told = self._rendered = 0.0

    def __call__(self, step: "Step") -> None:
        transfer, now = self._transfer, time.monotonic()
        transfer.steps.append((round(step.seconds, 3), step.loss))
        transfer.done = step.done
        block = f", block {step.block} of {step.n_blocks}" if step.n_blocks > 1 else ""
        stage = "transferring" if step.stage == "spectrogram" else "refining the samples"
        transfer.words = f"{stage}, evaluation {step.evaluation}{block}"
        if now - self._rendered > _PREVIEW_EVERY and not self._job.stopped:
            self._render(step)
            self._rendered = time.monotonic()
        if now - self._told > _TELL_EVERY:
            self._work._tell(self._session, transfer)
            self._told = now
        self._job.check()

    def _render(self, step: "Step") -> None:
        from retimbre.sound.files import write

        path = self._session.folder / f"{self._transfer.id}-preview.wav"
        write(path, step.audio())
        self._transfer.preview += 1


def _explain(transfer: SessionTransfer, result: "Result") -> None:
    from retimbre.apps import explanation

    names = [Path(clip.name) for clip, weight in transfer.styles if weight > 0]
    transfer.explanation = explanation.explain(result)
    transfer.notices = explanation.notices(result, names, "the result")


def _line(error: Exception, transfer: SessionTransfer) -> str:
    """Write an error in one line, with the names of clips for their files."""
    if not isinstance(error, RetimbreError | OSError):
        return f"this went wrong inside retimbre: {type(error).__name__}: {error}"
    line = str(error)
    for clip in (transfer.content, *(clip for clip, _ in transfer.styles)):
        if clip is not None:
            line = line.replace(os.fspath(clip.path), clip.name)
    return " ".join(line.split())


def _import() -> None:
    """Import what the work needs, while the page is being looked at."""
    import retimbre

    retimbre.Transfer, retimbre.texture  # noqa: B018


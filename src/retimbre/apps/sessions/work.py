"""Work on a transfer: its first sound, the strengths after it, its figures, and words about it all."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retimbre.apps.sessions.limits import Limits
from retimbre.apps.sessions.prepared import Prepared
from retimbre.apps.sessions.queue import Job, Urgency, WorkQueue
from retimbre.apps.sessions.records import SessionClip, SessionTransfer, StrengthRecord
from retimbre.apps.sessions.session import Session
from retimbre.errors import InputError, RetimbreError
from retimbre.report.outline import outline

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
    """Work on the transfers of all sessions, one job after the other.

    Args:
        limits: Limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.prepared = Prepared(limits)
        self.queue = WorkQueue(limits.waiting, _import)

    def prepare(self, session: Session, transfer: SessionTransfer) -> None:
        """Analyse the clips of a transfer that may be asked for, in the background."""

        def run(job: Job) -> None:
            def stop_at_once(step: "Step") -> None:
                raise KeyboardInterrupt

            restyle, content = self.prepared.pair(transfer)
            restyle(content, on_step=stop_at_once)

        self._submit(session, transfer, Urgency.BACKGROUND, "prepare", run)

    def start(self, session: Session, transfer: SessionTransfer, strengths: list[float]) -> None:
        """Start a transfer, and the strengths after it.

        Raises:
            LimitError: too many wait.
        """
        run = _First(self, session, transfer, strengths)
        self._submit(session, transfer, Urgency.ASKED, transfer.id, run)
        n_ahead = self.queue.ahead(session, transfer.id)
        transfer.words = f"waiting, {n_ahead} before it" if n_ahead else transfer.words
        tell(session, transfer)

    def ask(self, session: Session, transfer: SessionTransfer, strength: float) -> None:
        """Ask for the exact sound of a strength, before everything in the background.

        Raises:
            LimitError: too many wait.
            InputError: there is nothing of which it could be the strength.
        """
        if (
            transfer.content is None
            or transfer.settings.content_weight is not None
            or transfer.state != "done"
        ):
            raise InputError(
                "this has no strengths: expected a transfer that is done, without a content weight"
            )
        key, exact = strength_key(strength), f"{transfer.id} exact"
        record = transfer.strengths.get(key)
        if record is not None and record.state == "done":
            record.used = time.monotonic()
        elif record is None or not self.queue.hurry(session, record.job):
            self.add(session, transfer, strength, Urgency.EXACT, exact)
            for other, waiting in list(transfer.strengths.items()):  # the slider has moved on
                if other != key and waiting.job == exact and waiting.state == "queued":
                    del transfer.strengths[other]
        tell(session, transfer)

    def stop(self, session: Session, transfer: SessionTransfer) -> None:
        """Stop a transfer and keep the best so far."""
        if not self.queue.stop(session, transfer.id) and transfer.state == "queued":
            transfer.state = transfer.first.state = "stopped"
            transfer.words = "stopped before it began"
        tell(session, transfer)

    def drop(self, session: Session, transfer: SessionTransfer | None = None) -> None:
        """Drop all work of a session, or of one of its transfers."""
        if transfer is None:
            self.queue.stop(session)
            self.forget(set(session.clips.values()))
        else:
            records = transfer.strengths.values()
            for name in {transfer.id, f"{transfer.id} figures", *(record.job for record in records)}:
                self.queue.stop(session, name)

    def forget(self, clips: set[SessionClip]) -> None:
        """Drop what was prepared of some clips, in the thread that prepares."""
        owner = object()
        self.queue.submit(Job(owner, "forget", Urgency.BACKGROUND, lambda job: self.prepared.forget(clips)))

    def add(
        self, session: Session, transfer: SessionTransfer, strength: float, urgency: Urgency, name: str
    ) -> None:
        """Add the sound of a strength to the work; of too many the one used longest ago is removed."""
        record = StrengthRecord(job=name)

        def run(job: Job) -> None:
            self._strength(session, transfer, strength, record, job)

        self._submit(session, transfer, urgency, name, run)
        transfer.strengths[strength_key(strength)] = record
        others = [
            each for each in transfer.strengths.items() if each[1].path not in (None, transfer.first.path)
        ]
        by_use = sorted(others, key=lambda each: each[1].used)
        for key, lost in by_use[: max(0, len(by_use) - _MOST_STRENGTHS)]:
            del transfer.strengths[key]
            if lost.path is not None:
                lost.path.unlink(missing_ok=True)

    def made(
        self, transfer: SessionTransfer, strength: float | None, path: Path, on_step: "Callable[[Step], None]"
    ) -> "Result":
        """Make the sound of a strength, or a texture, and write it."""
        from retimbre import texture

        if transfer.content is None:
            (clip, _), *_ = transfer.styles
            settings = transfer.settings
            options = {"loop": transfer.loop, "output": path, "output_format": "wav"}
            return texture(clip.path, transfer.seconds, settings, **options, on_step=on_step)  # type: ignore[arg-type]
        restyle, content = self.prepared.pair(transfer)
        return restyle(content, strength=strength, output=path, output_format="wav", on_step=on_step)

    def measure(self, session: Session, transfer: SessionTransfer, *, has_pitches: bool) -> None:
        """Measure a transfer in the background."""

        def run(job: Job) -> None:
            from retimbre.apps.figures import figures
            from retimbre.sound.files import read

            if transfer.content is None or transfer.first.path is None:
                return
            style = max(transfer.styles, key=lambda pair: pair[1])[0]
            clips = (read(path) for path in (transfer.first.path, transfer.content.path, style.path))
            found = []
            for figure in figures(*clips, has_pitches=has_pitches):
                job.check()  # they give way to a strength that is asked for
                found.append(vars(figure))
            transfer.figures = found

        self._submit(session, transfer, Urgency.BACKGROUND, f"{transfer.id} figures", run)

    def _strength(
        self, session: Session, transfer: SessionTransfer, strength: float, record: StrengthRecord, job: Job
    ) -> None:
        key = strength_key(strength)
        path = session.folder / f"{transfer.id}-{key}.wav"
        record.state = "running"
        tell(session, transfer)
        try:
            result = self.made(transfer, strength, path, lambda step: job.check())
            is_whole = result.stopped != "interrupted"
        except KeyboardInterrupt:
            is_whole = False
        except BaseException:
            record.state = "failed"
            raise
        if is_whole:
            record.path, record.outline = result.path, outline(result.path)
            record.state, record.used = "done", time.monotonic()
            return
        path.unlink(missing_ok=True)
        record.state = "queued"
        if job.stopped != "yielding" and transfer.strengths.get(key) is record:
            del transfer.strengths[key]

    def _submit(
        self,
        session: Session,
        transfer: SessionTransfer,
        urgency: Urgency,
        name: str,
        run: Callable[[Job], None],
    ) -> None:
        """Submit a job: its errors become a line of the transfer, and it leaves nothing after its session."""

        def guarded(job: Job) -> None:
            try:
                run(job)
            except KeyboardInterrupt:
                pass
            except Exception as error:  # whatever goes wrong in a job, the thread goes on
                transfer.fail(error)
                if not isinstance(error, RetimbreError | OSError):
                    logging.getLogger(__name__).exception("a job failed")
            finally:
                if session.ended:
                    session.clean()
                    self.drop(session)
                elif transfer.id in session.transfers:
                    tell(session, transfer)

        self.queue.submit(Job(session, name, urgency, guarded))


class _First:
    """First run of a transfer: it tells its words, its loss and the sound so far, and adds what follows."""

    def __init__(
        self, work: Work, session: Session, transfer: SessionTransfer, strengths: list[float]
    ) -> None:
        self._work, self._session, self._transfer, self._strengths = work, session, transfer, strengths
        self._told = self._rendered = 0.0

    def __call__(self, job: Job) -> None:
        """Run it."""
        session, transfer = self._session, self._transfer
        transfer.state = transfer.first.state = "running"
        self._say("analysing the style" if transfer.content is None else "analysing style and content")
        path = session.folder / f"{transfer.id}.wav"
        try:
            result = self._work.made(
                transfer, transfer.settings.strength, path, lambda step: self._take(step, job)
            )
        except KeyboardInterrupt:
            transfer.state = transfer.first.state = "stopped"
            transfer.words = "stopped before there was anything to keep"
            return
        if session.ended or transfer.id not in session.transfers:
            path.unlink(missing_ok=True)
            return
        transfer.first.path, transfer.first.outline = result.path, outline(result.path)
        from retimbre.apps import explanation

        _explain(transfer, result)
        is_whole = result.stopped not in ("interrupted", "diverged")
        transfer.took, transfer.done = result.seconds, 1.0
        transfer.state = transfer.first.state = "done" if is_whole else "stopped"
        transfer.words = "done" if is_whole else "stopped: the best so far is kept"
        if is_whole and transfer.strength is not None:
            transfer.strengths[strength_key(transfer.strength)] = transfer.first
        tell(session, transfer)
        if transfer.content is None or not self._work.prepared.keeps(transfer.content):
            return
        has_pitches = explanation.has_pitches(result)
        self._work.measure(session, transfer, has_pitches=has_pitches)
        for strength in self._strengths if transfer.settings.content_weight is None else ():
            key = strength_key(strength)
            if key not in transfer.strengths:
                self._work.add(session, transfer, strength, Urgency.BACKGROUND, f"{transfer.id} {key}")

    def _take(self, step: "Step", job: Job) -> None:
        transfer, now = self._transfer, time.monotonic()
        transfer.steps.append((round(step.seconds, 3), step.loss))
        transfer.done = step.done
        block = f", block {step.block} of {step.n_blocks}" if step.n_blocks > 1 else ""
        stage = "transferring" if step.stage == "spectrogram" else "refining the samples"
        transfer.words = f"{stage}, evaluation {step.evaluation}{block}"
        if now - self._rendered > _PREVIEW_EVERY and not job.stopped:
            from retimbre.sound.files import write

            write(self._session.folder / f"{transfer.id}-preview.wav", step.audio())
            transfer.preview += 1
            transfer.preview_start = round(_start(transfer, step), 3)
            self._rendered = time.monotonic()
        if now - self._told > _TELL_EVERY:
            tell(self._session, transfer)
            self._told = now
        job.check()

    def _say(self, words: str) -> None:
        self._transfer.words = words
        tell(self._session, self._transfer)


def tell(session: Session, transfer: SessionTransfer) -> None:
    """Tell the readers of a session about a transfer."""
    session.publish("transfer", transfer.id, transfer.shown())


def _explain(transfer: SessionTransfer, result: "Result") -> None:
    from retimbre.apps import explanation

    names = [Path(clip.name) for clip, weight in transfer.styles if weight > 0]
    shortest = min(clip.outline.seconds for clip, _ in transfer.styles)
    transfer.explanation = [*explanation.found(result), *explanation.explain(result)]
    transfer.notices = [
        *explanation.notices(result, names, "the result"),
        *explanation.advice(result, shortest),
    ]
    used = {choice.strength for choice in result.choices}
    transfer.strength = used.pop() if len(used) == 1 else transfer.settings.strength


def _start(transfer: SessionTransfer, step: "Step") -> float:
    """Compute where the block of a step begins, in seconds."""
    from retimbre.sound import blocks

    whole = transfer.seconds if transfer.content is None else transfer.content.outline.seconds
    places = np.linspace(0, max(0.0, whole - blocks.TRANSFER.longest), step.n_blocks)
    return float(places[step.block - 1])


def _import() -> None:
    """Import what the work needs, while the page is being looked at."""
    import retimbre

    _ = retimbre.Transfer

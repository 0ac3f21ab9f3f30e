"""What comes out: the samples of a run, and all that is known about them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from retimbre._clips import spectrogram
from retimbre.errors import DivergedError
from retimbre.losses.terms import Objective, Terms
from retimbre.optim.minimise import OnStep, Run, Step, StopReason, optimise
from retimbre.settings import Settings
from retimbre.sound import files
from retimbre.sound.audio import Audio, Sound, collected
from retimbre.sound.phase import griffin_lim, spectral_convergence
from retimbre.sound.stereo import image
from retimbre.sound.stft import Window, from_log_magnitude


@dataclass(frozen=True)
class Result:
    """What a transfer, or a texture, came to.

    Attributes:
        clip: The clip that was made, or the path that it was written to.
        settings: The settings it was made with.
        steps: One per evaluation, in order; empty at strength 0.
        best: The best step of the spectrogram's stage: what was asked for. ``None`` at strength 0. Of
            several blocks this and the next three are means.
        written: Loss recomputed from the samples, before their level was set: what was reached.
        content_weight: Weight of the content term that the strength came to (or that was set).
        spectral_convergence: Of the spectrogram asked for and that of the samples, in dB
            (:func:`retimbre.sound.phase.spectral_convergence`); lower is nearer.
        stopped: Why the spectrogram's stage ended; ``"untouched"`` at strength 0.
        seconds: Time taken.
        choices: What was chosen from the two clips and why, in sentences.
    """

    clip: Audio | Path
    settings: Settings
    steps: tuple[Step, ...]
    best: Step | None
    written: float
    content_weight: float
    spectral_convergence: float
    stopped: StopReason
    seconds: float
    choices: tuple[str, ...] = ()

    @property
    def audio(self) -> Audio:
        """The clip; of a transfer to a file it is read from there."""
        return files.read(self.clip) if isinstance(self.clip, Path) else self.clip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the clip; the suffix says the format (:func:`retimbre.write`)."""
        files.write(path, self.audio)

    def checked(self) -> "Result":
        """Give itself, or raise a DivergedError that holds it if the loss stopped being a number."""
        if self.stopped != "diverged":
            return self
        at = len(self.steps) + 1
        if self.best is None:
            raise DivergedError(f"the loss was no number at evaluation {at}, the first: nothing to keep")
        raise DivergedError(
            f"the loss stopped being a number at evaluation {at}: the best before it "
            f"(evaluation {self.best.evaluation}, loss {self.best.loss:.4g}) is kept"
            + (f": written to {self.clip}" if isinstance(self.clip, Path) else ""),
            result=self,
        )


def delivered(sound: Sound, output: Path | None) -> Audio | Path:
    """Write a sound to a file, or bring it into memory."""
    if output is None:
        return collected(sound)
    files.write(output, sound)
    return output


def mean(values: Sequence[float]) -> float:
    """Mean of some numbers."""
    return sum(values) / len(values)


def mean_step(steps: Sequence[Step]) -> Step | None:
    """The last step, with the means of the terms."""
    if not steps:
        return None
    loss, content, style = (mean([getattr(s, k) for s in steps]) for k in ("loss", "content", "style"))
    return replace(steps[-1], loss=loss, content=content, style=style)


@dataclass(frozen=True)
class Waveform:
    """Samples (C, N) for the spectrogram of a run, the loss that they have, and the convergence in dB."""

    samples: Tensor
    written: float
    spectral_convergence: float


def to_waveform(
    run: Run,
    bins: Tensor,
    n_samples: int,
    objective: Objective,
    window: Window,
    settings: Settings,
    on_step: OnStep | None,
    others: Sequence[tuple[Objective, Window]] = (),
) -> Waveform:
    """Find samples for the spectrogram of a run.

    Griffin-Lim finds a waveform near it, and a few steps on the waveform itself bring that as near to the
    objective as the spectrogram was. An interrupt on the way is noted in the run.

    Args:
        run: Its point is the compressed spectrogram (F, T) asked for.
        bins: Complex, (C, F, T): the stereo image, and the phase to start from.
        n_samples: Length N.
        objective: What the run minimised.
        window: The transform.
        settings: ``n_iter_phase``, ``n_iter_waveform`` and what :func:`optimise` reads.
        on_step: Told of every evaluation.
        others: Objectives under other windows: the iterations on the waveform then descend the mean of all.
    """
    # A channel that is silent stays so: where all are nearly silent, rounding would leak into it.
    sounding = (bins.abs().amax(dim=(1, 2)) > 0).to(run.point)[:, None]

    def spectrogram_of(samples: Tensor) -> Tensor:
        return spectrogram(window.stft(samples * sounding))

    def terms_of(samples: Tensor) -> Terms:
        terms = [objective.terms(spectrogram_of(samples))]
        weights = [1.0]
        for other, at in others:
            terms.append(other.terms(spectrogram(at.stft(samples * sounding))))
            weights.append(other.content_weight / objective.content_weight if objective.content_weight else 1)
        content = [weight * term.content for weight, term in zip(weights, terms, strict=True)]
        return Terms(torch.stack(content).mean(), torch.stack([term.style for term in terms]).mean())

    asked = from_log_magnitude(run.point)
    samples, _ = griffin_lim(asked, image(bins), window, n_samples, n_iter=settings.n_iter_phase)
    samples = samples * sounding
    if settings.n_iter_waveform and run.stopped not in ("interrupted", "diverged"):
        finish = optimise(
            Objective(terms_of, objective.content_weight),
            samples,
            settings,
            stage="waveform",
            spectrogram_of=lambda x: x,
            earlier=run.steps,
            on_step=on_step,
        )
        samples = finish.point
        if finish.stopped == "interrupted":
            run.stopped = "interrupted"
    with torch.no_grad():
        reached = spectrogram_of(samples)
        written = float(objective.total(objective.terms(reached)))
    return Waveform(samples, written, spectral_convergence(from_log_magnitude(reached), asked))

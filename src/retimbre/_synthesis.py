"""Synthesis of samples for a spectrogram: Griffin-Lim, and then a descent over the waveform itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retimbre.losses.terms import Objective, Terms
from retimbre.optim.minimise import Minimum, minimise
from retimbre.optim.step import Preview, Report, StopReason
from retimbre.settings import Settings
from retimbre.sound.phase import griffin_lim, spectral_convergence
from retimbre.sound.stereo import joint_magnitude, stereo_image
from retimbre.sound.stft import Window, from_log_magnitude, log_magnitude


@dataclass(frozen=True)
class Waveform:
    """Samples for a spectrogram, and how near they are to it.

    Attributes:
        samples: Samples (C, N).
        loss: Loss of the samples.
        spectral_convergence: Spectral convergence of the samples to the spectrogram, in dB; lower is nearer.
        stopped: Reason for the end of the spectrogram's stage, or an interrupt of the waveform's.
    """

    samples: Tensor
    loss: float
    spectral_convergence: float
    stopped: StopReason


def to_waveform(
    found: Minimum,
    bins: Tensor,
    n_samples: int,
    objective: Objective,
    window: Window,
    settings: Settings,
    *,
    others: Sequence[tuple[Objective, Window]] = (),
    report: Report | None = None,
    preview: Preview | None = None,
    enough: float = 0.0,
    near: float = 0.0,
) -> Waveform:
    """Synthesise samples for a spectrogram.

    Griffin-Lim finds a waveform near it. Where that is not near enough, a few iterations on the waveform
    itself bring it as near to the objective as the spectrogram was.

    Args:
        found: Minimum over the spectrogram; its point is the target, a compressed spectrogram (F, T).
        bins: Complex bins (C, F, T) with the stereo image, and the phase from which the search starts.
        n_samples: Length N of the result.
        objective: Objective of the minimum.
        window: Short-time Fourier transform.
        settings: ``n_iter_phase``, ``n_iter_waveform``, ``optimizer``, ``tolerance``.
        others: Objectives under other windows: the iterations on the waveform then descend the mean of all.
        report: Receives every step.
        preview: Function that renders samples, for :meth:`retimbre.Step.audio`.
        enough: Loss at which to stop.
        near: Ratio to the spectrogram's loss at which to stop, too, under a single window.
    """
    # A silent channel stays silent: where all are nearly silent, rounding would leak into it.
    audible = (bins.abs().amax(dim=(1, 2)) > 0).to(found.point)[:, None]
    spectrogram_of = _spectrogram_under(window, audible)
    target = from_log_magnitude(found.point)
    samples, _ = griffin_lim(target, stereo_image(bins), window, n_samples, n_iter=settings.n_iter_phase)
    samples, stopped = samples * audible, found.stopped
    if settings.n_iter_waveform and stopped not in ("interrupted", "diverged"):
        terms_of = _mean_terms(
            [(objective, spectrogram_of)] + [(o, _spectrogram_under(w, audible)) for o, w in others]
        )
        finish = minimise(
            Objective(terms_of, objective.content_weight),
            samples,
            settings,
            stage="waveform",
            n_iter=settings.n_iter_waveform,
            spectrogram_of=lambda x: x,
            report=report,
            preview=preview,
            done=(0.8, 1.0),
            enough=enough if others or found.best is None else max(enough, near * found.best.loss),
        )
        samples = finish.point
        stopped = "interrupted" if finish.stopped == "interrupted" else stopped
    with torch.no_grad():
        reached = spectrogram_of(samples)
        loss = float(objective.total(objective.terms(reached)))
    return Waveform(samples, loss, spectral_convergence(from_log_magnitude(reached), target), stopped)


def _spectrogram_under(window: Window, audible: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda samples: log_magnitude(joint_magnitude(window.stft(samples * audible)))


def _mean_terms(parts: Sequence[tuple[Objective, Callable[[Tensor], Tensor]]]) -> Callable[[Tensor], Terms]:
    """Average the terms of objectives under several windows, in units of the first one's content weight."""
    main = parts[0][0].content_weight

    def terms_of(samples: Tensor) -> Terms:
        terms = [objective.terms(spectrogram_of(samples)) for objective, spectrogram_of in parts]
        weights = [objective.content_weight / main if main else 1.0 for objective, _ in parts]
        content = [weight * term.content for weight, term in zip(weights, terms, strict=True)]
        return Terms(torch.stack(content).mean(), torch.stack([term.style for term in terms]).mean())

    return terms_of

"""The comparison: every network on the same pair with equal care, on one page."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retimbre._output import atomic, check_writable, make_folder
from retimbre._transfer import Transfer, transfer
from retimbre.alignment.registry import check_alignment
from retimbre.errors import InputError
from retimbre.networks import weights
from retimbre.networks.registry import network_spec
from retimbre.optim.step import Step
from retimbre.report import comparison
from retimbre.report.comparison import UNTRAINED, Comparison, NetworkTrial, Score
from retimbre.report.rendering import require
from retimbre.settings import COMPARED_NETWORKS, Settings
from retimbre.sound.audio import Audio, collect
from retimbre.sound.clips import Clip, as_sound, check_length
from retimbre.sound.files import write

STRENGTHS = (0.3, 0.5, 0.7, 0.9)
"""Strengths of the sweep, for each network, with a quarter of the iterations each."""

SWEEP_SECONDS = 5.0
"""Length at most of the content in the sweep: its first seconds that sound."""

OnProgress = Callable[[str, Step], None]


@dataclass(frozen=True)
class ComparedPair:
    """A content and a style for the networks to transfer.

    Args:
        title: Heading on the page.
        content: The content clip.
        style: The style clip.
        note: A sentence or two under the heading.
    """

    title: str
    content: Audio
    style: Audio
    note: str = ""


def compare(
    content: Clip,
    style: Clip,
    directory: str | os.PathLike[str],
    *,
    networks: Sequence[str] = COMPARED_NETWORKS,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Try several networks on one pair: a WAV file of each, and the page that shows them.

    Args:
        content: The clip whose notes and rhythm are kept.
        style: The clip whose sound is taken.
        directory: Folder to write to; made if it is not there. Files of an earlier run are replaced.
        networks: Names of networks. One whose trained weights are not there runs with random ones, and the
            page says so.
        settings: Settings that the networks share, such as the number of iterations. Network and strength
            are ignored.
        on_progress: As in :func:`compare_pairs`.

    Returns:
        Path of the page, ``index.html`` in the folder.

    Raises:
        InputError: as in :func:`compare_pairs` and :func:`retimbre.transfer`.
        AudioReadError: a path that cannot be read.
    """
    settings = settings or Settings()
    _check(networks, settings)
    clips, names = [], []
    ours = {Path(directory, f"1-{name}.wav").resolve() for name in ("content", "style", *networks)}
    for clip, role in ((content, "content"), (style, "style")):
        sound = as_sound(clip, role)
        check_length(sound, role, settings)
        clips.append(collect(sound))
        path = Path(clip) if isinstance(clip, (str, os.PathLike)) else None
        if path is not None and path.resolve() in ours:
            raise InputError(f"{path} would be overwritten: expected another folder for the output")
        names.append(role if path is None else os.fsencode(path.stem).decode(errors="replace"))
    pair = ComparedPair(f"{names[0]} to {names[1]}", clips[0], clips[1])
    return compare_pairs([pair], directory, networks=networks, settings=settings, on_progress=on_progress)


def compare_pairs(
    pairs: Iterable[ComparedPair],
    directory: str | os.PathLike[str],
    *,
    networks: Sequence[str] = COMPARED_NETWORKS,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Try several networks on several pairs, on one page.

    An interrupt (as in :func:`retimbre.transfer`) ends the comparison: the page shows what is done by then,
    the network at hand with its best result so far unless it was still in its sweep.

    Args:
        pairs: Pairs to transfer, taken one after the other.
        directory: As in :func:`compare`.
        networks: As in :func:`compare`.
        settings: As in :func:`compare`.
        on_progress: Called with the number of the pair and the network, such as ``"1 kernel"``, and a
            :class:`Step` after every evaluation; its ``done`` is the share of the sweep and the full run.

    Returns:
        Path of the page, ``index.html`` in the folder.

    Raises:
        InputError: a network that is not there, a setting that only one network could have, a folder that
            cannot be made or written to, or as in :func:`retimbre.transfer`.
        WeightsError: weights that are there but damaged.
        DependencyError: a package of the extra ``report`` is not installed.
        KeyboardInterrupt: an interrupt before anything was done.
    """
    settings = _alike(settings or Settings())
    _check(networks, settings)
    require()
    directory = Path(directory)
    make_folder(directory)
    page = directory / "index.html"
    check_writable(page)
    comparisons: list[Comparison] = []
    for number, pair in enumerate(pairs, start=1):
        trials: list[NetworkTrial] = []
        interrupted = False
        for network in networks:
            file = f"{number}-{network}.wav"
            untrained = _weights(network, settings) == UNTRAINED
            own = replace(settings, network=network, random_weights=untrained)
            trial = _trial(pair, own, file, f"{number} {network}", on_progress)
            if trial is not None:
                write(directory / file, trial.result.audio)
                trials.append(trial)
            interrupted = trial is None or trial.result.stopped == "interrupted"
            if interrupted:
                break
        if trials:
            files = (f"{number}-content.wav", f"{number}-style.wav")
            for file, clip in zip(files, (pair.content, pair.style), strict=True):
                write(directory / file, clip)
            comparisons.append(Comparison(pair.title, pair.content, pair.style, trials, pair.note, files))
        if interrupted:
            break
    if not comparisons:
        raise KeyboardInterrupt
    html = comparison.page("retimbre: the networks compared", comparisons, intro=_intro(settings))
    with atomic(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page


def _alike(settings: Settings) -> Settings:
    """Turn the default alignment off, as not every network can have the style aligned."""
    return replace(settings, align="none") if settings.align == "auto" else settings


def _check(networks: Sequence[str], settings: Settings) -> None:
    """Check before the work everything that would end it later."""
    if not networks or len(set(networks)) < len(networks):
        raise InputError(f"networks is {','.join(networks)}: expected one or more names, each once")
    for name in ("content_weight", "content_layers", "style_layers"):
        if (value := getattr(settings, name)) is not None:
            raise InputError(f"{name} is {value}: expected none, as it cannot be the same for all networks")
    for network in networks:
        check_alignment(settings, takes_samples=network_spec(network).sample_rate is not None)
        if _weights(network, settings) == "trained":
            weights.verify(network)


def _weights(network: str, settings: Settings) -> str:
    """Name the kind of weights that a network will have."""
    if network not in weights.REGISTRY:
        return "none"
    return UNTRAINED if settings.random_weights or not weights.path(network).exists() else "trained"


def _trial(
    pair: ComparedPair, settings: Settings, file: str, label: str, on_progress: OnProgress | None
) -> NetworkTrial | None:
    """Find the best strength, then run at it; ``None`` where the sweep was interrupted."""
    began = time.perf_counter()
    opening = _opening(pair.content)
    quarters = {name: -(-getattr(settings, name) // 4) for name in ("n_iter", "n_iter_waveform")}
    sweep: dict[float, Score] = {}
    restyle = Transfer(pair.style, replace(settings, **quarters))
    content = restyle.prepare(opening)
    for k, strength in enumerate(STRENGTHS):
        on_step = _part(label, on_progress, 0.5 * k / len(STRENGTHS), 0.5 / len(STRENGTHS))
        try:
            result = restyle(content, strength=strength, on_step=on_step)
        except KeyboardInterrupt:
            return None
        if result.stopped == "interrupted":
            return None
        sweep[strength] = Score.of(result.audio, pair.style, opening)
    swept = time.perf_counter() - began
    # Where no strength has a balance, for it is 0 as soon as one of the two is, their sum decides.
    best = max(sweep, key=lambda strength: (sweep[strength].balance, sum(sweep[strength].means)))
    on_step = _part(label, on_progress, 0.5, 0.5)
    try:
        result = transfer(pair.content, pair.style, replace(settings, strength=best), on_step=on_step)
    except KeyboardInterrupt:
        return None
    score = Score.of(result.audio, pair.style, pair.content)
    return NetworkTrial(
        settings.network, _weights(settings.network, settings), result, score, sweep, swept, file
    )


def _part(
    label: str, on_progress: OnProgress | None, start: float, share: float
) -> Callable[[Step], None] | None:
    if on_progress is None:
        return None
    return lambda step: on_progress(label, replace(step, done=start + share * step.done))


def _opening(content: Audio) -> Audio:
    """Cut the content of the sweep: the first seconds that sound."""
    length = min(content.n_samples, round(SWEEP_SECONDS * content.sample_rate))
    first = int(content.samples.any(axis=0).argmax())
    start = min(first, content.n_samples - length)
    return Audio(content.samples[:, start : start + length], content.sample_rate)


def _intro(settings: Settings) -> str:
    return (
        "Every network on the same clips with equal care: the same starting point "
        f"({settings.init}), at most {settings.n_iter} iterations, and for each the strength that did best "
        "in a short sweep. The style is taken as it is: not every network can have it played at "
        "the content's pitches.\n\n"
        "Networks that take a spectrogram descend over it and finish with at most "
        f"{settings.n_iter_waveform} iterations on the waveform; those that take samples descend over the "
        "waveform alone. All clips lie beside this page as WAV."
    )

"""The comparison: every network on the same pair with equal care, on one page."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retimbre._output import atomic, check_writable, make_folder
from retimbre.alignment.registry import check_alignment
from retimbre.apps.engines.local import LocalEngine, gpus
from retimbre.apps.network_runs import NetworkJob
from retimbre.apps.network_trials import PendingTrial, kind_of_weights, runs_in_turn
from retimbre.errors import InputError, RetimbreError
from retimbre.networks import weights
from retimbre.networks.registry import network_spec
from retimbre.report import comparison
from retimbre.report.comparison import UNTRAINED, Comparison
from retimbre.report.rendering import require
from retimbre.settings import COMPARED_NETWORKS, Settings
from retimbre.sound.audio import Audio, collect
from retimbre.sound.clips import Clip, as_sound, check_length
from retimbre.sound.files import write

OnProgress = Callable[[str, float], None]


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
    workers: int | None = None,
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
        workers: As in :func:`compare_pairs`.
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
    return compare_pairs(
        [pair], directory, networks=networks, settings=settings, workers=workers, on_progress=on_progress
    )


def compare_pairs(
    pairs: Iterable[ComparedPair],
    directory: str | os.PathLike[str],
    *,
    networks: Sequence[str] = COMPARED_NETWORKS,
    settings: Settings | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Try several networks on several pairs, on one page.

    The runs are done by processes of one thread each, which are started anew: a script that calls this has to
    do so under ``if __name__ == "__main__"``. An interrupt ends the comparison at once: the page shows the
    networks that are done by then.

    Args:
        pairs: Pairs to transfer.
        directory: As in :func:`compare`.
        networks: As in :func:`compare`.
        settings: As in :func:`compare`.
        workers: Number of processes; as many as cores that may be used, or one for each GPU, if ``None``.
        on_progress: Called several times a second with the number of a pair and a network, such as
            ``"1 kernel"``, and the share of its sweep and its full run that is done, 0 to 1. A
            ``KeyboardInterrupt`` in it is an interrupt.

    Returns:
        Path of the page, ``index.html`` in the folder.

    Raises:
        InputError: a network that is not there, a setting that only one network could have, a folder that
            cannot be made or written to.
        WeightsError: weights that are there but damaged.
        DependencyError: a package of the extra ``report`` is not installed.
        RetimbreError: a run that failed, by the number of its pair and its network.
        KeyboardInterrupt: an interrupt before anything was done.
    """
    settings = _alike(settings or Settings())
    _check(networks, settings)
    require()
    directory = Path(directory)
    make_folder(directory)
    page = directory / "index.html"
    check_writable(page)
    pairs = list(pairs)
    trials = [PendingTrial(n, _own(network, settings)) for n in range(len(pairs)) for network in networks]
    engine = LocalEngine(workers, devices=() if settings.device == "cpu" else gpus())
    job = NetworkJob.of([(pair.content, pair.style) for pair in pairs])
    latest: PendingTrial | None = None
    try:
        for outcome in engine.run(job, runs_in_turn(trials), lambda: False):
            if outcome is not None:
                latest = next(trial for trial in trials if trial.has(outcome.item))
                if outcome.record is None:
                    raise RetimbreError(f"{latest.label}: {outcome.fault}")
                latest.take(outcome.item, outcome.record)
                if latest.done is not None:
                    write(directory / latest.file, latest.done.result.audio)
            if on_progress is not None and latest is not None:
                on_progress(latest.label, latest.share)
    except KeyboardInterrupt:
        pass
    comparisons = [
        Comparison(pair.title, pair.content, pair.style, done, pair.note, _written(n, pair, directory))
        for n, pair in enumerate(pairs)
        if (done := [trial.done for trial in trials if trial.pair == n and trial.done is not None])
    ]
    if not comparisons:
        raise KeyboardInterrupt
    html = comparison.page("retimbre: the networks compared", comparisons, intro=_intro(settings))
    with atomic(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page


def _own(network: str, settings: Settings) -> Settings:
    """Give the settings of a network; random weights where its trained ones are not there."""
    untrained = kind_of_weights(network, settings) == UNTRAINED
    return replace(settings, network=network, random_weights=untrained)


def _written(number: int, pair: ComparedPair, directory: Path) -> tuple[str, str]:
    """Write content and style beside the page; give their names."""
    files = (f"{number + 1}-content.wav", f"{number + 1}-style.wav")
    for file, clip in zip(files, (pair.content, pair.style), strict=True):
        write(directory / file, clip)
    return files


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
        if kind_of_weights(network, settings) == "trained":
            weights.verify(network)


def _intro(settings: Settings) -> str:
    return (
        "Every network on the same clips with equal care: the same starting point "
        f"({settings.init}), at most {settings.n_iter} iterations, and for each the strength that did best "
        "in a short sweep. The style is taken as it is: not every network can have it played at "
        "the content's pitches.\n\n"
        "Networks that take a spectrogram descend over it and finish with at most "
        f"{settings.n_iter_waveform} iterations on the waveform; those that take samples descend over the "
        "waveform alone. Every run has one thread, beside others at the same time. All clips lie beside this "
        "page as WAV."
    )

"""Prepared styles and contents, the latest few of all sessions."""

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from retimbre.apps.sessions.limits import Limits
from retimbre.apps.sessions.records import SessionClip, SessionTransfer

if TYPE_CHECKING:
    from retimbre import Content, Transfer


class Prepared:
    """Store of prepared styles and contents; the one that was used longest ago gives way.

    Args:
        limits: Number of styles, and length of all contents.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._styles: OrderedDict[tuple[object, ...], Transfer] = OrderedDict()
        self._contents: OrderedDict[tuple[object, ...], Content] = OrderedDict()

    def keeps(self, clip: SessionClip) -> bool:
        """Tell whether a content is short enough to be kept."""
        return clip.outline.seconds <= self._limits.kept_seconds

    def pair(self, transfer: SessionTransfer) -> "tuple[Transfer, Content]":
        """Give the style and the content of a transfer, opened now if they are not here."""
        from retimbre import Content, Transfer

        assert transfer.content is not None
        settings = replace(transfer.settings, strength=None, tags="none")  # names are the session's own
        key = (*((clip, weight) for clip, weight in transfer.styles), settings)
        if key not in self._styles:
            while len(self._styles) >= self._limits.kept_styles:
                self._styles.popitem(last=False)
            mix = [(clip.path, weight) for clip, weight in transfer.styles]
            self._styles[key] = Transfer(mix[0][0] if len(mix) == 1 else mix, settings)
        self._styles.move_to_end(key)
        clip = transfer.content
        if not self.keeps(clip):
            return self._styles[key], Content(clip.path, settings)
        at = (clip, settings.n_fft, settings.hop_length)
        if at not in self._contents:
            lengths = [key[0].outline.seconds for key in self._contents]  # type: ignore[attr-defined]
            while lengths and sum(lengths) + clip.outline.seconds > self._limits.kept_seconds:
                self._contents.popitem(last=False)
                lengths.pop(0)
            self._contents[at] = self._styles[key].prepare(clip.path)
        self._contents.move_to_end(at)
        return self._styles[key], self._contents[at]

    def forget(self, clips: "set[SessionClip]") -> None:
        """Drop what was made of some clips."""
        for key in [key for key in self._styles if any(pair[0] in clips for pair in key[:-1])]:  # type: ignore[index]
            del self._styles[key]
        for at in [at for at in self._contents if at[0] in clips]:
            del self._contents[at]

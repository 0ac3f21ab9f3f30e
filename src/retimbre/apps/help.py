"""Help of a command: its options in the groups of the field, in 80 columns."""

import re
from typing import Any

from typer.core import TyperCommand

GROUPS = {
    "output": "Files",
    "style": "Style",
    "network": "Network",
    "transform": "Transform",
    "optimisation": "Optimisation",
    "run": "Run",
    "messages": "Messages",
}
"""Headings, in order, by the group of an option: those of settings, and messages."""

_COLUMN = 24


class Command(TyperCommand):
    """A command whose help has a heading for each group of options; one group needs none."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Give the words of the line of usage; a metavar that has dots of its own needs no more of them."""
        pieces = super().collect_usage_pieces(ctx)
        return [re.sub(r"^\{(.*\.\.\..*)\}\.\.\.$", r"\1", piece) for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, the options that are the command's own, and the others in their groups."""
        titles = ("Arguments", "Options", *GROUPS.values())
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
        helps: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                groups["Arguments"].append((param.metavar or record[0], record[1]))
            elif param.name == "help":
                helps.append(record)
            else:
                groups[getattr(param, "rich_help_panel", None) or "Options"].append(record)
        last = "Messages" if any(groups[title] for title in GROUPS.values()) else "Options"
        groups[last] += helps
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=_COLUMN)

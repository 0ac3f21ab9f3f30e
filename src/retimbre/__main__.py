"""The command ``retimbre``, also as ``python -m retimbre``: interrupts are handled before anything else."""

from typing import NoReturn

from retimbre.apps import interrupts


def main() -> NoReturn:
    """Run the command line, which an interrupt may end from here on."""
    interrupts.end_at_once()
    from retimbre.apps import standard_streams

    standard_streams.open_closed()
    from retimbre.apps import cli

    cli.main()


if __name__ == "__main__":
    main()

"""``python -m retimbre`` is the command ``retimbre``."""

from retimbre.apps.cli import main

main()

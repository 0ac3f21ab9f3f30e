"""The command ``retimbre doctor`` and the option ``--version``."""

import typer


def show_version(wanted: bool) -> None:
    """Print the versions and end the command, if that is wanted."""
    if wanted:
        from retimbre.apps.installation import versions

        typer.echo(versions())
        raise typer.Exit


def doctor() -> None:
    """Show in ten lines what is installed and works: torch, threads, formats, extras, weights.

    Ends with exit code 2 where a part does not work that every transfer needs.
    """
    from retimbre.apps import standard_streams
    from retimbre.apps.installation import lines

    with standard_streams.without_notes():
        found = lines()
    for line in found:
        typer.echo(f"{line.name:<11}{line.text}")
    if not all(line.works for line in found):
        raise typer.Exit(2)

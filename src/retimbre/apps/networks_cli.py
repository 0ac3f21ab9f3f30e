"""The command ``retimbre networks``: a list of the networks.

Everything heavy is imported when the command runs.
"""

import typer


def networks() -> None:
    """List the networks: their input, their layers, and their requirements."""
    from retimbre.networks.registry import network_specs

    for name, spec in network_specs().items():
        rate = "the content's, at most 48 kHz" if spec.sample_rate is None else f"{spec.sample_rate} Hz"
        typer.echo(f"{name}: {spec.summary}")
        typer.echo(f"  rate       {rate}")
        typer.echo(f"  front end  {spec.front_end}")
        typer.echo(f"  layers     {', '.join(spec.layers)}")
        typer.echo(f"  needs      {spec.needs}")

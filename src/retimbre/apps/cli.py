"""The command line: the commands, and errors to one line and an exit code.

Everything heavy is imported when a command runs.
"""

import sys
from difflib import get_close_matches
from typing import Annotated

import typer

from retimbre.apps import batch_cli, interrupts, listening_cli, standard_streams, studio_cli, weights_cli
from retimbre.apps.compare_cli import compare
from retimbre.apps.console import say
from retimbre.apps.demo_cli import demo
from retimbre.apps.doctor import doctor, show_version
from retimbre.apps.help import Command
from retimbre.apps.measure_cli import measure
from retimbre.apps.networks_cli import networks
from retimbre.apps.texture_cli import texture
from retimbre.apps.transfer_cli import transfer
from retimbre.errors import RetimbreError

app = typer.Typer(
    help="Give one recording the sound of another: the content's notes and rhythm, the style's sound.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # plain help starts in half the time
    pretty_exceptions_enable=False,
)
for command in (
    transfer,
    batch_cli.batch,
    studio_cli.studio,
    texture,
    compare,
    measure,
    demo,
    networks,
    doctor,
):
    app.command(cls=Command)(command)
app.add_typer(weights_cli.app, name="weights")
app.add_typer(listening_cli.app, name="listening-test")


@app.callback()
def _top(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="show versions and threads"),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _message(error: Exception) -> str:
    """Give the line of an error; of an option that is none with the nearest that is."""
    if not isinstance(error, typer.TyperException):
        return str(error)
    if options := getattr(error, "possibilities", None):
        names = {option.lstrip("-"): option for option in options}  # the dashes are alike in all
        near = get_close_matches(getattr(error, "option_name", "").lstrip("-"), names, n=1)
        return f"{error.message}; did you mean {names[near[0]]}?" if near else error.message
    return error.format_message()


def main() -> int:
    """Run the command ``retimbre`` and give its exit code.

    0 done, 1 done but stdout could not be written, 2 an error in one line on stderr, 130 interrupted.
    """
    # Names are bytes of any kind, but on Windows text that the code page of a pipe may not have.
    errors = "backslashreplace" if sys.platform == "win32" else "surrogateescape"
    sys.stdout.reconfigure(errors=errors)  # type: ignore[union-attr]
    try:
        code = app(standalone_mode=False, prog_name="retimbre")
    except (RetimbreError, typer.TyperException) as error:
        say(" ".join(f"error: {_message(error)}".split()))
        code = 2
    except (interrupts.InterruptError, KeyboardInterrupt, typer.Abort) as error:
        say(f"interrupted: {error or interrupts.NOTHING}")
        code = interrupts.CODE
    except OSError as error:
        if error.filename is not None:
            raise
        standard_streams.drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            say(f"error: stdout cannot be written ({error.strerror}); what was made is there")
        code = 1
    interrupts.ignore()
    return code if isinstance(code, int) else 0

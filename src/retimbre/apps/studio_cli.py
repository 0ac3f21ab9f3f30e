"""The command ``retimbre studio``: the studio in the browser.

Everything heavy is imported when the command runs.
"""

import os
import sys
import threading
from typing import Annotated, Optional

import typer

from retimbre.apps import interrupts
from retimbre.apps.console import say
from retimbre.errors import InputError


def studio(
    host: Annotated[str, typer.Option("--host", help="address to listen at")] = "127.0.0.1",
    port: Annotated[
        Optional[int],  # noqa: UP045 - typer asks for this form
        typer.Option("--port", min=0, max=65_535, help="port; 0 for any", show_default="8731, if it is free"),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="open no browser")] = False,
    share: Annotated[
        bool, typer.Option("--share-on-network", help="let others in who have the address with its token")
    ] = False,
) -> None:
    """Start the studio: style transfer by ear, in the browser.

    Prints its address and opens it. Nothing leaves this machine. Ctrl-C ends it, removes its files and is no
    error.
    """
    from retimbre.apps.studio import server

    if not server.is_loopback(host) and not share:
        raise InputError(f"others can reach {host}: expected 127.0.0.1, or --share-on-network to let them in")

    def started(address: str) -> None:
        typer.echo(address)
        sys.stdout.flush()
        if not server.is_loopback(host):
            say("others on the network can use this studio: whoever has the address, with its token, gets in")
        if sys.stderr.isatty():
            say("the studio is open at this address; Ctrl-C ends it")
        if not no_browser and _has_screen():
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    server.serve(host, port, started)
    interrupts.ignore()


def _has_screen() -> bool:
    """Tell whether a browser can show a window, which one in the terminal would not."""
    return sys.platform in ("darwin", "win32") or any(n in os.environ for n in ("DISPLAY", "WAYLAND_DISPLAY"))

"""The process of a local worker: items come through a pipe, records go back.

The module is light: torch is imported when the job starts, after the environment was set.
"""

import os
import queue
import signal
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from retimbre.apps.engines.job import Job, Worker, answered, described


def serve(connection: "Connection[Any, Any]", job: Job[Any, Any], environment: Mapping[str, str]) -> None:
    """Do the items that come through a pipe, until ``None`` comes or the other end is gone.

    Signals are for the parent, which gets them too: a scheduler sends SIGTERM to every process, a terminal
    SIGINT. The item at work is then finished, unless the parent ends; then this process does, at once.
    """
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    os.environ.update(environment)
    try:
        worker = job()
    except BaseException as error:
        connection.send(("broken", described(error)))
        os._exit(1)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ending = threading.Event()
    threading.Thread(target=_listen, args=(connection, inbox, ending, worker), daemon=True).start()
    connection.send(("ready", None))
    while (item := inbox.get()) is not None and not ending.is_set():
        connection.send(answered(worker, item))
    worker.close()
    os._exit(0)  # the end of torch and its threads takes time, and nothing is left to be done


def _listen(
    connection: "Connection[Any, Any]",
    inbox: "queue.SimpleQueue[Any]",
    ending: threading.Event,
    worker: Worker[Any, Any],
) -> None:
    """Receive items; end the process where the parent has ended, even in the middle of an item."""
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            worker.close()
            os._exit(1)
        if item is None:
            ending.set()
        inbox.put(item)

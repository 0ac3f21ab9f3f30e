"""A studio in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    """Start a studio at any port; give its address."""
    command = [sys.executable, "-m", "retimbre", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            found = [word for word in line.split() if word.startswith("http://127.0.0.1:")]
            if found:
                break
        else:
            pytest.fail(f"the studio did not start: {''.join(said)}")
        yield found[0]
        process.terminate()

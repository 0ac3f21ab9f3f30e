"""How threads wait: several runs on one machine must not stall each other."""

import os
import subprocess
import sys

import pytest

NAMES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [None, "2000"]),
        ({"GOMP_SPINCOUNT": "7"}, [None, "7"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
    ],
)
def test_waiting_threads_spin_briefly_unless_told_otherwise(
    given: dict[str, str], expected: list[str | None]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    code = f"import os, sys, retimbre; print([os.environ.get(n) for n in {NAMES}], 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{expected} False"

"""Threads of torch: how many, how they wait, and one after a fork.

OpenMP reads the environment as torch is loaded, so that it is set as retimbre is imported; where torch was
loaded before, it means nothing.
"""

import math
import os
import sys
from collections.abc import MutableMapping

_CGROUP = "/sys/fs/cgroup"


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set how many threads torch has and how they wait, unless that is set; make it one in forked processes.

    Two runs on the same cores stall each other where waiting threads spin (docs/performance.md). There are as
    many as cores that the process may use: by its affinity, which OpenMP knows, and by the quota of its
    container, which it does not.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "2000")
    if "OMP_NUM_THREADS" not in environment and usable_cores() < (os.cpu_count() or 1):
        environment["OMP_NUM_THREADS"] = str(usable_cores())
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one)


def _use_one() -> None:
    """Compute with one thread: the others are gone after a fork, and would be waited for for ever."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads") and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def usable_cores(cgroup: str = _CGROUP, process: str = "/proc/self/cgroup") -> int:
    """Count the cores that this process may use, at least 1.

    Args:
        cgroup: Folder of the control groups.
        process: File that names those of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _folders(cgroup, process) if (quota := _quota(folder)) is not None]
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas)]))


def _folders(cgroup: str, process: str) -> list[str]:
    """List the folders of this process's control groups, up to the root; of both versions."""
    folders = [cgroup, f"{cgroup}/cpu"]
    try:
        with open(process, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        at = f"{cgroup}/cpu" if controllers else cgroup
        for part in path.split("/"):
            at = f"{at}/{part}" if part else at
            folders.append(at)
    return folders


def _quota(folder: str) -> float | None:
    """Read the cores that a control group may use; ``None`` where there is no limit."""
    try:
        if os.path.exists(f"{folder}/cpu.max"):
            with open(f"{folder}/cpu.max", encoding="utf-8") as file:
                quota, period = file.read().split()
        else:
            with open(f"{folder}/cpu.cfs_quota_us", encoding="utf-8") as file:
                quota = file.read()
            with open(f"{folder}/cpu.cfs_period_us", encoding="utf-8") as file:
                period = file.read()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # no such file, or "max"
        return None

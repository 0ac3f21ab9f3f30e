"""The examples of docs/batch.md, taken from the page and run as far as one machine can.

``python benchmarks/batch_examples.py`` (extra ``dask``; ``pip install dask-jobqueue`` for one of them). Those
for Slurm by ``sbatch`` where there is one, else as Slurm starts them; pods and the command have folders of
their own. The sounds are to be the same bytes as by ``retimbre batch`` alone.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from batch_cluster import kill_all
from batch_scale import ground

_PAGE = Path(__file__).parents[1] / "docs" / "batch.md"
_N_ROWS = 40
_PATIENCE = 300.0  # seconds for an example
_SERVICE = "tcp://retimbre-scheduler:8786"


def block(language: str) -> str:
    """Give the one block of the page in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return str(found)


def environment() -> dict[str, str]:
    """Give an environment with the commands of this interpreter, and retimbre among them."""
    folder = Path(sys.executable).parent
    return os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def commands(folder: Path) -> Path:
    """Make the command ``retimbre`` of this interpreter, for a tree that is not installed."""
    folder.mkdir()
    for name, module in (("retimbre", "retimbre"), ("dask", "dask")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n', encoding="ascii")
        script.chmod(0o755)
    return folder


def data(folder: Path) -> Path:
    """Make a folder with clips and their manifest."""
    folder.mkdir()
    ground(folder)
    lines = ["content,style,output,n_iter", *(f"c{n}.wav,s.wav,{n}.wav,20" for n in range(_N_ROWS))]
    (folder / "pairs.csv").write_text("\n".join(lines), encoding="ascii")
    return folder


def sounds(out: Path) -> dict[str, bytes]:
    """Read the outputs."""
    return {path.name: path.read_bytes() for path in out.glob("*.wav")}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


def slurm_answers() -> bool:
    """Tell whether there is a Slurm, and not its commands alone."""
    if not shutil.which("sinfo"):
        return False
    return subprocess.run(["sinfo"], check=False, capture_output=True).returncode == 0


def array(folder: Path, env: Mapping[str, str]) -> str:
    """Run the array: by Slurm, or each job as Slurm starts it."""
    script = folder / "array.sh"
    script.write_text(block("bash").replace("1-8", "1-4").replace("-per-task=2", "-per-task=1"))
    script.chmod(0o755)
    if slurm_answers():
        subprocess.run(["sbatch", "--wait", "--export=ALL", script], cwd=folder, env=env, check=True)
        return "an array of four jobs by Slurm"
    jobs = [
        subprocess.Popen(
            [script],
            cwd=folder,
            env={**env, "SLURM_ARRAY_TASK_ID": str(n), "SLURM_ARRAY_TASK_COUNT": "4"},
        )
        for n in range(1, 5)
    ]
    codes = [job.wait() for job in jobs]
    assert codes == [0] * 4, codes
    return "an array of four jobs, without Slurm"


def jobqueue(folder: Path, env: Mapping[str, str]) -> str:
    """Run the script for dask-jobqueue: by Slurm, or by its class that starts jobs on this machine."""
    text = block("python").replace("jobs=8", "jobs=2").replace("cores=1,", 'cores=1,\n    interface="lo",')
    what = "SLURMCluster"
    if not slurm_answers():
        what = "LocalCluster"
        text = text.replace(
            "from dask_jobqueue import SLURMCluster", "from dask_jobqueue.local import LocalCluster"
        )
        text = text.replace("SLURMCluster", what).replace('    walltime="04:00:00",\n', "")
    script = folder / "cluster.py"
    script.write_text(text, encoding="ascii")
    subprocess.run([sys.executable, script], cwd=folder, env=env, check=True)
    return f"dask-jobqueue's {what} with two jobs"


def pods(folder: Path, env: Mapping[str, str]) -> str:
    """Start the commands of the pods, each in a folder of its own; the driver's alone has the clips."""
    found = list(yaml.safe_load_all(block("yaml")))
    containers = {
        container["name"]: container["command"]
        for each in found
        if "template" in each["spec"]
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    (service,) = (each for each in found if each["kind"] == "Service")
    assert f"tcp://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}" == _SERVICE
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("scheduler", "worker", "worker"):
            place = folder.parent / f"pod-{len(started)}"
            place.mkdir()
            command = [text.replace(_SERVICE, "tcp://127.0.0.1:8786") for text in containers[name]]
            with (place / "log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        command, cwd=place, env=env, stdout=log, stderr=log, start_new_session=True
                    )
                )
        command = [text.replace(_SERVICE, "tcp://127.0.0.1:8786") for text in containers["batch"]]
        wait_for(lambda: b"Scheduler at" in (folder.parent / "pod-0" / "log").read_bytes())
        subprocess.run(command, cwd=folder, env=env, check=True)
    finally:
        for process in started:
            kill_all(process)
    return "the commands of three pods and a job"


Example = Callable[[Path, Mapping[str, str]], str]
EXAMPLES: dict[str, Example] = {"array": array, "jobqueue": jobqueue, "pods": pods}
"""Examples by a short name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=list(EXAMPLES), action="append")
    names = parser.parse_args().only or list(EXAMPLES)
    with tempfile.TemporaryDirectory(prefix="batch-", ignore_cleanup_errors=True) as temporary:
        root = Path(temporary)
        env = environment()
        env["PATH"] = f"{commands(root / 'commands')}{os.pathsep}{env['PATH']}"
        folder = data(root / "alone")
        alone = ["retimbre", "batch", "--manifest", "pairs.csv", "-o", "out", "-q"]
        subprocess.run(alone, cwd=folder, env=env, check=True)
        expected = sounds(folder / "out")
        for name in names:
            folder = data(root / name)
            what = EXAMPLES[name](folder, env)
            found = sounds(folder / "out")
            print(f"{what}: {len(found)} of {_N_ROWS} rows, the same bytes: {found == expected}", flush=True)
            if found != expected:
                sys.exit(1)


if __name__ == "__main__":
    main()

"""What tests of batches need: the command as a process, small scans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SOURCES = Path(__file__).resolve().parents[3] / "SATSegment"


class Command:
    """`satsegment batch` as a user runs it."""

    def __init__(self, *arguments, temporary="", variables=(), **options) -> None:
        command = [sys.executable, "-m", "SATSegmentLib", "batch", *map(str, arguments), "--json", "--device", "cpu"]
        # for so little work several threads mostly wait
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
        environment |= dict(variables)
        if temporary:
            environment["TMPDIR"] = str(temporary)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if os.name == "posix":  # a parent may have had Ctrl-C ignored
            options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.process = subprocess.Popen(command, env=environment, encoding="utf-8", **pipes, **options)

    def end(self) -> Command:
        """Waits for its end."""
        out, self.errors = self.process.communicate(timeout=300)
        self.code = self.process.returncode
        self.events = [json.loads(line) for line in out.splitlines()]
        return self

    def done(self) -> list[str]:
        """The cases that were worked on."""
        return [event["id"] for event in self.events if event["event"] == "case"]


@pytest.fixture(scope="session")
def batch():
    """Runs a batch to its end."""
    return lambda *arguments: Command(*arguments).end()


@pytest.fixture(scope="session")
def start_batch():
    """Starts a batch in a process group of its own, as a terminal does."""
    return lambda *arguments, **options: Command(*arguments, start_new_session=True, **options)


@pytest.fixture
def one_thread():
    """What is computed in this process is computed as by a batch with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def cluster():
    """The address of a scheduler with a worker, which is a thread of this process."""
    from distributed import LocalCluster

    options = {"dashboard_address": ":0", "memory_limit": 0, "processes": False, "protocol": "tcp"}
    with LocalCluster(n_workers=1, threads_per_worker=4, **options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def write_scan(chest_ct):
    """Writes a part of a real chest CT that one window holds, brighter by some Hounsfield units."""
    import SimpleITK as sitk

    whole = sitk.ReadImage(str(chest_ct))

    def write(path: Path, brighter: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(whole[20:108, 30:100, 8:24] + brighter, str(path))
        return path

    return write

"""No process and no file is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from Testing.Python.worker.conftest import LAUNCHER, PATIENCE, SOURCES, environment, ready, set_image, wait_until

from SATSegmentLib.worker.client import Worker, WorkerError


def _gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_stop_leaves_no_process_and_no_file(start, volume, tmp_path):
    worker = start(sys.executable, "-m", "SATSegmentLib.worker", variables={"TMPDIR": str(tmp_path)})
    worker.wait(set_image(worker, volume, tmp_path), PATIENCE)
    pid, files = worker.info["pid"], worker._connection.folder
    assert files.is_dir()
    asked = worker.request("models")
    worker.stop()
    worker.stop()
    assert _gone(pid)
    assert not files.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["volume.npy"]
    assert worker.state == "stopped"
    with pytest.raises(WorkerError) as caught:
        worker.wait(asked, PATIENCE)
    assert caught.value.kind == "cancelled"


def test_stop_ends_a_worker_in_the_middle_of_a_window(obedient, volume, tmp_path):
    worker = obedient.worker
    request = obedient.held(volume, tmp_path)
    pid = worker.info["pid"]
    worker.stop()
    assert _gone(pid)
    with pytest.raises(WorkerError, match="Cancelled"):
        worker.wait(request, PATIENCE)


_CLIENT = """
import os, sys, time
from SATSegmentLib.worker.client import Worker
worker = Worker(sys.argv[2:] or None)
worker.start()
while worker.state == "starting":
    worker.poll()
    time.sleep(0.01)
print(worker.info["pid"], worker._connection.folder, flush=True)
if sys.argv[1] == "window":
    import numpy as np
    image = {"affine": np.eye(4).tolist(), "modality": "ct", "name": "x", "shape": [8, 8, 8], "dtype": "int16"}
    worker.request("setImage", {"image": image, "model": "sat-tiny"}, np.arange(512, dtype=np.int16).reshape(8, 8, 8))
    worker.poll()
    sys.stdin.readline()
if sys.argv[1] != "exit":
    os._exit(1)
"""


@pytest.mark.parametrize("ending", ["exit", "crash", "window"])
def test_a_client_that_ends_without_stop_leaves_no_orphan(ending, tmp_path):
    (tmp_path / "order").write_text("hold")
    launcher = [sys.executable, str(LAUNCHER), "obey", str(tmp_path)] if ending == "window" else []
    client = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, ending, *launcher],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
        text=True,
    )
    pid, files = client.stdout.readline().split(maxsplit=1)
    if ending == "window":
        wait_until((tmp_path / "entered").exists)
    client.communicate("\n", PATIENCE)
    wait_until(lambda: _gone(int(pid)))
    wait_until(lambda: not Path(files.strip()).exists())


def test_a_process_that_hears_nothing_is_killed_with_the_program(tmp_path):
    code = (
        "import sys; from SATSegmentLib.worker.client import Worker\n"
        "worker = Worker([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "worker.start(); print(worker._connection.pid); del worker"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(tmp_path), cwd=SOURCES, check=True
    )
    assert result.stderr == ""
    wait_until(lambda: _gone(int(result.stdout)))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 always looks into the current folder")
def test_the_default_command_is_this_python_with_this_library(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('a file of the current folder')")
    monkeypatch.chdir(tmp_path)
    worker = Worker()
    try:
        pid = ready(worker)
        assert worker.info["python"] == ".".join(map(str, sys.version_info[:3]))
        if hasattr(os, "getsid"):  # Ctrl-C in the terminal does not reach it
            assert os.getsid(pid) == pid != os.getsid(0)
    finally:
        worker.stop()

"""What happens to a batch when its workers end, are many, or are elsewhere."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time

import psutil
import pytest

from SATSegmentLib.batch.cluster import local_cluster
from SATSegmentLib.batch.settings import Settings
from SATSegmentLib.errors import SATError

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in the file system of Windows")


def workers_of(process):
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if any("spawn_main" in part for part in child.cmdline())]


def open_pipe(folder, run):
    """Opens the pipe once a worker reads it."""
    while True:
        try:
            return os.open(folder / "stuck.mha", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            assert run.process.poll() is None, run.end().errors
            time.sleep(0.05)


@pytest.fixture
def stuck(tmp_path, write_scan):
    """A list of a scan and of a pipe that pretends to be one: who reads it waits until somebody writes to it."""
    write_scan(tmp_path / "good.nrrd")
    os.mkfifo(tmp_path / "stuck.mha")
    rows = [{"id": path.stem, "image": path.name, "modality": "ct"} for path in sorted(tmp_path.iterdir())]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@posix
def test_a_worker_killed_loses_nothing_and_a_case_that_always_kills_its_worker_is_told(stuck, start_batch):
    # the user's own configuration of Dask ends none of ours, nor keeps one from being started in its place
    variables = {"DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1ms"}
    variables |= {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "1s"}
    arguments = ["--cases", stuck / "cases.jsonl", "--terms", "liver", "--output", stuck / "out"]
    run = start_batch(*arguments, variables=variables)
    for _ in range(3):
        pipe = open_pipe(stuck, run)
        (worker,) = workers_of(run.process)
        worker.kill()
        worker.wait()
        os.close(pipe)
    run.end()
    assert run.code == 3
    assert "1 of 2 scans failed" in run.errors
    assert "stuck: It ended the process that worked on it 3 times" in run.errors
    assert sorted(run.done()) == ["good", "stuck"]
    assert (stuck / "out" / "good" / "good.seg.nrrd").is_file()
    assert sorted(path.name for path in (stuck / "out").iterdir()) == ["good", "overview.html", "table.csv"]


def test_a_worker_that_dies_before_it_is_ready_is_told(tmp_path, write_scan, start_batch):
    write_scan(tmp_path / "in" / "a.nrrd")
    run = start_batch("--cases", tmp_path / "in", "--terms", "liver", "--output", tmp_path / "out")
    while not (workers := workers_of(run.process)):
        assert run.process.poll() is None, run.end().errors
        time.sleep(0.01)
    workers[0].kill()
    run.end()
    assert run.code == 3
    assert run.errors.count("\n") == 1
    assert "could not be started" in run.errors and "run the same command again" in run.errors
    assert not (tmp_path / "out").exists()


@posix
def test_ctrl_c_stops_at_once_and_what_is_done_stays(stuck, start_batch):
    (stuck / "tmp").mkdir()
    arguments = ["--cases", stuck / "cases.jsonl", "--terms", "liver", "--output", stuck / "out"]
    run = start_batch(*arguments, temporary=stuck / "tmp")
    pipe = open_pipe(stuck, run)
    (worker,) = workers_of(run.process)
    os.killpg(run.process.pid, signal.SIGINT)
    run.end()  # the pipe would hold it for ever
    os.close(pipe)
    assert run.code == 130
    assert run.errors == "satsegment: stopped; nothing was written that is not complete.\n"
    assert not worker.is_running()
    assert not list((stuck / "tmp").iterdir())
    left = [path.name for path in (stuck / "out").iterdir()] if (stuck / "out").exists() else []
    assert left in ([], ["good"])


def test_each_gpu_gets_a_process_and_nobody_else_can_give_it_work():
    from distributed import Client

    with local_cluster(["3", "GPU-5"]) as cluster, Client(cluster, set_as_default=False) as client:
        seen = client.run(lambda: os.environ.get("CUDA_VISIBLE_DEVICES"))
        pids = set(client.run(os.getpid).values())
        assert sorted(seen.values()) == ["3", "GPU-5"]
        assert len(pids) == 2
        assert cluster.scheduler_address.startswith("tls://127.0.0.1")
        with pytest.raises((OSError, ValueError, TypeError)):  # without this run's credentials
            Client(cluster.scheduler_address.replace("tls", "tcp"), timeout=2, set_as_default=False)
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.usefixtures("one_thread")
def test_a_cluster_of_ones_own_does_it(tmp_path, write_scan, cluster, capsys):
    from SATSegmentLib.cli import main

    for name in "äb":
        write_scan(tmp_path / "in" / f"{name} 1.nrrd", brighter=ord(name))
    arguments = ["--cases", tmp_path / "in", "--terms", "liver", "--output", tmp_path / "out", "--device", "cpu"]
    assert main(["batch", *map(str, arguments), "--scheduler", cluster]) == 0
    assert "2 of 2 scans are done" in capsys.readouterr().out
    assert (tmp_path / "out" / "ä_1" / "ä_1.seg.nrrd").is_file()


@pytest.mark.usefixtures("one_thread")
def test_a_worker_that_may_take_too_little_memory_is_told_instead_of_waited_for(tmp_path, write_scan, capsys):
    from distributed import LocalCluster

    from SATSegmentLib.cli import main

    write_scan(tmp_path / "in" / "a.nrrd")
    arguments = ["--cases", tmp_path / "in", "--terms", "liver", "--output", tmp_path / "out", "--device", "cpu"]
    options = {"dashboard_address": ":0", "processes": False, "protocol": "tcp"}
    with LocalCluster(n_workers=1, threads_per_worker=2, memory_limit=2**26, **options) as small:
        assert main(["batch", *map(str, arguments), "--scheduler", small.scheduler_address]) == 3
    assert "may take 0.1 GB of memory" in capsys.readouterr().err


def test_a_worker_that_cannot_do_it_says_why(tmp_path):
    from SATSegmentLib import __version__
    from SATSegmentLib.batch.settings import model_hash
    from SATSegmentLib.batch.worker import ready
    from SATSegmentLib.models import find_model

    def settings(**changed):
        values = {"terms": ("liver",), "model": "sat-tiny", "model_hash": model_hash(find_model("sat-tiny"))}
        return Settings(**(values | {"output": tmp_path, "version": __version__} | changed))

    for changed, image, message in (
        ({"version": "0.0.1"}, tmp_path, "install the same one there"),
        ({}, tmp_path / "far.nii", "must be on a disk that all workers share"),
        ({"output": tmp_path / "far"}, tmp_path, "must be on a disk that all workers share"),
        ({"model_hash": "0"}, tmp_path, "has another model called sat-tiny"),
    ):
        with pytest.raises(SATError, match=message):
            ready(settings(**changed), image)

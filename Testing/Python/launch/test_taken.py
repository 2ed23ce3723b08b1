"""One process works on a run, whoever starts others."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib import runs
from SATTrainingLib.launch.process import SILENT_SECONDS, environment
from SATTrainingLib.launch.taken import taken_on
from SATTrainingLib.runs import RunState, read_state, write_state
from SATTrainingLib.training.config import TrainingConfig


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run that was paused at its seventh step."""
    (tmp_path / runs.CONFIG).write_text("{}")
    write_state(tmp_path, RunState(runs.PAUSED, 7, 10))
    return tmp_path


def _working(pid, **changes):
    started = psutil.Process(pid).create_time()
    return dataclasses.replace(
        RunState(runs.TRAINING, 7, 10, "", pid, started, socket.gethostname(), time.time()), **changes
    )


def _train(config, folder):
    command = [sys.executable, "-m", "SATTrainingLib", "train", "--config", config, "--run", folder]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**environment(), "OMP_NUM_THREADS": "1"}, **quiet)


def test_of_two_processes_started_at_once_one_trains_and_when_it_is_killed_another_can(ball_cases, tmp_path):
    config, folder = tmp_path / "mine.yaml", tmp_path / "run"
    quick = {"window": (32, 16, 16), "batch": 1, "prompts": 2, "workers": 0, "device": "cpu"}
    TrainingConfig(ball_cases, None, steps=100000, test=("case3",), **quick).write(config)
    processes = [_train(config, folder) for _ in range(2)]
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.05)
        refused, trains = sorted(processes, key=lambda process: process.poll() is None)
        said = refused.stderr.read()
        assert refused.wait() == 2, said
        assert "Another process works on the run" in said and "pause it by making the file" in said
        while not read_state(folder).step:
            assert trains.poll() is None, trains.stderr.read()
            time.sleep(0.05)
        assert read_state(folder).pid == trains.pid
        trains.kill()
        trains.wait()
        assert read_state(folder).state == runs.TRAINING  # which it could not take back
        with taken_on(folder):
            assert read_state(folder).pid == os.getpid()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stderr.close()


def test_a_run_is_taken_on_from_whom_it_was_started_by_and_from_nobody_else(folder):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_state(folder, _working(other.pid))
        with pytest.raises(InputError, match="works on the run"), taken_on(folder):
            pass
        assert read_state(folder).pid == other.pid
        other.kill()
    write_state(folder, _working(os.getppid()))
    with taken_on(folder):
        assert (read_state(folder).state, read_state(folder).pid) == (runs.PREPARING, os.getpid())


def test_what_is_refused_leaves_the_run_as_it_was(folder):
    before = read_state(folder)
    with pytest.raises(InputError, match="as it cannot be"), taken_on(folder):
        raise InputError("as it cannot be")
    assert read_state(folder) == before
    with pytest.raises(InputError, match="There is no run"), taken_on(folder / "nothing"):
        pass


def test_a_process_on_another_computer_has_ended_when_it_is_silent_for_long(folder):
    silent = _working(os.getpid(), host="elsewhere", updated=time.time() - SILENT_SECONDS + 2)
    write_state(folder, silent)
    with taken_on(folder):
        assert time.time() >= silent.updated + SILENT_SECONDS
        assert read_state(folder).host == socket.gethostname()


def test_a_process_on_another_computer_that_is_heard_of_keeps_its_run(folder):
    write_state(folder, _working(os.getpid(), host="elsewhere"))
    news = _working(os.getpid(), host="elsewhere", step=8)
    threading.Timer(0.5, write_state, (folder, news)).start()
    with pytest.raises(InputError, match="on elsewhere; wait for its end"), taken_on(folder):
        pass
    assert read_state(folder) == news

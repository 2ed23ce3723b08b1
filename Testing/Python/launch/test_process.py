"""Processes of runs: started, found again by others, paused, cancelled, dead."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.launch import process
from SATTrainingLib.launch.process import cancel, log_tail, observed, pause, poll, start
from SATTrainingLib.runs import (
    CONFIG,
    DONE,
    FAILED,
    LAST,
    LOG,
    PAUSED,
    STOP,
    TRAINING,
    RunState,
    read_state,
    write_state,
)
from SATTrainingLib.training.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[3]
# a process that hangs, with a child that left its session, as launchers of several processes start theirs
HANGING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def _wait(condition, seconds=600):
    """Waits for something that must happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run's folder with a configuration that no trainer accepts."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / CONFIG).write_text("{}")
    return folder


@pytest.fixture
def hanging():
    """A process that does not end by itself, and its child's number."""
    parent = subprocess.Popen([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    yield parent, child
    for pid in (parent.pid, child):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()


def _state_of(pid, state=TRAINING):
    return RunState(state, 7, 10, "", pid, psutil.Process(pid).create_time(), socket.gethostname(), time.time())


def _gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_cannot_be_started_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="no training run"):
        start(tmp_path / "nothing")
    with pytest.raises(InputError, match="at least one process"):
        start(folder, 0)
    write_state(folder, _state_of(os.getpid()))
    with pytest.raises(InputError, match="running already"):
        start(folder)
    write_state(folder, dataclasses.replace(read_state(folder), host="another-computer"))
    with pytest.raises(InputError, match="running already on another-computer"):
        start(folder)
    write_state(folder, RunState(DONE, 10, 10))
    with pytest.raises(InputError, match="all of its 10 steps"):
        start(folder)
    assert not (folder / LOG).exists()


def test_a_process_that_fails_at_once_leaves_its_words(folder):
    (folder / LOG).write_text("what an earlier process said\n")
    start(folder)
    assert read_state(folder).pid
    _wait(lambda: not poll(folder)[1])
    state, _ = poll(folder)
    assert state.state == FAILED
    assert log_tail(folder)
    assert "what an earlier process said" not in log_tail(folder)
    assert (folder / LOG).read_text().startswith("what an earlier process said\n")


def test_only_a_process_of_the_same_number_time_and_computer_is_alive(hanging):
    state = _state_of(hanging[0].pid)
    assert process.is_alive(state)
    assert not process.is_alive(dataclasses.replace(state, started=state.started - 3600))
    assert not process.is_alive(dataclasses.replace(state, state=PAUSED))
    hanging[0].kill()
    _wait(lambda: not process.is_alive(state))  # although nobody has asked how it ended: a zombie


def test_cancelling_ends_all_processes_once_the_time_is_over(folder, hanging, monkeypatch):
    parent, child = hanging
    # the trainer tells its own number; what was started is its launcher
    write_state(folder, _state_of(child))
    launcher = process.Process(parent.pid, psutil.Process(parent.pid).create_time(), socket.gethostname())
    (folder / process.PROCESS).write_text(json.dumps(dataclasses.asdict(launcher)))
    cancel(folder)
    assert poll(folder) == (read_state(folder), True)  # its time is not over
    (folder / STOP).unlink()
    monkeypatch.setattr(process, "GRACE_SECONDS", -1.0)
    (folder / LAST).touch()
    cancel(folder)
    _wait(lambda: not poll(folder)[1])
    assert _gone(parent.pid)
    assert _gone(child)
    state, _ = poll(folder)
    assert state.state == PAUSED
    assert state.message == "It was ended. Resume it to go on from its last checkpoint."


def test_a_launcher_without_its_trainer_is_still_alive_and_the_other_way_round(folder, hanging):
    parent, child = hanging
    launcher = process.Process(parent.pid, psutil.Process(parent.pid).create_time(), socket.gethostname())
    (folder / process.PROCESS).write_text(json.dumps(dataclasses.asdict(launcher)))
    trainer = _state_of(child)
    os.kill(child, signal.SIGKILL)
    assert observed(folder, trainer) == (trainer, True)
    launcher = process.Process(2**22 + 1, 1.0, socket.gethostname())
    (folder / process.PROCESS).write_text(json.dumps(dataclasses.asdict(launcher)))
    assert observed(folder, _state_of(parent.pid))[1]


def test_pausing_again_leaves_a_cancel_and_a_run_that_rests_is_left_alone(folder, hanging):
    pause(folder)
    cancel(folder)
    assert not (folder / STOP).exists()
    write_state(folder, _state_of(hanging[0].pid))
    pause(folder)
    assert (folder / STOP).read_text() == ""
    cancel(folder)
    first = (folder / STOP).read_text()
    pause(folder)
    cancel(folder)
    assert (folder / STOP).read_text() == first
    assert json.loads(first)["kill_at"] > time.time()


def test_the_log_is_read_from_its_end(folder):
    assert log_tail(folder) == []
    (folder / LOG).write_bytes(b"x" * 100000 + b"\n" + b"10%\r50%\r100%\n\xff broken\nlast\r\n")
    assert log_tail(folder, 3) == ["100%", "� broken", "last"]


@pytest.fixture
def run(ball_cases, tmp_path) -> Path:
    """A real run that goes on for hours on small windows of the synthetic cases."""
    from SATTrainingLib.training.start import create_run

    config = TrainingConfig(
        ball_cases,
        None,
        window=(32, 32, 32),
        batch=1,
        steps=100000,
        prompts=2,
        workers=0,
        device="cpu",
        test=("case3",),
    )
    folder = tmp_path / "run"
    create_run(config, folder)
    yield folder
    for pid in (read_state(folder).pid, json.loads((folder / process.PROCESS).read_text())["pid"]):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_run_outlives_who_started_it_and_is_found_paused_resumed_and_cancelled(run):
    code = f"from pathlib import Path; from SATTrainingLib.launch.process import start; start(Path({str(run)!r}))"
    paths = os.pathsep.join(str(ROOT / module) for module in ("SATSegment", "SATTraining"))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=True)
    assert poll(run)[1]
    with pytest.raises(InputError, match="running already"):
        start(run)
    _wait(lambda: poll(run)[0].step > 0 or not poll(run)[1])
    pause(run)
    _wait(lambda: not poll(run)[1])
    state, _ = poll(run)
    assert state.state == PAUSED, log_tail(run)
    assert (run / LAST).is_file()

    refused = _start_by_several(run)
    assert len(refused) == 3
    assert not (run / STOP).exists()
    assert poll(run)[0].step == state.step  # what is known is shown while it gets ready
    _wait(lambda: poll(run)[0].step > state.step or not poll(run)[1])
    cancel(run)
    _wait(lambda: not poll(run)[1])
    assert poll(run)[0].state == PAUSED, log_tail(run)
    assert poll(run)[0].step > state.step


def _start_by_several(run):
    """Starts a run four times at once; returns the refusals."""
    barrier, refused = threading.Barrier(4), []

    def race():
        barrier.wait()
        try:
            start(run)
        except InputError as error:
            refused.append(error)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused

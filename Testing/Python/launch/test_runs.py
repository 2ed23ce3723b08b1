"""The list of runs: names, what it shows, deleting."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.launch.process import environment
from SATTrainingLib.launch.runs import delete_run, list_runs, new_run_folder, runs_folder
from SATTrainingLib.runs import (
    CONFIG,
    DONE,
    EVENTS,
    FAILED,
    LAST,
    TRAINING,
    RunState,
    read_events,
    read_state,
    write_state,
)

SETTINGS = {"base": "sat-nano", "network": "tiny", "train": "decoder", "steps": 2000}
NEVER_STARTED = RunState()


def _run(title, state=NEVER_STARTED, created=None, **settings):
    folder = new_run_folder(title)
    (folder / CONFIG).write_text(json.dumps(SETTINGS | settings))
    if created is not None:
        os.utime(folder / CONFIG, (created, created))
    write_state(folder, state)
    return folder


def _working(pid):
    """The state of a run whose process has this number."""
    started = psutil.Process(pid).create_time()
    return RunState(TRAINING, 7, 10, "", pid, started, socket.gethostname(), time.time())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Parotid glands, 12 cases", "Parotid-glands-12-cases"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe/München", "Größe-München"),
        ("...", "run"),
        ("", "run"),
        ("con", "run-con"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_title_becomes_a_folder_of_its_own(title, name):
    first, second = new_run_folder(title), new_run_folder(title)
    assert [first.name, second.name] == [name, f"{name}-2"]
    assert first.parent == second.parent == runs_folder()
    assert first.is_dir()
    assert second.is_dir()


def test_runs_are_listed_newest_first_as_they_are():
    assert list_runs() == []
    _run("old", RunState(DONE, 2000, 2000), created=1000)
    _run("new", created=3000, base=None)
    _run("at work", _working(os.getpid()), created=2000, base="/models/parotid")
    new_run_folder("not yet a run")
    runs = list_runs()
    assert [run.folder.name for run in runs] == ["new", "at-work", "old"]
    assert [run.alive for run in runs] == [False, True, False]
    assert [run.summary for run in runs] == [
        "new tiny network, decoder, 2000 steps",
        "parotid, decoder, 2000 steps",
        "sat-nano, decoder, 2000 steps",
    ]
    assert runs[2].state.state == DONE


def test_damaged_runs_do_not_hide_the_others():
    _run("good")
    broken = _run("broken")
    (broken / CONFIG).write_text('{"base": ')
    (broken / "state.json").write_text("")
    assert {run.folder.name: run.summary for run in list_runs()} == {
        "good": "sat-nano, decoder, 2000 steps",
        "broken": "",
    }


def test_a_run_whose_process_is_gone_is_told_as_stopped_unexpectedly():
    gone = RunState(TRAINING, 7, 10, "", os.getpid(), time.time() - 86400, socket.gethostname(), time.time())
    folder = _run("gone", gone)
    (folder / "log.txt").write_text("step 7\nTraceback\nRuntimeError: CUDA error: device lost\n=====\n\n")
    (run,) = list_runs()
    assert not run.alive
    assert run.state.state == FAILED
    assert run.state.step == 7
    assert "stopped unexpectedly" in run.state.message
    assert "the last line of its log is: RuntimeError: CUDA error: device lost." in run.state.message
    assert run.state.message.endswith("It has no checkpoint yet; resume it to begin anew.")
    (folder / LAST).touch()
    assert list_runs()[0].state.message.endswith("Resume it to go on from its last checkpoint.")


def test_a_run_on_another_computer_counts_as_long_as_it_tells_news():
    fresh = RunState(TRAINING, 7, 10, "", os.getpid(), 1.0, "another-computer", time.time())
    _run("fresh", fresh)
    _run("silent", RunState(TRAINING, 7, 10, "", os.getpid(), 1.0, "another-computer", time.time() - 3600))
    assert {run.folder.name: run.alive for run in list_runs()} == {"fresh": True, "silent": False}


def test_deleting_takes_the_run_and_nothing_else(tmp_path):
    gone, kept = _run("gone"), _run("kept")
    delete_run(gone)
    assert list(runs_folder().iterdir()) == [kept]
    with pytest.raises(InputError, match="is no run"):
        delete_run(gone)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / CONFIG).write_text("{}")
    (runs_folder() / "link").symlink_to(outside, target_is_directory=True)
    empty = new_run_folder("no run")
    for folder in (outside, runs_folder() / "link", runs_folder() / ".." / "runs", empty):
        with pytest.raises(InputError, match="is no run"):
            delete_run(folder)
    assert (outside / CONFIG).is_file()


def test_a_running_run_is_not_deleted():
    folder = _run("busy", _working(os.getpid()))
    with pytest.raises(InputError, match="cancel it first"):
        delete_run(folder)
    assert (folder / CONFIG).is_file()


def test_a_damaged_line_does_not_hide_the_other_events(tmp_path):
    events = [{"event": "step", "step": number} for number in range(3)]
    first, *others = [json.dumps(event).encode() + b"\n" for event in events]
    (tmp_path / EVENTS).write_bytes(
        first + b"\0" * 50 + b"\n" + b'"text"\n{"step": 4}\n' + b"".join(others) + b'{"event"'
    )
    found, place = read_events(tmp_path)
    assert found == events
    assert (tmp_path / EVENTS).read_bytes()[place:] == b'{"event"'


def test_a_state_can_be_read_while_it_is_rewritten(tmp_path):
    code = (
        "import sys, pathlib; from SATTrainingLib.runs import RunState, write_state\n"
        "for step in range(1, 800): write_state(pathlib.Path(sys.argv[1]), RunState('training', step))"
    )
    write_state(tmp_path, RunState(TRAINING, 0))
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment())
    seen = [0]
    while writer.poll() is None or not seen[-1]:
        state = read_state(tmp_path)
        assert state.state == TRAINING
        seen.append(state.step)
    assert writer.returncode == 0
    assert seen == sorted(seen)

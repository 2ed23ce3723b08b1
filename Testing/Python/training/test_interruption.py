"""A run that is killed, paused or interrupted goes on as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace

import pytest
import torch
from Testing.Python.training.processes import HELD, finish, start, told, wait

from SATTrainingLib import runs
from SATTrainingLib.training import checkpoint
from SATTrainingLib.training.start import create_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")


def _same(one, other) -> bool:
    """Whether two checkpoints' values are the same to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _assert_same_runs(one, other):
    for name in (runs.LAST, runs.BEST):
        first, second = (checkpoint.load(folder / name) for folder in (one, other))
        assert first.pop("config") | {"cases": ""} == second.pop("config") | {"cases": ""}
        assert _same(first, second)
    assert told(one, "step", "validation") == told(other, "step", "validation")
    assert (one / runs.VALIDATION).read_text() == (other / runs.VALIDATION).read_text()


def _kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_run_killed_at_any_moment_gives_the_numbers_of_one_never_stopped(config, tmp_path):
    config = replace(config, steps=24, validate_every=12, checkpoint_every=3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    create_run(config, whole)
    create_run(config, killed)
    finish(whole)
    chance = random.Random(time.time_ns())
    # the first save is of best.pt, before there is any last.pt
    for fault in [("hold_in_save", 1), ("hold_in_save", 4), ("hold_in_validation", 1)]:
        process = start(killed, *fault)
        wait(process, (killed / HELD).exists)
        _kill(process)
        (killed / HELD).unlink()
    reached = []
    for _ in range(3):
        done = len(told(killed, "start"))
        process = start(killed)
        wait(process, lambda done=done: len(told(killed, "start")) > done)
        process.join(chance.uniform(0, 1.0))
        if process.is_alive():
            _kill(process)
        reached.append(runs.read_state(killed).step)
        if runs.read_state(killed).state == runs.DONE:
            break
    with (killed / runs.EVENTS).open("a") as events:
        events.write('{"event": "ste')  # a line that the last one did not finish
    finish(killed)
    _assert_same_runs(whole, killed)
    assert not list(killed.glob(".*.pt*")), reached
    assert runs.read_state(killed).state == runs.DONE
    starts = [event["step"] for event in runs.read_events(killed)[0] if event["event"] == "start"]
    assert starts == sorted(starts)
    assert starts[-1] > 0


def test_a_run_stops_when_asked_and_goes_on(config, tmp_path):
    config = replace(config, steps=16, checkpoint_every=1000, validate_every=1000)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    create_run(config, whole)
    create_run(config, parts)
    finish(whole)
    ways = [
        (lambda process: (parts / runs.STOP).touch(), 0),
        (lambda process: os.kill(process.pid, signal.SIGTERM), 0),
        (lambda process: os.kill(process.pid, signal.SIGINT), 130),
    ]
    for asked, code in ways:
        step = runs.read_state(parts).step
        process = start(parts)
        wait(process, lambda step=step: any(event["step"] > step for event in told(parts, "step")))
        asked(process)
        process.join(120)
        assert process.exitcode == code
        state = runs.read_state(parts)
        assert (state.state, state.message) == (runs.PAUSED, "")
        assert checkpoint.load(parts / runs.LAST)["step"] == state.step > step
        assert told(parts, "end")[-1]["reason"] == runs.PAUSED
        assert not (parts / runs.STOP).exists()
    # a request that no process lived to see does not stop the next one
    (parts / runs.STOP).touch()
    os.utime(parts / runs.STOP, (0, 0))
    finish(parts)
    _assert_same_runs(whole, parts)


def test_a_run_that_is_done_stays_so(config, tmp_path):
    create_run(replace(config, steps=2, validation=()), tmp_path / "run")
    finish(tmp_path / "run")
    before = (tmp_path / "run" / runs.LAST).read_bytes()
    assert told(tmp_path / "run", "validation") == []
    assert not (tmp_path / "run" / runs.BEST).exists()
    finish(tmp_path / "run")
    assert (tmp_path / "run" / runs.LAST).read_bytes() == before
    assert runs.read_state(tmp_path / "run").state == runs.DONE

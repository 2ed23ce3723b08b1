"""Two processes of torchrun train as one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch
from Testing.Python.training.processes import environment, finish, told

from SATTrainingLib import runs
from SATTrainingLib.training import checkpoint
from SATTrainingLib.training.start import create_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv, which PyTorch lacks on Windows")

_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_two_processes_give_the_numbers_of_one_even_where_one_is_killed(config, tmp_path):
    config = replace(config, steps=16, batch=4, validation=("case2", "case3"), checkpoint_every=4)
    one, two = tmp_path / "one", tmp_path / "two"
    create_run(config, one)
    finish(one)
    config.write(tmp_path / "two.yaml")
    command = [*_TORCHRUN, "--max-restarts", "1", "-m", "SATTrainingLib", "train", "--config", tmp_path / "two.yaml"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not any(event["step"] >= 5 for event in told(two, "step")):
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.01)
        first = runs.read_state(two).pid
        other = next(child for child in psutil.Process(process.pid).children() if child.pid != first)
        os.kill(other.pid, signal.SIGKILL)
        errors = process.communicate(timeout=240)[1].decode()
    assert process.returncode == 0, errors
    starts = told(two, "start")
    assert [start["world_size"] for start in starts] == [2, 2]
    assert starts[-1]["step"] >= 4
    steps = told(one, "step"), told(two, "step")
    assert [event["step"] for event in steps[0]] == [event["step"] for event in steps[1]] == [*range(1, 11), 16]
    for alone, together in zip(*steps, strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=1e-4)
        assert together["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    alone, together = (checkpoint.load(folder / runs.LAST) for folder in (one, two))
    for weights in (lambda state: state["model"], lambda state: state["ema"]["model"]):
        for name, tensor in weights(alone).items():
            if name.endswith(".conv.bias"):  # an instance norm follows: its gradient is rounding, which Adam blows up
                continue
            torch.testing.assert_close(weights(together)[name], tensor, rtol=1e-3, atol=1e-4)
    for alone, together in zip(told(one, "validation"), told(two, "validation"), strict=True):
        assert {name: term["cases"] for name, term in together["terms"].items()} == {
            name: term["cases"] for name, term in alone["terms"].items()
        }
        assert together["dice"] == pytest.approx(alone["dice"], abs=0.02)


def test_two_processes_say_once_why_they_cannot_train(config, tmp_path):
    create_run(replace(config, batch=3), tmp_path / "run")
    command = [*_TORCHRUN, "-m", "--", "SATTrainingLib", "resume", "--run", tmp_path / "run"]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)
    assert result.returncode != 0
    assert result.stderr.count("sattraining: ") == 1
    state = runs.read_state(tmp_path / "run")
    assert (state.state, f"sattraining: {state.message}" in result.stderr) == (runs.FAILED, True)
    assert state.message.startswith('"batch" (3) must be a multiple')

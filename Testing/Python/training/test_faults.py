"""What goes wrong in a training stops it with a sentence; the last good checkpoint stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from Testing.Python.training.processes import finish, start, told, wait

from SATSegmentLib.models.registry import data_folder
from SATTrainingLib import runs
from SATTrainingLib.training.start import create_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files in use cannot be taken away on Windows")


@pytest.fixture
def begun(config, tmp_path) -> Path:
    """A run that was paused after some steps, its best.pt from step 0."""
    create_run(replace(config, steps=400, validate_every=1000, checkpoint_every=2), tmp_path / "run")
    _some_steps(tmp_path / "run")
    return tmp_path / "run"


def _some_steps(folder):
    before = max([event["step"] for event in told(folder, "step")], default=0)
    process = start(folder)
    wait(process, lambda: any(event["step"] > before for event in told(folder, "step")))
    os.kill(process.pid, signal.SIGTERM)
    process.join(120)
    assert runs.read_state(folder).state == runs.PAUSED


def _message(folder) -> str:
    """What a failed run says, in its state and its last event."""
    state, end = runs.read_state(folder), told(folder, "end")[-1]
    assert (state.state, end["reason"]) == (runs.FAILED, runs.FAILED)
    assert state.message == end["message"]
    assert "\n" not in state.message
    return state.message


def test_a_full_disk(begun):
    before = (begun / runs.LAST).read_bytes()
    finish(begun, "small_files", len(before) // 2, code=3)
    assert "cannot be written (File too large); the last good one, last.pt, is still there" in _message(begun)
    assert (begun / runs.LAST).read_bytes() == before
    assert not list(begun.glob(".*.pt*"))
    _some_steps(begun)


def test_a_loss_that_is_not_finite(begun):
    state = torch.load(begun / runs.LAST, weights_only=True)
    state["model"]["mask_embed_proj.0.weight"].fill_(torch.nan)
    torch.save(state, begun / runs.LAST)
    before = (begun / runs.LAST).read_bytes()
    finish(begun, code=3)
    assert f"The loss is no longer finite at step {state['step']}; start a run with a lower" in _message(begun)
    assert (begun / runs.LAST).read_bytes() == before


def test_a_damaged_checkpoint(begun):
    whole = (begun / runs.LAST).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x80\x02}q\x00."):
        (begun / runs.LAST).write_bytes(damaged)
        finish(begun, code=3)
        assert "last.pt is damaged; put a copy of best.pt in its place" in _message(begun)
        assert (begun / runs.LAST).read_bytes() == damaged
    shutil.copy(begun / runs.BEST, begun / runs.LAST)
    _some_steps(begun)


def test_a_scan_that_is_gone(begun):
    rows = [json.loads(line) for line in (begun / runs.CASES).read_text().splitlines()]
    rows[0]["image"] += ".gone"
    (begun / runs.CASES).write_text("".join(json.dumps(row) + "\n" for row in rows))
    finish(begun, code=2)
    assert "there is no file" in _message(begun)
    assert (begun / runs.LAST).is_file()


def test_prepared_cases_that_go_while_they_are_needed(config, tmp_path):
    create_run(replace(config, steps=4000, workers=1, validation=()), tmp_path / "run")
    process = start(tmp_path / "run")
    wait(process, lambda: told(tmp_path / "run", "step"))
    shutil.rmtree(data_folder() / "cache" / "cases")
    process.join(120)
    assert process.exitcode == 3
    assert re.match(r"At step \d+: /.* of the prepared cases is gone or damaged; ", _message(tmp_path / "run"))
    _some_steps(tmp_path / "run")


def test_a_run_of_another_base_or_configuration_is_not_resumed(begun):
    values = json.loads((begun / runs.CONFIG).read_text())
    before = (begun / runs.LAST).read_bytes()
    for change in ({"seed": 2}, {"learning_rate": 1e-3}, {"ema": None}):
        (begun / runs.CONFIG).write_text(json.dumps(values | change))
        finish(begun, code=2)
        assert f"made with another configuration ({next(iter(change))})" in _message(begun)
    assert (begun / runs.LAST).read_bytes() == before

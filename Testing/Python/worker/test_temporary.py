"""Temporary folders of processes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from SATSegmentLib.worker.temporary import own_folder, sweep


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_processes_that_were_killed_are_swept_and_no_others(place):
    code = "import os; print(os.getpid())"
    gone = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    left = [place / f"sat-panel-{gone}-abc_1", place / f"sat-worker-{gone}-xyz"]
    kept = [place / "sat-panel-old", place / f"sat-else-{gone}-abc", place / f"mine-sat-panel-{gone}-abc"]
    for folder in [*left, *kept]:
        folder.mkdir()
        (folder / "image.npy").write_bytes(b"x")
    own = own_folder("sat-panel")
    parent = place / f"sat-worker-{os.getppid()}-abc"
    parent.mkdir()
    sweep()
    assert sorted(place.iterdir()) == sorted([*kept, own, parent])

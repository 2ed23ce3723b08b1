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
    own = own_folder("sat-panel")
    here = own.name.split("-")[2]
    elsewhere = "00000000" if here != "00000000" else "11111111"  # another host or container on the same disk
    left = [place / f"sat-panel-{here}-{gone}-abc_1", place / f"sat-worker-{here}-{gone}-xyz"]
    kept = [
        place / "sat-panel-old",
        place / f"sat-else-{here}-{gone}-abc",
        place / f"mine-sat-panel-{here}-{gone}-abc",
        place / f"sat-panel-{elsewhere}-{gone}-abc",
    ]
    for folder in [*left, *kept]:
        folder.mkdir()
        (folder / "image.npy").write_bytes(b"x")
    parent = place / f"sat-worker-{here}-{os.getppid()}-abc"
    parent.mkdir()
    sweep()
    assert sorted(place.iterdir()) == sorted([*kept, own, parent])

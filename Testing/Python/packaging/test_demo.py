"""What a new user runs first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_demo_finds_the_lungs_and_says_how_well(tmp_path):
    command = [sys.executable, ROOT / "Testing" / "demo.py", "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(\w+ lung) .* ml +[\d.]+ +([\d.]+)$", done.stdout, re.MULTILINE))
    assert set(found) == {"right lung", "left lung"}
    assert min(map(float, found.values())) > 0.7
    for name in ("CTChest4.seg.nrrd", "CTChest4.png", "CTChest4.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 0

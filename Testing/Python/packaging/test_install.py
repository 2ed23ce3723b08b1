"""`pip install .` gives all that a user needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The project, installed alone into a folder."""
    target = tmp_path_factory.mktemp("installed")
    # a copy, since setuptools leaves its build beside the sources
    source = tmp_path_factory.mktemp("checkout") / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info", "Testing"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        target,
        source,
    ]
    subprocess.run(command, check=True)
    return target


def test_it_holds_the_built_in_model_and_the_codes(installed):
    code = (
        "from pathlib import Path; import SATSegmentLib; assert 'installed' in SATSegmentLib.__file__;"
        "from SATSegmentLib.models import find_model; from SATSegmentLib.models.loading import load;"
        "from SATSegmentLib.anatomy import coded_entry;"
        "model = load(find_model('sat-tiny'));"
        "print(len(model.terms) > 50, coded_entry('liver').type.value, model.prompts.encode(['liver'], 'ct').shape[1])"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=installed, check=False
    )
    assert result.stdout.split() == ["True", "10200004", "192"], result.stderr


@pytest.mark.parametrize("command", ["satsegment", "sattraining"])
def test_it_gives_the_commands(installed, command):
    script = installed / ("Scripts" if os.name == "nt" else "bin") / command
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    result = subprocess.run([script, "--help"], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.startswith(f"usage: {command}")

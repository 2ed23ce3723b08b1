"""What several test folders need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SATSEGMENT_SHARED", ROOT.parent / "shared"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's models and caches."""
    monkeypatch.setenv("SATSEGMENT_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and cases beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the reference outputs and cases are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared) -> Path:
    """The folder of reference outputs."""
    return shared / "golden"


@pytest.fixture(scope="session")
def seeded(golden):
    """The module that makes deterministic weights from tensor names."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("seeded_weights", golden / "seeded_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chest_ct() -> Path:
    """A real chest CT, 128 x 128 x 34 voxels, from the slicerio package."""
    import slicerio

    return Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd"

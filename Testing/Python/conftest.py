"""What several test folders need."""

from __future__ import annotations

import dataclasses
import json
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


@pytest.fixture(scope="session")
def ball_cases(tmp_path_factory) -> Path:
    """A case list (JSONL) of four CT scans with a bright ball on the left and a dark one on the right.

    24 x 24 x 24 voxels of 4 mm, axes R, A, S; the last case's right ball is there but was not annotated.
    """
    import nibabel
    import numpy as np

    folder = tmp_path_factory.mktemp("balls")
    rows = []
    for number in range(4):
        random = np.random.default_rng(number)
        index = np.stack(np.meshgrid(*[np.arange(24)] * 3, indexing="ij"), -1)
        left, right = np.array([6, 12, 12]) + random.integers(-2, 3, (2, 3)) + np.array([[0, 0, 0], [11, 0, 0]])
        labels = np.zeros((24, 24, 24), np.uint8)
        labels[np.linalg.norm(index - left, axis=-1) < 5] = 1
        labels[np.linalg.norm(index - right, axis=-1) < 5] = 2
        image = random.normal(100, 20, labels.shape) + np.array([0, 300, -250])[labels]
        affine = np.diag([4.0, 4, 4, 1])
        nibabel.save(nibabel.Nifti1Image(image.astype(np.int16), affine), folder / f"{number}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(labels, affine), folder / f"{number}_label.nii.gz")
        names = {"1": "left ball", "2": "right ball"} if number < 3 else {"1": "left ball"}
        rows.append(
            {
                "id": f"case{number}",
                "image": f"{number}.nii.gz",
                "mask": f"{number}_label.nii.gz",
                "labels": names,
                "modality": "ct",
                "dataset": "balls",
            }
        )
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "cases.jsonl"


@pytest.fixture(scope="session")
def small_config():
    """The configuration of a network that trains in seconds on `ball_cases`."""
    from SATSegmentLib.network import SATConfig

    return dataclasses.replace(
        SATConfig.named("tiny"),
        features=(6, 8, 12, 16),
        query_width=24,
        text_width=24,
        heads=2,
        window=(16, 16, 16),
        layers=1,
        feedforward=32,
        mid_mask_hidden=(16, 16),
        spacing=(4.0, 4.0, 4.0),
    )


@pytest.fixture
def small_network(small_config, monkeypatch):
    """`small_config`, which is also what the named configuration "tiny" is during the test."""
    from SATSegmentLib.network import config

    monkeypatch.setitem(config._NAMED, "tiny", small_config)
    return small_config

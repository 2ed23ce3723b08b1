"""The panel in the stand-in application, on small cases and a small model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from Testing import Harness
from Testing.Python.training.conftest import small_base  # noqa: F401

Harness.install()


@pytest.fixture
def widget():
    """The module's widget; an exception that Slicer would only print fails the test."""
    widget = Harness.open_module("SATTraining")
    yield widget
    problems = Harness.exceptions(), Harness.unused_answers()
    Harness.close()
    assert problems == ([], [])


@pytest.fixture
def panel(widget):
    return widget.panel


@pytest.fixture
def small_model(small_base) -> str:  # noqa: F811
    """The name of an installed model that trains quickly."""
    shutil.copytree(small_base, Path(os.environ["SATSEGMENT_HOME"]) / "models" / "small")
    return "small"


@pytest.fixture
def idle(panel):
    """Waits until nothing is worked on in the background."""

    def wait(seconds=120):
        assert Harness.wait_until(lambda: not panel.background.title, seconds), panel.background.title

    # GPUs are looked for a moment after the panel was opened
    assert Harness.wait_until(lambda: panel.training.memories is not None, 120)
    wait()
    return wait


@pytest.fixture
def with_cases(panel, ball_cases, idle):
    """The panel with four cases."""
    panel.cases.add_described(ball_cases)
    idle()
    return panel

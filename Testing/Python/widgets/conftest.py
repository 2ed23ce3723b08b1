"""The panel of SAT Segment in the stand-in application."""

from __future__ import annotations

import pytest
from Testing import Harness


@pytest.fixture(scope="module")
def application():
    Harness.install()


@pytest.fixture
def widget(application):
    """The module's widget; an exception that Slicer would only print fails the test."""
    widget = Harness.open_module("SATSegment")
    yield widget
    problems = Harness.exceptions()
    Harness.close()
    assert problems == []


@pytest.fixture
def panel(widget):
    return widget.panel

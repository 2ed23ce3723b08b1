"""The stand-in application, cleaned after each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from Testing import Harness

Harness.install()

EXAMPLE = Path(__file__).parent / "HarnessExample" / "HarnessExample.py"


@pytest.fixture(autouse=True)
def harness():
    """The harness; an exception that Slicer would only print, or an answer nobody asked for, fails the test."""
    yield Harness
    left = Harness.exceptions(), Harness.unused_answers()
    Harness.close()
    assert left == ([], [])


@pytest.fixture
def expected_exceptions(harness):
    """The tracebacks of a test that provokes them: taken away when the test ends."""
    yield Harness.exceptions
    Harness.forget_exceptions()


@pytest.fixture
def example(harness):
    """The example module's panel."""
    return harness.open_module(EXAMPLE)

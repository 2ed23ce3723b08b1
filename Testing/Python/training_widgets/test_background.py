"""Jobs beside the window."""

from __future__ import annotations

import threading
import time

import pytest
from Testing import Harness

Harness.install()

from SATSegmentLib.errors import Cancelled, InputError  # noqa: E402
from SATTrainingLib.widgets.background import Background  # noqa: E402


@pytest.fixture
def background():
    made = Background()
    yield made
    made.close()


def finish(background):
    deadline = time.monotonic() + 20
    while background.title:
        assert time.monotonic() < deadline
        background.poll()
        time.sleep(0.001)


def test_jobs_come_one_after_the_other_with_their_parts(background):
    heard = []

    def work(number):
        def run(job):
            job.progress(1, 2)
            job.part(number)
            return number * 10

        return run

    for number in (1, 2):
        background.start(f"job {number}", work(number), heard.append, part=lambda value: heard.append(-value))
    assert background.title == "job 1"
    finish(background)
    assert heard == [-1, 10, -2, 20]


def test_a_job_finds_what_the_callback_of_the_one_before_has_done(background):
    state = {}
    found = []
    background.start("first", lambda job: 1, lambda value: state.update(value=value))
    background.start("second", lambda job: found.append(dict(state)))
    finish(background)
    assert found == [{"value": 1}]


def test_errors_are_sentences_and_the_next_job_goes_on(background):
    errors, heard = [], []

    def bad(job):
        raise InputError("Give a name.")

    def broken(job):
        raise KeyError("x")

    background.start("one", bad, failed=errors.append)
    background.start("Reading", broken, failed=errors.append)
    background.start("three", lambda job: heard.append(1))
    finish(background)
    assert str(errors[0]) == "Give a name."
    assert str(errors[1]).startswith("Reading went wrong") and "KeyError" in errors[1].details
    assert heard == [1]


def test_cancelled_jobs_tell_nothing(background):
    heard, started = [], threading.Event()

    def work(job):
        started.set()
        while not job.cancelled():
            time.sleep(0.001)
        raise Cancelled

    background.start("long", work, heard.append, heard.append)
    background.start("waiting", lambda job: heard.append("ran"), heard.append)
    assert started.wait(20)
    background.cancel()
    finish(background)
    assert heard == []

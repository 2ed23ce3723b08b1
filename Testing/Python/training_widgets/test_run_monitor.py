"""What is read from a run's folder."""

from __future__ import annotations

import pytest
from Testing import Harness

Harness.install()

from Testing.Python.training_widgets import runs_made  # noqa: E402

from SATTrainingLib import runs  # noqa: E402
from SATTrainingLib.widgets.run_monitor import RunMonitor  # noqa: E402


@pytest.fixture
def monitor(ball_cases):
    made = RunMonitor(runs_made.make(ball_cases, alive=True))
    made.poll()
    return made


def test_events_become_curves_and_scores(monitor):
    assert monitor.alive and monitor.state.state == runs.TRAINING
    assert monitor.losses() == {"all": [(10, 2.0), (20, 1.5)]}
    assert monitor.dice()["ct/left ball"] == [(0, 0.1), (20, 0.7)]
    assert [step for step, _value in monitor.dice(set())["mean"]] == [0, 20] and len(monitor.dice(set())) == 1
    rows = monitor.scores()
    assert [(row.term, row.before, row.dice) for row in rows] == [
        ("ct/right ball", 0.2, 0.4),
        ("ct/left ball", 0.1, 0.7),
    ]
    assert monitor.case_scores() == {"case0": {"left ball": 0.7, "right ball": 0.4}}
    assert monitor.facts()["seconds_a_step"] == 6.0
    assert "step 20 of 100" in monitor.text and "min left" in monitor.text


def test_only_what_is_new_is_read(monitor):
    events = list(monitor.events)
    runs_made.append(monitor.folder, runs_made.step(30, 0.5))
    with (monitor.folder / runs.EVENTS).open("a") as file:
        file.write('{"event": "st')  # a line that is being written
    assert monitor.poll()
    assert [event["event"] for event in monitor.events[len(events) :]] == ["step"]


def test_steps_that_are_done_again_count_once(monitor):
    runs_made.append(monitor.folder, runs_made.start(10), runs_made.step(20, 5.0))
    monitor.poll()
    assert [(event["step"], event["loss"]) for event in monitor.steps] == [(10, 2.0), (20, 5.0)]


def test_data_sets_have_curves_of_their_own_where_there_are_several(monitor):
    runs_made.append(monitor.folder, runs_made.step(30, 1.0, balls=0.5, other=1.5))
    monitor.poll()
    assert set(monitor.losses()) == {"all", "data set balls", "data set other"}


def test_a_run_whose_process_is_gone_says_so(ball_cases):
    made = RunMonitor(runs_made.make(ball_cases))
    made.poll()
    assert not made.alive and made.state.state == runs.FAILED
    assert "stopped unexpectedly" in made.text

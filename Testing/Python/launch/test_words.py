"""Sentences about a run."""

from __future__ import annotations

import pytest

from SATTrainingLib.launch.words import describe, duration, seconds_left
from SATTrainingLib.runs import DONE, FAILED, NEW, PAUSED, PREPARING, TRAINING, VALIDATING, RunState


def _start(step=0, steps=1000):
    return {"event": "start", "step": step, "steps": steps}


def _step(step, seconds=2.0):
    return {"event": "step", "step": step, "seconds_a_step": seconds}


def _validation(step, dice, seconds=60.0):
    return {"event": "validation", "step": step, "dice": dice, "seconds": seconds}


def test_each_state_has_its_sentence():
    events = [_start(), {"event": "prepare", "done": 3, "total": 12}]
    assert describe(RunState(NEW)) == "Not started yet."
    assert describe(RunState(PREPARING)) == "Getting ready."
    assert describe(RunState(PREPARING), events) == "Preparing the cases, 3 of 12."
    assert describe(RunState(TRAINING, 120, 1000)) == "Training, step 120 of 1000."
    assert describe(RunState(TRAINING, 640, 1000), [_start(), _step(640)]) == (
        "Training, step 640 of 1000, about 12 min left."
    )
    assert describe(RunState(VALIDATING, 250, 1000)) == "Validating, step 250 of 1000."
    assert describe(RunState(PAUSED, 5, 10)) == "Paused at step 5 of 10."
    assert describe(RunState(FAILED, 5, 10, "The disk is full. Free some space.")) == (
        "Stopped at step 5 of 10. The disk is full. Free some space."
    )


def test_a_finished_run_tells_what_it_was_good_for():
    events = [_start(), _validation(0, 0.1), _validation(1000, 0.824)]
    sentence = describe(RunState(DONE, 1000, 1000), events)
    assert sentence == "Done, 1000 steps. Mean Dice on the validation cases 0.82 (0.10 before)."
    assert describe(RunState(DONE, 1000, 1000), events[:1]) == "Done, 1000 steps."
    from_nothing = [_start(), _validation(1000, 0.824)]
    assert describe(RunState(DONE, 1000, 1000), from_nothing).endswith("cases 0.82.")


def test_time_left_counts_steps_and_the_validations_to_come():
    assert seconds_left([]) is None
    assert seconds_left([_start()]) is None
    assert seconds_left([_start(), _step(400)]) == pytest.approx(1200)
    before = [_start(), _validation(0, 0.1)]
    assert seconds_left([*before, _step(400)]) == pytest.approx(1200 + 60)  # the one at the end
    known = [*before, _step(200), _validation(200, 0.2), _step(400)]
    assert seconds_left(known) == pytest.approx(1200 + 3 * 60)
    assert seconds_left([*known, {"event": "end", "step": 400, "reason": "paused"}]) is None


def test_time_left_goes_by_the_newest_process():
    old = [_start(), _step(10, seconds=50.0), {"event": "end", "step": 10, "reason": "paused"}]
    assert seconds_left([*old, _start(step=10)]) is None
    assert seconds_left([*old, _start(step=10), _step(500, seconds=1.0)]) == pytest.approx(500)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "less than a minute"),
        (65, "about 1 min"),
        (5000, "about 83 min"),
        (7200, "about 2 h"),
        (400000, "about 5 days"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words

"""What a run does, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from .. import runs
from ..runs import RunState

_NEWEST = 20  # step events that the time left is estimated from


def describe(state: RunState, events: Sequence[dict] = ()) -> str:
    """One or two sentences such as "Training, step 120 of 1000, about 12 min left."

    Args:
        state: As `process.poll` tells it.
        events: Of the run, those that count (`runs.current`).
    """
    place = f"step {state.step} of {state.steps}" if state.steps else f"step {state.step}"
    if state.state == runs.PREPARING:
        return _preparing(events)
    if state.state == runs.TRAINING:
        return f"Training, {place}{_left(events)}."
    if state.state == runs.VALIDATING:
        return f"Validating, {place}{_left(events)}."
    if state.state == runs.PAUSED:
        return f"Paused at {place}.{_further(state.message)}"
    if state.state == runs.FAILED:
        return f"Stopped at {place}.{_further(state.message)}"
    if state.state == runs.DONE:
        return f"Done, {state.steps or state.step} steps.{_dice(events)}"
    return "Not started yet."


def seconds_left(events: Sequence[dict]) -> float | None:
    """Estimate of the seconds a running process still takes, its validations included; None where nothing tells.

    Args:
        events: Of the run, those that count (`runs.current`).
    """
    start = next((i for i in reversed(range(len(events))) if events[i]["event"] == "start"), None)
    if start is None or events[-1]["event"] == "end":
        return None
    steps = [event for event in events[start:] if event["event"] == "step"]
    if not steps:
        return None
    left = max(events[start]["steps"] - steps[-1]["step"], 0)
    return left * median(event["seconds_a_step"] for event in steps[-_NEWEST:]) + _validations(events, left)


def _validations(events: Sequence[dict], left: int) -> float:
    """Seconds of the validations in the `left` steps that are to come."""
    done = [event for event in events if event["event"] == "validation"]
    if not done or not left:
        return 0.0
    every = done[-1]["step"] - done[-2]["step"] if len(done) > 1 else 0
    count = left / every if every > 0 else 1  # there is always one at the end
    return max(count, 1) * done[-1]["seconds"]


def _preparing(events: Sequence[dict]) -> str:
    last = events[-1] if events else {}
    if last.get("event") == "prepare" and last["done"] < last["total"]:
        return f"Preparing the cases, {last['done']} of {last['total']}."
    return "Getting ready."


def _left(events: Sequence[dict]) -> str:
    seconds = seconds_left(events)
    return "" if seconds is None else f", {duration(seconds)} left"


def duration(seconds: float) -> str:
    """About how long that is, such as "about 12 min"."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes:.0f} min"
    hours = minutes / 60
    return f"about {hours:.0f} h" if hours < 48 else f"about {hours / 24:.0f} days"


def _further(message: str) -> str:
    return f" {message.strip()}" if message.strip() else ""


def _dice(events: Sequence[dict]) -> str:
    """The validation's mean Dice at the end, and before."""
    done = [event for event in events if event["event"] == "validation" and event.get("dice") is not None]
    if not done:
        return ""
    before = f" ({done[0]['dice']:.2f} before)" if len(done) > 1 and done[0]["step"] == 0 else ""
    return f" Mean Dice on the validation cases {done[-1]['dice']:.2f}{before}."

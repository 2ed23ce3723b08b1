"""A run as it goes: its state, its events, its curves, read from its folder and nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .. import runs
from ..launch import process
from ..launch.words import describe
from ..runs import RunState

_SMOOTH = 9  # events that the drawn loss is a mean of: single ones jump with the windows drawn


@dataclass(frozen=True)
class TermScore:
    """A term on the validation cases.

    Attributes:
        term: With its modality, "ct/liver".
        before: Dice of the base, or None where it was not validated.
        dice, nsd: Newest; means over the cases.
    """

    term: str
    before: float | None
    dice: float
    nsd: float
    cases: int


class RunMonitor:
    """Follows one run.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = RunState()
        self.alive = False
        self.events: list[dict] = []
        self._offset = 0

    def poll(self) -> bool:
        """Reads what is new; whether there was anything."""
        state, alive = process.poll(self.folder)
        new, self._offset = runs.read_events(self.folder, self._offset)
        if new:
            self.events = runs.current(self.events + new)
        changed = bool(new) or (state, alive) != (self.state, self.alive)
        self.state, self.alive = state, alive
        return changed

    @property
    def text(self) -> str:
        """What it does, in a sentence or two."""
        return describe(self.state, self.events)

    @property
    def steps(self) -> list[dict]:
        """Its step events."""
        return [event for event in self.events if event["event"] == "step"]

    @property
    def validations(self) -> list[dict]:
        """Its validation events."""
        return [event for event in self.events if event["event"] == "validation"]

    @property
    def prepared(self) -> tuple[int, int] | None:
        """Cases prepared, of how many, while that is being done."""
        last = self.events[-1] if self.events else {}
        return (last["done"], last["total"]) if last.get("event") == "prepare" else None

    def facts(self) -> dict[str, object]:
        """Device, processes, memory, speed, cases and terms, as far as they are known."""
        start = next((event for event in reversed(self.events) if event["event"] == "start"), {})
        last = self.steps[-1] if self.steps else {}
        return start | {name: last[name] for name in ("memory_gb", "seconds_a_step", "loss") if name in last}

    def losses(self) -> dict[str, list[tuple[float, float]]]:
        """Curves of the loss: over all, and of each data set where there are several."""
        found: dict[str, list[tuple[float, float]]] = {"all": []}
        for event in self.steps:
            found["all"].append((event["step"], event["loss"]))
            for dataset, loss in event["losses"].items():
                found.setdefault(f"data set {dataset}", []).append((event["step"], loss))
        if len(found) == 2:
            found = {"all": found["all"]}
        return {name: _smooth(points) for name, points in found.items() if points}

    def dice(self, terms: set[str] | None = None) -> dict[str, list[tuple[float, float]]]:
        """Curves of the validation Dice: the mean over all terms, then each of `terms` (all if None)."""
        found: dict[str, list[tuple[float, float]]] = {}
        for event in self.validations:
            found.setdefault("mean", []).append((event["step"], event["dice"]))
            for term, score in event["terms"].items():
                if terms is None or term in terms:
                    found.setdefault(term, []).append((event["step"], score["dice"]))
        return found

    def scores(self) -> list[TermScore]:
        """The newest validation, the worst term first."""
        validations = self.validations
        if not validations:
            return []
        base = validations[0]["terms"] if validations[0]["step"] == 0 and len(validations) > 1 else {}
        rows = [
            TermScore(term, base.get(term, {}).get("dice"), score["dice"], score["nsd"], score["cases"])
            for term, score in validations[-1]["terms"].items()
        ]
        return sorted(rows, key=lambda row: row.dice)

    def case_scores(self) -> dict[str, dict[str, float]]:
        """Case id to term to Dice, of the newest validation."""
        try:
            rows = json.loads((self.folder / runs.VALIDATION).read_text(encoding="utf-8"))
            found: dict[str, dict[str, float]] = {}
            for row in rows:
                found.setdefault(row["case"], {})[row["term"]] = row["dice"]
            return found
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to export."""
        return any((self.folder / name).is_file() for name in (runs.BEST, runs.LAST))


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over the newest values at each point."""
    found = []
    for place, (step, _value) in enumerate(points):
        nearest = [value for _step, value in points[max(0, place - _SMOOTH + 1) : place + 1]]
        found.append((step, sum(nearest) / len(nearest)))
    return found

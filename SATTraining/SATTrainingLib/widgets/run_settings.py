"""The panel's settings as a configuration of a training run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from SATSegmentLib.errors import InputError

from ..cases import Case
from ..cases.splits import hold_out, parts, split_folds
from ..training.config import TrainingConfig
from ..training.presets import PRESETS
from .training_set import TrainingSet

SHARE, FOLD, NOTHING = "share", "fold", "nothing"
_SEED = 1
_MOST_BETWEEN = {"validate_every": 250, "checkpoint_every": 100}


@dataclass(frozen=True)
class Settings:
    """What the panel says.

    Attributes:
        base: Name of a model, or empty to start from nothing.
        train: "all", "decoder" or "queries".
        preset: Name of one of `PRESETS`.
        steps, batch, precision: As in `TrainingConfig`; of the learning rate the peak.
        window: "64 x 64 x 48", or empty for the network's own.
        hold_out: SHARE, FOLD or NOTHING.
        percent: Of the patients, for SHARE.
        folds, fold: How many and which one, from 1, for FOLD.
        processes: One for each GPU.
    """

    base: str
    train: str
    preset: str
    steps: int
    batch: int
    window: str
    learning_rate: float
    precision: str
    hold_out: str = SHARE
    percent: int = 20
    folds: int = 5
    fold: int = 1
    processes: int = 1

    def validation(self, cases: list[Case]) -> list[str]:
        """Ids of the cases to validate on.

        Raises:
            InputError: There are too few cases or patients for that.
        """
        if self.hold_out == NOTHING:
            return []
        if self.hold_out == SHARE:
            return hold_out(cases, self.percent / 100, _SEED)
        if self.fold > self.folds:
            raise InputError(f"There is no fold {self.fold} of {self.folds}; choose one from 1 to {self.folds}.")
        return split_folds(cases, self.folds, _SEED)[self.fold - 1]

    def config(self, chosen: TrainingSet, case_list: Path) -> TrainingConfig:
        """The configuration.

        Args:
            chosen: The cases and labels.
            case_list: Where the cases are written to, or will be.

        Raises:
            InputError: Something is missing or does not fit.
        """
        if not chosen.cases:
            raise InputError("There are no cases; add some first.")
        if not chosen.terms():
            raise InputError("No label teaches a term; name terms in the tab Labels.")
        validation = self.validation(chosen.cases)
        parts(chosen.cases, validation, ())
        if self.batch % self.processes:
            raise InputError(
                f"A batch of {self.batch} windows cannot be shared evenly by {self.processes} GPUs; choose a multiple."
            )
        values = PRESETS[self.preset].values
        at_once = int(values["windows_at_once"])
        while self.batch % (at_once * self.processes):
            at_once -= 1
        config = TrainingConfig(
            case_list,
            base=self.base or None,
            datasets=chosen.datasets(),
            validation=tuple(validation),
            train=self.train,
            text="frozen" if self.base else "head",  # a new network reads terms by a head of its own
            steps=self.steps,
            learning_rate=self.learning_rate,
            **{name: min(most, max(1, self.steps // 4)) for name, most in _MOST_BETWEEN.items()},
        )
        own = {"batch": self.batch, "window": window_of(self.window), "precision": self.precision}
        return replace(config, **(values | own | {"windows_at_once": at_once}))


def window_of(text: str) -> tuple[int, int, int] | None:
    """Voxels along (R, A, S) from "64 x 64 x 48"; None where nothing is said.

    Raises:
        InputError: It is no such text.
    """
    if not text.strip():
        return None
    numbers = text.lower().replace("×", "x").replace(",", " ").replace("x", " ").split()
    if len(numbers) != 3 or not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise InputError(
            f'The window "{text}" must be three numbers of voxels, such as "64 x 64 x 48", or be left empty.'
        )
    return tuple(map(int, numbers))


def window_text(window: tuple[int, int, int] | None) -> str:
    """The inverse of `window_of`."""
    return " x ".join(map(str, window)) if window else ""

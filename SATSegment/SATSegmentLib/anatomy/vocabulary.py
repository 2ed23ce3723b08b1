"""What a model was trained on, in terms of the tree."""

from __future__ import annotations

import csv
from collections.abc import Iterable

from ..resources import resource
from .tree import KnowledgeTree, Term


class Vocabulary:
    """The trained terms of a model.

    Args:
        tree: To place them in.
        trained: (name, modality) of each, such as ("left kidney", "ct").
    """

    def __init__(self, tree: KnowledgeTree, trained: Iterable[tuple[str, str]]) -> None:
        self._prompts: dict[str, dict[str, str]] = {}
        unknown: dict[str, set[str]] = {}
        for name, modality in trained:
            term = tree.named(name)
            if term is None:
                unknown.setdefault(name, set()).add(modality)
            else:
                self._prompts.setdefault(term.id, {}).setdefault(modality, name)
        self.unknown = {name: tuple(sorted(modalities)) for name, modalities in unknown.items()}
        """Trained names that the tree lacks, with their modalities: they can be asked for all the same."""

    def modalities(self, term: Term) -> tuple[str, ...]:
        """What it was trained for, such as ("ct", "mri"); empty where it was not."""
        return tuple(sorted(self._prompts.get(term.id, ())))

    def prompt(self, term: Term, modality: str) -> str:
        """The text to ask the model with: the name it was trained on, for this modality if it can be."""
        names = self._prompts.get(term.id, {})
        return names.get(modality) or next(iter(names.values()), term.name)

    def trained_descendants(self, tree: KnowledgeTree, key: str, modality: str | None = None) -> list[Term]:
        """The trained terms below a term or group, for a modality or any.

        Raises:
            InputError: There is no such term or group.
        """
        trained = [(term, self.modalities(term)) for term in tree.descendants(key)]
        return [term for term, modalities in trained if (modality in modalities if modality else modalities)]


def sat_classes() -> list[tuple[str, str]]:
    """(name, modality) of the 498 classes that the published models were trained on."""
    with resource("Anatomy", "sat_classes.csv").open(encoding="utf-8", newline="") as file:
        return [(row["term"], row["modality"]) for row in csv.DictReader(file)]

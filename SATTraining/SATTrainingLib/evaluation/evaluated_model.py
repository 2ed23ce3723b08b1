"""A model as it is evaluated."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property

from SATSegmentLib.anatomy import Vocabulary, knowledge_tree
from SATSegmentLib.inference import Predictor
from SATSegmentLib.models import find_model
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import CONFIG
from SATSegmentLib.models.loading import load

_RECIPE = "recipe.json"


class EvaluatedModel:
    """A model by name or folder.

    Attributes:
        name: For people.
        sha256: Of its `model.json`, which holds the hashes of all its files.
        steps: Of its recipe, of all its trainings, where it has one; the checkpoint kept may be an earlier one.

    Raises:
        InputError: There is no such model.
        ModelError: It is not installed, or damaged.
    """

    def __init__(self, name: str) -> None:
        info = find_model(name)
        self._loaded = load(info)
        self.name = info.name
        self.sha256 = sha256_of(info.folder / CONFIG)
        self.steps: int | None = None
        with suppress(OSError, ValueError, AttributeError, TypeError, KeyError):  # for people: it may be anything
            recipe = json.loads((info.folder / _RECIPE).read_text(encoding="utf-8"))
            trainings = recipe.get("trainings", [recipe])
            self.steps = sum(training["steps"] for training in trainings)
        self._trained = {(term.term, term.modality) for term in self._loaded.terms}

    def is_trained(self, term: str, modality: str) -> bool:
        """Whether it was trained on a term, as it is called or by another name of it."""
        return (self.prompt(term, modality), modality) in self._trained

    def prompt(self, term: str, modality: str) -> str:
        """The text to ask it with: the name it was trained on, where the term is another name of that."""
        known = None if (term, modality) in self._trained else knowledge_tree().named(term)
        return self._vocabulary.prompt(known, modality) if known and self._vocabulary.modalities(known) else term

    def check(self, terms: Iterable[tuple[str, str]]) -> None:
        """Makes the queries of (term, modality), so that a missing text encoder is found before the long part.

        Raises:
            ModelError: It is missing.
        """
        of_modality = defaultdict(list)
        for term, modality in terms:
            of_modality[modality].append(self.prompt(term, modality))
        for modality, prompts in of_modality.items():
            self._loaded.prompts.encode(prompts, modality)

    def predictor(self, device: str) -> Predictor:
        """Made anew at each call.

        Raises:
            InputError: There is no such device.
        """
        return Predictor(self._loaded.network, self._loaded.prompts, device)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(knowledge_tree(), sorted(self._trained))

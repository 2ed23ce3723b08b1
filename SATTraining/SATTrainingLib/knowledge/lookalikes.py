"""What a text encoder takes for another structure as it is now: what it has to learn next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .concepts import Concept
from .retrieval import Encode

_COUNT = 6  # of each concept
_AT_ONCE = 256  # concepts compared with all


def lookalikes(encode: Encode, concepts: Sequence[Concept]) -> np.ndarray:
    """Of each concept the others whose names are nearest to one of its own: rows of `concepts` (N, at most 6), int32.

    Those of its family are left out: sides are told apart as `confusables`.

    Args:
        encode: The text encoder.
        concepts: N of them.
    """
    names = encode([concept.name for concept in concepts])
    families = np.unique([concept.family for concept in concepts], return_inverse=True)[1]
    count = min(_COUNT, len(concepts) - np.bincount(families).max())
    found = np.empty((len(concepts), count), np.int32)
    for start in range(0, len(concepts), _AT_ONCE):
        part = concepts[start : start + _AT_ONCE]
        # a side's synonyms only repeat those of the structure without side
        texts = [(c.name,) if c.side else (c.name, *c.synonyms) for c in part]
        firsts = np.cumsum([0, *map(len, texts[:-1])])
        cosines = encode([text for own in texts for text in own]) @ names.T
        nearest = np.maximum.reduceat(cosines, firsts)
        nearest[families[start : start + _AT_ONCE, None] == families] = -np.inf
        found[start : start + _AT_ONCE] = np.argpartition(-nearest, count - 1)[:, :count]
    return found

"""What the scores of many cases come to: by class, region and data set, and over all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from SATSegmentLib.anatomy import knowledge_tree

from .evaluate import Score
from .intervals import Estimate, estimate

_LESIONS = "system:lesions"


@dataclass(frozen=True)
class Group:
    """A class, a region, a data set, or all.

    Attributes:
        name: Of a class its term.
        modality: Of a class; else empty.
        region: Of a class; else empty.
        dice, nsd: Means over the classes of their means over cases.
        classes, cases, patients: How many.
        missed: Structures that are in the reference and of which nothing was found.
        invented: Structures that were found although the reference is empty.
        agreed_empty: Structures that are in neither.
    """

    name: str
    modality: str
    region: str
    dice: Estimate
    nsd: Estimate
    classes: int
    cases: int
    patients: int
    missed: int
    invented: int
    agreed_empty: int


@dataclass(frozen=True)
class Summary:
    """The scores of one model; `overall` is the mean over classes, as SAT reports it."""

    overall: Group
    classes: list[Group]
    regions: list[Group]
    datasets: list[Group]


def region_of(term: str) -> str:
    """Where a term is, in the words of the knowledge tree; lesions are a region of their own, as in SAT's tables."""
    tree = knowledge_tree()
    known = tree.named(term)
    if known is None:
        return "Other"
    return "Lesions" if _LESIONS in known.groups else tree.path(known.id)[0]


def summarise(scores: Iterable[Score], patients: Mapping[str, str]) -> Summary:
    """Means and intervals of at least one score.

    Args:
        scores: Of one model.
        patients: Case id to patient.
    """
    scores = list(scores)
    regions = {term: region_of(term) for term in {score.term for score in scores}}

    def by(key: Callable[[Score], tuple[str, str, str]]) -> list[Group]:
        parts = defaultdict(list)
        for score in scores:
            parts[key(score)].append(score)
        return [_group(*name, part, patients) for name, part in sorted(parts.items())]

    classes = by(lambda score: (score.term, score.modality, regions[score.term]))
    return Summary(
        overall=_group("All classes", "", "", scores, patients),
        classes=sorted(classes, key=lambda group: (group.modality, group.region, group.name)),
        regions=by(lambda score: (regions[score.term], "", "")),
        datasets=by(lambda score: (score.dataset, "", "")),
    )


def _group(name: str, modality: str, region: str, scores: list[Score], patients: Mapping[str, str]) -> Group:
    classes = [(score.term, score.modality) for score in scores]
    owners = [patients[score.case] for score in scores]
    sizes = np.array([(score.voxels_reference, score.voxels_prediction) for score in scores]) > 0
    return Group(
        name,
        modality,
        region,
        dice=estimate([score.dice for score in scores], classes, owners),
        nsd=estimate([score.nsd for score in scores], classes, owners),
        classes=len(set(classes)),
        cases=len({score.case for score in scores}),
        patients=len(set(owners)),
        missed=int((sizes[:, 0] & ~sizes[:, 1]).sum()),
        invented=int((~sizes[:, 0] & sizes[:, 1]).sum()),
        agreed_empty=int((~sizes).all(1).sum()),
    )

"""Tells "is a" from "part of" where the source does not say.

Only what names and definitions make plain is told; the rest stays "within".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .relations import IS_A, PART_OF, WITHIN
from .sources import SourceTerm

_SIDE = re.compile(r"\b(left|right)\b ?")
_GENUS_ENDS = re.compile(
    r"\b(that|which|who|whose|of|in|on|at|from|with|located|found|situated|connecting|forming|between|to|for|is|and|where|"
    r"surrounding|lying|extending|composed|consisting|supplying|draining|innervating|within|lining)\b|[,;:.(\[]"
)
_ARTICLE = re.compile(r"^(a|an|any|the|each|one of (the|two)?|either of the (two)?)\s+")
_CLASS = re.compile(
    r"\b(element|structure|subdivision|zone|type|class|organ|collection|cluster|group)s?$|"
    r"^(regional|functional) part of "
)
_CLASSES = frozenset(
    (
        "bone artery vein vessel nerve muscle joint gland tooth ligament node gyrus sulcus nucleus vertebra rib "
        "cartilage suture ganglion plexus viscus"
    ).split()
)
_PARTS = frozenset(
    (
        "wall mucosa submucosa serosa lumen cavity cortex medulla head neck body shaft process surface layer part "
        "zone root trunk branch margin border facet fossa foramen groove notch tubercle tuberosity crest spine "
        "line angle arch epiphysis diaphysis metaphysis condyle epicondyle trochanter marrow media intima "
        "adventitia valve tendon belly capsule hilum parenchyma area region"
    ).split()
)
_SINGLE = frozenset(("nerve", "artery", "vein", "aorta"))  # "lingual nerve" is one nerve, no class of them
_PREPOSITIONS = frozenset(("in", "of", "for", "to", "from", "on", "with", "the"))
_POSITIONS = frozenset(
    (
        "middle inner internal outer external upper lower anterior posterior medial lateral superior inferior proximal "
        "distal ascending descending ventral dorsal"
    ).split()
)
_WHOLE = re.compile(
    r"\b(system|region|skeleton|musculature|vasculature|body|head|neck|face|abdomen|thorax|trunk|limb|tract|cavity|"
    r"complex|column|apparatus|hemisphere)$|^(subdivision of|pair of) "
)


def with_kinds(terms: Mapping[str, SourceTerm]) -> dict[str, dict[str, str]]:
    """Of each term its parents that are in `terms` with the kind of the relation: {child: {parent: kind}}."""
    return {
        key: {
            other: kind if kind != WITHIN else kind_of(term, terms[other])
            for kind, other in term.relations
            if other in terms and kind in (IS_A, PART_OF, WITHIN)
        }
        for key, term in terms.items()
    }


def kind_of(child: SourceTerm, parent: SourceTerm) -> str:
    """What `parent` is to `child`: IS_A, PART_OF, or WITHIN where neither is plain."""
    names = {_plain(name) for name in (parent.name, *parent.synonyms)}
    own = _plain(child.name)
    definition = _SIDE.sub("", child.definition.lower())
    for name in names:
        if any(
            f"part of {article}{name}" in definition for article in ("", "a ", "an ", "the ", "each ")
        ) and re.search(rf"part of (a |an |the |each )?{re.escape(name)}\b", definition):
            return PART_OF
    for name in names:
        if own.endswith((f" of {name}", f" of the {name}")):
            return PART_OF
    for name in names:
        if own == name:
            return IS_A
        if own.endswith(f" {name}"):
            return WITHIN if _placed(own.removesuffix(name).split(), name) else IS_A
        if name.partition(" of ")[2] and own.startswith(name.partition(" of ")[0] + " of "):
            return IS_A
    if _CLASS.search(parent.name):
        return IS_A
    genus = _GENUS_ENDS.split(_ARTICLE.sub("", definition), maxsplit=1)[0].strip()
    for name in names:
        if (
            genus == name
            or genus.endswith(f" {name}")
            or definition.startswith((f"a {name} ", f"an {name} ", f"any {name} "))
        ):
            return IS_A
    kind = _head(_plain(parent.name))
    if (_head(own) == kind and kind not in _SINGLE) or (kind in _CLASSES and _head(own) not in (*_PARTS, *_SINGLE)):
        return IS_A  # "femoral artery", an "artery of lower limb"; "femur", a "bone of hip region"
    if _WHOLE.search(parent.name):
        return PART_OF
    return WITHIN


def _placed(before: list[str], name: str) -> bool:
    """Whether the words before a name make it a place in it ("cartilage in tibia") or a part of it ("middle ear")."""
    return before[-1] in _PREPOSITIONS or (len(before) == 1 and before[0] in _POSITIONS and _head(name) not in _CLASSES)


def _head(name: str) -> str:
    words = name.partition(" of ")[0].split()
    while len(words) > 1 and words[-1].isdecimal():
        words.pop()
    return words[-1]


def _plain(name: str) -> str:
    return _SIDE.sub("", name.lower()).strip()

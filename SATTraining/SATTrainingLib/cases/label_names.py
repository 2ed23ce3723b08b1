"""Labels' names as data sets write them ("Kidney-L", "vertebrae_L1", "OpticNrv_L"), as a person would type them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APART = re.compile(r"[\s_\-./,+]+")
_LEVEL = re.compile(r"^(cervical|thoracic|lumbar|sacral)[ _]?(?:vertebra[e]? ?)?(\d{1,2})$")
_LETTER = {"cervical": "c", "thoracic": "t", "lumbar": "l", "sacral": "s"}
_NUMBERED = re.compile(r"^([a-z]{3,})(\d{1,2})$")  # "rib9"

# What segments and labels are called before anyone named them.
_SAYS_NOTHING = re.compile(r"(segment|label|structure|region|class|value|mask|tissue)?(?: ?\d*)")
# Said of the label, not of the structure.
_NOISE = frozenset("mask seg segmentation label structure contour roi".split())

# How AAPM's TG-263, FreeSurfer and TotalSegmentator shorten; each word where it is a word of its own.
_SHORT = {
    "lh": "left", "rh": "right", "inf": "inferior", "sup": "superior", "ant": "anterior", "post": "posterior",
    "lat": "lateral", "vent": "ventricle", "wm": "white matter", "gm": "gray matter", "cc": "corpus callosum",
    "ventraldc": "ventral diencephalon", "dc": "diencephalon", "ctx": "cortex", "nrv": "nerve", "glnd": "gland",
    "submand": "submandibular", "musc": "muscle", "plex": "plexus", "vert": "vertebra", "lig": "ligament",
}  # fmt: skip
_CALLED = (
    ("inferior lateral ventricle", "temporal horn of lateral ventricle"),
    ("accumbens area", "nucleus accumbens"),
    ("cerebellum cortex", "cerebellar cortex"),
)
_SIDES = {"l": "left", "left": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
# TG-263 names the kind first: "A_Carotid_L", "Bone_Mandible", "Cavity_Oral".
_KIND_FIRST = {
    "a": "artery", "v": "vein", "n": "nerve", "m": "muscle", "bone": "bone", "muscle": "muscle", "gland": "gland",
    "lobe": "lobe", "cavity": "cavity",
}  # fmt: skip
_KINDS_LEFT_OUT = ("muscle", "bone", "gland")
_KINDS = ("bone", "muscle", "artery", "vein", "nerve", "gland", "musculus", "arteria", "vena", "nervus", "glandula")


def readings(name: str) -> Iterator[str]:
    """What a label's name says, in lower case, the most literal first, each once; none where it says nothing."""
    if not _SAYS_NOTHING.fullmatch(" ".join(_APART.sub(" ", name.lower()).split())):
        yield from dict.fromkeys(filter(None, _readings(name)))


def of_a_kind(text: str) -> Iterator[str]:
    """A name with its kind left out or put in: "hyoid" is a bone, "soleus muscle" the soleus."""
    words = text.split()
    if len(words) > 1 and words[-1] in _KINDS_LEFT_OUT:
        words = words[:-1]
        yield " ".join(words)
    yield from (f"{' '.join(words)} {kind}" for kind in _KINDS)


def _readings(name: str) -> Iterator[str]:
    plain = " ".join(_APART.sub(" ", name).split())
    yield plain.lower()
    words = _APART.sub(" ", _WORD_START.sub(" ", plain)).lower().split()
    words = [word for word in words if word not in _NOISE] or words
    words = [part for word in words for part in _parts(word)]
    yield " ".join(words)
    words = [part for word in words for part in _SHORT.get(word, word).split()]
    for side in ("left", "right"):
        if _SIDES.get(words[-1] if words else "") == side:
            words = [side, *words[:-1]]  # as SAT's classes begin
    text = " ".join(words)
    for said, called in _CALLED:
        text = text.replace(said, called)
    yield text
    if words and words[0].isdecimal():
        words = words[1:]  # "1_liver"
        yield " ".join(words)
    side, words = ([words[0]], words[1:]) if words and words[0] in ("left", "right") else ([], words)
    if len(words) > 1 and words[0] in _KIND_FIRST:
        yield " ".join((*side, *words[1:], _KIND_FIRST[words[0]]))
        yield " ".join((*side, *words[1:]))


def _parts(word: str) -> Iterator[str]:
    """Words of a word with a number: "cervical3" is C3, "rib9" rib 9."""
    if level := _LEVEL.match(word):
        yield f"{_LETTER[level[1]]}{level[2]}"
        yield "vertebra"
    elif numbered := _NUMBERED.match(word):
        yield from numbered.groups()
    else:
        yield word

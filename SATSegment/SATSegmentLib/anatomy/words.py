"""Names as words that compare: spelling, plural, numbers and side made alike."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

_WORD = re.compile(r"[^\W_]+")
_SMALL = frozenset("a an and of the to in at for with de du des".split())

# Sides as they are written in reports and in the languages of the names; L and R only beside other words.
_SIDES = {
    **dict.fromkeys("left lt lft sinister sinistra sinistrum sinistri sinistrae l".split(), "left"),
    **dict.fromkeys("right rt rgt dexter dextra dextrum dextri dextrae r".split(), "right"),
    **dict.fromkeys("links linke linker linkes linken gauche izquierdo izquierda".split(), "left"),
    **dict.fromkeys("rechts rechte rechter rechtes rechten droit droite derecho derecha".split(), "right"),
    **dict.fromkeys(("左", "左侧", "왼쪽", "좌측", "좌"), "left"),
    **dict.fromkeys(("右", "右侧", "오른쪽", "우측", "우"), "right"),
}
_LETTERS = ("l", "r")
# Sides written on to the name. In Korean only where a word for "side" is: 좌 and 우 also begin other words.
_GLUED_SIDE = re.compile(r"(左侧|右侧|좌측|우측|왼쪽|오른쪽|左|右)(.+)")
_ELISION = re.compile(r"\b[ld]['’](?=\w)")  # "l'aorte" has no left
_NUMBERS = {
    word: str(number)
    for number, words in enumerate(
        "first 1st one;second 2nd two ii;third 3rd three iii;fourth 4th four iv;fifth 5th five;sixth 6th six vi;"
        "seventh 7th seven vii;eighth 8th eight viii;ninth 9th nine ix;tenth 10th ten;eleventh 11th eleven xi;"
        "twelfth 12th twelve xii".split(";"),
        start=1,
    )
    for word in words.split()
}
# One-letter numerals are numbers only beside such a word: "segment V", but "V" for nothing else.
NUMERALS = {"i": "1", "v": "5", "x": "10"}
_NUMBERED = frozenset("segment seg lobule nerve cn layer zone rib costa digit cranial couinaud nervus lobulus".split())
_LEVELS = frozenset("ctlsd")  # "L 3" is L3

# As radiologists shorten: Latin before the name ("a. carotis"), English behind it ("popliteal a").
_LATIN = {"a": "arteria", "v": "vena", "n": "nervus", "m": "musculus", "lig": "ligamentum", "gl": "glandula"}
_ENGLISH = {"a": "artery", "v": "vein", "n": "nerve", "m": "muscle"}
_DOTTED = re.compile(r"\b(a|v|n|m|lig|gl)\. *(?=\w)")

# What an adjective of a name is of, and what a lesion is: tried where the words as typed find nothing.
_MEANS = {
    "hepatic": "liver", "renal": "kidney", "pulmonary": "lung", "cardiac": "heart", "splenic": "spleen",
    "gastric": "stomach", "pancreatic": "pancreas", "cerebral": "brain", "cranial": "skull", "femoral": "femur",
    "tibial": "tibia", "humeral": "humerus", "vertebral": "vertebra", "prostatic": "prostate", "uterine": "uterus",
    "ovarian": "ovary", "colonic": "colon", "colorectal": "colon", "esophageal": "esophagus", "tracheal": "trachea",
    "bronchial": "bronchus", "aortic": "aorta", "myocardial": "myocardium", "atrial": "atrium",
    "ventricular": "ventricle", "mandibular": "mandible", "clavicular": "clavicle", "scapular": "scapula",
    "sternal": "sternum", "costal": "rib", "sacral": "sacrum", "hippocampal": "hippocampus", "thalamic": "thalamus",
    "cerebellar": "cerebellum", "nodal": "node", "vesical": "bladder", "thymic": "thymus", "duodenal": "duodenum",
    "mass": "tumor", "lesion": "tumor", "cancer": "tumor", "carcinoma": "tumor", "neoplasm": "tumor",
    "malignancy": "tumor", "metastasis": "tumor", "adenocarcinoma": "tumor", "fibrosis": "scar", "bleed": "hemorrhage",
    "bleeding": "hemorrhage", "hematoma": "hemorrhage",
}  # fmt: skip

_IRREGULAR = {
    "femora": "femur", "gyri": "gyrus", "sulci": "sulcus", "nuclei": "nucleus", "ganglia": "ganglion",
    "bronchi": "bronchus", "humeri": "humerus", "radii": "radius", "thalami": "thalamus", "hippocampi": "hippocampus",
    "feet": "foot", "teeth": "tooth", "crura": "crus", "foramina": "foramen", "corpora": "corpus", "atria": "atrium",
    "septa": "septum", "crania": "cranium", "ossa": "os", "fasciculi": "fasciculus", "rami": "ramus", "tali": "talus",
    "calcanei": "calcaneus", "menisci": "meniscus", "hila": "hilum", "hili": "hilum", "hilus": "hilum",
    "appendices": "appendix", "cortices": "cortex", "apices": "apex", "calyces": "calyx", "calices": "calyx",
    "phalanges": "phalanx", "meninges": "meninx", "fundi": "fundus", "thrombi": "thrombus", "emboli": "embolus",
    "sacra": "sacrum", "acetabula": "acetabulum", "diverticula": "diverticulum", "musculi": "musculus",
    "nervi": "nervus", "lobi": "lobus", "sinuses": "sinus", "plexuses": "plexus", "uteri": "uterus",
    "thymi": "thymus", "lenses": "lens", "irides": "iris", "pelves": "pelvis", "testes": "testis", "penes": "penis",
    "ureteres": "ureter", "halves": "half", "calves": "calf", "ova": "ovum", "labia": "labium", "vasa": "vas",
    "tibiae": "tibia", "grey": "gray", "disk": "disc", "disks": "disc", "discs": "disc", "lens": "lens",
    "pons": "pons", "dens": "dens", "glans": "glans", "coeliac": "celiac", "orthopaedic": "orthopedic",
}  # fmt: skip
_KEPT = ("ss", "us", "is")  # endings that no plural has: pelvis, hippocampus


_SPECIAL = _SMALL | _SIDES.keys() | NUMERALS.keys() | _LEVELS | _ENGLISH.keys()


class Words(NamedTuple):
    """A name in words: `words` without the side, and the side ("left", "right" or empty)."""

    words: tuple[str, ...]
    side: str


def split(text: str) -> Words:
    """Normal words of a name or query, without small words; "left and right" names no side."""
    tokens = _WORD.findall(_folded(text))
    if _SPECIAL.isdisjoint(tokens) and text.isascii():
        return Words(tuple(map(normal, tokens)), "")
    words: list[str] = []
    sides: set[str] = set()
    place = 0
    while place < len(tokens):
        token = tokens[place]
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token in _LEVELS and following.isdecimal():
            words.append(token + following)
            place += 2
            continue
        place += 1
        if not token.isascii() and (glued := _GLUED_SIDE.match(token)):
            sides.add(_SIDES[glued[1]])
            token = glued[2]
        if token in _ENGLISH and not following and words and words[-1] not in _NUMBERED:
            words.append(_ENGLISH[token])
            continue
        if token in _SMALL:
            continue
        if token in _SIDES and (token not in _LETTERS or len(tokens) > 1):
            sides.add(_SIDES[token])
            continue
        if token in NUMERALS and (following in _NUMBERED or (words and words[-1] in _NUMBERED)):
            words.append(NUMERALS[token])
            continue
        words.append(normal(token))
    if not words and not sides:
        words = [normal(token) for token in tokens]  # "AT" may be a name where it is all there is
    return Words(tuple(words), sides.pop() if len(sides) == 1 else "")


@cache
def normal(word: str) -> str:
    """A word of a folded name in American spelling and singular, numbers as digits."""
    if word in _NUMBERS:
        return _NUMBERS[word]
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not word.isascii() or len(word) < 4:
        return word
    if word.endswith("ae"):
        word = word[:-1]  # Latin plural and genitive: vertebrae, venae cavae
    elif word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("ases", "oses", "eses", "yses")):
        word = word[:-2] + "is"
    elif word.endswith(("xes", "sses", "ches")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(_KEPT):
        word = word[:-1]
    word = word.replace("oe", "e").replace("ae", "e")
    if word.endswith("our"):
        word = word[:-3] + "or"
    elif word.endswith(("entre", "ibre")):
        word = word[:-2] + "er"  # centre, fibre; not the French "urètre"
    return word


def meant(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with adjectives and lesions as the tree names them: "liver tumor" for "hepatic mass"."""
    if "vertebral" in words:
        words = tuple(word for word in words if word != "body")
    return tuple(_MEANS.get(word, word) for word in words)


def started(word: str) -> str:
    """A word that may not be typed to its end, in American spelling."""
    return word.replace("oe", "e").replace("ae", "e") if word.isascii() and len(word) > 2 else word


def _folded(text: str) -> str:
    """Lower case without accents; "Ammon's" is "ammon"."""
    text = _ELISION.sub("", text.casefold())
    if "." in text:
        text = _DOTTED.sub(lambda found: f"{_LATIN[found[1]]} ", text)
    if text.isascii():
        return text.replace("'s ", " ") if "'" in text else text
    text = text.replace("’", "'").replace("œ", "oe").replace("æ", "ae")
    parts = unicodedata.normalize("NFKD", text)
    plain = "".join(part for part in parts if not "\u0300" <= part <= "\u036f")
    return unicodedata.normalize("NFC", plain).replace("'s ", " ")

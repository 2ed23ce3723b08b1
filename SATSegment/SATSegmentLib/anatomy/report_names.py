"""The names of the tree as reports use them: which words name which term, on which side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .report_levels import is_level, number_of
from .tree import KnowledgeTree, Term
from .words import NUMERALS, split

# Alone they name a kind, a substance or something else, not a structure. In the form of `words.normal`.
_GENERIC = frozenset(
    """
    adult appendage area armor arteriole artery articulation axis bar base basin beak bile blastema blood body
    bone capillary capsule cavity cement cluster comb condyle cor cord corpus cortex crest crop crown cud
    cuticle digit duct embolus embryo endplate excreta exudate facet fascia fat feather fenestra fluid fold foramen
    ganglion gill gland growth gyrus hair hairline hammer helix hilum honey horn hump index isthmus joint
    juvenile keel lamina larva layer lesion life lifespan ligament limb line lobe lobule lymph mantle marking
    medulla membrane midshaft milk mole mucosa mucus muscle musculature nerve nevus node nucleus operculum
    orifice organ os pad page papilla parenchyma part pit plate plexus plume pole pore pouch process projection
    protuberance pus radio rate rattle recto region rein ren ridge root sac saliva scale segment sein semen seno
    septum serum shaft shell silk simplex sinus siphon skeleton sole space sphincter spot stage stripe stroma
    structure sulcus surface suture sweat system tail tear temple tendon thrombus tip tissue transudate trunk
    tube tubercle tusk urine valve vasculature vein venom vent venule vessel vomit waist wall wing zone
    """.split()
)
_PLURAL = frozenset(("bones", "sinuses"))  # but these name all of them
# Alone they name a part of the body or a lesion; after an adjective or before "of", a part of something else.
PARTIAL = frozenset(
    """
    apex arch arm back carina cord disc face foot fundus hand head infarct infundibulum insula lens lip mouth
    neck orbit pelvis shoulder spine trunk
    """.split()
)
_ADJECTIVE = re.compile(r".{3,}(?:al|ar|ary|ic|ous)")
_NOUNS = frozenset("carpal metacarpal metatarsal molar ovary pituitary pulvinar triquetral vitreous".split())
# Abbreviations of two characters mean too much; these are plain in a report. Some longer ones are words or mean others.
_PAIRS = frozenset("GB LA LK LV PE PZ RA RK RV TZ".split())
_NO_ABBREVIATIONS = frozenset("ALL BAT BOT CAN DIP POD RES SAT".split())
# Adjectives that stand for an organ in a name: "hepatic cyst".
_ORGANS = dict(
    pair.split(":")
    for pair in """
    aortic:aorta bronchial:bronchus cardiac:heart cerebellar:cerebellum cerebral:brain
    clavicular:clavicle colonic:colon duodenal:duodenum esophageal:esophagus femoral:femur
    fibular:fibula gastric:stomach hepatic:liver hippocampal:hippocampus humeral:humerus
    laryngeal:larynx mandibular:mandible ovarian:ovary pancreatic:pancreas prostatic:prostate
    pulmonary:lung radial:radius rectal:rectum renal:kidney sacral:sacrum scapular:scapula
    splenic:spleen sternal:sternum thalamic:thalamus thymic:thymus tibial:tibia
    tracheal:trachea ulnar:ulna ureteral:ureter uterine:uterus vertebral:vertebra
    """.split()
)


class Found(NamedTuple):
    """A term at a place of a text.

    Attributes:
        start: Of the first character.
        end: After the last one.
        term: What is named there.
        choices: Of an abbreviation that has several meanings.
    """

    start: int
    end: int
    term: Term
    choices: tuple[Term, ...] = ()


class _Name(NamedTuple):
    """A name of a term.

    Attributes:
        side: That the name says.
        cased: How an abbreviation is written; empty of other names.
        own: The preferred name or a SAT class name.
    """

    term: Term
    side: str
    cased: str
    own: bool


class Names:
    """The names of a tree by their words, in order and in any order.

    Args:
        tree: The terms.
    """

    def __init__(self, tree: KnowledgeTree) -> None:
        self._tree = tree
        self._ordered: dict[str, list[_Name]] = {}
        self._bags: dict[str, list[_Name]] = {}
        self._known: set[str] = set(NUMERALS)
        for term in tree:
            if "/" in term.id and not term.prompts and not term.synonyms:
                continue  # a side that the build added: found through its structure
            for name in dict.fromkeys((term.name, *term.prompts, *term.synonyms)):
                words, side = split(name)
                if not words or " and " in name or " or " in name:
                    continue  # "portal vein and splenic vein" are two in a report
                # an abbreviation is looked for as it is written
                cased = name if " " not in name and (len(name) < 5 or name.isupper()) and name != name.lower() else ""
                if len(name) == 2 and len(words) == 1 and name not in _PAIRS and not is_level(name):
                    continue
                self._known.update(words)
                row = _Name(term, side, cased, name == term.name or name in term.prompts)
                self._ordered.setdefault(_joined(words), []).append(row)
                if len(words) > 1:
                    self._bags.setdefault(" ".join(sorted(words)), []).append(row)

    def knows(self, word: str) -> bool:
        """Whether a word (`words.normal`) may be of a name: it is in one, stands for an organ or is a number."""
        return word in self._known or word.isdecimal() or word in _ORGANS

    def term(self, words: tuple[str, ...], side: str, literal: str = "") -> Term | None:
        """What is called so, on that side.

        Args:
            words: As `words.split` gives them.
            side: That the text names: "left", "right" or empty.
            literal: As it is written, of a single word.
        """
        if not words or (len(words) == 1 and not self._names_something(words[0], literal)):
            return None
        if re.fullmatch("s[1-5]", words[0]) and words[1:] in ((), ("vertebra",)):
            words = ("sacral", "vertebra", words[0][1])  # S1 is also a segment of the liver
        found = self._best(self._ordered.get(_joined(words), ()), side, literal)
        if not found and "disc" in words:
            words = _disc(words)
        if not found and len(words) > 1:
            found = self._best(self._bags.get(" ".join(sorted(words)), ()), side, literal)
        if not found and len(words) > 1 and not _ORGANS.keys().isdisjoint(words):
            found = self.term(tuple(_ORGANS.get(word, word) for word in words), side)
        return found

    def meanings(self, words: tuple[str, ...], side: str, literal: str) -> tuple[Term, ...]:
        """All that an abbreviation stands for, the most asked-for first; nothing where it is one thing only."""
        rows = [row for row in self._ordered.get(_joined(words), ()) if row.cased]
        found = {term.id: (rank, term) for rank, term in self._sided(rows, side, literal)}
        ranked = sorted(found.values(), key=lambda each: each[0], reverse=True)
        return tuple(term for _, term in ranked) if len(ranked) > 1 else ()

    @staticmethod
    def _names_something(word: str, literal: str) -> bool:
        if literal.casefold() in _PLURAL:
            return True
        noun = word in _NOUNS or literal.endswith("s") or not _ADJECTIVE.fullmatch(word)
        return word not in _GENERIC and noun and len(word) > 1

    def _best(self, rows: Iterable[_Name], side: str, literal: str) -> Term | None:
        return max(self._sided(rows, side, literal), key=lambda each: each[0], default=(None, None))[1]

    def _sided(self, rows: Iterable[_Name], side: str, literal: str) -> Iterator[tuple[tuple[bool, bool, int], Term]]:
        """The terms of a name on a side, with their rank: trained ones, its own ones, the more asked-for first."""
        for term, said, cased, own in rows:
            if cased and (literal.removesuffix("s") != cased or cased in _NO_ABBREVIATIONS):
                continue
            if said and said != side:
                continue
            if side and not said and term.side != side:
                term = self._tree.side_of(term.id, side) if not term.side else None
            if term:
                yield (bool(term.prompts), own, term.weight), term


def _disc(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of the name of a disc between two levels: (l4, l5, intervertebral, disc) for (l4, 5, disc)."""
    levels = [word for word in words if number_of(word)]
    if len(levels) != 2 or levels[0].isdecimal() or len(set(words) - {"intervertebral", "space"}) > 3:
        return words
    upper, lower = levels
    return upper, f"{upper[0]}{lower}" if lower.isdecimal() else lower, "intervertebral", "disc"


def _joined(words: tuple[str, ...]) -> str:
    """Words without spaces, so that "gall bladder" is "gallbladder", but numbers kept apart."""
    return "".join(f" {word} " if word.isdecimal() else word for word in words)

"""A tree of forty terms, in place of the one that comes with the extension; also for processes that teach with it."""

from __future__ import annotations

import sys

from SATSegmentLib.anatomy import KnowledgeTree, Term
from SATSegmentLib.anatomy.relations import IS_A, PART_OF

_GROUPS = ("region:abdomen", "system:other")
_ORGANS = {
    "kidney": ("ren", "kidney organ"),
    "lung": ("pulmo", "organ of breathing"),
    "renal artery": ("arteria renalis", "artery of kidney"),
    "renal vein": ("vena renalis", "vein of kidney"),
}
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def small_tree() -> KnowledgeTree:
    """Organs with sides, lumbar vertebrae, and single ones."""
    terms = [
        _term("liver", ("hepar", "organ of liver")),
        _term("spleen", ("lien", "splenic organ")),
        _term("urinary tract"),
        _term("spine", ("vertebral column", "backbone")),
        _term("gallbladder", ("cholecyst", "gall bladder"), (("located in", "T:liver"),)),
    ]
    for name, synonyms in _ORGANS.items():
        relations = ((PART_OF, "T:urinary tract"),) if name != "lung" else ()
        terms.append(_term(name, synonyms, relations))
        for side in ("left", "right"):
            terms.append(_term(f"{side} {name}", relations=((IS_A, f"T:{name}"),), side=side, base=f"T:{name}"))
    for number, word in enumerate(_ORDINALS, start=1):
        synonyms = (f"{word} lumbar vertebra", f"lumbar vertebra {number}")
        terms.append(_term(f"L{number} vertebra", synonyms, ((PART_OF, "T:spine"),)))
    return KnowledgeTree(terms)


def _term(name, synonyms=(), relations=(), side="", base="") -> Term:
    return Term(f"T:{name}", name, tuple(synonyms), (), tuple(relations), side, base, _GROUPS, 1)


def use_small_tree(replace) -> None:
    """Puts it where the knowledge tree is asked for; `replace` sets an attribute of a module."""
    from SATTrainingLib.knowledge import atlas, evaluation, start

    tree = small_tree()
    for module in (atlas, evaluation, start):
        replace(module, "knowledge_tree", lambda: tree)


if __name__ == "__main__":
    import argparse

    from SATTrainingLib.cli_knowledge import add_knowledge

    use_small_tree(setattr)
    parser = argparse.ArgumentParser()
    add_knowledge(parser.add_subparsers())
    options = parser.parse_args(["knowledge", *sys.argv[1:]])
    sys.exit(options.run(options) or 0)

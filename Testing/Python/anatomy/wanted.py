"""What the hand-written tests mean by a name."""

from collections import defaultdict
from functools import cache

from SATSegmentLib.anatomy import knowledge_tree


def wanted_ids(wanted: str) -> set[str]:
    """Ids of a name of a term, or of "left" or "right" and a name; "|" stands between what is equally right."""
    ids = set()
    for name in wanted.split("|"):
        found = _called(name)
        side, _, structure = name.partition(" ")
        if not found and side in ("left", "right"):
            tree = knowledge_tree()
            bases = (tree[base] for base in _called(structure))
            found = {sided.id for base in bases if not base.side and (sided := tree.side_of(base.id, side))}
        assert found, f"no term is called {name}"
        ids |= found
    return ids


def _called(name: str) -> set[str]:
    named = knowledge_tree().named(name)
    return {named.id} if named else _names()[name.lower()]


@cache
def _names() -> defaultdict[str, set[str]]:
    names = defaultdict(set)
    for term in knowledge_tree():
        for name in term.synonyms:
            names[name.lower()].add(term.id)
    return names

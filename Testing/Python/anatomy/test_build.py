import gzip
import sys
from collections import Counter

import pytest

from SATSegmentLib.anatomy import build as building
from SATSegmentLib.anatomy import knowledge_tree, sources
from SATSegmentLib.anatomy.build import build, main, pack
from SATSegmentLib.anatomy.kinds import with_kinds
from SATSegmentLib.anatomy.relations import ADJACENT, IS_A, PART_OF, WITHIN
from SATSegmentLib.anatomy.sources import read_obo, read_uberon
from SATSegmentLib.anatomy.tree import KnowledgeTree
from SATSegmentLib.errors import InputError
from SATSegmentLib.resources import resource


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


def test_the_committed_file_is_what_the_build_makes(tmp_path, capsys):
    target = tmp_path / "tree.json.gz"
    assert main(["--output", str(target)]) == 0
    committed = resource("Anatomy", "tree.json.gz")
    assert gzip.decompress(target.read_bytes()) == gzip.decompress(committed.read_bytes())
    assert target.read_bytes() == committed.read_bytes()  # another zlib may pack otherwise
    assert str(len(knowledge_tree())) in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["tree.json.gz"]


def test_no_definition_is_in_the_file(uberon):
    text = gzip.decompress(resource("Anatomy", "tree.json.gz").read_bytes()).decode()
    sentences = [term.definition for term in uberon.values() if len(term.definition) > 40]
    assert len(sentences) > 5000
    assert not any(sentence[:40] in text for sentence in sentences)


def typed_obo(uberon):
    """The same ontology with typed relations, as the files of Uberon have them."""
    kinds = with_kinds(uberon)
    lines = ["format-version: 1.2", "ontology: uberon", ""]
    for key, term in uberon.items():
        lines += ["[Term]", f"id: {key}", f"name: {term.name}"]
        for synonym in term.synonyms:
            text = synonym.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'synonym: "{text}" EXACT []')
        if term.definition:
            text = term.definition.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            lines.append(f'def: "{text}" []')
        for other, kind in kinds[key].items():
            lines.append(f"relationship: part_of {other}" if kind == PART_OF else f"is_a: {other}")
        if key == "UBERON:0002113" and "UBERON:0002369" in uberon:
            lines.append("relationship: adjacent_to UBERON:0002369")
        lines.append("")
    for relation in ("part_of", "adjacent_to"):
        lines += ["[Typedef]", f"id: {relation}", f"name: {relation}", ""]
    return "\n".join(lines)


def test_a_full_obo_file_gives_a_tree_with_typed_relations(uberon, tmp_path):
    path, target = tmp_path / "uberon.obo", tmp_path / "tree.json.gz"
    path.write_text(typed_obo(uberon), encoding="utf-8")
    assert main(["--obo", str(path), "--output", str(target)]) == 0
    tree = KnowledgeTree.read(target)
    assert tree.check() == []
    assert tree.source.startswith("uberon.obo")
    assert len(tree) == len(knowledge_tree())
    kinds = Counter(kind for term in tree for kind, _ in term.relations)
    assert kinds[WITHIN] == 0
    assert kinds[PART_OF] > 1000 < kinds[IS_A]
    assert kinds[ADJACENT] == 1
    assert [term.name for term in tree.adjacent("UBERON:0002369")] == ["kidney"]


def test_a_dropped_step_keeps_the_weaker_kind():
    for first, second, joined in (
        (IS_A, IS_A, IS_A),
        (IS_A, PART_OF, PART_OF),
        (PART_OF, IS_A, PART_OF),
        (IS_A, WITHIN, WITHIN),
    ):
        assert building._joined(first, second) == joined


@pytest.mark.parametrize("table", ["terms", "synonyms"])
def test_a_table_that_refers_to_nothing_is_refused(uberon, monkeypatch, table):
    read = building._table

    def changed(name):
        rows = read(name)
        if name == table:
            rows[0] = rows[0] | ({"uberon": "UBERON:9999999"} if name == "terms" else {"term": "no such term"})
        return rows

    monkeypatch.setattr(building, "_table", changed)
    with pytest.raises(InputError, match="not in the tree"):
        build(uberon)


def test_packing_twice_gives_the_same_bytes():
    terms = list(knowledge_tree())[:500]
    inside = {term.id for term in terms}
    terms = [term._replace(base="", relations=tuple(r for r in term.relations if r[1] in inside)) for term in terms]
    assert pack(terms, "x") == pack(terms, "x")


def test_a_missing_source_is_said(tmp_path, capsys, monkeypatch):
    target = tmp_path / "tree.json.gz"
    assert main(["--obo", str(tmp_path / "none.obo"), "--output", str(target)]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert not target.exists()
    monkeypatch.setitem(sys.modules, "cellxgene_ontology_guide.supported_versions", None)
    with pytest.raises(InputError, match="pip install cellxgene-ontology-guide"):
        sources.read_uberon()


def test_read_obo_reads_definitions(uberon, tmp_path):
    path = tmp_path / "uberon.obo"
    path.write_text(typed_obo({key: term for key, term in uberon.items() if key == "UBERON:0002113"}))
    assert read_obo(path)["UBERON:0002113"].definition == uberon["UBERON:0002113"].definition

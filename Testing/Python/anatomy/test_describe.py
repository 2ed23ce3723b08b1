import pytest

from SATSegmentLib.anatomy import describe, knowledge_tree
from SATSegmentLib.anatomy.describe import composed, description, installed_definitions
from SATSegmentLib.errors import InputError

TREE = knowledge_tree()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("kidney", ["Part of the abdomen", "has the ", "hilum of kidney", "; left and right."]),
        ("left kidney", ["The left kidney"]),
        ("kidney tumor", ["A kind of tumor; located in the kidney."]),
        ("head of femur", ["epiphysis of femur"]),
    ],
)
def test_relations_make_a_sentence(name, parts):
    text = composed(TREE, TREE.named(name))
    assert all(part in text for part in parts), text
    assert text[0].isupper()
    assert text.endswith(".")


def test_every_term_has_a_description():
    for term in list(TREE)[::20]:
        assert len(composed(TREE, term)) > 10


def test_long_lists_are_cut():
    for term in TREE:
        if len(TREE.contains(term.id)) > 12:
            text = composed(TREE, term)
            assert " …" in text
            assert text.count(", ") < 25


def test_an_installed_source_gives_the_definition():
    text = description(TREE, TREE.named("kidney").id)
    assert "urine" in text
    assert "[Automatically generated definition]" not in description(TREE, TREE.named("left kidney").id)


def test_without_a_source_the_relations_speak(monkeypatch):
    monkeypatch.setattr(describe, "read_uberon", _missing)
    installed_definitions.cache_clear()
    try:
        assert description(TREE, TREE.named("kidney").id) == composed(TREE, TREE.named("kidney"))
    finally:
        installed_definitions.cache_clear()


def _missing():
    raise InputError("not installed")


def test_an_unknown_term_is_refused():
    with pytest.raises(InputError, match="no term"):
        description(TREE, "UBERON:none")

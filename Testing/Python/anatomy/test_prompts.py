"""What a model is asked for what a user typed."""

from __future__ import annotations

import pytest

from SATSegmentLib.anatomy import Vocabulary, coded_terms, knowledge_tree, term_index
from SATSegmentLib.anatomy.prompts import prompts_of
from SATSegmentLib.anatomy.search import FREE_TEXT, TERM
from SATSegmentLib.errors import InputError

TRAINED = [("mandible", "ct"), ("kidney", "ct"), ("left kidney", "ct"), ("left kidney", "mri"), ("brain", "mri")]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("mandible", "mandible"),
        ("lower jaw", "mandible"),
        ("l kidney", "left kidney"),
        ("uberon:0001684", "mandible"),
        ("uberon^uberon:0001684", "mandible"),
        ("sct 91609006", "mandible"),
        ("sct^91609006", "mandible"),
        ("91609006", "mandible"),
        ("snomed:64033007", "kidney"),
        ("sct:64033007 left", "left kidney"),
        ("left snomed ct 64033007", "left kidney"),
        ("uberon:0002113 left", "left kidney"),
        ("uberon_0002113", "kidney"),
        ("uberon:0004538", "left kidney"),
        ("uberon:0004538 left", "left kidney"),
    ],
)
def test_names_and_codes_are_asked_by_the_trained_name(typed, asked):
    prompts, notes = prompts_of([typed], TRAINED, "ct")
    assert prompts == {typed: asked}
    assert [asked in note for note in notes] == [True] * (typed != asked)


def test_a_code_of_what_no_model_was_trained_on_is_asked_by_its_name():
    assert prompts_of(["uberon:0002107"], TRAINED, "ct")[0] == {"uberon:0002107": "liver"}
    assert prompts_of(["sct 64033007"], TRAINED, "mri")[0] == {"sct 64033007": "kidney"}
    assert prompts_of(["sct 10200004"], [], "ct")[0] == {"sct 10200004": "liver"}
    assert prompts_of(["uberon:0000979"], [], "ct")[0] == {"uberon:0000979": "tibia bone"}  # SAT's name of the tibia


def test_the_search_finds_a_term_by_its_code():
    hits = term_index().search("SCT 64033007 left", Vocabulary(knowledge_tree(), TRAINED), "ct")
    assert [(hit.kind, hit.name, hit.trained) for hit in hits] == [(TERM, "left kidney", ("ct", "mri"))]
    assert [hit.kind for hit in term_index().search("UBERON:9999999")][-1] == FREE_TEXT


@pytest.mark.parametrize(
    "code", ["uberon:9999999", "sct 123456789", "85756007", "uberon:0004538 right", "left 64033007 right"]
)
def test_a_code_that_stands_for_nothing_is_refused(code):
    with pytest.raises(InputError, match="No structure has the code"):
        prompts_of([code], TRAINED, "ct")


def test_a_name_and_a_code_of_the_same_are_refused_together():
    with pytest.raises(InputError, match="mean the same"):
        prompts_of(["mandible", "uberon:0001684"], TRAINED, "ct")


def test_every_code_leads_back_to_its_term():
    assert [term.name for term in coded_terms("UBERON^UBERON:0002107")] == ["liver"]
    assert coded_terms("SCT^64033007~SCT^7771000")[0].name == "left kidney"
    assert coded_terms("UBERON^UBERON:0000000") == []
    assert coded_terms("UBERON^UBERON:0004538~SCT^24028007") == []  # a left kidney is on no right side

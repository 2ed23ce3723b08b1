"""The search against queries that were written by hand, before it and apart from it."""

import csv
from pathlib import Path

import pytest
from Testing.Python.anatomy.wanted import wanted_ids

from SATSegmentLib.anatomy import Vocabulary, knowledge_tree, sat_classes, term_index
from SATSegmentLib.anatomy.search import FREE_TEXT, GROUP, TERM, TRAINED_TEXT
from SATSegmentLib.errors import InputError

TREE, INDEX = knowledge_tree(), term_index()
PUBLISHED = Vocabulary(TREE, sat_classes())
MODALITIES = {"ct": "ct", "mr": "mri", "pet": "pet", "": None}


def read_queries():
    with Path(__file__).with_name("queries.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def first_ids(row, count):
    hits = INDEX.search(row["query"], PUBLISHED, MODALITIES[row["modality"]], count)
    return [hit.term.id if hit.term else hit.kind for hit in hits]


def test_hand_written_queries_find_their_term():
    rows = read_queries()
    assert len(rows) >= 300
    firsts, fives, missed = 0, 0, []
    for row in rows:
        wanted, found = wanted_ids(row["wanted"]), first_ids(row, 5)
        first = bool(found) and found[0] in wanted
        firsts += first
        fives += bool(wanted & set(found))
        if not first:
            missed.append(f"{row['query']} [{row['modality']}]: wanted {row['wanted']}, first is {found[:1]}")
    assert firsts / len(rows) >= 0.95, missed
    assert fives / len(rows) >= 0.99, missed


def best(query, vocabulary=PUBLISHED, modality=None):
    return INDEX.search(query, vocabulary, modality)[0]


@pytest.mark.parametrize(
    "query", ["right kidney", "kidney, right", "R kidney", "rt kidney", "kidney r", "RIGHT  KIDNEYS"]
)
def test_the_side_may_be_anywhere(query):
    assert best(query).term.prompts == ("right kidney",)


def test_a_structure_comes_before_its_sides_and_they_before_its_parts():
    names = [hit.name for hit in INDEX.search("kidney", PUBLISHED, "ct")]
    assert names[:3] == ["kidney", "left kidney", "right kidney"]


def test_the_other_side_is_not_found():
    names = [hit.name for hit in INDEX.search("left femur", PUBLISHED, "ct", 50)]
    assert names[0] == "left femur"
    assert not any("right" in name for name in names)


def test_a_hit_says_why_and_what():
    hit = best("windpipe", modality="ct")
    assert hit.kind == TERM
    assert (hit.name, hit.matched) == ("trachea", "windpipe")
    assert hit.trained == ("ct",)
    assert hit.path[0] in ("Thorax", "Head and neck")
    assert best("trachea").matched == ""
    assert best("suspensory ligament of duodenum").trained == ()


def test_what_the_model_knows_for_the_modality_comes_first():
    assert best("caud", modality="mri").term.name.endswith("caudate nucleus")
    liver_only = Vocabulary(TREE, [("liver tumor", "mri")])
    names = [hit.name for hit in INDEX.search("liver", liver_only, "mri")]
    assert names[:2] == ["liver", "liver tumor"]  # an exact name still is what was asked for
    assert best("live", liver_only, "mri").name == "liver tumor"
    assert best("live", liver_only, "ct").name == "liver"


def test_without_a_model_the_often_asked_for_comes_first():
    assert INDEX.search("liv")[0].name == "liver"
    assert INDEX.search("kid")[0].name == "kidney"


def test_what_a_model_was_trained_on_beyond_the_tree_is_found():
    mine = Vocabulary(TREE, [("warp core", "ct"), ("left kidney", "ct")])
    hit = best("warp", mine, "ct")
    assert (hit.kind, hit.name, hit.trained) == (TRAINED_TEXT, "warp core", ("ct",))
    assert best("core war", mine, "ct").name == "warp core"
    assert all(hit.kind != TRAINED_TEXT for hit in INDEX.search("kidney", mine, "ct"))


def test_an_empty_query_gives_the_regions():
    hits = INDEX.search("  ")
    assert {hit.kind for hit in hits} == {GROUP}
    assert hits[0].group.id == "region:brain"
    assert len(hits) == 9


@pytest.mark.parametrize("query", ["flux capacitor xyz", "qqqq", "ヾ", "42"])
def test_any_text_may_be_asked_for(query):
    hit = INDEX.search(query, PUBLISHED, "ct")[-1]
    assert (hit.kind, hit.name, hit.term) == (FREE_TEXT, query, None)


def test_free_text_is_offered_last_unless_a_name_is_exactly_it():
    assert INDEX.search("kidne")[-1].kind == FREE_TEXT
    assert all(hit.kind == TERM for hit in INDEX.search("kidney"))
    assert all(hit.kind == TERM for hit in INDEX.search("windpipe"))


@pytest.mark.parametrize("query", ["?", "/", "...", "()", "left"])
def test_signs_and_sides_alone_are_free_text(query):
    assert [(hit.kind, hit.name) for hit in INDEX.search(query)] == [(FREE_TEXT, query)]


def test_a_whole_report_is_searched_by_its_first_words():
    assert INDEX.search("kidney " + "x " * 5000)[-1].kind == FREE_TEXT


def test_a_limit_of_one_gives_the_best_and_free_text():
    assert [hit.kind for hit in INDEX.search("kidne", limit=1)] == [TERM, FREE_TEXT]
    with pytest.raises(InputError, match="at least one"):
        INDEX.search("kidney", limit=0)


@pytest.mark.parametrize("query", ["k", "kid", "left", "aort", "zzz", "kidne"])
@pytest.mark.parametrize("limit", [1, 3, 20])
def test_no_more_than_asked_for_and_each_once(query, limit):
    hits = INDEX.search(query, PUBLISHED, "ct", limit)
    assert len(hits) <= max(limit, 2)
    ids = [hit.term.id for hit in hits if hit.term]
    assert len(ids) == len(set(ids))
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_every_term_finds_itself_by_its_name():
    missed = []
    for term in list(TREE)[::7]:
        hits = [hit for hit in INDEX.search(term.name, limit=5) if hit.term]
        if not any(hit.term.id == term.id or hit.name.lower() == term.name.lower() for hit in hits):
            missed.append(term.name)
    assert len(missed) <= 0.01 * len(TREE) / 7, missed


@pytest.mark.parametrize(
    ("text", "modality", "name"),
    [
        ("windpipe", "ct", "trachea"),
        ("lt kidney", "ct", "left kidney"),
        ("kidney, left", "mri", "left kidney"),
        ("RUL", "ct", "right lung upper lobe"),
        ("womb", "ct", "uterus"),
        ("L3", "mri", "lumbar vertebrae 3 (l3)"),
        ("Leber", "ct", "liver"),
        ("windpipe", "mri", None),  # not trained for MRI
        ("kidn", "ct", None),  # not a name
        ("left liver", "ct", None),
        ("flux capacitor", "ct", None),
    ],
)
def test_what_a_text_means_exactly(text, modality, name):
    found = INDEX.meant(text, PUBLISHED, modality)
    assert (PUBLISHED.prompt(found[0], modality) if found else None) == name


def test_a_text_may_mean_several():
    names = [term.name for term in INDEX.meant("S1", PUBLISHED, "ct")]
    assert names[0] == "S1 vertebra"
    assert any("liver segment I" in name for name in names)

"""What is taught of each structure, and what is held back."""

from __future__ import annotations

import numpy as np
import pytest

from SATTrainingLib.knowledge.concepts import hold_back
from SATTrainingLib.knowledge.confusables import LEVEL, POSITION, SIDE, VESSEL, confusables
from SATTrainingLib.knowledge.lookalikes import lookalikes
from SATTrainingLib.knowledge.pairs import CLUSTER, PairSampler, positives, texts_of


def _by_name(knowledge):
    return {concept.name: concept for concept in knowledge.concepts}


def test_a_structure_has_its_names_and_a_side_those_of_its_structure(everything):
    concepts = _by_name(everything)
    assert {"windpipe", "cartilaginous trachea"} <= set(concepts["trachea"].synonyms)
    assert "luftröhre" not in concepts["trachea"].synonyms
    assert {"kidney left", "l kidney"} <= set(concepts["left kidney"].synonyms)
    assert concepts["left kidney"].family == concepts["right kidney"].family == concepts["kidney"].family
    assert concepts["trachea"].family != concepts["kidney"].family
    assert any(text.startswith("a kind of") for text in concepts["middle cerebral artery"].descriptions)


def test_statements_say_relations_both_ways(little):
    heads = {statement.text: set(statement.heads) for statement in little.statements}
    assert heads["part of the urinary tract"] == {"T:kidney", "T:renal artery", "T:renal vein"}
    assert heads["has the part kidney"] == {"T:urinary tract"}
    assert heads["located in the liver"] == {"T:gallbladder"}
    assert heads["the site of gallbladder"] == {"T:liver"}
    assert "a kind of kidney" not in heads  # the left kidney's name says it


def test_nothing_said_of_a_structure_held_back_is_learnt(everything):
    split = hold_back(everything, 0.1, seed=3)
    learning, held = split.taught, split.structures
    assert len(learning.concepts) + len(held.concepts) == len(everything.concepts)
    assert 0.05 < len(held.concepts) / len(everything.concepts) < 0.15
    assert not {c.family for c in learning.concepts} & {c.family for c in held.concepts}
    away = {concept.id for concept in held.concepts}
    for statement in learning.statements:
        assert not away & (statement.heads | statement.others)
    texts = set(learning.texts())
    for concept in held.concepts:
        assert texts.isdisjoint((concept.name, *concept.synonyms))
    for statement in held.statements:
        assert statement.text not in texts
        assert away & (statement.heads | statement.others)
    assert hold_back(everything, 0.1, seed=3) == split
    assert hold_back(everything, 0.1, seed=4).structures != held
    assert hold_back(everything, 0, seed=3).taught == everything


def test_synonyms_held_back_are_taught_in_no_form(everything):
    split = hold_back(everything, 0.1, seed=3)
    texts = set(split.taught.texts())
    ids = {concept.id for concept in split.taught.concepts}
    all_of = {concept.id: set(concept.synonyms) for concept in everything.concepts}
    count = 0
    for concept in split.synonyms.concepts:
        assert concept.id in ids
        assert concept.synonyms
        assert set(concept.synonyms) <= all_of[concept.id]
        for synonym in concept.synonyms:
            assert texts.isdisjoint((synonym, f"left {synonym}", f"right {synonym}"))
        count += 0 if concept.side else len(concept.synonyms)
    unsided = sum(len(c.synonyms) for c in everything.concepts if not c.side)
    assert 0.07 < count / unsided < 0.11


@pytest.mark.parametrize(
    ("name", "kind", "others"),
    [
        ("left kidney", SIDE, {"right kidney"}),
        ("L3 vertebra", LEVEL, {"L2 vertebra", "L4 vertebra"}),
        ("T12 vertebra", LEVEL, {"T11 vertebra", "L1 vertebra"}),
        ("C1 vertebra", LEVEL, {"C2 vertebra"}),
        ("L3-L4 intervertebral disc", LEVEL, {"L2-L3 intervertebral disc", "L4-L5 intervertebral disc"}),
        ("left rib 1", LEVEL, {"left rib 2"}),
        ("perineal artery", VESSEL, {"perineal vein"}),
        ("left pectoralis major", POSITION, {"left pectoralis minor"}),
        ("liver", SIDE, set()),
    ],
)
def test_structures_named_alike_are_known_for_it(everything, name, kind, others):
    names = {concept.id: concept.name for concept in everything.concepts}
    found = confusables(everything.concepts)[_by_name(everything)[name.lower()].id]
    assert {names[other.id] for other in found if other.kind == kind} == {other.lower() for other in others}


def test_a_step_is_drawn_the_same_again_and_holds_what_must_be_told_apart(little):
    first, again = PairSampler(little, 32, seed=1), PairSampler(little, 32, seed=1)
    assert [first[step] for step in range(5)] == [again[step] for step in range(5)]
    assert first[0] != first[1]
    assert first[0] != PairSampler(little, 32, seed=2)[0]
    near = confusables(little.concepts)
    for step in range(5):
        pairs = first[step]
        assert len(pairs) == 32
        for start in range(0, 32, CLUSTER):
            cluster = [pair.concept for pair in pairs[start : start + CLUSTER]]
            wanted = {other.id for other in near[cluster[0]]}
            assert len(wanted & set(cluster)) == min(len(wanted), CLUSTER - 1)


def test_lookalikes_are_the_nearest_names_of_other_families(little):
    concepts = little.concepts
    random = np.random.default_rng(0)
    vectors = {text: random.normal(size=5).astype(np.float32) for text in little.texts()}
    found = lookalikes(lambda texts: np.stack([vectors[text] for text in texts]), concepts)
    assert found.shape == (len(concepts), 6)
    for concept, rows in zip(concepts, found, strict=True):
        own = [concept.name, *(() if concept.side else concept.synonyms)]
        near = {c.id: max(vectors[text] @ vectors[c.name] for text in own) for c in concepts}
        others = sorted((c for c in concepts if c.family != concept.family), key=lambda c: -near[c.id])
        assert {concepts[row].id for row in rows} == {c.id for c in others[:6]}


def test_structures_of_one_family_have_no_lookalikes(little):
    kidneys = [concept for concept in little.concepts if "kidney" in concept.name]
    assert lookalikes(lambda texts: np.ones((len(texts), 2), np.float32), kidneys).shape == (3, 0)


def test_a_step_holds_lookalikes_where_it_has_room(little):
    sampler = PairSampler(little, 32, seed=1)
    rows = {concept.id: row for row, concept in enumerate(little.concepts)}
    spleen = rows["T:spleen"]

    def beside_the_liver():
        drawn = [pair.concept for step in range(60) for pair in sampler[step]]
        clusters = (drawn[i : i + CLUSTER] for i in range(0, len(drawn), CLUSTER))
        return [other for first, *others in clusters if first == "T:liver" for other in others]

    before = beside_the_liver().count("T:spleen")
    sampler.lookalikes = np.full((len(rows), 2), spleen, np.int32)
    after = beside_the_liver()
    assert after.count("T:spleen") > max(0.5 * len(after), 2 * before)
    assert after.count("T:spleen") < len(after)
    near = {other.id for other in confusables(little.concepts)["T:left kidney"]}
    for pairs in map(sampler.__getitem__, range(20)):
        for start in range(0, 32, CLUSTER):
            cluster = [pair.concept for pair in pairs[start : start + CLUSTER]]
            assert cluster[0] != "T:left kidney" or near <= set(cluster)


def test_pairs_are_two_texts_of_one_structure(little):
    concepts = {concept.id: concept for concept in little.concepts}
    said = {statement.text: statement.heads for statement in little.statements}
    sampler = PairSampler(little, 32, seed=1)
    kinds = set()
    for pair in (pair for step in range(40) for pair in sampler[step]):
        concept = concepts[pair.concept]
        names = {concept.name, *concept.synonyms}
        assert pair.first in names
        assert pair.second in names or pair.second in concept.descriptions or pair.concept in said[pair.second]
        assert pair.concept in pair.heads
        kinds.add("name" if pair.second in names else "statement" if pair.second in said else "description")
    assert kinds == {"name", "statement", "description"}


def test_all_texts_of_one_meaning_are_positives(little):
    pairs = next(
        pairs
        for pairs in (PairSampler(little, 32, seed=1)[step] for step in range(100))
        if any(len(pair.heads & {other.concept for other in pairs}) > 1 for pair in pairs)
    )
    same = positives(pairs).numpy()
    texts = texts_of(pairs)
    assert same.shape == (64, 64)
    assert np.array_equal(same, same.T)
    assert not same.diagonal().any()
    for row, text in enumerate(texts):
        own = pairs[row // 2]
        for column in range(64):
            other = pairs[column // 2]
            wanted = own.concept == other.concept
            wanted |= row % 2 == 1 and other.concept in own.heads
            wanted |= column % 2 == 1 and own.concept in other.heads
            assert same[row, column] == (wanted and row != column), (text, texts[column])

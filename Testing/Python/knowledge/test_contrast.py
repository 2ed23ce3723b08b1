"""The loss and its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from SATTrainingLib.knowledge.concepts import Knowledge
from SATTrainingLib.knowledge.contrast import Temperature, info_nce
from SATTrainingLib.knowledge.retrieval import evaluate


def test_the_loss_is_the_mean_over_positives_of_the_log_share():
    torch.manual_seed(0)
    rows, columns = F.normalize(torch.randn(3, 4), dim=1), F.normalize(torch.randn(5, 4), dim=1)
    positives = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]).bool()
    total = 0.0
    for row in (0, 2):
        shares = torch.softmax(rows[row] @ columns.T * 8, 0)
        total -= float(shares[positives[row]].log().mean())
    assert float(info_nce(rows, columns, positives, torch.tensor(8.0))) == pytest.approx(total / 2, rel=1e-5)


def test_a_text_is_no_candidate_for_itself():
    rows = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), dim=1)
    positives = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    loss = info_nce(rows, rows, positives, torch.tensor(50.0), itself=True)
    assert 0 <= float(loss) < 1e-3
    assert torch.isfinite(loss)


def test_the_temperature_is_learned_within_bounds():
    temperature = Temperature(0.07)
    assert temperature.scale().item() == pytest.approx(1 / 0.07, rel=1e-5)
    temperature.scale().backward()
    assert temperature.log_scale.grad != 0
    with torch.no_grad():
        temperature.log_scale.fill_(math.log(1e4))
    assert temperature.scale().item() == pytest.approx(100)


def _letters(texts):
    """An encoder that knows letters only."""
    counts = np.array([[text.count(chr(letter)) for letter in range(ord("a"), ord("z") + 1)] for text in texts], float)
    return (counts / np.linalg.norm(counts, axis=1, keepdims=True).clip(1e-9)).astype(np.float32)


def test_retrieval_counts_what_is_nearest(little):
    answers = {text: c.id for c in little.concepts for text in (c.name, *c.synonyms)}
    rows = {c.id: row for row, c in enumerate(little.concepts)}
    answers |= {s.text: min(s.heads) for s in little.statements}

    def knows_all(texts):
        return np.eye(len(rows), dtype=np.float32)[[rows[answers[text]] for text in texts]]

    found = evaluate(knows_all, little, little)
    assert all(share.value == 1 for _, share in found.rows() if share.count)
    assert found.told_apart["side"].count == 4 * 2 * (2 + 2)  # four organs, both sides, two forms and two synonyms
    assert found.told_apart["level"].count == 8 * 2
    assert found.told_apart["vessel"].count == 2 * 2 + 4 * 4
    assert found.abbreviations[1].count == 4  # ren, hepar, pulmo, lien
    letters = evaluate(_letters, little, little)
    assert letters.synonyms[1].value < 1
    assert letters.synonyms[1].good <= letters.synonyms[5].good
    assert 0.9 < letters.told_apart["side"].value < 1  # "l kidney" has one letter only to tell


def test_retrieval_by_a_wrong_encoder_is_wrong(little):
    random = np.random.default_rng(0)
    found = evaluate(lambda texts: random.normal(size=(len(texts), 8)).astype(np.float32), little, little)
    assert found.synonyms[1].value < 0.5
    assert found.terms.value < 0.5
    assert 0.2 < found.told_apart["side"].value < 0.8


def test_the_structure_that_a_statement_names_is_no_answer_to_it(little):
    names = [concept.name for concept in little.concepts]

    def takes_it_for_the_named(texts):
        """First of all for the structure that ends the text, then for the urinary tract."""
        named = [max((name for name in names if text.endswith(name)), key=len) for text in texts]
        vectors = np.eye(len(names), dtype=np.float32)[[names.index(name) for name in named]]
        vectors[:, names.index("urinary tract")] += 0.1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    asked = Knowledge((), tuple(s for s in little.statements if s.text == "has the part renal artery"))
    assert evaluate(takes_it_for_the_named, little, asked).statements[1].value == 1

"""Means, intervals, groups and paired differences of scores made up for the purpose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, wilcoxon

from SATTrainingLib.evaluation.comparison import compare
from SATTrainingLib.evaluation.evaluate import Score
from SATTrainingLib.evaluation.intervals import estimate
from SATTrainingLib.evaluation.summary import region_of, summarise


def _score(case, term, dice, *, nsd=0.5, dataset="d", modality="ct", reference=10, prediction=10):
    return Score(case, dataset, term, modality, dice, nsd, reference, prediction)


def test_the_interval_of_one_class_is_scipys():
    values = np.random.default_rng(3).beta(5, 2, 40)
    ours = estimate(values, ["liver"] * 40, [f"p{n}" for n in range(40)])
    theirs = bootstrap((values,), np.mean, n_resamples=5000, method="percentile", random_state=1).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.006)
    assert ours == estimate(values, ["liver"] * 40, [f"p{n}" for n in range(40)])


def test_scans_of_one_patient_do_not_make_the_interval_narrower():
    values = np.random.default_rng(3).random(12)
    patients = [f"p{n:02}" for n in range(12)]
    once = estimate(values, ["liver"] * 12, patients)
    thrice = estimate(np.repeat(values, 3), ["liver"] * 36, np.repeat(patients, 3))
    taken_for_independent = estimate(np.repeat(values, 3), ["liver"] * 36, [f"s{n}" for n in range(36)])
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert taken_for_independent.high - taken_for_independent.low < 0.75 * (once.high - once.low)
    assert estimate([0.5, 0.7], ["liver"] * 2, ["p", "p"]).low is None


def test_a_class_with_many_cases_weighs_no_more_than_one_with_few():
    found = estimate([0.0] * 9 + [1.0], ["liver"] * 9 + ["spleen"], [f"p{n}" for n in range(10)])
    assert found.mean == 0.5
    assert (found.low, found.high) == (0.0, 0.5)  # a draw without the one patient with a spleen has the liver only


def test_groups_are_classes_regions_data_sets_and_all():
    scores = [
        _score("a", "liver", 0.9),
        _score("b", "liver", 0.7),
        _score("b", "spinal cord", 0.4, dataset="e"),
        _score("c", "liver", 0.1, modality="mri", reference=0),
        _score("c", "kidney tumor", 1.0, modality="mri", reference=0, prediction=0),
        _score("d", "left ball", 0.0, prediction=0),
    ]
    summary = summarise(scores, {"a": "p", "b": "p", "c": "q", "d": "r"})
    classes = {(group.name, group.modality): group for group in summary.classes}
    assert classes["liver", "ct"].dice.mean == pytest.approx(0.8)
    assert (classes["liver", "ct"].cases, classes["liver", "ct"].patients) == (2, 1)
    assert classes["liver", "mri"].invented == 1
    regions = {group.name: group for group in summary.regions}
    assert set(regions) == {"Abdomen", "Spine", "Lesions", "Other"}
    assert regions["Abdomen"].dice.mean == pytest.approx((0.8 + 0.1) / 2)
    assert {group.name: group.classes for group in summary.datasets} == {"d": 4, "e": 1}
    overall = summary.overall
    assert overall.dice.mean == pytest.approx((0.8 + 0.4 + 0.1 + 1.0 + 0.0) / 5)
    assert (overall.classes, overall.cases, overall.patients) == (5, 4, 3)
    assert (overall.missed, overall.invented, overall.agreed_empty) == (1, 1, 1)


def test_regions_are_those_of_the_tree():
    assert [region_of(term) for term in ("esophagus", "L5 vertebra", "liver tumor", "nothing known")] == [
        "Thorax",
        "Spine",
        "Lesions",
        "Other",
    ]


def test_two_models_are_compared_pair_by_pair():
    random = np.random.default_rng(5)
    base = random.random(20) * 0.5
    gain = random.normal(0.1, 0.05, 20)
    cases = [f"c{n}" for n in range(20)]
    patients = {case: f"p{n // 2}" for n, case in enumerate(cases)}
    first = [_score(case, "liver", dice) for case, dice in zip(cases, base + gain, strict=True)]
    second = [_score(case, "liver", dice) for case, dice in zip(cases, base, strict=True)]
    first += [_score("c0", "spleen", 0.8), _score("c1", "aorta", 0.9)]  # the aorta has no pair
    second += [_score("c0", "spleen", 0.8)]
    comparison = compare(first, second, patients)
    liver, spleen = (row for row in comparison.classes if row.metric == "dice")
    assert (liver.name, liver.region, spleen.name) == ("liver", "Abdomen", "spleen")
    assert liver.difference.mean == pytest.approx(gain.mean())
    assert liver.difference.low == pytest.approx(gain.mean() - 1.96 * gain.std() / 20**0.5, abs=0.015)
    assert (liver.wins, liver.losses, liver.ties) == ((gain > 0).sum(), (gain < 0).sum(), 0)
    assert liver.p == pytest.approx(wilcoxon(gain.reshape(10, 2).mean(1)).pvalue)
    assert liver.p_adjusted == liver.p  # the spleen was not tested
    assert (spleen.wins, spleen.losses, spleen.ties, spleen.p) == (0, 0, 1, None)
    (overall,) = (row for row in comparison.overall if row.metric == "dice")
    assert overall.difference.mean == pytest.approx(gain.mean() / 2)
    assert compare(first[:3], second[5:8], patients) is None


def test_p_values_are_corrected_for_the_number_of_classes():
    cases = [f"c{n}" for n in range(8)]
    patients = {case: case for case in cases}
    gains = {"liver": 0.1, "spleen": 0.2, "aorta": 0.0}
    noise = np.random.default_rng(1).normal(0, 0.05, (3, 8))
    first = [
        _score(case, term, 0.5 + gain + noise[row, n])
        for row, (term, gain) in enumerate(gains.items())
        for n, case in enumerate(cases)
    ]
    second = [_score(case, term, 0.5) for term in gains for case in cases]
    rows = [row for row in compare(first, second, patients).classes if row.metric == "dice"]
    ranked = sorted(rows, key=lambda row: row.p)
    assert all(row.p_adjusted >= row.p for row in rows)
    assert ranked[-1].p_adjusted == pytest.approx(ranked[-1].p)
    assert ranked[0].p_adjusted > ranked[0].p

"""Scores of real predictions against masks of several kinds."""

from __future__ import annotations

import dataclasses

import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import Cancelled
from SATSegmentLib.imaging import Volume
from SATSegmentLib.models import find_model
from SATTrainingLib.cases import Case, DatasetLabels, Label, read_cases
from SATTrainingLib.evaluation.evaluate import Score, annotated_terms, evaluate, means
from SATTrainingLib.evaluation.evaluated_model import EvaluatedModel

BALLS = {
    "balls": DatasetLabels({"left ball": ("left ball", "ball"), "right ball": ("right ball", "ball")}, ("liver",)),
}


@pytest.fixture
def predictor(make_model):
    return EvaluatedModel(str(make_model("small"))).predictor("cpu")


def test_scores_are_of_the_predictors_masks_on_the_cases_own_grid(predictor, ball_cases):
    cases = read_cases(ball_cases)
    scores = list(evaluate(predictor, cases, BALLS))
    # the last case's right ball was not annotated, so of both balls nothing is known; the liver is no reference
    terms = ["left ball", "ball", "right ball"]
    assert [(score.case, score.term) for score in scores] == [
        *((case.id, term) for case in cases[:3] for term in terms),
        ("case3", "left ball"),
    ]
    values = {"left ball": [1], "right ball": [2], "ball": [1, 2]}
    found = 0
    for score in scores:
        case = next(case for case in cases if case.id == score.case)
        predictor.set_image(Volume.read(case.image, "ct"))
        (result,) = predictor.predict([score.term])
        reference = np.isin(np.asarray(nibabel.load(case.mask).dataobj), values[score.term])
        dice = 2 * (result.mask & reference).sum() / (result.mask.sum() + reference.sum())
        assert score.dice == pytest.approx(dice)
        assert (score.voxels_prediction, score.voxels_reference) == (result.mask.sum(), reference.sum())
        assert (score.dataset, score.modality) == ("balls", "ct")
        found += score.voxels_prediction > 0
    assert found  # else nothing was compared


def test_means_are_by_term_and_modality():
    rows = [("a", "liver", "mri", 0.5, 0.1), ("b", "liver", "ct", 0.5, 0.25), ("c", "liver", "ct", 1.0, 0.75)]
    scores = [Score(case, "d", term, modality, dice, nsd, 1, 1) for case, term, modality, dice, nsd in rows]
    assert means(scores) == {("liver", "ct"): (0.75, 0.5, 2), ("liver", "mri"): (0.5, 0.1, 1)}


def test_structures_in_layers_may_overlap(predictor, ball_cases, tmp_path):
    case = read_cases(ball_cases)[0]
    image = nibabel.load(case.mask)
    array = np.asarray(image.dataobj)
    layers = np.stack([array == 1, (array > 0) * 7], -1).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(layers, image.affine), tmp_path / "layers.nii.gz")
    labels = (Label("left ball", 1, 0), Label("ball", 7, 1))
    layered = dataclasses.replace(case, mask=tmp_path / "layers.nii.gz", labels=labels)
    expected = {score.term: score for score in evaluate(predictor, [case], BALLS)}
    scores = list(evaluate(predictor, [layered], {}))
    assert [score.term for score in scores] == ["left ball", "ball"]
    for score in scores:
        assert score == expected[score.term]


def test_an_annotated_structure_without_a_voxel_is_scored_as_empty(predictor, ball_cases):
    case = dataclasses.replace(read_cases(ball_cases)[0], labels=(Label("liver", 9),))
    (score,) = evaluate(predictor, [case], {})
    assert score.voxels_reference == 0
    assert score.dice == score.nsd == (score.voxels_prediction == 0)


def test_progress_grows_and_a_cancel_stops_before_the_next_window(predictor, ball_cases):
    cases = read_cases(ball_cases)[:2]
    seen = []
    list(evaluate(predictor, cases, BALLS, progress=lambda done, total: seen.append((done, total))))
    assert {total for _, total in seen} == {2}
    parts = [done for done, _ in seen]
    assert parts == sorted(parts)
    assert parts[-1] == 2
    assert len(parts) > 8
    done = []
    with pytest.raises(Cancelled):
        for score in evaluate(predictor, cases, BALLS, cancelled=lambda: bool(done)):
            done.append(score.case)
    assert set(done) == {"case0"}


def test_features_of_a_case_are_not_kept_for_the_next(predictor, ball_cases):
    case = read_cases(ball_cases)[0]
    predictor.set_image(Volume.read(case.image, "ct"))
    assert predictor.features_kept
    list(evaluate(predictor, [case], BALLS))
    assert not predictor.features_kept


def test_what_is_derived_or_known_absent_is_no_reference():
    case = Case("a", "i", "m", (Label("Left_Ball", 1),), "ct", "balls")
    labels = DatasetLabels({"Left_Ball": ("left ball",)}, ("liver",), lungs_from_air=True)
    assert list(annotated_terms(case, {"balls": labels})) == ["left ball"]
    assert list(annotated_terms(case, {})) == ["left_ball"]


def test_a_model_is_asked_by_the_names_it_was_trained_on(make_model):
    tiny = EvaluatedModel("sat-tiny")
    assert tiny.steps == 2000 + 3500 + 2500 + 1500 + 700
    assert tiny.prompt("L5 vertebra", "ct") == "lumbar vertebrae 5 (l5)"
    assert tiny.is_trained("L5 vertebra", "ct")
    assert tiny.prompt("left ball", "ct") == "left ball"
    assert not tiny.is_trained("left ball", "ct")
    own = EvaluatedModel(str(make_model("own")))
    assert own.steps is None
    assert own.is_trained("left ball", "ct")
    assert not own.is_trained("left ball", "mri")
    assert own.sha256 != EvaluatedModel(str(make_model("other", 2))).sha256


def test_the_built_in_model_scores_as_its_card_says(shared):
    """Head and neck of one case held back from its training."""
    cases = read_cases(shared / "data" / "cases.jsonl")
    case = next(case for case in cases if case.id == "openkbp_test-pats_pt_246")
    model = EvaluatedModel(find_model("sat-tiny").name)
    scores = {score.term: score for score in evaluate(model.predictor("cpu"), [case], {})}
    assert {"brainstem", "mandible", "left parotid gland", "spinal cord"} <= set(scores)
    for term in ("brainstem", "mandible", "right parotid gland"):
        assert scores[term].dice > 0.75
        assert scores[term].nsd > 0.6
    assert scores["left parotid gland"].dice > 0.7
    assert scores["left parotid gland"].nsd > 0.5

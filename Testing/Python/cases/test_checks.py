"""Mistakes in cases are found, each in a sentence."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import Cancelled
from SATTrainingLib.cases import Case, DatasetLabels, Label, read_cases
from SATTrainingLib.cases.checks import ERROR, WARNING, check_case, check_list
from SATTrainingLib.cases.formats import load_cases

AFFINES = {
    "RAS": np.diag([2.0, 2, 3, 1]),
    "LPS": np.diag([-2.0, -2, 3, 1]),
    "SLA": np.array([[0, -2, 0, 50], [0, 0, 2, 0], [3, 0, 0, 0], [0, 0, 0, 1.0]]),
}
BOTH = (Label("kidney_l", 1), Label("kidney_r", 2))
KIDNEYS = DatasetLabels({"kidney_l": ("left kidney",), "kidney_r": ("right kidney",)})


@pytest.fixture
def make(tmp_path):
    """A case of 20 x 20 x 20 voxels whose kidneys lie at the ends of the axis from left to right."""

    def case(labels=BOTH, axes="RAS", swap=False, change=None):
        affine = AFFINES[axes]
        mask = np.zeros((20, 20, 20), np.uint8)
        axis = int(np.abs(affine[0, :3]).argmax())
        ends = [slice(1, 5), slice(15, 19)] if affine[0, axis] > 0 else [slice(15, 19), slice(1, 5)]
        place = [slice(5, 9)] * 3
        for value, end in zip((2, 1) if swap else (1, 2), ends, strict=True):
            place[axis] = end
            mask[tuple(place)] = value
        if change:
            change(mask)
        image = np.random.default_rng(0).integers(0, 100, mask.shape).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "image.nii.gz")
        nibabel.save(nibabel.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
        return Case("c", tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz", tuple(labels), "ct", "d")

    return case


def _one(problems):
    (problem,) = problems
    return problem.severity, problem.label, problem.text


@pytest.mark.parametrize("axes", AFFINES)
def test_sides_are_told_in_the_patients_space(make, axes):
    assert check_case(make(axes=axes), KIDNEYS) == []
    severity, label, text = _one(check_case(make(axes=axes, swap=True), KIDNEYS))
    assert (severity, label) == (ERROR, "kidney_l")
    assert "left kidney lies 28 mm to the right of right kidney; exchange" in text


def test_sides_are_looked_at_where_both_are_there(make):
    def only_one(mask):
        mask[mask == 1] = 0

    problems = check_case(make(swap=True, change=only_one), KIDNEYS)
    assert [problem.severity for problem in problems] == [WARNING]


def test_an_empty_label_is_taught_as_absent_and_said(make):
    labels = (Label("kidney_l", 1), Label("kidney_r", 2), Label("liver", 3), Label("unused", 4))
    taught = DatasetLabels({**KIDNEYS.terms, "unused": ()})
    severity, label, text = _one(check_case(make(labels), taught))
    assert (severity, label) == (WARNING, "liver")
    assert "liver has no voxel and is taught as absent" in text
    empty = make(labels, change=lambda mask: mask.fill(0))
    severity, _, text = _one(check_case(empty, taught))
    assert severity == ERROR
    assert "none of its labels has a voxel" in text


def test_values_that_no_label_names_are_told(make):
    severity, _, text = _one(check_case(make(labels=[Label("kidney_l", 1)]), DatasetLabels()))
    assert severity == WARNING
    assert "value 2 (64 voxels) without a label" in text


def test_two_labels_of_one_value_are_an_error_but_regions_are_not(make):
    labels = (Label("kidney", 1), Label("liver", 1), Label("spleen", 2))
    severity, label, text = _one(check_case(make(labels), DatasetLabels()))
    assert (severity, label) == (ERROR, "liver")
    assert "kidney and liver have the same value 1" in text
    regions = (Label("whole tumor", 1), Label("whole tumor", 2), Label("tumor core", 2))
    assert check_case(make(regions), DatasetLabels()) == []


def test_labels_that_say_nothing_need_a_term(make):
    labels = (Label("1", 1), Label("Segment_2", 2))
    severity, _, text = _one(check_case(make(labels), DatasetLabels()))
    assert severity == ERROR
    assert "the labels 1, Segment_2 do not say what they are" in text
    assert check_case(make(labels), DatasetLabels({"1": ("kidney",), "Segment_2": ("liver",)})) == []


def test_voxels_to_ignore_are_told(make):
    severity, label, text = _one(check_case(make((Label("kidney", 1), Label("ignore", 2))), DatasetLabels()))
    assert (severity, label) == (WARNING, "ignore")
    assert "64 voxels are marked to be ignored" in text


def test_a_case_that_teaches_nothing_is_an_error(make):
    nothing = DatasetLabels({"kidney_l": (), "kidney_r": ()})
    assert "no label teaches a term" in _one(check_case(make(), nothing))[2]


def test_files_that_cannot_be_used_are_told(make, tmp_path):
    case = make()
    moved = nibabel.load(case.mask)
    nibabel.save(
        nibabel.Nifti1Image(np.asarray(moved.dataobj), moved.affine @ np.diag([1, 1, 2, 1])), tmp_path / "o.nii.gz"
    )
    severity, _, text = _one(check_case(replace(case, mask=tmp_path / "o.nii.gz"), KIDNEYS))
    assert severity == ERROR
    assert "not on the image's grid" in text
    assert "There is no file" in _one(check_case(replace(case, image=tmp_path / "gone.nii.gz"), KIDNEYS))[2]


def test_the_same_image_twice_is_found_whatever_its_file(ball_cases, tmp_path):
    first, *others = read_cases(ball_cases)
    array = nibabel.load(first.image)
    copy = tmp_path / "copy.nii"
    nibabel.save(nibabel.Nifti1Image(np.asarray(array.dataobj).astype(np.float32), array.affine), copy)
    cases = [first, *others, replace(first, id="again", image=copy)]
    severity, _, text = _one(check_list(cases))
    assert severity == WARNING
    assert "case0, again have the same image; remove" in text
    severity, _, text = _one(check_list(cases, validation=["again"]))
    assert severity == ERROR
    assert "case0, again have the same image and are trained and validated on" in text
    assert check_list([first, *others], ["case1"], ["case2"]) == []


def test_a_patient_on_two_sides_of_a_split_is_found(ball_cases):
    cases = [replace(case, patient="p1" if number < 2 else "") for number, case in enumerate(read_cases(ball_cases))]
    assert check_list(cases, validation=["case0", "case1"]) == []
    severity, _, text = _one(check_list(cases, validation=["case1"], test=["case3"]))
    assert severity == ERROR
    assert "patient p1 are trained and validated on (case0, case1)" in text


def test_the_list_is_checked_with_progress_and_stops(ball_cases):
    cases, seen = read_cases(ball_cases), []
    check_list(cases, progress=lambda done, total: seen.append((done, total)))
    assert seen == [*((done, 8) for done in range(1, 5)), (8, 8)]  # no two images may be the same
    seen.clear()
    check_list([*cases, replace(cases[0], id="again")], progress=lambda done, total: seen.append((done, total)))
    assert seen == [*((done, 10) for done in range(1, 6)), (9, 10), (10, 10)]
    with pytest.raises(Cancelled):
        check_list(cases, cancelled=lambda: True)


def test_the_real_cases_are_sound(shared):
    cases, datasets = load_cases(shared / "data" / "cases.jsonl")
    some = [case for case in cases if case.dataset != "openkbp"] + cases[:6]
    assert [problem for case in some for problem in check_case(case, datasets[case.dataset])] == []
    assert check_list(some) == []


def test_a_real_mask_mirrored_is_found_out(shared, tmp_path):
    cases, datasets = load_cases(shared / "data" / "cases.jsonl")
    case = next(case for case in cases if case.dataset == "openkbp")
    mask = nibabel.load(case.mask)
    axis = int(np.abs(mask.affine[0, :3]).argmax())
    mirrored = np.flip(np.asarray(mask.dataobj), axis)
    nibabel.save(nibabel.Nifti1Image(mirrored, mask.affine), tmp_path / "m.nii.gz")
    severity, _, text = _one(check_case(replace(case, mask=tmp_path / "m.nii.gz"), datasets[case.dataset]))
    assert severity == ERROR
    assert "left parotid gland lies" in text


def test_only_images_that_may_be_the_same_are_read(ball_cases, tmp_path):
    """Of scans on one grid those whose files are of another size are not: their voxels may even be damaged."""
    first, second, *_ = read_cases(ball_cases)
    assert first.image.stat().st_size != second.image.stat().st_size
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(second.image.read_bytes()[:-2000])
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(first.image.read_bytes())
    cases = [first, replace(second, image=broken), replace(first, id="again", image=copy)]
    assert [problem.text.split(" have")[0] for problem in check_list(cases)] == ["case0, again"]
    same = replace(first, id="once more")  # by the same file
    assert len(check_list([first, same])) == 1

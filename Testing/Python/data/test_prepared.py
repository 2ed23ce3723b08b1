"""Cases on the network's grid."""

from __future__ import annotations

import dataclasses

import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.network import SATConfig
from SATTrainingLib.cases import Case, DatasetLabels, Label, read_cases
from SATTrainingLib.data.prepared import prepare_case


def _mask(prepared, term):
    """Where a term is, on the network's grid."""
    layers = np.asarray(prepared.labels)
    return np.logical_or.reduce([layers[label.layer] == label.value for label in prepared.terms[term]])


def _case(folder, image, mask, labels, affine) -> Case:
    nibabel.save(nibabel.Nifti1Image(image, affine), folder / "image.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask, affine), folder / "mask.nii.gz")
    return Case("made", folder / "image.nii.gz", folder / "mask.nii.gz", labels, "ct", "made")


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(100, 30, (20, 18, 16)).astype(np.int16).clip(1)


def test_a_case_on_its_own_grid_keeps_its_voxels(prepared, ball_cases):
    for case in prepared:
        mask = Volume.read(case.case.mask, "ct").array
        assert case.image.shape == mask.shape
        assert case.image.dtype == np.float16
        assert abs(case.image.mean()) < 0.01
        np.testing.assert_array_equal(_mask(case, "left ball"), mask == 1)
        for term, voxels in case.voxels.items():
            assert _mask(case, term)[tuple(voxels.T)].all()
    first, last = prepared[0], prepared[-1]
    np.testing.assert_array_equal(_mask(first, "ball"), _mask(first, "left ball") | _mask(first, "right ball"))
    assert set(last.terms) == {"left ball", "kidney"}  # its right ball was not annotated, so "ball" is not known either
    assert first.terms["kidney"] == ()


def test_left_stays_left_whichever_way_the_file_runs(prepared, ball_cases, balls, small_config, tmp_path):
    (case, *_) = read_cases(ball_cases)
    paths = []
    for path in (case.image, case.mask):
        source = nibabel.load(path)
        turned = source.as_reoriented(nibabel.orientations.axcodes2ornt("SLP"))
        nibabel.save(turned, tmp_path / path.name)
        paths.append(tmp_path / path.name)
    turned = prepare_case(dataclasses.replace(case, image=paths[0], mask=paths[1]), balls, small_config)
    for term in ("left ball", "right ball", "ball"):
        np.testing.assert_array_equal(_mask(turned, term), _mask(prepared[0], term))
    np.testing.assert_array_equal(turned.image, prepared[0].image)


def test_structures_that_overlap_keep_all_their_voxels_and_others_share_a_layer(image, tmp_path):
    mask = np.zeros((*image.shape, 5), np.int32)
    mask[2:10, 2:10, 2:10, 0] = 1  # an organ
    mask[4:6, 4:6, 4:6, 1] = 1  # a lesion inside
    for layer in (2, 3, 4):  # others beside them
        mask[12:16, 4 * layer - 6 : 4 * layer - 2, :, layer] = 70_000 + layer
    labels = (Label("organ", 1), Label("lesion", 1, 1), *(Label(f"part {n}", 70_000 + n, n) for n in (2, 3, 4)))
    network = dataclasses.replace(SATConfig.named("tiny"), spacing=(1.0, 1.0, 1.0))
    case = prepare_case(_case(tmp_path, image, mask, labels, np.eye(4)), DatasetLabels(), network)
    assert case.labels.shape == (2, *image.shape)
    assert case.labels.dtype == np.uint8
    for label in labels:
        np.testing.assert_array_equal(_mask(case, label.name), mask[..., label.layer] == label.value)


def test_two_names_of_one_structure_and_labels_that_teach_nothing(image, tmp_path):
    mask = np.zeros(image.shape, np.uint8)
    mask[2:10], mask[12:15] = 1, 2
    case = _case(tmp_path, image, mask, (Label("hepar", 1), Label("couch", 2)), np.eye(4))
    labels = DatasetLabels(terms={"hepar": ("liver", "upper abdominal organ"), "couch": ()})
    prepared = prepare_case(case, labels, dataclasses.replace(SATConfig.named("tiny"), spacing=(1.0, 1.0, 1.0)))
    assert set(prepared.terms) == {"liver", "upper abdominal organ"}
    np.testing.assert_array_equal(_mask(prepared, "liver"), mask == 1)
    assert np.count_nonzero(prepared.labels) == np.count_nonzero(mask == 1)


def test_an_empty_label_is_absent_but_one_lost_on_the_grid_is_unknown(image, tmp_path):
    image[:, :, 12:] = 0  # no tissue: the network does not see this part
    mask = np.zeros(image.shape, np.uint8)
    mask[4:14, 4:14, 2:10] = 1
    mask[3, 3, 3] = 2  # smaller than a voxel of the network, and between their centres
    mask[5:8, 5:8, 14:] = 3
    names = ("organ", "speck", "outside", "tumour")
    labels = tuple(Label(name, value) for value, name in enumerate(names, start=1))
    case = _case(tmp_path, image, mask, labels, np.eye(4))
    prepared = prepare_case(
        case, DatasetLabels(), dataclasses.replace(SATConfig.named("tiny"), spacing=(2.0, 2.0, 2.0))
    )
    assert set(prepared.terms) == {"organ", "tumour"}
    assert set(prepared.voxels) == {"organ"}


def test_a_scan_without_the_structure_looked_for_still_teaches_that(image, tmp_path):
    case = _case(tmp_path, image, np.zeros(image.shape, np.uint8), (Label("tumour", 1),), np.eye(4))
    prepared = prepare_case(case, DatasetLabels(), SATConfig.named("tiny"))
    assert set(prepared.terms) == {"tumour"}
    assert prepared.voxels == {}
    assert len(prepared.labelled) == 0


def test_a_case_that_teaches_nothing_is_refused(ball_cases, small_config):
    (case, *_) = read_cases(ball_cases)
    nothing = DatasetLabels(terms={"left ball": (), "right ball": ()})
    with pytest.raises(InputError, match=r"case0: there is nothing to learn from it"):
        prepare_case(case, nothing, small_config)


def test_a_mask_on_another_grid_is_refused(ball_cases, small_config, tmp_path):
    (case, *_) = read_cases(ball_cases)
    mask = nibabel.load(case.mask)
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), np.diag([2.0, 4, 4, 1])), tmp_path / "m.nii.gz")
    with pytest.raises(InputError, match="not on the image's grid"):
        prepare_case(dataclasses.replace(case, mask=tmp_path / "m.nii.gz"), DatasetLabels(), small_config)


def test_organs_of_a_real_ct_keep_their_size(shared):
    (case,) = [case for case in read_cases(shared / "data" / "cases.jsonl") if case.dataset == "ts_example_ct"]
    prepared = prepare_case(case, DatasetLabels(), SATConfig.named("tiny"))
    mask = Volume.read(case.mask, "ct")
    assert prepared.labels.shape[0] == 1
    compared = 0
    for label in case.labels:
        own = np.count_nonzero(mask.array == label.value) * np.prod(mask.spacing)
        if own > 20_000:  # mm3
            there = np.count_nonzero(_mask(prepared, label.name.lower())) * np.prod(prepared.spacing)
            assert there == pytest.approx(own, rel=0.1), label.name
            compared += 1
    assert compared > 20


def test_lungs_of_a_real_neck_ct_are_labelled_on_their_sides(shared):
    cases = {case.id: case for case in read_cases(shared / "data" / "cases.jsonl")}
    case = cases["openkbp_test-pats_pt_285"]
    prepared = prepare_case(case, DatasetLabels(lungs_from_air=True), SATConfig.named("tiny"))
    left, right, lung, cord = (_mask(prepared, term) for term in ("left lung", "right lung", "lung", "spinal cord"))
    for side in (left, right):
        assert 0.5e6 < side.sum() * 48 < 4e6  # mm3
    assert np.nonzero(left)[0].mean() < np.nonzero(cord)[0].mean() < np.nonzero(right)[0].mean()
    np.testing.assert_array_equal(lung, left | right)
    assert {"left lung", "right lung", "lung"} <= set(prepared.voxels)
    assert "lung" not in prepare_case(case, DatasetLabels(), SATConfig.named("tiny")).terms

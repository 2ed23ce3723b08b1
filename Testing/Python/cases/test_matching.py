"""Labels and the terms they mean."""

from __future__ import annotations

import re

import pytest

from SATTrainingLib.cases import Case, DatasetLabels, Label, read_cases
from SATTrainingLib.cases.folders import read_names
from SATTrainingLib.cases.matching import CODE, FREE_TEXT, NAME, labels_of_datasets, match


def _match(name, code=""):
    return match([Label(name, 1, 0, code)])[name]


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("left kidney", "left kidney"),
        ("kidney_left", "left kidney"),
        ("Kidney-L", "left kidney"),
        ("Kidney_R", "right kidney"),
        ("Lt Parotid", "left parotid gland"),
        ("Parotid_L", "left parotid gland"),
        ("SpinalCord", "spinal cord"),
        ("OpticNrv_L", "left optic nerve"),
        ("Bone_Mandible", "mandible"),
        ("Glnd_Submand_L", "left submandibular gland"),
        ("A_Carotid_L", "left carotid artery"),
        ("Cavity_Oral", "oral cavity"),
        ("Lobe_Temporal_L", "left temporal lobe"),
        ("vertebrae_L1", "lumbar vertebrae 1 (l1)"),
        ("cervical3", "cervical vertebrae 3 (c3)"),
        ("rib_left_1", "left rib 1"),
        ("Rib9", "rib 9"),
        ("lung_upper_lobe_left", "left lung upper lobe"),
        ("hip_left", "left hip"),
        ("Left-Inf-Lat-Vent", "left lateral ventricle temporal horn"),
        ("ctx-lh-precuneus", "left precuneus cortex"),
        ("3rd-Ventricle", "third ventricle"),
        ("RightVentricle", "right heart ventricle"),
        ("thyroid_gland", "thyroid gland"),
        ("right_quadratus_lumborum_muscle", "right quadratus lumborum"),
        ("1_liver", "liver"),
        ("Liver_mask", "liver"),
        ("Leber", "liver"),
    ],
)
def test_names_as_data_sets_write_them_are_certain(name, term):
    found = _match(name)
    assert (found.terms, found.certain, found.how) == ((term,), True, NAME)
    assert found.candidates == (term,)


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        ("LV", "lateral ventricle"),
        ("liver_lesion", "liver tumor"),
        ("hyoid", "hyoid bone"),
        ("Chestwall", "chest wall"),
    ],
)
def test_what_may_mean_several_things_is_offered(name, candidate):
    found = _match(name)
    assert not found.certain
    assert candidate in found.candidates


@pytest.mark.parametrize("name", ["Segment_1", "label 3", "7", "Tissue", "", "  "])
def test_a_name_that_says_nothing_is_left_to_a_person(name):
    assert _match(name) == type(_match(name))((" ".join(name.lower().split()),), False, FREE_TEXT)


def test_free_text_stays_as_it_is():
    found = _match("Sentinel Node Cluster B")
    assert (found.terms, found.certain, found.how) == (("sentinel node cluster b",), False, FREE_TEXT)


@pytest.mark.parametrize(
    ("code", "term"),
    [
        ("SCT^64033007~SCT^7771000", "left kidney"),
        ("SCT^64033007~SCT^24028007", "right kidney"),
        ("SCT^64033007", "kidney"),
        ("UBERON^UBERON:0002107", "liver"),
        ("UBERON^UBERON:0002113~SCT^7771000", "left kidney"),
    ],
)
def test_a_code_says_what_a_segment_is(code, term):
    found = _match("Segment_1", code)
    assert (found.terms, found.certain, found.how) == ((term,), True, CODE)


def test_code_and_name_together():
    tumor = "SCT^108369006~~SCT^10200004"
    assert _match("Segment_1", tumor).certain is False
    assert {"liver tumor", "liver metastasis"} <= set(_match("Segment_1", tumor).candidates)
    assert _match("liver_tumor", tumor).terms == ("liver tumor",)
    assert _match("liver_tumor", tumor).certain
    assert _match("left_kidney", "SCT^64033007").terms == ("left kidney",)  # the name says more
    contradiction = _match("right kidney", "SCT^64033007~SCT^7771000")
    assert not contradiction.certain
    assert contradiction.candidates[:2] == ("right kidney", "left kidney")
    tissue = _match("spleen", "SCT^85756007")  # what 3D Slicer gives a new segment
    assert (tissue.terms, tissue.how) == (("spleen",), NAME)


def test_datasets_teach_what_is_certain_and_what_was_given(tmp_path):
    labels = (Label("kidney_left", 1), Label("LV", 2), Label("ignore", 3), Label("liver", 4))
    case = Case("c", tmp_path, tmp_path, labels, "ct", "d")
    taught = labels_of_datasets([case], {"d": DatasetLabels({"liver": ("liver", "abdomen")}, absent=("brain",))})
    assert taught == {
        "d": DatasetLabels(
            {"kidney_left": ("left kidney",), "ignore": (), "liver": ("liver", "abdomen")}, absent=("brain",)
        )
    }


def test_labels_of_the_real_cases(shared):
    """Every label named like a class of SAT means itself; nothing certain is wrong on the atlases."""
    data = shared / "data"
    cases = read_cases(data / "cases.jsonl")
    labels = [label for case in cases if case.modality == "ct" for label in case.labels]
    assert all(found.certain and found.terms == (name,) for name, found in match(labels).items())
    brain = match(label for case in cases if case.modality == "mri" for label in case.labels)
    assert sum(found.certain for found in brain.values()) >= 30

    sides = re.compile("left|right")
    sure = total = 0
    for file in [*data.glob("labelmaps/spl_*/*.ctbl"), *data.glob("labelmaps/hra/*.json")]:
        names = read_names(file)
        found = match(Label(name, value) for value, name in names.items())
        total += len(found)
        sure += sum(other.certain for other in found.values())
        for name, other in found.items():
            if other.certain:
                assert sides.findall(name) == sides.findall(other.terms[0]), name
    assert sure / total > 0.9

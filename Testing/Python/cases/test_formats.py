"""Cases from data sets that others describe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import slicerio

from SATSegmentLib.errors import Cancelled, InputError
from SATTrainingLib.cases import DatasetLabels, Label, read_cases
from SATTrainingLib.cases.folders import cases_of_folder, read_names
from SATTrainingLib.cases.formats import cases_of_sat_ds, load_cases
from SATTrainingLib.cases.masks import read_layers

SHAPE = (6, 7, 8)


def _save(path, array=None, shape=SHAPE):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(shape, np.uint8) if array is None else array
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1, 2, 3, 1.0])), path)
    return path


def _describe(folder, **values):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(values))


@pytest.fixture
def nnunet(tmp_path):
    """Two cases of two channels; a region of three values, and voxels to ignore."""
    folder = tmp_path / "Dataset007_Head"
    for name in ("a_1", "b"):
        for channel in range(2):
            _save(folder / "imagesTr" / f"{name}_000{channel}.nii.gz")
        _save(folder / "labelsTr" / f"{name}.nii.gz")
    values = {
        "channel_names": {"0": "CT", "1": "T2"},
        "labels": {"background": 0, "brain": [1, 2, 3], "cerebellum": [2, 3], "brain_stem": 3, "ignore": 4},
        "regions_class_order": [1, 2, 3],
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    _describe(folder, **values)
    return folder, values


def test_nnunet_regions_channels_and_ignored_voxels(nnunet):
    folder, _ = nnunet
    cases, datasets = load_cases(folder, channel="T2")
    assert [case.id for case in cases] == ["a_1", "b"]
    case = cases[0]
    assert (case.image.name, case.mask.parent.name, case.modality) == ("a_1_0001.nii.gz", "labelsTr", "mri")
    assert case.dataset == "Dataset007_Head"
    terms = datasets["Dataset007_Head"].terms_of(case)
    values = {term: [label.value for label in labels] for term, labels in terms.items()}
    assert values == {"brain": [1, 2, 3], "cerebellum": [2, 3], "brainstem": [3]}
    assert load_cases(folder / "dataset.json", channel="0")[0][0].modality == "ct"


def test_nnunet_with_several_channels_asks_for_one(nnunet):
    folder, _ = nnunet
    with pytest.raises(InputError, match=r"2 channels \(0 CT, 1 T2\) and SAT sees one: choose"):
        load_cases(folder)
    with pytest.raises(InputError, match='there is no channel "FLAIR"'):
        load_cases(folder, channel="FLAIR")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel_names": {"0": "noNorm"}}, '"noNorm".*is no modality.*say whether'),
        ({"numTraining": 3}, "should hold 3 training cases and holds 2"),
        ({"file_ending": ".png"}, r"holds \.png files"),
        ({"labels": {"background": 0}}, "names no label but the background"),
        ({"labels": {"liver": "?"}}, "are no names and values"),
        ({"labels": 3}, "describes no labels"),
        ({"channel_names": {}}, "names no channels"),
        ({"dataset": {"a": {"images": ["x.nii.gz"], "label": "y.nii.gz"}}, "numTraining": 1}, "no file.*x.nii.gz"),
        ({"dataset": {"a": {"label": "y.nii.gz"}}}, "lists no images"),
    ],
)
def test_a_description_with_a_mistake_is_refused(nnunet, change, message):
    folder, values = nnunet
    _describe(folder, **({**values, "channel_names": {"0": "CT"}} | change))
    with pytest.raises(InputError, match=message):
        load_cases(folder)


def test_nnunet_of_a_channel_without_a_known_name_takes_the_modality_given(nnunet):
    folder, values = nnunet
    _describe(folder, **values | {"channel_names": {"0": "noNorm"}})
    assert load_cases(folder, modality="PET")[0][0].modality == "pet"


def test_nnunet_that_lists_its_files(nnunet, tmp_path):
    folder, values = nnunet
    image, mask = _save(tmp_path / "elsewhere" / "i.nii.gz"), _save(tmp_path / "elsewhere" / "m.nii.gz")
    listed = {"x": {"images": [str(image)], "label": "../elsewhere/m.nii.gz"}}
    _describe(folder, **values | {"channel_names": ["CT"], "dataset": listed, "numTraining": 1})
    (case,) = load_cases(folder)[0]
    assert (case.id, case.image) == ("x", image)
    assert case.mask.samefile(mask)


def _decathlon(folder, modality, **more):
    _save(folder / "imagesTr" / "liver_1.nii.gz")
    _save(folder / "labelsTr" / "liver_1.nii.gz")
    rows = [{"image": "./imagesTr/liver_1.nii.gz", "label": "./labelsTr/liver_1.nii.gz"}]
    labels = {"0": "background", "1": "liver", "2": "cancer"}
    _describe(folder, modality=modality, labels=labels, training=rows, numTraining=1, **more)


def test_decathlon(tmp_path):
    _decathlon(tmp_path / "Task03_Liver", {"0": "CT"})
    (case,), datasets = load_cases(tmp_path / "Task03_Liver")
    assert (case.id, case.modality, case.dataset) == ("liver_1", "ct", "Task03_Liver")
    assert case.labels == (Label("liver", 1), Label("cancer", 2))
    assert datasets == {"Task03_Liver": DatasetLabels({"liver": ("liver",)})}  # "cancer" may be several things


def test_decathlon_of_several_channels_in_a_file_is_refused_and_of_nnunet_v1_read(tmp_path):
    folder = tmp_path / "Task05_Prostate"
    _decathlon(folder, {"0": "T2", "1": "ADC"})
    with pytest.raises(InputError, match="2 channels"):
        load_cases(folder)
    with pytest.raises(InputError, match="in each image's file and SAT reads one"):
        load_cases(folder, channel="T2")
    (folder / "imagesTr" / "liver_1.nii.gz").rename(folder / "imagesTr" / "liver_1_0000.nii.gz")
    (case,) = load_cases(folder, channel="T2")[0]
    assert (case.image.name, case.modality) == ("liver_1_0000.nii.gz", "mri")


def test_sat_ds(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3], mask[3:4] = 1, 2
    _save(tmp_path / "a" / "image.nii.gz")
    _save(tmp_path / "a" / "mask.nii.gz", mask)
    _save(tmp_path / "b" / "image.nii.gz")
    _save(tmp_path / "b" / "mask.nii.gz", np.stack([mask > 0, mask == 2]).astype(np.uint8))
    rows = [
        {
            "image": f"{name}/image.nii.gz",
            "mask": f"{name}/mask.nii.gz",
            "modality": "CT",
            "dataset": "X",
            "patient_id": 7,
        }
        for name in "ab"
    ]
    rows[0]["label"], rows[1]["label"] = ["liver", "spleen"], ["abdomen", "spleen"]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    (one, other), datasets = load_cases(path)
    assert [one.id, other.id] == ["X/image", "X/image#2"]
    assert one.patient == other.patient == "X/7"
    assert one.labels == (Label("liver", 1), Label("spleen", 2))
    assert other.labels == (Label("abdomen", 1, 0), Label("spleen", 1, 1))
    layers, _ = read_layers(other)
    assert np.array_equal(layers[..., 1] == 1, mask == 2)
    assert datasets["X"].terms_of(one).keys() == {"liver", "spleen"}

    seen = []
    load_cases(path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(Cancelled):
        load_cases(path, cancelled=lambda: True)

    del rows[1]["dataset"]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match="line 2: 'dataset' is missing"):
        cases_of_sat_ds(path)


def test_our_own_list_is_read_and_what_is_no_list_refused(ball_cases, tmp_path):
    cases, datasets = load_cases(ball_cases)
    assert cases == read_cases(ball_cases)
    assert datasets == {"balls": DatasetLabels()}
    (tmp_path / "x.jsonl").write_text("[1]")
    with pytest.raises(InputError, match="no JSON object"):
        load_cases(tmp_path / "x.jsonl")
    with pytest.raises(InputError, match=r"no dataset\.json in"):
        load_cases(tmp_path)
    with pytest.raises(InputError, match="no case list"):
        load_cases(tmp_path / "gone.jsonl")


def test_a_folder_is_paired_by_patterns_and_labelled_by_what_is_in_its_masks(ball_cases, tmp_path):
    (tmp_path / "names.ctbl").write_text("# Color table\n0 background 0 0 0 0\n1 left_ball 10 20 30 255\n")
    seen = []
    cases = cases_of_folder(
        ball_cases.parent,
        "*.nii.gz",
        "*_label.nii.gz",
        "T1",
        names=tmp_path / "names.ctbl",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [case.id for case in cases] == ["0", "1", "2", "3"]
    assert cases[0].labels == (Label("left_ball", 1), Label("2", 2))
    assert cases[0].modality == "mri"
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(Cancelled):
        cases_of_folder(ball_cases.parent, "*.nii.gz", "*_label.nii.gz", "T1", cancelled=lambda: len(seen) >= 4)


def test_segments_of_slicers_files_are_the_labels(chest_ct, tmp_path):
    data = Path(slicerio.__file__).parent / "data"
    for name in ("p1", "p2"):
        (tmp_path / name).mkdir()
        shutil.copy(chest_ct, tmp_path / name / "ct.nrrd")
    shutil.copy(data / "SegmentationOverlapping.seg.nrrd", tmp_path / "p1" / "truth.seg.nrrd")
    (case,) = cases_of_folder(tmp_path, "*/ct.nrrd", "*/truth.seg.nrrd", "CT")
    assert case.id == "p1"  # p2 has no mask
    assert case.labels[4] == Label("right lung", 5, 0, "SCT^39607008~SCT^24028007")
    assert case.labels[7].layer == 1


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        ("*.nrrd", "*_label.nii.gz", r"no image.*0 images, 4 masks"),
        ("scan.nii.gz", "*_label.nii.gz", "is no pattern"),
        ("*", "*/*", "is no pattern"),
        ("1*.nii.gz", "*_label.nii.gz", "no image|mask without an image"),
    ],
)
def test_patterns_that_pair_nothing_are_refused(ball_cases, image, mask, message):
    with pytest.raises(InputError, match=message):
        cases_of_folder(ball_cases.parent, image, mask, "ct")


def test_a_mask_without_an_image_is_named(ball_cases, tmp_path):
    for file in ball_cases.parent.glob("[01]*.nii.gz"):
        shutil.copy(file, tmp_path)
    (tmp_path / "1.nii.gz").unlink()
    with pytest.raises(InputError, match=r"1_label\.nii\.gz is a mask without an image.*1\.nii\.gz; add"):
        cases_of_folder(tmp_path, "*.nii.gz", "*_label.nii.gz", "ct")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"1": "left kidney", "12": "liver"}'),
        ("a.json", '{"background": 0, "left kidney": 1, "liver": 12}'),
        ("a.txt", "#No. Label R G B A\n1  left kidney  70 130 180 0\n12\tliver\n"),
        ("a.csv", "value,name\n1,left kidney\n12,liver\n"),
        ("a.label", '    0 0 0 0 0 0 0 "Clear"\n    1 255 0 0 1 1 1 "left kidney"\n   12 1 2 3 1 1 1 "liver"\n'),
    ],
)
def test_names_of_values_are_read_from_the_usual_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_names(tmp_path / name) == {1: "left kidney", 12: "liver"}


def test_files_without_names_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("nothing here\n")
    (tmp_path / "a.json").write_text("[1, 2]")
    for name in ("a.txt", "a.json", "gone.txt"):
        with pytest.raises(InputError, match=name):
            read_names(tmp_path / name)


def test_names_of_the_real_label_maps(shared):
    names = read_names(shared / "data" / "labelmaps" / "synthseg" / "labels.txt")
    assert (len(names), names[2], names[60]) == (32, "left cerebral white matter", "right ventral DC")
    assert read_names(shared / "data" / "labelmaps" / "spl_knee" / "knee.ctbl")[9] == "infrapatellar_fat_body"


def test_zero_is_the_background_whatever_it_is_called(tmp_path):
    folder = tmp_path / "Task01_BTCV"
    for kind in ("images", "labels"):
        _save(folder / kind / "a.nii.gz")
    training = [{"image": "images/a.nii.gz", "label": "labels/a.nii.gz"}]
    _describe(folder, modality={"0": "CT"}, labels={"0": "clear label", "1": "spleen"}, training=training)
    (case,), _ = load_cases(folder)
    assert case.labels == (Label("spleen", 1),)


def test_sat_ds_labels_are_a_list(tmp_path):
    _save(tmp_path / "i.nii.gz")
    _save(tmp_path / "m.nii.gz")
    row = {"image": "i.nii.gz", "mask": "m.nii.gz", "label": "liver", "modality": "ct", "dataset": "d"}
    (tmp_path / "list.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match='line 1: "label" must be a list of names'):
        load_cases(tmp_path / "list.jsonl")
    (tmp_path / "list.jsonl").write_text("\n")
    with pytest.raises(InputError, match="lists no cases"):
        load_cases(tmp_path / "list.jsonl")


def test_what_macos_leaves_beside_files_is_no_case(tmp_path):
    for name in ("a_image.nii.gz", "a_mask.nii.gz"):
        _save(tmp_path / name)
        (tmp_path / f"._{name}").write_bytes(b"\x00\x05\x16\x07")
    (case,) = cases_of_folder(tmp_path, "*_image.nii.gz", "*_mask.nii.gz", "ct")
    assert case.id == "a"

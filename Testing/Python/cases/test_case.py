"""Case lists on disk, and what labels teach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.cases import Case, DatasetLabels, Label, read_cases, write_cases


def _case(*names):
    labels = tuple(Label(name, value) for value, name in enumerate(names, start=1))
    return Case("c", Path("i"), Path("m"), labels, "ct", "d")


def test_a_list_comes_back_as_it_was_written(ball_cases, tmp_path):
    first, *others = read_cases(ball_cases)
    labels = (Label("left ball", 1, 0, "SCT^1~SCT^7771000"), Label("right ball", 2, 1))
    cases = [Case("é", first.image, first.mask, labels, "pet", "balls", "p1"), *others]
    write_cases(tmp_path / "list.jsonl", cases)
    assert read_cases(tmp_path / "list.jsonl") == cases


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "gone.nii.gz"}, "line 2: there is no file"),
        ({"labels": 3}, "line 2"),
        ({"labels": {"one": "liver"}}, "line 2"),
        ({"labels": None, "mask": None}, "line 2"),
        ({"id": "case0"}, "line 2: the id case0 comes twice"),
        ({"modality": "film"}, 'line 2: "film" is no modality'),
    ],
)
def test_a_line_with_a_mistake_is_named(ball_cases, change, message):
    rows = [json.loads(line) for line in ball_cases.read_text().splitlines()]
    rows[1] |= change
    path = ball_cases.with_name("wrong.jsonl")
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=message):
        read_cases(path)


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "list.jsonl").write_text('\n{"id": "a", "labels": {}}\n')
    with pytest.raises(InputError, match="line 2: 'image' is missing"):
        read_cases(tmp_path / "list.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_cases(tmp_path / "bytes.jsonl")


def test_words_for_modalities_are_understood(ball_cases):
    rows = [json.loads(line) for line in ball_cases.read_text().splitlines()]
    for row, word in zip(rows, ("T1w", "FLAIR", "CT", "PET"), strict=True):
        row["modality"] = word
    path = ball_cases.with_name("words.jsonl")
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [case.modality for case in read_cases(path)] == ["mri", "mri", "ct", "pet"]


def test_a_term_of_several_labels_is_known_where_all_were_annotated():
    labels = DatasetLabels(
        {"kidney_l": ("left kidney", "kidney"), "kidney_r": ("kidney",), "ignore": ()},
        absent=("bladder", "left kidney"),
    )
    both = labels.terms_of(_case("kidney_l", "kidney_r", "ignore", "Liver"))
    left, right = Label("kidney_l", 1), Label("kidney_r", 2)
    assert both == {"bladder": (), "left kidney": (left,), "kidney": (left, right), "liver": (Label("Liver", 4),)}
    assert labels.terms_of(_case("kidney_l")) == {"bladder": (), "left kidney": (left,)}


def test_a_label_named_like_a_term_of_others_teaches_it():
    labels = DatasetLabels({"kidney_l": ("kidney",), "kidney_r": ("kidney",)})
    assert labels.terms_of(_case("kidney")) == {"kidney": (Label("kidney", 1),)}

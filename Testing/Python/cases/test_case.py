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


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"0": "background", "1": "liver"}, '"background" has the value 0'),
        ({"1": " "}, "value 1 has no name"),
        ([{"name": "liver", "value": 1, "layer": -1}], "layer -1"),
    ],
)
def test_a_label_that_cannot_be_is_refused(ball_cases, tmp_path, labels, message):
    row = json.loads(ball_cases.read_text().splitlines()[0]) | {"labels": labels}
    path = ball_cases.with_name("labels.jsonl")
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match=f"line 1: .*{message}"):
        read_cases(path)


def test_lists_as_others_write_them_are_read(ball_cases):
    """Windows marks UTF-8 at a file's begin; a name may hold a line separator of Unicode."""
    rows = [json.loads(line) for line in ball_cases.read_text().splitlines()]
    rows[0]["labels"] = [{"name": "lé\u2028ft  Ball", "value": 1, "code": None}]
    path = ball_cases.with_name("of windows é.jsonl")
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    (first, *others) = read_cases(path)
    assert len(others) == 3
    assert first.labels == (Label("lé\u2028ft  Ball", 1),)
    assert list(DatasetLabels().terms_of(first)) == ["lé ft ball"]


def test_a_list_can_be_read_without_its_files(ball_cases, tmp_path):
    cases = read_cases(ball_cases)
    (tmp_path / "list.jsonl").write_text(ball_cases.read_text())
    with pytest.raises(InputError, match="there is no file"):
        read_cases(tmp_path / "list.jsonl")
    there = read_cases(tmp_path / "list.jsonl", with_files=False)
    assert [case.id for case in there] == [case.id for case in cases]


def test_a_link_keeps_its_name(ball_cases, tmp_path):
    """A data manager's link says of which kind its file is; the file it leads to may have no ending."""
    first = read_cases(ball_cases)[0]
    (tmp_path / "a1b2").write_bytes(first.image.read_bytes())
    (tmp_path / "image.nii.gz").symlink_to(tmp_path / "a1b2")
    write_cases(tmp_path / "list.jsonl", [Case("a", tmp_path / "image.nii.gz", first.mask, first.labels, "ct", "d")])
    assert read_cases(tmp_path / "list.jsonl")[0].image == tmp_path / "image.nii.gz"

"""The scans of a batch, from folders and lists."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from SATSegmentLib.batch.cases import find_cases
from SATSegmentLib.errors import InputError


def touch(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_folders_scans_are_found_in_order_and_its_results_are_not(tmp_path):
    for name in ("b.nii.gz", "a.nrrd", "sub/ct.MHA", "a.seg.nrrd", "notes.txt", ".hidden.nii", "out/a/x.nrrd"):
        touch(tmp_path / name)
    for number in range(3):
        touch(tmp_path / "patient 1" / "series" / f"IM{number}", bytes(128) + b"DICM")
    cases = find_cases(tmp_path, tmp_path / "out", "ct")
    assert [case.id for case in cases] == ["a", "b", "patient_1_series", "sub_ct"]
    assert [case.image for case in cases] == [
        tmp_path / name for name in ("a.nrrd", "b.nii.gz", "patient 1/series", "sub/ct.MHA")
    ]
    assert {case.modality for case in cases} == {"ct"}


def test_two_scans_of_one_name_are_refused_with_both(tmp_path):
    touch(tmp_path / "a.nii")
    touch(tmp_path / "A.nrrd")
    with pytest.raises(InputError, match=r"stands for .*A\.nrrd and for .*a\.nii; give each case its own in a list"):
        find_cases(tmp_path, tmp_path / "out")


def test_the_names_of_files_become_names_of_folders_everywhere(tmp_path):
    for name in ("con.nii", "table.csv.nii.gz", "u\u0308.nii", "x y/" + "肝" * 70 + ".nii"):
        touch(tmp_path / name)
    ids = [case.id for case in find_cases(tmp_path, tmp_path / "out")]
    assert ids == ["con_scan", "table.csv_scan", "\u00fc", "肝" * 33]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others on Windows")
def test_a_folder_that_cannot_be_looked_into_is_said_not_left_out():
    with tempfile.TemporaryDirectory() as name:
        scans = Path(name)
        scans.chmod(0o755)
        touch(scans / "a.nii")
        (scans / "closed").mkdir(mode=0)
        user = os.geteuid()
        if user == 0:  # may look into everything
            os.seteuid(65534)
        try:
            with pytest.raises(InputError, match=r"closed cannot be looked into \(Permission denied\)"):
                find_cases(scans, scans / "out")
        finally:
            os.seteuid(user)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_whose_name_is_no_text_is_refused_before_a_table_fails_to_name_it(tmp_path):
    touch(tmp_path / os.fsdecode(b"a\xff.nii"))
    with pytest.raises(InputError, match="is no text in UTF-8; rename it"):
        find_cases(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["id,image,modality\nx,a.nii,\ny,sub/b.nii,T1w\n", "\ufeffID; Image ; Modality\nx;a.nii;\ny;sub/b.nii;MR\n"]
)
def test_a_csv_lists_paths_beside_it(tmp_path, text):
    for name in ("a.nii", "sub/b.nii"):
        touch(tmp_path / name)
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    first, second = find_cases(tmp_path / "list.csv", tmp_path / "out", "ct")
    assert (first.id, first.image, first.modality) == ("x", tmp_path / "a.nii", "ct")
    assert (second.id, second.image, second.modality) == ("y", tmp_path / "sub/b.nii", "mri")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a", "image": "none.nii"}], r"Line 1: there is no file .*none\.nii; correct the path"),
        ([{"id": "a", "image": "a.nii"}, {"id": "A", "image": "a.nii"}], 'The id "A" stands for'),
        ([{"id": "../a", "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": ".a", "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": "nul.1", "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": "Table.csv", "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": "肝" * 80, "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": "\udcff", "image": "a.nii"}], "cannot be the name of a folder"),
        ([{"id": "\u00fc", "image": "a.nii"}, {"id": "u\u0308", "image": "a.nii"}], "stands for"),
        ([{"image": "a.nii"}], "Line 1: id is missing"),
        ([{"id": "a", "image": None}], "Line 1: image is missing"),
        ([{"id": "a", "image": "a.nii", "modality": "x-ray"}], 'Line 1: "x-ray" is no modality'),
        ([7], "Line 1: it is no object"),
        ([{"id": str(i)} for i in range(5)], "Line 3: image is missing; add it. And 2 more"),
        ([], "lists no case"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(tmp_path, rows, message):
    touch(tmp_path / "a.nii")
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=message):
        find_cases(tmp_path / "list.jsonl", tmp_path / "out")


def test_sources_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no scan in"):
        find_cases(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="neither a folder nor a list"):
        find_cases(tmp_path / "scan.nii", tmp_path / "out")
    with pytest.raises(InputError, match="There is no list of cases"):
        find_cases(tmp_path / "list.csv", tmp_path / "out")
    (tmp_path / "list.csv").write_text("name,file\n")
    with pytest.raises(InputError, match="the columns id and image"):
        find_cases(tmp_path / "list.csv", tmp_path / "out")

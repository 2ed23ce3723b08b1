"""Splits by patient."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.cases import Case, read_cases
from SATTrainingLib.cases.splits import hold_out, parts, read_splits, split_folds, write_splits


def _cases(count, patients=None, dataset="d"):
    return [
        Case(f"{dataset}{n}", Path("i"), Path("m"), (), "ct", dataset, f"p{n % patients}" if patients else "")
        for n in range(count)
    ]


def test_each_case_is_held_out_once_and_patients_stay_together():
    cases = _cases(31, patients=12) + _cases(9, dataset="e")
    folds = split_folds(cases, 4, seed=3)
    assert sorted(key for fold in folds for key in fold) == sorted(case.id for case in cases)
    patient = {case.id: case.patient for case in cases if case.patient}
    owners = [{patient[key] for key in fold if key in patient} for fold in folds]
    assert sum(map(len, owners)) == 12
    for dataset, most in (("d", 3), ("e", 1)):
        sizes = [sum(key.startswith(dataset) for key in fold) for fold in folds]
        assert max(sizes) - min(sizes) <= most


def test_a_split_depends_on_the_seed_and_on_no_order():
    cases = _cases(20)
    assert split_folds(cases, 5, 1) == split_folds(cases[::-1], 5, 1)
    assert split_folds(cases, 5, 1) != split_folds(cases, 5, 2)
    assert hold_out(cases, 0.2, 1) == hold_out(cases[::-1], 0.2, 1) != hold_out(cases, 0.2, 2)


def test_a_share_is_held_out_of_each_data_set():
    cases = _cases(40) + _cases(20, dataset="e")
    held = hold_out(cases, 0.25)
    assert [sum(key.startswith(name) for key in held) for name in "de"] == [10, 5]
    patients = {case.id: case.patient for case in _cases(40, patients=8)}
    held = hold_out(_cases(40, patients=8), 0.25)
    assert len(held) == 10
    assert len({patients[key] for key in held}) == 2
    assert len(hold_out(_cases(3), 0.01)) == 1
    assert len(hold_out(_cases(3), 0.99)) == 2


def test_what_cannot_be_split_is_refused():
    with pytest.raises(InputError, match="as many patients, and there are 3"):
        split_folds(_cases(9, patients=3), 4)
    with pytest.raises(InputError, match="2 folds"):
        split_folds(_cases(9), 1)
    with pytest.raises(InputError, match="between 0 and 1"):
        hold_out(_cases(9), 1)
    with pytest.raises(InputError, match="two patients"):
        hold_out(_cases(9, patients=1), 0.5)


def test_folds_are_written_as_nnunet_writes_them(tmp_path):
    folds = split_folds(_cases(10), 3)
    write_splits(tmp_path / "splits.json", folds)
    assert read_splits(tmp_path / "splits.json") == folds
    first = json.loads((tmp_path / "splits.json").read_text())[0]
    assert sorted(first["train"] + first["val"]) == sorted(case.id for case in _cases(10))
    for text in ("[]", '{"val": 1}', '[{"train": []}]', "?"):
        (tmp_path / "wrong.json").write_text(text)
        with pytest.raises(InputError, match=r"wrong\.json"):
            read_splits(tmp_path / "wrong.json")
    with pytest.raises(InputError, match="no file"):
        read_splits(tmp_path / "gone.json")


def test_parts(ball_cases):
    cases = read_cases(ball_cases)
    training, validation, test = parts(cases, ["case2"], ["case0"])
    assert [[case.id for case in part] for part in (training, validation, test)] == [
        ["case1", "case3"],
        ["case2"],
        ["case0"],
    ]
    with pytest.raises(InputError, match="case9 is to hold out, but not in the case list"):
        parts(cases, ["case2", "case9"], [])
    with pytest.raises(InputError, match="case2 is to be validated and tested on"):
        parts(cases, ["case2"], ["case2"])
    with pytest.raises(InputError, match="nothing is left"):
        parts(cases, [case.id for case in cases], [])


def test_a_patient_is_in_one_part_only():
    cases = _cases(8, patients=4)  # d0 and d4 are of p0, and so on
    assert [len(part) for part in parts(cases, ["d0", "d4"], ["d1", "d5"])] == [4, 2, 2]
    with pytest.raises(InputError, match=r"patient p0 are trained and validated on \(d4, d0\); keep them on one side"):
        parts(cases, ["d0"], [])
    with pytest.raises(InputError, match="patient p1 are trained and tested on"):
        parts(cases, [], ["d5"])
    with pytest.raises(InputError, match="patient p2 are validated and tested on"):
        parts(cases, ["d2"], ["d6"])
    assert len(parts(_cases(3), ["d1"], ["d2"])[0]) == 1  # whose patients are not known
    with pytest.raises(InputError, match="no cases to train on"):
        parts([], [], [])

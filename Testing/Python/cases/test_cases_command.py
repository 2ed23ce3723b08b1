"""`sattraining cases | check | split`."""

from __future__ import annotations

import argparse
import json
import shutil

import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.cases import read_cases
from SATTrainingLib.cases.splits import read_splits
from SATTrainingLib.cli_cases import add_cases, add_check, add_split
from SATTrainingLib.training.config import TrainingConfig


@pytest.fixture
def run():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for add in (add_cases, add_check, add_split):
        add(commands)

    def run(*arguments):
        options = parser.parse_args([str(argument) for argument in arguments])
        return options.run(options)

    return run


def test_a_folder_becomes_a_list_and_terms_to_correct_by_hand(run, ball_cases, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("1 kidney_left\n2 LV\n")
    target, terms = tmp_path / "list.jsonl", tmp_path / "terms.yaml"
    source = (ball_cases.parent, "--images", "*.nii.gz", "--masks", "*_label.nii.gz", "--modality", "CT")
    run("cases", *source, "--names", tmp_path / "names.txt", "--output", target, "--datasets", terms)
    cases = read_cases(target)
    assert [label.name for label in cases[0].labels] == ["kidney_left", "LV"]
    assert "wrote 4 cases" in capsys.readouterr().out
    assert "# may be lateral ventricle" in terms.read_text()

    # the terms are what a configuration wants under "datasets"
    lines = ["cases: list.jsonl", "datasets:", *("  " + line for line in terms.read_text().splitlines())]
    (tmp_path / "run.yaml").write_text("\n".join(lines))
    config = TrainingConfig.read(tmp_path / "run.yaml")
    assert config.datasets[cases[0].dataset].terms == {"kidney_left": ("left kidney",), "LV": ("lv",)}

    # values without names teach nothing before a person says what they are
    run("cases", *source, "--output", tmp_path / "unnamed.jsonl", "--datasets", tmp_path / "unnamed.yaml")
    assert '"1": []  # does not say what it is' in (tmp_path / "unnamed.yaml").read_text()

    with pytest.raises(InputError, match="exists"):
        run("cases", *source, "--output", target)
    with pytest.raises(InputError, match="--modality"):
        run("cases", *source[:-2], "--output", tmp_path / "other.jsonl")
    with pytest.raises(InputError, match="both --images and --masks"):
        run("cases", *source[:3], "--output", tmp_path / "other.jsonl")


def test_sound_cases_pass_and_labels_are_shown_with_their_terms(run, ball_cases, capsys):
    run("check", "--cases", ball_cases)
    out = capsys.readouterr().out
    assert "balls: 4 cases, 2 labels" in out
    assert "value 2 (" in out  # the right ball of the last case has no label
    assert "nothing stands in the way of training" in out


def test_problems_are_printed_and_errors_fail(run, ball_cases, tmp_path, capsys):
    for file in ball_cases.parent.glob("[0-9]*.nii.gz"):
        shutil.copy(file, tmp_path)
    path = tmp_path / "cases.jsonl"
    rows = [json.loads(line) | {"patient": "p"} for line in ball_cases.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, rows)))
    mask = nibabel.load(tmp_path / "1_label.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj)[::-1], mask.affine), tmp_path / "1_label.nii.gz")
    config = TrainingConfig(cases=path, validation=("case2",))
    config.write(tmp_path / "run.yaml")
    with pytest.raises(InputError, match="2 of 3 problems must be corrected"):
        run("check", "--cases", path, "--config", tmp_path / "run.yaml")
    out = capsys.readouterr().out
    assert "error: case1: left ball lies" in out
    assert "error: Cases of the patient p are trained and validated on" in out


def test_all_files_that_are_missing_are_told_at_once(run, ball_cases, tmp_path, capsys):
    (tmp_path / "list.jsonl").write_text(ball_cases.read_text())  # whose paths are relative
    with pytest.raises(InputError, match="4 of 4 problems"):
        run("check", "--cases", tmp_path / "list.jsonl")
    assert capsys.readouterr().out.count("There is no file") == 4
    run("split", "--cases", tmp_path / "list.jsonl", "--folds", 2, "--output", tmp_path / "splits.json")


def test_folds_are_written_and_used_by_a_configuration(run, ball_cases, tmp_path, capsys):
    target = tmp_path / "splits.json"
    run("split", "--cases", ball_cases, "--folds", 2, "--seed", 5, "--output", target)
    folds = read_splits(target)
    assert sorted(key for fold in folds for key in fold) == ["case0", "case1", "case2", "case3"]
    assert "fold 1: 2 cases held out, 2 to train on" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists"):
        run("split", "--cases", ball_cases, "--folds", 2, "--output", target)
    TrainingConfig(cases=ball_cases, splits=target, fold=1).write(tmp_path / "run.yaml")
    run("check", "--cases", ball_cases, "--config", tmp_path / "run.yaml")
    TrainingConfig(cases=ball_cases, splits=target, fold=2).write(tmp_path / "run.yaml")
    with pytest.raises(InputError, match="2 folds, counted from 0"):
        run("check", "--cases", ball_cases, "--config", tmp_path / "run.yaml")
    TrainingConfig(cases=ball_cases, validation=("case7",)).write(tmp_path / "run.yaml")
    with pytest.raises(InputError, match="case7 is to hold out, but not in the case list"):
        run("check", "--cases", ball_cases, "--config", tmp_path / "run.yaml")

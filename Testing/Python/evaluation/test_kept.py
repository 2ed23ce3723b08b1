"""What an evaluation that was stopped goes on from."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

from SATSegmentLib.errors import SATError
from SATSegmentLib.imaging import Mask, Volume
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.evaluation.evaluate import Found, Score
from SATTrainingLib.evaluation.kept import KeptScores, key_of


def _found(case, dice, shape=(12, 12, 12)):
    block = np.zeros(shape, bool)
    block[4:8, 4:8, 4:8] = True
    score = Score(case.id, "balls", "left ball", "ct", dice, dice / 2, 64, 0)
    return Found(score, Mask.empty(shape), Mask.of(block))


@pytest.fixture
def volume():
    return Volume(np.arange(12**3, dtype=np.float32).reshape(12, 12, 12), np.eye(4), "ct")


def test_cases_that_are_done_are_known_again(ball_cases, volume, tmp_path):
    cases = read_cases(ball_cases)
    kept = KeptScores(tmp_path / "kept")
    for case, dice in zip(cases[:3], (0.5, 0.25, 0.75), strict=True):
        kept.add(case, volume, [_found(case, dice)])
    again = KeptScores(tmp_path / "kept")
    assert [case.id in again for case in cases] == [True, True, True, False]
    assert again.scores == kept.scores
    ((worst, overlay),) = again.worst(5)
    assert worst.case == "case1"
    assert overlay.slices[0].reference.any()
    again.remove()
    assert not (tmp_path / "kept").exists()


def test_half_a_line_is_a_case_that_is_not_done(ball_cases, volume, tmp_path):
    cases = read_cases(ball_cases)
    kept = KeptScores(tmp_path / "kept")
    for case in cases[:2]:
        kept.add(case, volume, [_found(case, 0.5)])
    path = tmp_path / "kept" / "scores.jsonl"
    os.truncate(path, path.stat().st_size - 20)
    again = KeptScores(tmp_path / "kept")
    assert [case.id in again for case in cases[:2]] == [True, False]
    again.add(cases[1], volume, [_found(cases[1], 0.5)])
    assert len(KeptScores(tmp_path / "kept").scores) == 2
    assert [json.loads(line)["case"] for line in path.read_text().splitlines()] == ["case0", "case1"]


def test_a_damaged_line_is_a_case_that_is_not_done(ball_cases, volume, tmp_path):
    cases = read_cases(ball_cases)
    kept = KeptScores(tmp_path / "kept")
    for case in cases[:2]:
        kept.add(case, volume, [_found(case, 0.5)])
    path = tmp_path / "kept" / "scores.jsonl"
    path.write_bytes(b"\0" * 40 + b"\n" + path.read_bytes().splitlines(keepends=True)[1])
    again = KeptScores(tmp_path / "kept")
    assert [case.id in again for case in cases[:2]] == [False, True]


def test_anything_that_changes_the_scores_changes_the_key(ball_cases):
    cases = read_cases(ball_cases)
    key = key_of("hash", cases, {}, 1.0)
    assert key_of("hash", cases, {}, 1.0) == key
    assert key_of("other", cases, {}, 1.0) != key
    assert key_of("hash", cases, {}, 2.0) != key
    assert key_of("hash", cases[:3], {}, 1.0) != key
    assert key_of("hash", cases, {"balls": DatasetLabels({"left ball": ("ball",)})}, 1.0) != key
    before = cases[0].mask.stat()
    os.utime(cases[0].mask, ns=(before.st_atime_ns, before.st_mtime_ns + 1000))
    assert key_of("hash", cases, {}, 1.0) != key
    os.utime(cases[0].mask, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert key_of("hash", [dataclasses.replace(cases[0], patient="p"), *cases[1:]], {}, 1.0) == key


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(SATError, match="choose another --output"):
        KeptScores(tmp_path / "lacking" / "kept")

"""Which cases deserve a look first."""

from __future__ import annotations

import pytest

from SATSegmentLib.batch.oddness import ODD, oddness_of, robust_z


def row(volume, confidence=0.9, border=False, name="liver"):
    return {
        "name": name,
        "voxels": int(volume),
        "volume_ml": float(volume),
        "confidence": confidence,
        "touches_border": border,
    }


def cohort(**changed):
    usual = {f"case{number}": [row(1500 + 20 * number)] for number in range(9)}
    return usual | {name: [rows] for name, rows in changed.items()}


def test_a_robust_z_is_that_of_a_normal_distribution_whatever_one_outlier_does():
    volumes = [96, 98, 99, 100, 101, 102, 104]
    without = robust_z(volumes)
    assert without[3] == 0
    assert without[-1] == pytest.approx(4 / max(1.4826 * 2, 5), abs=1e-9)  # no less spread than a twentieth
    assert robust_z([*volumes, 1e6])[0] == pytest.approx(without[0], rel=0.2)
    assert robust_z([1, 1000]) == [0, 0]  # too few to say


def test_what_is_far_from_the_usual_comes_first():
    odd = oddness_of(cohort(huge=row(6000), fine=row(1550)))
    assert max(odd, key=lambda case: odd[case].score) == "huge"
    assert odd["huge"].reasons == ("liver 3.8 times the usual volume",)
    assert odd["huge"].score >= ODD
    assert odd["fine"] == odd["case3"]
    assert odd["fine"].score == 0


def test_what_is_missing_unsure_or_cut_off_is_told_the_worst_first():
    odd = oddness_of(cohort(empty=row(0), unsure=row(1500, 0.5, border=True)))
    assert odd["empty"].reasons == ("liver not found",)
    assert odd["empty"].score >= ODD
    assert odd["unsure"].reasons == ("liver unsure (0.50)", "liver at the scan's border")


def test_what_no_scan_shows_or_all_cut_off_is_not_odd():
    nowhere = oddness_of({str(i): [row(0), row(1000, border=True, name="lung")] for i in range(6)})
    assert {odd.score for odd in nowhere.values()} == {0}

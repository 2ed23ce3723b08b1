"""`satsegment terms`, run as a user runs it."""

from __future__ import annotations

import json

import pytest

from SATSegmentLib.anatomy import knowledge_tree
from SATSegmentLib.cli import BAD_INPUT, DONE, main


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main(["terms", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_search_shows_the_term_why_what_for_and_where(run):
    code, out, _ = run("search", "windpipe", "--modality", "ct")
    first = out.splitlines()[0]
    assert code == DONE
    assert first.startswith("trachea (windpipe)")
    assert "UBERON:0003126" in first
    assert "Thorax" in first or "Head and neck" in first


def test_search_as_json(run):
    code, out, _ = run("search", "left lung", "--json", "--limit", "3")
    hits = json.loads(out)
    assert code == DONE
    assert len(hits) == 3
    assert hits[0]["id"] == "UBERON:0002168"
    assert hits[0]["codes"]["type"] == ["SCT", "39607008", "Lung"]
    assert hits[0]["codes"]["modifier"][2] == "Left"
    assert hits[0]["trained"] == ["ct", "mri"]  # by the built-in model


def test_search_offers_any_text(run):
    _, out, _ = run("search", "flux capacitor")
    assert out.splitlines()[-1] == '"flux capacitor" as free text'


def test_search_without_a_query_shows_the_regions(run):
    _, out, _ = run("search", "")
    assert [line.split("  ")[0] for line in out.splitlines()][:2] == ["Brain", "Head and neck"]


@pytest.mark.parametrize("arguments", [("--modality", "xray"), ("--model", "none"), ("--limit", "0")])
def test_search_refuses_what_does_not_exist(run, arguments):
    code, _, err = run("search", "liver", *arguments)
    assert code == BAD_INPUT
    assert err.startswith("satsegment: ")


@pytest.mark.parametrize("name", ["UBERON:0004538", "left kidney", "Left Kidney", "LK"])
def test_show_by_id_name_or_synonym(run, name):
    code, out, _ = run("show", name)
    assert code == DONE
    assert out.startswith("left kidney  (UBERON:0004538)")
    for part in ("counterpart  right kidney", "SCT 64033007 Kidney", "Abdomen, Urinary system", "is a kidney"):
        assert part in out


def test_show_as_json(run):
    _, out, _ = run("show", "kidney tumor", "--json")
    values = json.loads(out)
    assert values["sat_classes"] == ["kidney tumor"]
    assert values["codes"]["region"] == ["SCT", "64033007", "Kidney"]
    assert ["located in", "kidney", "UBERON:0002113"] in values["parents"]


def test_show_says_what_is_near(run):
    code, _, err = run("show", "kidny")
    assert code == BAD_INPUT
    assert "Near are: kidney (UBERON:0002113)" in err


def test_tree_shows_regions_and_systems(run):
    code, out, _ = run("tree")
    assert code == DONE
    assert len(out.splitlines()) == 9 + 14
    assert "Thorax  (region:thorax, " in out
    assert "Heart and vessels  (system:cardiovascular, " in out


def test_tree_of_a_group_and_of_a_term(run):
    _, out, _ = run("tree", "region:thorax")
    assert out.splitlines()[0] == "Thorax"
    assert "  Respiratory system  (region:thorax/system:respiratory, " in out
    _, out, _ = run("tree", "region:thorax/system:respiratory", "--depth", "2")
    assert "  respiratory system  (" in out
    _, out, _ = run("tree", "kidney")
    assert out.splitlines()[0] == "kidney  (UBERON:0002113)"
    assert "  left kidney  (UBERON:0004538)" in out.splitlines()
    _, deeper, _ = run("tree", "kidney", "--depth", "2")
    assert len(deeper.splitlines()) > len(out.splitlines())


@pytest.mark.parametrize("arguments", [("region:tail",), ("no such term xyz",), ("--depth", "-1")])
def test_tree_refuses_what_does_not_exist(run, arguments):
    code, _, err = run("tree", *arguments)
    assert code == BAD_INPUT
    assert err


def test_find_in_a_report(run, tmp_path):
    report = tmp_path / "report.txt"
    report.write_text("The liver is enlarged. No pulmonary embolism. Right and left kidneys are normal.\n")
    code, out, _ = run("find-in", str(report), "--json")
    found = [(row["text"], row["name"], row["negated"]) for row in json.loads(out)]
    assert code == DONE
    assert found == [
        ("liver", "liver", False),
        ("pulmonary embolism", "pulmonary embolism", True),
        ("Right", "right kidney", False),
        ("left kidneys", "left kidney", False),
    ]
    text = report.read_text()
    assert all(text[row["start"] : row["end"]] == row["text"] for row in json.loads(out))
    _, out, _ = run("find-in", str(report))
    assert "pulmonary embolism" in out.splitlines()[1]
    assert out.splitlines()[1].endswith("negated")


def test_find_in_what_is_piped_in(run, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("Spleen normal."))
    _, out, _ = run("find-in", "-")
    assert "spleen (UBERON:0002106)" in out


def test_find_in_refuses_what_is_no_text(run, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    for path in (tmp_path / "none.txt", tmp_path / "binary", tmp_path):
        code, _, err = run("find-in", str(path))
        assert code == BAD_INPUT
        assert str(path) in err


def test_check_counts_and_finds_the_tree_sound(run):
    code, out, _ = run("check")
    assert code == DONE
    assert f"{len(knowledge_tree())} terms" in out
    assert "451 of 451 class names have a place" in out
    assert out.splitlines()[-1] == "no circle, no orphan, every relation leads to a term"

"""`satsegment batch`, run as a user runs it, with the built-in model on parts of a real CT."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import slicerio
from Testing.Python.batch.browser import CHROMIUM, in_browser

TERMS = ["right lung", "left lung"]


def table_of(output):
    with (output / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def content(folder):
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def first(tmp_path_factory, batch, write_scan):
    """One run over two scans and a file that is none."""
    folder = tmp_path_factory.mktemp("batch")
    write_scan(folder / "in" / "a.nrrd")
    write_scan(folder / "in" / "sub" / "b.nii.gz", brighter=20)
    (folder / "in" / "c.nii.gz").write_bytes(b"no scan")
    result = batch("--cases", folder / "in", "--terms", *TERMS, "--output", folder / "out", "--modality", "ct")
    return folder, result


def test_a_scan_that_fails_is_told_and_the_others_are_done(first):
    folder, result = first
    assert result.code == 3
    assert result.errors.count("\n") == 1
    assert "1 of 3 scans failed; the same command tries them again. c: " in result.errors
    assert "cannot be read as NIfTI" in result.errors
    assert [event["event"] for event in result.events] == ["plan", "ready", "case", "case", "case", "end"]
    assert sorted(result.done()) == ["a", "c", "sub_b"]
    names = ["a", "overview.html", "sub_b", "table.csv"]  # nothing of the failed one, nothing half done
    assert sorted(path.name for path in (folder / "out").iterdir()) == names
    rows = table_of(folder / "out")
    assert [(row["id"], row["name"]) for row in rows] == [
        ("a", "right lung"), ("a", "left lung"), ("c", ""), ("sub_b", "right lung"), ("sub_b", "left lung"),
    ]  # fmt: skip
    assert "cannot be read as NIfTI" in rows[2]["error"]


@pytest.mark.usefixtures("one_thread")
def test_a_scans_results_are_those_of_the_command_for_one(first, tmp_path, capsys):
    from SATSegmentLib.cli import main

    folder, _ = first
    arguments = ["segment", str(folder / "in" / "a.nrrd"), "--modality", "ct", "--json", "--device", "cpu"]
    arguments += ["--terms", *TERMS]
    assert main([*arguments, "--output", str(tmp_path / "a.seg.nrrd")]) == 0
    alone = json.loads(capsys.readouterr().out)["segments"]
    assert json.loads((folder / "out" / "a" / "measurements.json").read_text()) == alone
    for told, row in zip(alone, table_of(folder / "out"), strict=False):
        assert (int(row["voxels"]), float(row["volume_ml"])) == (told["voxels"], told["volume_ml"])
    mine, other = (slicerio.read_segmentation(str(f / "a.seg.nrrd")) for f in (folder / "out" / "a", tmp_path))
    assert (mine["voxels"] == other["voxels"]).all()
    assert mine["segments"] == other["segments"]
    assert mine["SlicerSAT_model"] == "sat-tiny"


def test_a_cases_seconds_and_the_networks_share_are_told(first):
    _, result = first
    *_, end = result.events
    network = 0.0
    for event in result.events:
        if event["event"] == "case" and not event["error"]:
            assert set(event["seconds"]) == {"prepare", "wait", "network", "write"}
            network += event["seconds"]["network"]
    assert end["network"] == pytest.approx(network / end["seconds"], abs=2e-3)
    assert end["failed"] == ["c"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the page in")
def test_the_page_opens_from_its_file_shows_pictures_and_sorts(first, tmp_path):
    folder, _ = first
    order = "[...document.querySelector('tbody').rows].map(row => row.cells[1].innerText.trim()).join()"

    def click(title):
        head = f"[...document.querySelectorAll('th button')].find(b => b.innerText === '{title}')"
        return f"{head}.click(), {order}"

    before, pictures, up, down, volume, links = in_browser(
        folder / "out" / "overview.html",
        [
            order,
            "[...document.images].map(i => i.complete && i.naturalWidth > 200).join()",
            click("Scan"),
            click("Scan"),
            click("right lung"),
            "[...document.links].map(link => link.href).join()",
        ],
        tmp_path,
    )
    assert before.startswith("c")  # what failed comes first
    assert pictures == "true,true"
    assert up == "a,c,sub_b"
    assert down == "sub_b,c,a"
    volumes = {row["id"]: float(row["volume_ml"]) for row in table_of(folder / "out") if row["name"] == "right lung"}
    assert volume == ",".join([*sorted(volumes, key=volumes.get), "c"])  # what has no volume comes last
    for link in links.split(","):
        assert link.startswith((folder / "out").as_uri())


def test_what_is_done_is_not_done_again(first, tmp_path, cluster, write_scan, capsys):
    from SATSegmentLib.cli import main

    folder, _ = first
    shutil.copytree(folder, tmp_path / "copy")
    scans, output = tmp_path / "copy" / "in", tmp_path / "copy" / "out"
    before = {name: content(output / name) for name in ("a", "sub_b")}
    write_scan(scans / "a.nrrd", brighter=40)
    arguments = ["--cases", str(scans), "--output", str(output), "--modality", "ct", "--device", "cpu"]
    arguments += ["--scheduler", cluster, "--terms"]
    for terms, message in (
        (TERMS, "made otherwise: a (another scan). Give --again"),
        (["right lung"], "a (other terms), sub_b (other terms). Give --again"),
    ):
        assert main(["batch", *arguments, *terms]) == 2
        assert message in capsys.readouterr().err
    assert {name: content(output / name) for name in ("a", "sub_b")} == before

    assert main(["batch", *arguments, *TERMS, "--again", "--json"]) == 3
    plan, *events = map(json.loads, capsys.readouterr().out.splitlines())
    assert sorted(event["id"] for event in events if event["event"] == "case") == [
        "a",
        "c",
    ]  # what failed is tried again
    assert plan["kept"] == ["sub_b"]
    assert content(output / "a") != before["a"]
    assert content(output / "sub_b") == before["sub_b"]
    assert [row["id"] for row in table_of(output)] == ["a", "a", "c", "sub_b", "sub_b"]

    (scans / "a.nrrd").touch()  # of the same content
    (scans / "c.nii.gz").unlink()
    assert main(["batch", *arguments, *TERMS, "--json"]) == 0
    plan, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (plan["kept"], end["failed"]) == (["a", "sub_b"], [])
    assert [row["id"] for row in table_of(output)] == ["a", "a", "sub_b", "sub_b"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--cases", "none"], 2, "neither a folder nor a list"),
        (["--cases", "in", "--terms", " "], 2, "A term is empty"),
        (["--cases", "in", "--terms", "right lung", "R lung"], 2, "mean the same"),
        (["--cases", "in", "--model", "sat-giant"], 2, 'no model "sat-giant"'),
        (["--cases", "in", "--model", "sat-nano"], 3, "satsegment models download sat-nano"),
        (["--cases", "in", "--table", "a.txt"], 2, "--table must end in .csv"),
        (["--cases", "in", "--table", "mine.csv"], 2, "mine.csv exists"),
        (["--cases", "in", "--output", "mine.csv"], 2, "is a file"),
        (["--cases", "in", "--output", "taken"], 2, "holds no result of a batch"),
        (["--cases", "in", "--scheduler", "here"], 2, '--scheduler is "local" or an address'),
        (["--cases", "in", "--device", "cuda:77", "--scheduler", "CLUSTER"], 2, "not available"),
        (["--cases", "in", "--scheduler", "tcp://127.0.0.1:9"], 3, "no Dask scheduler at tcp://127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(arguments, code, message, request, tmp_path, monkeypatch, capsys):
    from SATSegmentLib.batch import cluster
    from SATSegmentLib.cli import main

    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    monkeypatch.chdir(tmp_path)
    request.getfixturevalue("write_scan")(tmp_path / "in" / "a.nrrd")
    (tmp_path / "mine.csv").write_text("patient,volume\n")
    (tmp_path / "taken" / "a").mkdir(parents=True)
    before = content(tmp_path)
    arguments = [request.getfixturevalue("cluster") if given == "CLUSTER" else given for given in arguments]
    given = ["--output", "out"] if "--output" not in arguments else []
    given += ["--terms", "liver"] if "--terms" not in arguments else []
    assert main(["batch", *arguments, *given]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert content(tmp_path) == before
    assert not (tmp_path / "out").exists()

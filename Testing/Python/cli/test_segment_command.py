"""`satsegment segment`, run as a user runs it, with the built-in model on a real CT."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import slicerio
from Testing.Python.imaging.dicom_made import write_series

from SATSegmentLib.imaging import Volume

SOURCES = Path(__file__).resolve().parents[3] / "SATSegment"
TERMS = ["right lung", "left lung", "liver"]


def _command(*arguments):
    return [sys.executable, "-m", "SATSegmentLib", *map(str, arguments)]


def _environment():
    return {**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONUTF8": "1"}


def _run(*arguments):
    result = subprocess.run(
        _command(*arguments),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=_environment(),
        stdin=subprocess.DEVNULL,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """One run with every output."""
    folder = tmp_path_factory.mktemp("segment")
    ct = Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd"
    (folder / "masks").mkdir()
    code, out, err = _run(
        "segment", ct, "--terms", *TERMS, "--output", folder / "a.seg.nrrd", "--table", folder / "a.csv",
        "--overview", folder / "a.png", "--masks", folder / "masks", "--json",
    )  # fmt: skip
    assert code == 0, err
    return folder, json.loads(out), err


def test_the_lungs_of_a_ct_never_trained_on_are_found(result):
    folder, report, _ = result
    reference = slicerio.read_segmentation(str(Path(slicerio.__file__).parent / "data" / "Segmentation.seg.nrrd"))
    wanted = {s["name"]: reference["voxels"] == s["labelValue"] for s in reference["segments"]}
    for term in ("right lung", "left lung"):
        mask = np.asarray(nibabel.load(folder / "masks" / f"{term.replace(' ', '_')}.nii.gz").dataobj) > 0
        assert 2 * (mask & wanted[term]).sum() / (mask.sum() + wanted[term].sum()) > 0.85
    assert report["modality"] == "ct"
    assert [row["name"] for row in report["segments"]] == TERMS


def test_segments_are_named_coded_and_on_the_scans_grid(result, chest_ct):
    folder, _, _ = result
    segmentation = slicerio.read_segmentation(str(folder / "a.seg.nrrd"))
    volume = Volume.read(chest_ct)
    assert [s["name"] for s in segmentation["segments"]] == TERMS
    right, left, liver = (s["terminology"] for s in segmentation["segments"])
    assert right["type"] == left["type"] == ["SCT", "39607008", "Lung"]
    assert right["typeModifier"][1] == "24028007"
    assert left["typeModifier"][1] == "7771000"
    assert liver["type"][1] == "10200004"
    assert segmentation["SlicerSAT_model"] == "sat-tiny"  # where it came from
    assert segmentation["voxels"].shape[-3:] == volume.shape
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ segmentation["ijkToLPS"], volume.affine, atol=1e-5)


def test_the_table_says_what_the_json_says(result):
    folder, report, _ = result
    with (folder / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, told in zip(rows, report["segments"], strict=True):
        mask = nibabel.load(folder / "masks" / f"{row['name'].replace(' ', '_')}.nii.gz")
        assert int(row["voxels"]) == told["voxels"] == int((np.asarray(mask.dataobj) > 0).sum())
        millilitres = told["voxels"] * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
        assert float(row["volume_ml"]) == pytest.approx(millilitres, rel=1e-4)


def test_existing_files_are_kept_unless_told_otherwise(result, chest_ct):
    folder, _, _ = result
    before = (folder / "a.seg.nrrd").read_bytes()
    code, out, err = _run("segment", chest_ct, "--terms", "liver", "--output", folder / "a.seg.nrrd")
    assert (code, out) == (2, "")
    assert "--overwrite" in err
    assert err.count("\n") == 1
    assert (folder / "a.seg.nrrd").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.nii.gz", "--terms", "liver"], "There is no file none.nii.gz"),
        (["CT", "--terms", " "], "A term is empty"),
        (["CT", "--terms", "liver", "--modality", "x-ray"], '"x-ray" is no modality'),
        (["CT", "--terms", "liver", "--model", "sat-giant"], 'no model "sat-giant"; known are sat-tiny'),
        (["CT", "--terms", "liver", "--device", "cuda:77"], "not available"),
        (["CT", "--terms", "right lung", "R lung"], "mean the same"),
        (["CT", "--terms", "liver", "--output", "a.txt"], "--output must end in .seg.nrrd"),
        (["CT", "--terms", "liver", "--overview", "nowhere/a.png"], "nowhere"),
        (
            ["CT", "--terms", "liver", "--roi", "900", "900", "900", "950", "950", "950"],
            "region of interest lies outside",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, message, chest_ct, tmp_path, monkeypatch, capsys):
    from SATSegmentLib.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["segment", *(str(chest_ct) if a == "CT" else a for a in arguments)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["R lung", "Lunge, rechts"])
def test_another_name_of_a_trained_term_gives_its_mask_and_code(result, chest_ct, tmp_path, capsys, name):
    from SATSegmentLib.cli import main

    _, report, _ = result
    target = tmp_path / "a.seg.nrrd"
    assert main(["segment", str(chest_ct), "--terms", name, "--output", str(target), "--json"]) == 0
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)["segments"]
    assert row["name"] == name.lower()
    assert row["voxels"] == next(other["voxels"] for other in report["segments"] if other["name"] == "right lung")
    assert not row["free_text"]
    assert f'"{name.lower()}" is asked for as "right lung"' in captured.err
    (segment,) = slicerio.read_segmentation(str(target))["segments"]
    assert segment["terminology"]["type"] == ["SCT", "39607008", "Lung"]
    assert segment["terminology"]["typeModifier"][1] == "24028007"


def test_a_model_that_is_not_installed_is_named_with_what_to_do(chest_ct, capsys):
    from SATSegmentLib.cli import main

    assert main(["segment", str(chest_ct), "--terms", "liver", "--model", "sat-nano"]) == 3
    assert "satsegment models download sat-nano" in capsys.readouterr().err


def test_a_term_outside_the_vocabulary_is_free_text_and_said_so(chest_ct, capsys):
    from SATSegmentLib.cli import main

    roi = ["--roi", "-60", "-60", "-200", "60", "60", "-100"]
    assert main(["segment", str(chest_ct), "--terms", "Left  Lungish", *roi, "--json"]) == 0
    captured = capsys.readouterr()
    assert '"left lungish" is free text' in captured.err
    assert "left lung" in captured.err.partition("near are")[2]
    (row,) = json.loads(captured.out)["segments"]
    assert row["free_text"]


def test_overlapping_terms_do_not_fit_one_label_map_but_do_fit_a_segmentation(chest_ct, tmp_path, capsys):
    from SATSegmentLib.cli import main

    arguments = ["segment", str(chest_ct), "--terms", "lung", "left lung", "--output"]
    assert main([*arguments, str(tmp_path / "a.nii.gz")]) == 2
    assert "overlap" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([*arguments, str(tmp_path / "a.seg.nrrd")]) == 0
    assert slicerio.read_segmentation(str(tmp_path / "a.seg.nrrd"))["voxels"].ndim == 4


_INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have had it ignored
from SATSegmentLib.cli import main
from SATSegmentLib.inference import predictor
encode, calls = predictor.Predictor._encode_batch, []
def encode_and_interrupt(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return encode(*arguments)
predictor.Predictor._encode_batch = encode_and_interrupt
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process on Windows, Ctrl-C does not")
def test_ctrl_c_leaves_no_half_file(chest_ct, tmp_path):
    outputs = ["--output", tmp_path / "a.seg.nrrd", "--table", tmp_path / "a.csv"]
    command = [sys.executable, "-c", _INTERRUPTED, "segment", chest_ct, "--terms", "liver", *outputs]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=_environment(), check=False)
    assert result.returncode == 130, result.stderr
    assert result.stderr == "satsegment: stopped; nothing was written that is not complete.\n"
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())


def test_outputs_must_not_be_written_over_each_other_or_the_scan(chest_ct, tmp_path, capsys):
    from SATSegmentLib.cli import main

    arguments = ["segment", str(chest_ct), "--terms", "liver", "--overwrite"]
    for outputs in (
        ["--output", str(tmp_path / "liver.nii.gz"), "--masks", str(tmp_path)],
        ["--output", str(tmp_path / "liver.nii.gz"), "--masks", str(tmp_path / "." / "..") + f"/{tmp_path.name}"],
    ):
        assert main([*arguments, *outputs]) == 2
        assert "a name of its own" in capsys.readouterr().err
    scan = tmp_path / "scan.seg.nrrd"
    scan.write_bytes(chest_ct.read_bytes())
    assert main(["segment", str(scan), "--terms", "liver", "--overwrite", "--output", str(scan)]) == 2
    assert scan.read_bytes() == chest_ct.read_bytes()


def test_a_modality_the_model_was_not_trained_on_is_said(chest_ct, capsys):
    from SATSegmentLib.cli import main

    roi = ["--roi", "-60", "-60", "-200", "60", "60", "-100"]
    assert main(["segment", str(chest_ct), "--terms", "liver", "--modality", "pet", *roi, "--json"]) == 0
    captured = capsys.readouterr()
    assert "was not trained on it for pet" in captured.err
    assert json.loads(captured.out)["segments"][0]["free_text"]


def test_a_dicom_scan_gives_dicom_seg_of_its_own_slices(chest_ct, tmp_path, capsys):
    import highdicom

    from SATSegmentLib.cli import main

    chest = Volume.read(chest_ct)
    part = Volume(np.ascontiguousarray(chest.array[20:108, 30:100, 8:24]), chest.affine, "ct")
    files = write_series(tmp_path / "scan ü", part)
    target = tmp_path / "seg.dcm"
    arguments = ["segment", str(tmp_path / "scan ü"), "--terms", "right lung", "Lunge, links", "--json"]
    assert main([*arguments, "--output", str(target)]) == 0
    rows = json.loads(capsys.readouterr().out)["segments"]
    seg = highdicom.seg.segread(target)
    names = [(one.SegmentLabel, one.SegmentedPropertyTypeCodeSequence[0].CodeValue) for one in seg.SegmentSequence]
    assert names == [("right lung", "39607008"), ("lunge, links", "39607008")]
    assert (str(seg.PatientName), seg.PatientID, seg.StudyInstanceUID) == ("Müller^Max", "17", "1.2.3")
    uids = [pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files]
    masks = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True)
    assert [int(mask.sum()) for mask in np.moveaxis(masks, -1, 0)] == [row["voxels"] for row in rows]
    assert min(row["voxels"] for row in rows) > 100
    before = target.read_bytes()
    assert main([*arguments, "--output", str(target)]) == 2  # not without --overwrite
    assert target.read_bytes() == before


def test_a_scan_that_is_no_dicom_is_told_so_before_the_work(chest_ct, tmp_path, capsys):
    from SATSegmentLib.cli import main

    target = tmp_path / "seg.dcm"
    assert main(["segment", str(chest_ct), "--terms", "liver", "--output", str(target)]) == 2
    captured = capsys.readouterr()
    assert "DICOM" in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_dicom_seg_that_cannot_be_written_is_told_before_the_work(chest_ct, tmp_path, capsys):
    from SATSegmentLib.cli import main

    chest = Volume.read(chest_ct)
    part = Volume(np.ascontiguousarray(chest.array[20:108, 30:100, 8:12]), chest.affine, "ct")
    files = write_series(tmp_path / "scan", part)
    arguments = ["segment", str(tmp_path / "scan"), "--terms", "liver", "--overwrite", "--device", "cuda:77"]
    before = [file.read_bytes() for file in files]
    link = tmp_path / "seg.dcm"  # another name of an image
    link.hardlink_to(files[1])
    for target in (files[0], link):
        assert main([*arguments, "--output", str(target)]) == 2
        assert f"{target} is one of the images of" in capsys.readouterr().err
    link.unlink()
    assert [file.read_bytes() for file in files] == before
    for file in files:
        dataset = pydicom.dcmread(file)
        del dataset.FrameOfReferenceUID
        dataset.save_as(file)
    assert main([*arguments, "--output", str(link)]) == 2
    assert "have no FrameOfReferenceUID" in capsys.readouterr().err  # and not that there is no such device
    assert not link.exists()

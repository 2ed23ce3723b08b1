"""The panel's export of DICOM SEG without QuantitativeReporting: real Qt, a real scene, a real process."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from Testing import Harness
from Testing.Python.imaging.dicom_made import write_series

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask, Volume

ROOT = Path(__file__).resolve().parents[3]


class Database:
    """What Slicer's DICOM database tells: the file of an instance."""

    def __init__(self, files):
        self.files = {pydicom.dcmread(file).SOPInstanceUID: str(file) for file in files}

    def fileForInstance(self, uid):
        return self.files.get(uid, "")


@pytest.fixture
def loaded(panel, tmp_path, monkeypatch):
    """A segmented volume as Slicer loads it from DICOM, both chosen in the panel; returns the series' files."""
    import slicer

    from SATSegmentLib.mrml import SegmentWriter
    from SATSegmentLib.mrml.geometry import to_vtk

    made = Volume(np.zeros((12, 10, 6), np.int16), np.diag([-2.0, -2.0, 3.0, 1.0]), "ct")
    files = write_series(tmp_path / "series", made)
    database = Database(files)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Chest")
    slicer.util.updateVolumeFromArray(volume, made.array.transpose(2, 1, 0).copy())
    volume.SetIJKToRASMatrix(to_vtk(made.affine))
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(database.files))
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Found")
    mask = Mask(made.shape, (2, 3, 1), np.ones((4, 5, 3), bool))
    SegmentWriter(segmentation, volume).put("liver", coded_entry("liver"), mask)
    panel.exports._nodes = lambda: (volume, segmentation)
    return files


def test_the_file_is_written_beside_slicer(panel, loaded, tmp_path):
    """Slicer goes on meanwhile, its scene may be closed, and the menu does not begin a second one."""
    import highdicom
    import slicer

    Harness.answer(str(tmp_path / "mine"))
    panel.exports.dicom()
    assert not (tmp_path / "mine.dcm").exists()
    panel.exports._update()
    assert not panel.exports._dicom.enabled
    slicer.mrmlScene.Clear(0)
    assert Harness.wait_until((tmp_path / "mine.dcm").exists, 120)
    assert Harness.wait_until(lambda: panel.exports._job is None, 30)
    panel.exports._update()
    assert panel.exports._dicom.enabled
    seg = highdicom.seg.segread(tmp_path / "mine.dcm")
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["liver"]
    assert seg.NumberOfFrames == 3 and int(seg.pixel_array.sum()) == 4 * 5 * 3


def test_a_failure_is_said(panel, loaded, tmp_path):
    loaded[2].write_bytes(b"no longer an image")
    Harness.answer(str(tmp_path / "mine.dcm"))
    panel.exports.dicom()
    assert Harness.wait_until(lambda: panel.exports._job is None, 120)
    assert "write .seg.nrrd" in Harness.dialogs_shown()[-1].text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["series"]


def test_the_package_is_installed_with_consent_only(panel, loaded, tmp_path, monkeypatch):
    from Testing.Harness import packaging

    found = importlib.metadata.version
    there = []

    def version(name):
        if name == "highdicom" and not there:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    packaging.asked.clear()
    Harness.answer("Cancel")
    panel.exports.dicom()
    assert "highdicom" in Harness.dialogs_shown()[-1].text
    assert packaging.asked == []
    packaging.planned.append((["ERROR: No matching distribution found for highdicom"], 1))
    Harness.answer("OK")
    panel.exports.dicom()
    assert Harness.wait_until(lambda: panel.exports._installation is None)
    assert [line.partition(">")[0] for line in packaging.asked[0]] == ["highdicom"]
    assert "could not be installed" in Harness.dialogs_shown()[-1].text
    packaging.planned.append((["Collecting highdicom"], 0))
    Harness.answer("OK", "")  # the second is no name for the file
    panel.exports.dicom()
    there.append(True)
    assert Harness.wait_until(lambda: not Harness.unused_answers())
    assert panel.exports._job is None


def test_a_panel_opens_without_dicom_packages():
    """Slicer's Python lacks highdicom until it is asked for."""
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"highdicom", "pydicom"}:
            raise ImportError(name)

sys.meta_path.insert(0, Absent())
import SATSegmentLib.imaging.dicom, SATSegmentLib.imaging.dicom_geometry
import SATSegmentLib.output.dicom_job, SATSegmentLib.output.dicom_seg
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "SATSegment")

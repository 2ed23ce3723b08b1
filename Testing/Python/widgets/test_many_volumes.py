"""The section for many volumes: real Qt, a real scene, the real command and the built-in model."""

from __future__ import annotations

import time

import pytest
from Testing import Harness

pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def many(widget):
    """The section, opened."""
    widget.ui.manySection.collapsed = False
    widget._parameterNode.device = "cpu"
    Harness.process_events()
    return widget.panel.many


def add_terms(widget, *wanted):
    for name in wanted:
        Harness.type_keys(widget.panel.picker.field, f"{name}<Enter>")
    Harness.type_keys(widget.panel.picker.field, "<Esc>")


@pytest.fixture
def write_part(chest_ct):
    """Writes a part of a real chest CT that one window holds, brighter by some Hounsfield units."""
    import SimpleITK as sitk

    def write(path, brighter=0):
        sitk.WriteImage(sitk.ReadImage(str(chest_ct))[20:108, 30:100, 8:24] + brighter, str(path))
        return path

    return write


@pytest.fixture
def load_part(write_part, tmp_path):
    """Loads such a part into the scene."""
    import slicer

    return lambda name, brighter=0: slicer.util.loadVolume(str(write_part(tmp_path / f"{name}.nrrd", brighter)))


def segmentations():
    import slicer

    return {node.GetName(): node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")}


def test_what_is_missing_is_said(widget, many, tmp_path):
    assert not many.run_button.enabled
    assert "Choose at least one term first" in many.run_button.toolTip
    add_terms(widget, "right lung")
    assert "Check at least one volume" in many.run_button.toolTip
    many.source.currentIndex = 1
    assert "Choose a folder first" in many.run_button.toolTip
    assert many.folder_place.isVisible()
    assert not many.list.isVisible()
    many.folder.currentPath = str(tmp_path / "nowhere")
    Harness.click(many.run_button)
    assert many.error_text.text == "Choose a folder that is there."
    many.folder.currentPath = str(tmp_path)
    assert many.error_text.text == ""


def test_checked_volumes_each_get_a_segmentation(widget, many, load_part):
    import numpy as np
    import qt
    import slicer

    volumes = [load_part("one"), load_part("two", 20), load_part("three")]
    slicer.util.setSliceViewerLayers(background=volumes[0])
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.diag([-1.0, 1, 1, 1])  # mirrored: right is left
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volumes[1].SetAndObserveTransformNodeID(transform.GetID())
    add_terms(widget, "right lung", "left lung")
    assert Harness.wait_until(lambda: many.list.count == 3)
    many.list.item(2).setCheckState(qt.Qt.Unchecked)
    Harness.process_events()
    assert many.run_button.text == "Segment 2 volumes"
    Harness.click(widget.ui.keepLargest)
    Harness.click(widget.ui.fillHoles)
    Harness.click(many.run_button)
    assert many.run.busy, many.error_text.text
    assert not many.run_button.enabled
    assert Harness.wait_until(lambda: not many.run.busy, 240)
    assert many.error_text.text == ""
    hidden = "Results of volumes that no view shows are hidden; show them in the Data module."
    assert many.status.text == f"Volumes done: 2 of 2. {hidden}"
    found = segmentations()
    assert {name: bool(node.GetDisplayVisibility()) for name, node in found.items()} == {
        "one segmentation": True,
        "two segmentation": False,
    }
    assert sorted(found) == ["one segmentation", "two segmentation"]
    voxels = {}
    for name, volume in zip(("one", "two"), volumes, strict=False):
        node = found[f"{name} segmentation"]
        segmentation = node.GetSegmentation()
        assert [segmentation.GetNthSegment(i).GetName() for i in range(2)] == ["right lung", "left lung"]
        assert "39607008" in segmentation.GetNthSegment(0).GetTerminology()
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        assert node.GetNodeReference(role) is volume
        masks = [
            slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentation.GetNthSegmentID(i), volume) for i in (0, 1)
        ]
        voxels[name] = [int((mask > 0).sum()) for mask in masks]
        columns = np.nonzero(masks[0].any((0, 1)))[0].mean(), np.nonzero(masks[1].any((0, 1)))[0].mean()
        # in the array the mirrored one's right lung is where the other's left one is
        assert (columns[0] > columns[1]) == (name == "one")
    assert min(*voxels["one"], *voxels["two"]) > 100
    assert many.page_button.enabled
    page = many.run.overview
    assert page.is_file()
    widget._parameterNode.outputSegmentation = found["one segmentation"]
    assert Harness.wait_until(lambda: len(widget.panel.session.rows) == 2)
    assert [row.voxels for row in widget.panel.session.rows] == voxels["one"]
    cleaned = [row.measured["cleaned"] for row in widget.panel.session.rows]
    assert all(what.startswith("largest component (") and ", holes filled (" in what for what in cleaned)
    assert widget.panel.session.rows[0].confidence > 0.4
    widget._parameterNode.outputSegmentation = found["two segmentation"]
    assert Harness.wait_until(lambda: [row.voxels for row in widget.panel.session.rows] == voxels["two"])
    table = widget.panel.results.table
    Harness.click((table, table.model().index(0, 0)))
    assert found["two segmentation"].GetDisplayVisibility()  # as one goes there
    widget.panel.many.close()
    assert not page.exists()


def test_a_folders_page_is_opened_and_what_fails_or_is_refused_told(widget, many, write_part, tmp_path, monkeypatch):
    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))  # no browser here
    (tmp_path / "in").mkdir()
    write_part(tmp_path / "in" / "a.nrrd")
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"no scan")
    add_terms(widget, "right lung")
    many.source.currentIndex = 1
    many.folder.currentPath = str(tmp_path / "in")
    assert many.output.currentPath == f"{tmp_path / 'in'}-SAT"
    Harness.click(many.run_button)
    assert Harness.wait_until(lambda: not many.run.busy, 240)
    assert "b: " in many.error_text.text
    assert "cannot be read as NIfTI" in many.error_text.text
    assert many.status.text == "Volumes done: 1 of 2."
    assert opened == [str(tmp_path / "in-SAT" / "overview.html")]
    assert (tmp_path / "in-SAT" / "overview.html").is_file()

    Harness.click(widget.ui.fillHoles)
    Harness.click(many.run_button)
    assert Harness.wait_until(lambda: not many.run.busy, 120)
    said = many.error_text.text
    assert f"{tmp_path / 'in-SAT'} holds results that were made otherwise: a (other settings)" in said
    assert "Choose another folder under Results" in said and "--" not in said + many.run.error.details
    assert len(opened) == 1 and not many.page_button.enabled
    many.folder.currentPath = str(tmp_path / "nowhere")
    Harness.click(many.run_button)
    assert many.error_text.text == "Choose a folder that is there."


def test_the_time_left_falls_from_scan_to_scan():
    from SATSegmentLib.widgets.many_run import ManyRun
    from SATSegmentLib.widgets.outcome import NO_CLEANING

    run = ManyRun({}, "sat-tiny", "cpu", NO_CLEANING)
    run._heard({"event": "plan", "cases": 200, "kept": ["a"]})
    run._heard({"event": "ready"})
    assert run.seconds_left is None
    time.sleep(0.02)
    run._heard({"event": "case", "id": "b", "error": ""})
    first = run.seconds_left
    time.sleep(0.02)
    assert 0 < run.seconds_left <= first - 0.02


def test_cancel_ends_it_at_once_and_a_closed_scene_too(widget, many, load_part):
    import psutil
    import slicer

    load_part("one")
    add_terms(widget, "right lung")
    assert Harness.wait_until(lambda: many.list.count == 1)
    for end in (lambda: Harness.click(many.cancel_button), lambda: slicer.mrmlScene.Clear(0)):
        Harness.click(many.run_button)
        run = many.run
        assert Harness.wait_until(lambda run=run: run._process is not None, 60)
        process = psutil.Process(run._process._process.pid)
        assert many.cancel_button.enabled
        end()
        assert not run.busy
        process.wait(10)
        assert not run._process._folder.exists()
        assert segmentations() == {}
    assert many.run is None

"""A case's files shown in a scene."""

from __future__ import annotations

import numpy as np
import pytest
from Testing.Python.mrml.reading import assert_holds

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask
from SATTrainingLib.cases import read_cases
from SATTrainingLib.mrml import case_nodes


@pytest.fixture
def view(scene, monkeypatch):
    """On the scene of the test; the slice views are the application's, which is not here."""
    monkeypatch.setattr(case_nodes.slicer.util, "setSliceViewerLayers", lambda **_: None)
    return case_nodes.CaseView()


def node_classes(scene):
    return [scene.GetNthNode(index).GetClassName() for index in range(scene.GetNumberOfNodes())]


def test_segments_lie_where_the_files_say(scene, view, ball_cases):
    case = read_cases(ball_cases)[0]
    loaded = case_nodes.load(case)
    volume = view.show_volume(loaded, scene)
    masks = loaded.masks()
    assert masks["left ball"].block.sum() > 100
    node = view.show_segments("reference", masks, {"left ball": "left kidney"}, outline=False)
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegment(i).GetName() for i in range(2)] == ["left ball", "right ball"]
    for index, mask in enumerate(masks.values()):
        assert_holds(node, segmentation.GetNthSegmentID(index), volume, mask)
    assert segmentation.GetNthSegment(0).GetColor() == pytest.approx(
        [c / 255 for c in coded_entry("left kidney").color]
    )
    assert node.GetDisplayNode().GetVisibility2DFill()


def test_another_case_takes_its_place_and_nothing_is_saved(scene, view, ball_cases, tmp_path):
    first, second = (case_nodes.load(case) for case in read_cases(ball_cases)[:2])
    before = node_classes(scene)
    view.show_volume(first, scene)
    view.show_segments("reference", {"a": Mask.of(np.ones(first.volume.shape, bool))}, {}, outline=True)
    view.show_volume(second, scene)
    assert (view.case_id, scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")) == ("case1", 0)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    assert "case1" not in (tmp_path / "scene.mrml").read_text()
    view.remove()
    assert node_classes(scene) == before
    assert not view.shown


def test_it_survives_a_closed_scene(scene, view, ball_cases):
    loaded = case_nodes.load(read_cases(ball_cases)[0])
    view.show_volume(loaded, scene)
    scene.Clear(0)
    assert not view.shown
    view.show_volume(loaded, scene)
    assert view.shown

"""What is seen in a slice view, drawn by 3D Slicer's own segmentation display without a window."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from Testing.Python.mrml.reading import SHAPE, box
from vtk import VTK_OBJECT, calldata_type, vtkGenericOpenGLRenderWindow, vtkGenericRenderWindowInteractor, vtkRenderer
from vtk.util.numpy_support import vtk_to_numpy

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask
from SATSegmentLib.mrml import Outline, SegmentWriter, jump_to

SIZE = 100  # pixels and millimetres of the view
LOW, HIGH = box((2, 3, 4), (8, 9, 10)), box((10, 10, 4), (18, 20, 10))


class SliceView:
    """An axial slice view whose actors' pixels can be read."""

    def __init__(self, scene):
        logic = slicer.vtkMRMLApplicationLogic()
        logic.SetMRMLScene(scene)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(logic)
        manager = "vtkMRMLSegmentationsDisplayableManager2D"
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
        self._renderer = vtkRenderer()
        window = vtkGenericOpenGLRenderWindow()
        window.AddRenderer(self._renderer)
        interactor = vtkGenericRenderWindowInteractor()
        interactor.SetRenderWindow(window)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(self._renderer)
        self._group.Initialize(factory, self._renderer)
        self._slice_logic = slicer.vtkMRMLSliceLogic()
        self._slice_logic.SetMRMLScene(scene)
        self.node = self._slice_logic.AddSliceNode("Red")
        self.node.SetDimensions(SIZE, SIZE, 1)
        self.node.SetFieldOfView(SIZE, SIZE, 1)
        self._group.SetMRMLDisplayableNode(self.node)
        self._keep = logic, window, interactor

    def pixels(self) -> dict[tuple[int, int, int], int]:
        """How many pixels of each colour the visible actors draw."""
        found: dict[tuple[int, int, int], int] = {}
        actors = self._renderer.GetActors2D()
        for actor in (actors.GetItemAsObject(index) for index in range(actors.GetNumberOfItems())):
            mapper = actor.GetMapper()
            if not actor.GetVisibility() or not mapper.IsA("vtkImageMapper"):
                continue
            mapper.GetInputAlgorithm().Update()
            values = vtk_to_numpy(mapper.GetInput().GetPointData().GetScalars()).reshape(-1, 4)
            colors, counts = np.unique(values[values[:, 3] > 0, :3], axis=0, return_counts=True)
            for color, count in zip(colors.tolist(), counts.tolist(), strict=True):
                found[tuple(color)] = found.get(tuple(color), 0) + count
        return found


@pytest.fixture
def straight(add_volume):
    """A volume of 1 mm voxels, so that a voxel is a pixel."""
    return add_volume(affine=np.eye(4))


@pytest.fixture
def view(scene, straight):
    view = SliceView(scene)
    jump_to((10, 12, 6), scene)
    return view


def _nodes(scene):
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


def _previews(scene):
    return [node for node in _nodes(scene) if node.IsA("vtkMRMLSegmentationNode")]


def test_slice_views_jump_to_a_place(scene):
    nodes = [scene.AddNewNodeByClass("vtkMRMLSliceNode") for _ in range(3)]
    vtkMRMLSliceNode = slicer.vtkMRMLSliceNode
    for node, orientation in zip(nodes, ("Axial", "Sagittal", "Coronal"), strict=True):
        vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        node.SetOrientation(orientation)
    jump_to(np.array([11.0, -22.0, 33.0]), scene)
    for node in nodes:
        matrix = node.GetSliceToRAS()
        np.testing.assert_allclose([matrix.GetElement(row, 3) for row in range(3)], [11, -22, 33])


def test_segments_appear_one_after_the_other_and_go_with_undo(view, straight, segmentation):
    writer = SegmentWriter(segmentation, straight)
    liver, spleen = coded_entry("liver"), coded_entry("spleen")
    segmentation.GetDisplayNode().SetVisibility2DOutline(False)
    assert view.pixels() == {}
    writer.begin()
    first = writer.put("liver", liver, LOW)
    assert view.pixels() == {liver.color: 36}
    writer.put("spleen", spleen, HIGH)
    assert view.pixels() == {liver.color: 36, spleen.color: 80}
    writer.finish()
    writer.put("liver", liver, box((2, 3, 4), (4, 5, 10)), replace=first)
    assert view.pixels() == {liver.color: 4, spleen.color: 80}
    writer.undo()
    assert view.pixels() == {liver.color: 36, spleen.color: 80}


def test_an_outline_is_seen_until_it_is_cleared(view, straight):
    outline = Outline(straight)
    outline.show(HIGH, (255, 0, 0))
    (color, ring), *more = view.pixels().items()
    assert color == (255, 0, 0)
    assert not more
    assert 32 <= ring < 80  # its border, not its area
    outline.show(LOW, (0, 255, 0))
    assert list(view.pixels()) == [(0, 255, 0)]
    outline.clear()
    assert view.pixels() == {}
    outline.show(HIGH, (255, 0, 0))
    assert view.pixels() == {(255, 0, 0): ring}
    outline.remove()
    assert view.pixels() == {}


def test_an_outline_is_where_the_mask_is(scene, view, straight, add_transform):
    straight.SetAndObserveTransformNodeID(add_transform().GetID())  # 33 mm up
    outline = Outline(straight)
    outline.show(HIGH, (255, 0, 0))
    assert view.pixels() == {}
    jump_to((10, 12, 39), scene)
    assert list(view.pixels()) == [(255, 0, 0)]


def test_showing_an_outline_adds_no_nodes_after_the_first(scene, straight):
    outline = Outline(straight)
    outline.show(LOW, (255, 0, 0))
    nodes = _nodes(scene)
    for _ in range(5):
        outline.show(HIGH, (255, 0, 0))
        outline.clear()
    outline.show(Mask.empty(SHAPE), (255, 0, 0))
    assert _nodes(scene) == nodes


def test_an_outline_is_listed_nowhere_and_leaves_the_users_segments_alone(scene, straight, segmentation):
    writer = SegmentWriter(segmentation, straight)
    writer.put("liver", coded_entry("liver"), LOW)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = hierarchy.GetNumberOfItems()
    Outline(straight).show(LOW, (255, 0, 0))
    (preview,) = [node for node in _previews(scene) if node is not segmentation]
    for node in (preview, preview.GetDisplayNode()):
        assert node.GetHideFromEditors()
        assert not node.GetSaveWithScene()
    assert preview.GetStorageNode() is None
    assert hierarchy.GetNumberOfItems() == items
    assert not hierarchy.GetItemByDataNode(preview)
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 1
    assert writer.undo() == 1


@pytest.fixture
def heard(scene):
    """Events of segmentation nodes for which the application looks up an item in the subject hierarchy."""
    events = []
    kinds = {
        name: getattr(slicer.vtkSegmentation, name) for name in ("SegmentAdded", "SegmentRemoved", "SegmentModified")
    }
    kinds["DisplayModified"] = slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent

    @calldata_type(VTK_OBJECT)
    def added(_scene, _event, node):
        if node.IsA("vtkMRMLSegmentationNode"):
            for name, kind in kinds.items():
                node.AddObserver(kind, lambda *_, name=name: events.append(name))

    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)
    return events


def test_the_subject_hierarchy_is_never_asked_for_an_item_of_an_outline(view, straight, heard):
    """It would log an error, since hidden nodes have none."""
    outline = Outline(straight)
    outline.show(LOW, (255, 0, 0))
    outline.show(HIGH, (0, 255, 0))
    assert view.pixels()
    outline.clear()
    outline.show(HIGH, (0, 255, 0))
    outline.remove()
    assert heard == []


def test_an_outline_leaves_with_the_scene_and_comes_back(scene, add_volume):
    volume = add_volume()
    outline = Outline(volume)
    outline.show(LOW, (255, 0, 0))
    scene.Clear(False)
    assert _previews(scene) == []
    outline.show(LOW, (255, 0, 0))  # the volume went too
    outline.clear()
    outline.remove()
    assert _previews(scene) == []
    again = Outline(add_volume())
    again.show(LOW, (255, 0, 0))
    assert len(_previews(scene)) == 1


def test_an_outline_whose_node_somebody_removed_comes_back(scene, straight):
    outline = Outline(straight)
    outline.show(LOW, (255, 0, 0))
    scene.RemoveNode(_previews(scene)[0])
    outline.clear()
    outline.show(LOW, (255, 0, 0))
    assert len(_previews(scene)) == 1

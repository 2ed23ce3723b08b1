"""The slice views: going to a place, and a mask shown for a moment."""

from __future__ import annotations

import slicer

from ..imaging import Mask
from .geometry import first_voxel, ijk_to_node
from .layers import LABELMAP, Stencil, place

_SEGMENT = "preview"
_THICKNESS = 3  # pixels; segments' own outlines have one


def jump_to(ras: tuple[float, float, float], scene=None) -> None:
    """Brings a point into the middle of all slice views.

    Args:
        ras: RAS millimetres, world coordinates.
        scene: The application's unless given.
    """
    slice_node = slicer.vtkMRMLSliceNode
    slice_node.JumpAllSlices(scene or slicer.mrmlScene, *map(float, ras), slice_node.CenteredJumpSlice)


def is_shown(volume_node) -> bool:
    """Whether a slice view has a volume in its background or foreground; True where there is no slice view."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", volume_node.GetScene())
    shown = {get() for node in composites for get in (node.GetBackgroundVolumeID, node.GetForegroundVolumeID)}
    return not composites or volume_node.GetID() in shown


def show_volume(volume_node) -> None:
    """Puts a volume in the slice views where none of them has it: what is found in it is to be seen."""
    if not is_shown(volume_node):
        slicer.util.setSliceViewerLayers(background=volume_node, fit=True)


class Outline:
    """A mask of a volume as an outline in the slice views, until it is cleared.

    It is a segmentation node of its own that no list shows, that is not in the subject hierarchy and not saved. It
    leaves with the scene when that is closed, and comes back when it is needed again.
    """

    def __init__(self, volume_node) -> None:
        self._volume_node = volume_node
        self._node = None

    def show(self, mask: Mask, color: tuple[int, int, int]) -> None:
        """Shows a mask in place of the one before; nothing happens once the volume is gone.

        Args:
            mask: On the volume's grid.
            color: RGB, 0 to 255.
        """
        scene = self._volume_node.GetScene()
        if scene is None or self._volume_node.GetImageData() is None:
            return
        segmentation = _empty()
        segment = slicer.vtkSegment()
        segment.SetName(_SEGMENT)
        segment.SetColor(*(channel / 255 for channel in color))
        stencil = Stencil.of(mask, ijk_to_node(self._volume_node), first_voxel(self._volume_node))
        layer, label = place(segmentation, stencil)
        segment.SetLabelValue(label)
        segment.AddRepresentation(LABELMAP, layer)
        segmentation.AddSegment(segment, _SEGMENT)
        if self._node is None or self._node.GetScene() is not scene:
            self._node = _add_node(scene)
        self._node.SetAndObserveTransformNodeID(self._volume_node.GetTransformNodeID())
        self._set(segmentation)

    def clear(self) -> None:
        """Shows nothing."""
        if self._node is not None:
            self._set(_empty())

    def remove(self) -> None:
        """Takes its node out of the scene; `show` would make another."""
        scene = self._node.GetScene() if self._node is not None else None
        if scene is not None:
            display = self._node.GetDisplayNode()
            for node in filter(None, (self._node, display)):
                scene.RemoveNode(node)
        self._node = None

    def _set(self, segmentation) -> None:
        # As a whole: of a single segment's events the subject hierarchy would log that the hidden node has no item
        self._node.SetAndObserveSegmentation(segmentation)


def _empty():
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    return segmentation


def _add_node(scene):
    # Whole before it enters the scene, for the reason above
    display = slicer.vtkMRMLSegmentationDisplayNode()
    display.SetSaveWithScene(False)
    display.SetHideFromEditors(True)
    display.SetVisibility3D(False)
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(_THICKNESS)
    scene.AddNode(display)
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName("SATSegment preview")
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetSelectable(False)
    node.SetAndObserveDisplayNodeID(display.GetID())
    return scene.AddNode(node)

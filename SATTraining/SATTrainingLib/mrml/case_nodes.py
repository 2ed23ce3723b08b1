"""A case's files in the scene, for as long as one looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.mrml.geometry import to_vtk
from SATSegmentLib.mrml.segments import SegmentWriter
from SATSegmentLib.mrml.views import jump_to

from ..cases import Case, Label

_LAYERS = ("Background", "Foreground", "Label")


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case as its files hold it.

    Attributes:
        layers: Whole numbers, axes (I, J, K, layer), on the volume's grid.
    """

    case: Case
    volume: Volume
    layers: np.ndarray

    def mask(self, labels: Iterable[Label]) -> Mask:
        """The voxels of any of some labels."""
        return Mask.of(np.any([self.layers[..., label.layer] == label.value for label in labels], axis=0))

    def masks(self) -> dict[str, Mask]:
        """Label name to its voxels."""
        names = dict.fromkeys(label.name for label in self.case.labels)
        return {name: self.mask(label for label in self.case.labels if label.name == name) for name in names}


def load(case: Case) -> LoadedCase:
    """Reads a case's files; takes a while, needs no scene.

    Raises:
        InputError: A file cannot be read, or the mask is not on the image's grid.
    """
    from ..cases.masks import read_layers

    layers, _affine = read_layers(case)
    return LoadedCase(case, Volume.read(Path(case.image), case.modality), layers)


class CaseView:
    """One case in the scene: its volume alone in the slice views, and what is known of it as segments.

    The nodes are not saved with the scene; another case takes their place. When it leaves, the slice views are as they
    were.
    """

    def __init__(self) -> None:
        self.volume_node = None
        self.case_id = ""
        self._nodes: list = []
        self._before: _SliceViews | None = None
        self._alone = False

    def show_volume(self, loaded: LoadedCase, scene=None):
        """Shows a case's volume; returns its node, a vtkMRMLScalarVolumeNode."""
        self.remove()
        scene = scene or slicer.mrmlScene
        node = self._add(scene, "vtkMRMLScalarVolumeNode", loaded.case.id)
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(loaded.volume.array.transpose(2, 1, 0)))
        node.SetIJKToRASMatrix(to_vtk(loaded.volume.affine))
        node.CreateDefaultDisplayNodes()
        if node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetSaveWithScene(False)
        self.volume_node, self.case_id = node, loaded.case.id
        self._before, self._alone = _SliceViews(scene), True
        slicer.util.setSliceViewerLayers(background=node, foreground=None, label=None, fit=True)
        return node

    def show_segments(self, title: str, masks: Mapping[str, Mask], terms: Mapping[str, str], outline: bool):
        """Adds a segmentation of the volume shown, filled or as outlines; returns its node.

        Args:
            title: Of the node.
            masks: Segment name to its voxels.
            terms: Segment name to the term whose code and colour it gets; its own name where that is not there.
            outline: Outlines only, so that two segmentations can be told apart.
        """
        node = self.new_segmentation(title, outline)
        writer = SegmentWriter(node, self.volume_node)
        writer.begin(hold=True)
        for name, mask in masks.items():
            writer.put(name, coded_entry(terms.get(name) or name), mask)
        writer.finish()
        _look(node, outline)
        return node

    def new_segmentation(self, title: str, outline: bool):
        """An empty segmentation beside the volume shown, to be filled by somebody else."""
        node = self._add(self.volume_node.GetScene(), "vtkMRMLSegmentationNode", title)
        node.CreateDefaultDisplayNodes()
        _look(node, outline)
        return node

    def go_to(self, mask: Mask) -> None:
        """Brings the middle of a mask's box into the slice views."""
        if mask.block.size:
            middle = np.array(mask.start) + (np.array(mask.block.shape) - 1) / 2
            matrix = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(self.volume_node))
            jump_to(tuple((matrix @ [*middle, 1])[:3]), self.volume_node.GetScene())

    def has(self, node) -> bool:
        """Whether a node is one of those shown."""
        return any(node is own for own in self._nodes)

    @property
    def shown(self) -> bool:
        """Whether its volume is in the scene."""
        return self.volume_node is not None and self.volume_node.GetScene() is not None

    def hide_others(self, hidden: bool) -> None:
        """Whether segmentations of other scans are hidden while the case is shown; then its volume is in view again."""
        if self.shown and hidden != self._alone:
            self._alone = hidden
            self._before.hide(hidden)
            if hidden:  # what was done meanwhile may have shown another volume
                slicer.util.setSliceViewerLayers(background=self.volume_node, foreground=None, label=None)

    def remove(self) -> None:
        """Takes its nodes out of the scene."""
        if self.shown:
            self._before.restore(self.volume_node)
        for node in reversed(self._nodes):
            for each in (node, node.GetDisplayNode()):
                if each is not None and each.GetScene() is not None:
                    each.GetScene().RemoveNode(each)
        self._nodes.clear()
        self.volume_node, self.case_id, self._before = None, "", None

    def _add(self, scene, kind: str, name: str):
        node = scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(name)
        node.SetSaveWithScene(False)
        node = scene.AddNode(node)
        self._nodes.append(node)
        return node


class _SliceViews:
    """What the slice views show, and where; hides the segmentations that are there, for they are of other scans."""

    def __init__(self, scene) -> None:
        self._layers = [
            (node, [getattr(node, f"Get{layer}VolumeID")() for layer in _LAYERS])
            for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
        ]
        self._places = []
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
            matrix = to_vtk(np.eye(4))
            matrix.DeepCopy(node.GetSliceToRAS())
            self._places.append((node, matrix, node.GetFieldOfView()))
        displays = [node.GetDisplayNode() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)]
        self._visible = [display for display in displays if display is not None and display.GetVisibility2D()]
        self.hide(True)

    def hide(self, hidden: bool) -> None:
        """Hides the segmentations that were visible, or shows them again."""
        for display in self._visible:
            if display.GetScene() is not None:
                display.SetVisibility2D(not hidden)

    def restore(self, instead_of) -> None:
        """Shows it again in the views that show the volume node `instead_of`; others are the user's own choice."""
        scene = instead_of.GetScene()
        self.hide(False)
        ours = [node.GetBackgroundVolumeID() == instead_of.GetID() for node, _ids in self._layers]
        for (node, ids), our in zip(self._layers, ours, strict=True):
            if our:
                for layer, node_id in zip(_LAYERS, ids, strict=True):
                    known = node_id is not None and scene.GetNodeByID(node_id) is not None
                    getattr(node, f"Set{layer}VolumeID")(node_id if known else None)
        if all(ours):
            for node, matrix, (width, _height, depth) in self._places:
                columns, rows, _slices = node.GetDimensions()
                node.GetSliceToRAS().DeepCopy(matrix)
                node.SetFieldOfView(width, width * rows / max(columns, 1), depth)  # the view's size may have changed
                node.UpdateMatrices()


def _look(node, outline: bool) -> None:
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetVisibility2DFill(not outline)
    display.SetVisibility2DOutline(True)
    if outline:
        display.SetSliceIntersectionThickness(3)


def _ijk_to_ras(volume_node):
    matrix = to_vtk(np.eye(4))
    volume_node.GetIJKToRASMatrix(matrix)
    return matrix

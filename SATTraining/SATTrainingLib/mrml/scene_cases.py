"""Volumes and segmentations of the scene as labelled cases."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import slicer
from vtk import reference, vtkCollection
from vtk.util.numpy_support import vtk_to_numpy

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.mrml.geometry import node_to_world, to_array, to_vtk
from SATSegmentLib.mrml.layers import LABELMAP
from SATSegmentLib.mrml.volumes import volume_of

from ..cases import Label

_TERMINOLOGY_TAG = slicer.vtkSegment.GetTerminologyEntryTagName()
_GEOMETRY = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
_REFERENCE = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
_CODED = (2, 3, 5, 6)  # of a terminology entry: type, its modifier, region, its modifier
_TISSUE = "SCT^85756007"  # what a new segment is until somebody says more


@dataclass(frozen=True, eq=False)
class SceneCase:
    """A volume and its segmentation as they were when they were read; nothing of it changes with the scene.

    Attributes:
        volume: The scan in the world's coordinates, linear transforms applied.
        layers: Whole numbers, axes (I, J, K, layer), on the volume's grid.
        labels: Which numbers of which layer are which segment.
    """

    volume: Volume
    layers: np.ndarray
    labels: tuple[Label, ...]


def pairs(scene) -> list[tuple]:
    """The volumes that have a segmentation: (volume node, segmentation node), one pair a segmentation with segments.

    A segmentation belongs to the volume that it names as its reference geometry. One that is not saved with the scene
    is only there to be looked at, such as that of a case that is a file already.
    """
    found = []
    for node in _nodes(scene, "vtkMRMLSegmentationNode"):
        volume = volume_of_segmentation(node)
        own = node.GetSaveWithScene() and not node.GetHideFromEditors()
        if own and volume is not None and node.GetSegmentation().GetNumberOfSegments():
            found.append((volume, node))
    return found


def volume_of_segmentation(segmentation_node):
    """The scalar volume node that a segmentation was made on, or None."""
    volume = segmentation_node.GetNodeReference(_REFERENCE)
    return volume if volume is not None and volume.IsA("vtkMRMLScalarVolumeNode") else None


def state_of(volume_node, segmentation_node) -> tuple:
    """The same as long as nothing that `read` gives has changed; cheap to ask."""
    segmentation = segmentation_node.GetSegmentation()
    image = volume_node.GetImageData()
    layers = [(layer.GetMTime(), _scalars_time(layer)) for layer in _layers(segmentation)]
    return (
        None if image is None else (image.GetMTime(), _scalars_time(image)),
        tuple(layers),
        labels_of(segmentation_node),
        segmentation.GetMTime(),
        *(
            (transform.GetID(), transform.GetTransformToWorldMTime()) if transform else None
            for transform in (volume_node.GetParentTransformNode(), segmentation_node.GetParentTransformNode())
        ),
    )


def read(volume_node, segmentation_node, modality: str | None = None) -> SceneCase:
    """A copy of a volume, and its segmentation sampled on the volume's grid; layers are kept where segments overlap.

    Args:
        volume_node: A vtkMRMLScalarVolumeNode.
        segmentation_node: A vtkMRMLSegmentationNode, of any representation but a fractional one.
        modality: "ct", "mri", "pet" or "us"; else what the node tells, or a guess.

    Raises:
        InputError: One of them is missing, empty, or under a transform that is not linear.
    """
    if segmentation_node is None or not segmentation_node.GetSegmentation().GetNumberOfSegments():
        name = segmentation_node.GetName() if segmentation_node is not None else "The segmentation"
        raise InputError(f"{name} has no segments; choose a segmentation that has some.")
    volume = volume_of(volume_node, modality)
    volume = Volume(np.array(volume.array), volume.affine, volume.modality, volume.name)
    segmentation = _with_label_maps(segmentation_node, volume)
    to_world = node_to_world(segmentation_node)
    layers = _layers(segmentation)
    sampled = [_sampled(layer, to_world, volume) for layer in layers] or [np.zeros(volume.shape, np.uint8)]
    return SceneCase(volume, np.stack(sampled, -1), tuple(_labels(segmentation, layers)))


def patient_of(volume_node) -> str:
    """The same for volumes of one patient as DICOM tells it, else empty; it does not say who."""
    scene = volume_node.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene is not None else None
    item = hierarchy.GetItemByDataNode(volume_node) if hierarchy else 0
    attribute = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMPatientIDAttributeName()
    patient = hierarchy.GetAttributeFromItemAncestor(item, attribute) if item else ""
    return blake2b(patient.encode(), digest_size=6).hexdigest() if patient else ""


def labels_of(segmentation_node) -> tuple[Label, ...]:
    """The segments as labels, without their voxels; cheap."""
    segmentation = segmentation_node.GetSegmentation()
    return tuple(_labels(segmentation, _layers(segmentation)))


def _labels(segmentation, layers):
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        own = segment.GetRepresentation(LABELMAP)
        layer = next((number for number, other in enumerate(layers) if other is own), 0)
        yield Label(segment.GetName(), segment.GetLabelValue(), layer, _code(segment))


def _code(segment) -> str:
    """As `Label.code` wants it, empty for what is only called tissue."""
    entry = reference("")
    if not segment.GetTag(_TERMINOLOGY_TAG, entry):
        return ""
    fields = str(entry).split("~")
    parts = ["^".join(fields[place].split("^")[:2]).strip("^") if place < len(fields) else "" for place in _CODED]
    code = "~".join(parts).rstrip("~")
    return "" if code == _TISSUE else code


def _with_label_maps(segmentation_node, volume: Volume):
    """The segmentation, or where it is made of surfaces or contours a copy as label maps on the volume's grid."""
    segmentation = segmentation_node.GetSegmentation()
    source = segmentation.GetSourceRepresentationName()
    if source == LABELMAP:
        return segmentation
    if source == slicer.vtkSegmentationConverter.GetFractionalLabelmapRepresentationName():
        raise InputError(
            f"{segmentation_node.GetName()} is a fractional segmentation; convert it to a binary label map in the "
            "Segmentations module."
        )
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    copy.RemoveRepresentation(LABELMAP)  # it may be on another grid
    grid = _grid(volume)
    grid.SetImageToWorldMatrix(to_vtk(np.linalg.inv(node_to_world(segmentation_node)) @ volume.affine))
    copy.SetConversionParameter(_GEOMETRY, slicer.vtkSegmentationConverter.SerializeImageGeometry(grid))
    if not copy.CreateRepresentation(LABELMAP, True):
        raise InputError(
            f"{segmentation_node.GetName()} could not be made into label maps; convert it in the Segmentations module."
        )
    return copy


def _layers(segmentation) -> list:
    found = vtkCollection()
    segmentation.GetLayerObjects(found, LABELMAP)
    return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]


def _sampled(layer, to_world: np.ndarray, volume: Volume) -> np.ndarray:
    """A layer's numbers on the volume's grid by nearest neighbour, axes (I, J, K)."""
    whole = np.zeros(volume.shape, np.uint8)
    if layer.GetPointData().GetScalars() is None or not layer.GetNumberOfPoints():
        return whole
    moved = slicer.vtkOrientedImageData()
    moved.ShallowCopy(layer)
    matrix = to_vtk(np.eye(4))
    layer.GetImageToWorldMatrix(matrix)
    moved.SetImageToWorldMatrix(to_vtk(to_world @ to_array(matrix)))
    out = slicer.vtkOrientedImageData()
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(moved, _grid(volume), out, False):
        raise InputError("The segmentation could not be sampled on the volume's grid; check its transforms.")
    if out.GetPointData().GetScalars() is None or not out.GetNumberOfPoints():
        return whole
    values = vtk_to_numpy(out.GetPointData().GetScalars()).reshape(out.GetDimensions()[::-1]).transpose(2, 1, 0)
    return np.array(_placed(values, out.GetExtent(), volume.shape))


def _placed(values: np.ndarray, extent: tuple[int, ...], shape: tuple[int, int, int]) -> np.ndarray:
    if values.shape == tuple(shape) and not any(extent[::2]):
        return values
    whole = np.zeros(shape, values.dtype)
    whole[tuple(slice(extent[2 * axis], extent[2 * axis + 1] + 1) for axis in range(3))] = values
    return whole


def _grid(volume: Volume):
    """The volume's grid as an image without voxels."""
    grid = slicer.vtkOrientedImageData()
    grid.SetExtent(*(bound for n in volume.shape for bound in (0, n - 1)))
    grid.SetImageToWorldMatrix(to_vtk(volume.affine))
    return grid


def _scalars_time(image) -> int:
    scalars = image.GetPointData().GetScalars()
    return 0 if scalars is None else scalars.GetMTime()


def _nodes(scene, kind: str) -> list:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]

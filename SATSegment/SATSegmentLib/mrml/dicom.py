"""What DICOM SEG needs of the volume it refers to, and of segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from vtk import VTK_UNSIGNED_CHAR
from vtk.util.numpy_support import vtk_to_numpy

from .. import __version__
from ..anatomy import coded_entry
from ..anatomy.codes import Code, CodedEntry
from ..errors import InputError
from ..imaging import Mask, Volume
from ..imaging.dicom import DicomSource
from ..output import Segment
from ..output.dicom_seg import (
    ALGORITHM_NAME_TAG,
    ALGORITHM_TYPE_TAG,
    ALGORITHM_TYPES,
    MANUAL,
    SEMIAUTOMATIC,
    Origin,
)
from . import layers
from .geometry import first_voxel, ijk_to_node, node_to_world, to_vtk
from .kept import is_edited
from .segments import MODEL_TAG, TERM_TAG, tag_of
from .translation import tr as _

_INSTANCES = "DICOM.instanceUIDs"


def missing_for_dicom(volume_node, segmentation_node, database=None) -> list[str]:
    """What a segmentation lacks to be written as DICOM SEG, a sentence each with what to do; empty for nothing.

    Args:
        volume_node: The scalar volume it was made on, or None.
        segmentation_node: vtkMRMLSegmentationNode.
        database: Slicer's DICOM database, to look whether it still holds the volume's files; None not to look.
    """
    if volume_node is None:
        return missing_sources(None)
    lacks = missing_sources(volume_node, database)
    name, instances = volume_node.GetName(), volume_node.GetAttribute(_INSTANCES)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    study, own = (_study_of(hierarchy, node) for node in (volume_node, segmentation_node))
    if instances and not study:
        lacks.append(_("{name} is in no study: drag it into one in the module Data.").format(name=name))
    elif study and own != study:
        lacks.append(
            _("{segmentation} is not in the study of {name}: drag it there in the module Data.").format(
                segmentation=segmentation_node.GetName(), name=name
            )
        )
    return lacks


def missing_sources(volume_node, database=None) -> list[str]:
    """What a volume lacks for a DICOM SEG to refer to, a sentence each with what to do; empty for nothing.

    Args:
        volume_node: A scalar volume, or None.
        database: Slicer's DICOM database, to look whether it still holds the volume's files; None not to look.
    """
    if volume_node is None:
        return [_("The segmentation belongs to no volume: choose the one it was made on under Image.")]
    name = volume_node.GetName()
    instances = (volume_node.GetAttribute(_INSTANCES) or "").split()
    if not instances:
        return [
            _(
                "{name} was not loaded from DICOM, so there is no patient, study and series to refer to: import its "
                "DICOM files in the module DICOM, load it from there and segment that."
            ).format(name=name)
        ]
    if database is not None and not all(database.fileForInstance(instance) for instance in instances):
        return [_("The files of {name} are no longer in the DICOM database: import them again.").format(name=name)]
    return []


def dicom_volume(volume_node, database) -> Volume:
    """A volume's grid with the DICOM images that it was loaded from; its voxels are not copied.

    Transforms of the node are left out: the DICOM images have none.

    Args:
        volume_node: A scalar volume that lacks nothing of `missing_sources`.
        database: Slicer's DICOM database.
    """
    instances = tuple(volume_node.GetAttribute(_INSTANCES).split())
    files = dict.fromkeys(Path(database.fileForInstance(instance)) for instance in instances)
    shift = np.eye(4)
    shift[:3, 3] = first_voxel(volume_node)
    array = slicer.util.arrayFromVolume(volume_node).transpose(2, 1, 0)
    source = DicomSource(tuple(files), instances)
    return Volume(array, ijk_to_node(volume_node) @ shift, None, volume_node.GetName(), source)


def segments_on(volume_node, segmentation_node) -> list[Segment]:
    """All segments on a volume's grid, with the codes and colours that they bear in the scene.

    Voxels of another grid go to the nearest of the volume's.

    Raises:
        InputError: A transform of either node is not linear, or the segmentation holds nothing that makes voxels.
    """
    segmentation = segmentation_node.GetSegmentation()
    if not segmentation.GetNumberOfSegments() or not segmentation_node.CreateBinaryLabelmapRepresentation():
        raise InputError(
            _("{name} has no segments that can be made voxels; segment first.").format(name=segmentation_node.GetName())
        )
    to_segmentation = np.linalg.inv(node_to_world(segmentation_node)) @ node_to_world(volume_node)
    grid = slicer.vtkOrientedImageData()
    grid.SetExtent(volume_node.GetImageData().GetExtent())
    grid.SetImageToWorldMatrix(to_vtk(to_segmentation @ ijk_to_node(volume_node)))
    grid.AllocateScalars(VTK_UNSIGNED_CHAR, 1)
    found = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        image = slicer.vtkOrientedImageData()
        segmentation_node.GetBinaryLabelmapRepresentation(segment_id, image)
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, grid, image)
        found.append(Segment(segment.GetName(), _mask(image), _entry(segment)))
    return found


def origins_of(segmentation_node) -> list[Origin]:
    """How each segment was made: by us, by us and then edited, as its tags say, else by hand."""
    segmentation = segmentation_node.GetSegmentation()
    voxels = layers.counts(segmentation)
    found = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        kind, name = tag_of(segment, ALGORITHM_TYPE_TAG), tag_of(segment, ALGORITHM_NAME_TAG) or ""
        if tag_of(segment, TERM_TAG) is None:
            found.append(Origin(kind, name) if kind in ALGORITHM_TYPES else Origin(MANUAL, ""))
        elif is_edited(segment, voxels.get(segment_id, 0)):
            found.append(Origin(SEMIAUTOMATIC))
        else:
            found.append(Origin())
    return found


def made_by(segmentation_node) -> dict[str, str]:
    """What made the segments, as far as they tell: the version of this extension, the models."""
    segmentation = segmentation_node.GetSegmentation()
    segments = [segmentation.GetSegment(segment_id) for segment_id in segmentation.GetSegmentIDs()]
    models = sorted({model for model in (tag_of(segment, MODEL_TAG) for segment in segments) if model})
    return {"SlicerSAT_version": __version__, "SlicerSAT_model": ", ".join(models)}


def _mask(image) -> Mask:
    scalars = image.GetPointData().GetScalars()
    return Mask.of(vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]).transpose(2, 1, 0) > 0)


def _entry(segment) -> CodedEntry:
    """What a segment's terminology says; what it leaves open is as in a new segment."""
    parts = (tag_of(segment, segment.GetTerminologyEntryTagName()) or "").split("~")
    codes = [_code(part) for part in (parts + [""] * 7)[:7]]
    _context, category, kind, modifier, _regions, region, region_modifier = codes
    unknown = coded_entry("")
    color = tuple(round(255 * channel) for channel in segment.GetColor())
    return CodedEntry(category or unknown.category, kind or unknown.type, modifier, color, region, region_modifier)


def _code(text: str) -> Code | None:
    parts = text.split("^")
    return Code(*parts) if len(parts) == 3 and all(parts) else None


def _study_of(hierarchy, node) -> int:
    """The subject hierarchy's item of the study that a node is in; 0 where it is in none."""
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return hierarchy.GetItemAncestorAtLevel(item, level) if item else 0

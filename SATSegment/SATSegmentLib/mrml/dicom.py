"""What DICOM SEG needs of the volume it refers to."""

from __future__ import annotations

import slicer

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
        return [_("The segmentation belongs to no volume: choose the one it was made on under Image.")]
    lacks = []
    name = volume_node.GetName()
    instances = (volume_node.GetAttribute(_INSTANCES) or "").split()
    if not instances:
        lacks.append(
            _(
                "{name} was not loaded from DICOM, so there is no patient, study and series to refer to: import its "
                "DICOM files in the module DICOM, load it from there and segment that."
            ).format(name=name)
        )
    elif database is not None and not database.fileForInstance(instances[0]):
        lacks.append(_("The files of {name} are no longer in the DICOM database: import them again.").format(name=name))
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


def _study_of(hierarchy, node) -> int:
    """The subject hierarchy's item of the study that a node is in; 0 where it is in none."""
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return hierarchy.GetItemAncestorAtLevel(item, level) if item else 0

"""Volume nodes as volumes of the engine."""

from __future__ import annotations

import re

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import InputError
from ..imaging import Volume
from ..imaging.modality import guess_modality, modality_of_dicom
from .geometry import first_voxel, ijk_to_node, node_to_world
from .translation import tr as _

# Words of names, such as "CTACardio", "MRHead" or "t1w_brain"; digits at their end may be left out
_WORDS = {
    "ct": ("ct", "cta", "cbct", "hrct", "ldct"),
    "mri": ("mr", "mri", "mra", "t1", "t1w", "t1c", "t1ce", "t2", "t2w", "flair", "dwi", "adc", "swi", "mprage"),
    "pet": ("pet", "suv", "fdg"),
    "us": ("us", "ultrasound"),
}
_MODALITY_OF_WORD = {word: modality for modality, words in _WORDS.items() for word in words}
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_MODALITY_OF_UNIT = {"hnsf": "ct", "suv": "pet", "bq": "pet"}  # parts of UCUM units of voxel values


def volume_of(node, modality: str | None = None) -> Volume:
    """A scalar volume node as a volume in the world's coordinates.

    Linear parent transforms are part of its affine. The array is a view of the node's voxels: nothing is copied.

    Args:
        node: A vtkMRMLScalarVolumeNode; the volume that a sequence browser shows is one.
        modality: "ct", "mri", "us" or "pet"; else guessed by `node_modality`, then from the intensities.

    Raises:
        InputError: It is no node, of another kind (label map, vector, 4-D), empty, or under a transform that is
            not linear; or its image cannot be segmented.
    """
    _check(node)
    image = node.GetImageData()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]).transpose(2, 1, 0)
    shift = np.eye(4)
    shift[:3, 3] = first_voxel(node)
    affine = node_to_world(node) @ ijk_to_node(node) @ shift
    return Volume(array, affine, modality or node_modality(node), node.GetName())


def node_modality(node) -> str | None:
    """The modality of a volume node as DICOM, its unit, its name or Hounsfield units tell it, else None.

    Raises nothing for a node that `volume_of` would refuse.
    """
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        return None
    return _of_dicom(node) or _of_unit(node) or _of_name(node) or _of_intensities(node)


def _check(node) -> None:
    if node is None:
        raise InputError(_("No volume is chosen; load one and choose it."))
    name = node.GetName()
    if node.IsA("vtkMRMLSequenceNode"):
        raise InputError(
            _("{name} is a sequence of volumes; show it in the Sequences module and choose the volume shown.").format(
                name=name
            )
        )
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError(_("{name} is no volume; choose a CT, MR or PET volume.").format(name=name))
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(_("{name} is a label map; choose the CT, MR or PET volume it belongs to.").format(name=name))
    image = node.GetImageData()
    if image is None or image.GetPointData() is None or not image.GetNumberOfPoints():
        raise InputError(_("{name} holds no image; load it again, or choose another volume.").format(name=name))
    scalars = image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        raise InputError(
            _(
                "{name} holds several values a voxel (colour, vector or 4-D data); extract one channel or frame "
                "as a scalar volume and choose that."
            ).format(name=name)
        )


def _of_dicom(node) -> str | None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene()) if node.GetScene() else None
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    if not item:
        return None
    attribute = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return modality_of_dicom(hierarchy.GetItemAttribute(item, attribute))


def _of_unit(node) -> str | None:
    unit = node.GetVoxelValueUnits()
    code = (unit.GetCodeValue() or "").lower() if unit else ""
    return next((modality for part, modality in _MODALITY_OF_UNIT.items() if part in code), None)


def _of_name(node) -> str | None:
    words = [word.lower() for word in _WORD_BORDER.split(node.GetName() or "")]
    found = {_MODALITY_OF_WORD.get(word) or _MODALITY_OF_WORD.get(word.rstrip("0123456789")) for word in words}
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def _of_intensities(node) -> str | None:
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image else None
    if scalars is None or guess_modality(vtk_to_numpy(scalars)) != "ct":
        return None  # all the guess says of the others is that they are no CT
    return "ct"

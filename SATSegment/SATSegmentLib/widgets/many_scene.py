"""Volumes of the scene as files of a batch, and its results as segmentations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .. import __version__
from ..errors import SATError
from ..imaging import Mask, Volume
from ..mrml.segments import CONFIDENCE_TAG, MEASURED_TAG, MODEL_TAG, VERSION_TAG, SegmentWriter
from ..mrml.views import is_shown
from ..output import COLUMNS, written
from .asked import Asked
from .rows import noted_values


@dataclass(frozen=True, eq=False)
class Found:
    """One segment of a case's results.

    Attributes:
        name: As it was asked for.
        mask: On the volume's grid.
        measured: With the keys of `COLUMNS`.
    """

    name: str
    mask: Mask
    measured: dict


def scene_volumes() -> list:
    """The scalar volume nodes that can be segmented; label maps and colour images are none."""
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [
        node
        for node in volumes
        if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors() and node.GetImageData()
    ]


def write_volume(volume: Volume, path: Path) -> None:
    """Writes a volume as uncompressed NIfTI, on its very grid; safe to use in a thread.

    Raises:
        SATError: The file cannot be written.
    """
    import nibabel

    array = volume.array.astype(volume.array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b" or array.dtype.itemsize == 8:  # of which NIfTI readers often know neither
        array = array.astype("uint8" if array.dtype.kind == "b" else "float32")
    with written(path) as temporary:
        image = nibabel.Nifti1Image(array, volume.affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, temporary)


def read_results(output: Path, case_id: str) -> list[Found]:
    """The segments of a case that is done; safe to use in a thread."""
    import slicerio

    folder = output / case_id
    segmentation = slicerio.read_segmentation(str(folder / f"{case_id}.seg.nrrd"))
    rows = json.loads((folder / "measurements.json").read_text(encoding="utf-8"))
    voxels = segmentation["voxels"]
    found = []
    for segment, row in zip(segmentation["segments"], rows, strict=True):
        layer = voxels[segment["layer"]] if voxels.ndim == 4 else voxels
        measured = {key: row[key] for key in COLUMNS}
        found.append(Found(row["name"], Mask.of(layer == segment["labelValue"]), measured))
    return found


def add_results(volume_node, found: Sequence[Found], asked: Mapping[str, Asked], model: str):
    """A new segmentation of a volume node with what was found; hidden where no slice view has that volume.

    Args:
        volume_node: In the scene.
        found: From `read_results`.
        asked: The term of each name.
        model: Its name.

    Raises:
        InputError: The volume is under a transform that is not linear, or of another size than it was.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    try:
        writer = SegmentWriter(node, volume_node)
        writer.begin(hold=True)
        try:
            for one in found:
                term, confidence = asked[one.name], one.measured["confidence"] or 0.0
                tags = {MODEL_TAG: model, VERSION_TAG: __version__, CONFIDENCE_TAG: f"{confidence:.3f}"}
                segment_id = writer.put(term.name, term.entry, one.mask, tags)
                writer.note(segment_id, MEASURED_TAG, noted_values(one.measured))
        finally:
            writer.finish()
    except SATError:
        for one in filter(None, (node.GetDisplayNode(), node)):
            slicer.mrmlScene.RemoveNode(one)
        raise
    name = _("{volume} segmentation").format(volume=volume_node.GetName())
    node.SetName(slicer.mrmlScene.GetUniqueNameByString(name))
    node.SetDisplayVisibility(is_shown(volume_node))  # else it lay over another patient's scan
    return node

"""Segments that were put into a segmentation before, in this session of Slicer or another."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from . import layers
from .geometry import node_to_world
from .segments import CONFIDENCE_TAG, MEASURED_TAG, TERM_TAG, tag_of


@dataclass(frozen=True)
class KeptSegment:
    """What a segmentation tells of one of our segments.

    Attributes:
        name: What the user reads now.
        color: RGB, 0 to 255.
        voxels: It has now.
        volume_ml: They fill now.
        center: RAS millimetres of the middle of its bounding box; None where it is empty, or under a transform that
            is not linear.
        confidence: The model's, as text; None where it is not known.
        measured: What was noted of it under `MEASURED_TAG`, or None.
    """

    segment_id: str
    name: str
    color: tuple[int, int, int]
    voxels: int
    volume_ml: float
    center: tuple[float, float, float] | None
    confidence: str | None
    measured: str | None


def kept_segments(node) -> list[str]:
    """Ids of the segments of a vtkMRMLSegmentationNode that bear our tags, in order; none where it holds surfaces."""
    segmentation = node.GetSegmentation()
    if segmentation.GetSourceRepresentationName() != layers.LABELMAP:
        return []
    return [i for i in segmentation.GetSegmentIDs() if tag_of(segmentation.GetSegment(i), TERM_TAG) is not None]


def changed_at(node) -> int:
    """A number that is another one once a segmentation's segments, or their voxels, were changed."""
    segmentation = node.GetSegmentation()
    segments = [segmentation.GetSegment(segment_id) for segment_id in segmentation.GetSegmentIDs()]
    masks = [segment.GetRepresentation(layers.LABELMAP) for segment in segments]
    return max(one.GetMTime() for one in (segmentation, *segments, *filter(None, masks)))


def is_edited(segment, voxels: int) -> bool:
    """Whether a segment no longer has as many voxels as were noted with it; False where nothing was."""
    try:
        noted = json.loads(tag_of(segment, MEASURED_TAG) or "{}")
        return noted.get("voxels", voxels) != voxels
    except (ValueError, AttributeError):  # damaged
        return False


def read_kept(node, segment_id: str) -> KeptSegment | None:
    """One segment, its voxels counted, which takes one pass through its layer; None where it is gone."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None or segment.GetRepresentation(layers.LABELMAP) is None:
        return None
    stencil = layers.voxels_of(segment)
    voxels = int(np.count_nonzero(stencil.block))
    matrix, center = stencil.matrix, None
    try:
        matrix = node_to_world(node) @ matrix
        if voxels:
            middle = np.add(stencil.start, np.divide(np.subtract(stencil.block.shape[::-1], 1), 2))
            center = tuple(float(x) for x in matrix[:3, :3] @ middle + matrix[:3, 3])
    except InputError:  # a transform that is not linear: there is no one place, and the size is the one before it
        pass
    return KeptSegment(
        segment_id,
        segment.GetName() or "",
        tuple(round(255 * channel) for channel in segment.GetColor()),
        voxels,
        voxels * float(abs(np.linalg.det(matrix[:3, :3]))) / 1000,
        center,
        tag_of(segment, CONFIDENCE_TAG),
        tag_of(segment, MEASURED_TAG),
    )

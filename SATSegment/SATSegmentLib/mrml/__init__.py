"""3D Slicer's nodes in and out: volumes, regions, segmentations, views."""

from .regions import new_roi, roi_box
from .segments import SegmentWriter
from .views import Outline, jump_to
from .volumes import node_modality, volume_of

__all__ = ["Outline", "SegmentWriter", "jump_to", "new_roi", "node_modality", "roi_box", "volume_of"]

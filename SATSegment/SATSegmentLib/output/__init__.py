"""Files of a result: segmentations, label maps, tables, overviews."""

from .atomic import check_targets, written
from .layers import LabelLayers, pack_layers
from .nifti import mask_paths, write_label_map, write_masks
from .overview import write_overview
from .seg_nrrd import write_seg_nrrd
from .segment import Segment
from .table import COLUMNS, measure, write_table

__all__ = [
    "COLUMNS",
    "LabelLayers",
    "Segment",
    "check_targets",
    "mask_paths",
    "measure",
    "pack_layers",
    "write_label_map",
    "write_masks",
    "write_overview",
    "write_seg_nrrd",
    "write_table",
    "written",
]

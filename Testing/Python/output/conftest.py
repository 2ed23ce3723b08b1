"""Real data of the slicerio package, and segments made from it."""

from pathlib import Path

import numpy as np
import pytest
import slicerio

from SATSegmentLib.anatomy.codes import Code, CodedEntry
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import Segment

_DATA = Path(slicerio.__file__).parent / "data"
_ANATOMY = Code("SCT", "123037004", "Anatomical Structure")


def _entry(color=(10, 200, 30), kind=("SCT", "39607008", "Lung"), modifier=None) -> CodedEntry:
    return CodedEntry(_ANATOMY, Code(*kind), None if modifier is None else Code(*modifier), tuple(color))


def _segment(name, array, **entry) -> Segment:
    return Segment(name, Mask.of(np.asarray(array, bool)), _entry(**entry))


def _reference(file: str) -> list[Segment]:
    segmentation = slicerio.read_segmentation(str(_DATA / file))
    segments = []
    for segment in segmentation["segments"]:
        terminology = segment.get("terminology", {"type": ("SCT", "85756007", "Tissue")})
        segments.append(
            _segment(
                segment["name"],
                slicerio.segment_mask(segmentation, segment),
                color=[round(255 * channel) for channel in segment["color"]],
                kind=terminology["type"],
                modifier=terminology.get("typeModifier"),
            )
        )
    return segments


@pytest.fixture
def make_segment():
    """A segment of a name, a boolean array, and parts of its entry (color, kind, modifier)."""
    return _segment


@pytest.fixture(scope="session")
def chest() -> Volume:
    """A CT of 128 x 128 x 34 voxels, 10 mm slices."""
    return Volume.read(_DATA / "CTChest4.nrrd")


@pytest.fixture(scope="session")
def chest_segments() -> list[Segment]:
    return _reference("Segmentation.seg.nrrd")


@pytest.fixture(scope="session")
def overlapping_segments() -> list[Segment]:
    return _reference("SegmentationOverlapping.seg.nrrd")


@pytest.fixture
def oblique() -> Volume:
    """12 x 10 x 8 voxels of 1 x 2 x 3 mm, on axes that are no patient axes; I runs to the left, K to the front."""
    rotation = np.linalg.qr(np.array([[-1.0, 0.2, 0.1], [0.1, 0.3, 1.0], [0.2, 1.0, -0.3]]))[0]
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([1.0, 2.0, 3.0])
    affine[:3, 3] = (12.5, -40.25, 7.125)
    array = np.random.default_rng(0).integers(0, 1000, (12, 10, 8)).astype(np.int16)
    return Volume(array, affine, "mri", "oblique")

"""Segments read back from a segmentation."""

from __future__ import annotations

import numpy as np
import pytest

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask
from SATSegmentLib.mrml.geometry import ijk_to_node, node_to_world
from SATSegmentLib.mrml.kept import kept_segments, read_kept
from SATSegmentLib.mrml.segments import CONFIDENCE_TAG, MEASURED_TAG, SegmentWriter, tag_of


@pytest.fixture
def writer(segmentation, volume):
    return SegmentWriter(segmentation, volume)


def mask(volume, start=(2, 1, 3), size=(3, 4, 2)):
    return Mask(tuple(volume.GetImageData().GetDimensions()), start, np.ones(size, bool))


def test_voxels_size_place_name_and_colour_are_those_there_now(writer, segmentation, volume):
    entry = coded_entry("liver")
    segment_id = writer.put("liver", entry, mask(volume), {CONFIDENCE_TAG: "0.91"})
    writer.note(segment_id, MEASURED_TAG, '{"voxels":24}')
    segmentation.GetSegmentation().GetSegment(segment_id).SetName("my liver")
    kept = read_kept(segmentation, segment_id)
    assert (kept.name, kept.voxels, kept.color, kept.confidence) == ("my liver", 24, entry.color, "0.91")
    assert kept.measured == '{"voxels":24}'
    matrix = ijk_to_node(volume)
    assert kept.volume_ml == pytest.approx(24 * abs(np.linalg.det(matrix[:3, :3])) / 1000)
    np.testing.assert_allclose(kept.center, (matrix @ [3, 2.5, 3.5, 1])[:3], atol=1e-6)


def test_the_place_is_in_the_world(segmentation, volume, add_transform):
    volume.SetAndObserveTransformNodeID(add_transform().GetID())
    segment_id = SegmentWriter(segmentation, volume).put("liver", coded_entry("liver"), mask(volume))
    expected = node_to_world(volume) @ ijk_to_node(volume) @ [3, 2.5, 3.5, 1]
    np.testing.assert_allclose(read_kept(segmentation, segment_id).center, expected[:3], atol=1e-6)


def test_under_a_transform_that_is_not_linear_there_is_no_place(writer, segmentation, volume, warp):
    segment_id = writer.put("liver", coded_entry("liver"), mask(volume))
    segmentation.SetAndObserveTransformNodeID(warp.GetID())
    kept = read_kept(segmentation, segment_id)
    assert kept.center is None
    assert kept.voxels == 24


def test_only_our_segments_are_listed_in_their_order(writer, segmentation, volume):
    first = writer.put("liver", coded_entry("liver"), mask(volume))
    segmentation.GetSegmentation().AddEmptySegment("drawn", "drawn by hand")
    empty = writer.put("spleen", coded_entry("spleen"), Mask.empty(mask(volume).shape))
    assert kept_segments(segmentation) == [first, empty]
    kept = read_kept(segmentation, empty)
    assert (kept.voxels, kept.volume_ml, kept.center) == (0, 0.0, None)
    assert read_kept(segmentation, "no such") is None


def test_what_was_measured_goes_with_the_voxels_it_is_of(writer, segmentation, volume):
    segment_id = writer.put("liver", coded_entry("liver"), mask(volume))
    writer.note(segment_id, MEASURED_TAG, "old")
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    writer.begin()
    writer.put("liver", coded_entry("liver"), mask(volume, size=(1, 1, 1)), replace=segment_id)
    assert tag_of(segment, MEASURED_TAG) is None
    writer.note(segment_id, MEASURED_TAG, "new")
    writer.undo()
    assert tag_of(segment, MEASURED_TAG) == "old"
    writer.note("no such", MEASURED_TAG, "nothing happens")

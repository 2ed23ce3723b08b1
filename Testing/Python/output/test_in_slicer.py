"""Our segmentation files in 3D Slicer's own code (slicer-core)."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from vtk import vtkMatrix4x4
from vtk.util.numpy_support import vtk_to_numpy

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.anatomy.codes import terminology_string
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import Segment, write_seg_nrrd

TERMS = ["left lung", "lung", "liver", "something unheard of"]


@pytest.fixture
def written(tmp_path):
    """An oblique volume, four segments of which two overlap and one is empty, and their file."""
    turn = np.array([[-0.96, 0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.5, 2.0, 3.0])
    affine[:3, 3] = (40, -30, 20)
    volume = Volume(np.zeros((20, 24, 16), np.int16), affine, "ct")
    arrays = np.zeros((4, *volume.shape), bool)
    arrays[0, 2:6, 3:9, 4:10] = True
    arrays[1, 2:12, 3:9, 4:10] = True
    arrays[2, 13:18, 10:20, 2:5] = True
    segments = [Segment(term, Mask.of(array), coded_entry(term)) for term, array in zip(TERMS, arrays, strict=True)]
    write_seg_nrrd(tmp_path / "a.seg.nrrd", volume, segments)
    return volume, arrays, segments, tmp_path / "a.seg.nrrd"


@pytest.fixture
def segmentation(written):
    """The file as a segmentation node of a scene."""
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(written[3]))
    assert storage.ReadData(node)
    yield node
    scene.Clear(True)


def test_names_colours_and_terminology_arrive(written, segmentation):
    _, _, segments, _ = written
    found = segmentation.GetSegmentation()
    assert [found.GetNthSegment(i).GetName() for i in range(found.GetNumberOfSegments())] == TERMS
    for index, segment in enumerate(segments):
        node = found.GetNthSegment(index)
        np.testing.assert_allclose(node.GetColor(), np.array(segment.entry.color) / 255, atol=1e-3)
        assert node.GetTerminology() == terminology_string(segment.entry)


def test_every_voxel_arrives_in_its_place_and_overlaps_in_layers(written, segmentation):
    volume, arrays, _, _ = written
    found = segmentation.GetSegmentation()
    assert found.GetNumberOfLayers() == 2
    for index, expected in enumerate(arrays):
        node = found.GetNthSegment(index)
        image = node.GetRepresentation("Binary labelmap")
        matrix = vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        affine = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
        extent = image.GetExtent()
        scalars = image.GetPointData().GetScalars()
        size = [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]
        array = vtk_to_numpy(scalars).reshape(size[::-1]).transpose(2, 1, 0) == node.GetLabelValue()
        here = np.argwhere(array) + np.array(extent[::2])
        there = np.argwhere(expected)
        place = here @ affine[:3, :3].T + affine[:3, 3]
        wanted = there @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        assert len(place) == len(wanted)
        order = [np.lexsort(np.round(points, 2).T) for points in (place, wanted)]
        np.testing.assert_allclose(place[order[0]], wanted[order[1]], atol=1e-3)


def test_the_volumes_grid_is_the_reference_geometry(written, segmentation):
    volume, *_ = written
    text = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    numbers = [float(number) for number in text.split(";") if number]
    np.testing.assert_allclose(np.array(numbers[:16]).reshape(4, 4), volume.affine, atol=1e-4)
    assert numbers[16:] == [0, 19, 0, 23, 0, 15]

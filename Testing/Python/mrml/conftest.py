"""A scene of 3D Slicer's own code (slicer-core), with what the tests put into it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from Testing.Python.mrml.reading import SHAPE
from vtk import VTK_DOUBLE, vtkGeneralTransform, vtkImageData
from vtk.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkFiltersHybrid import vtkGridTransform

from SATSegmentLib.mrml.geometry import to_vtk


@pytest.fixture
def scene():
    """A scene in which segmentations know the conversions that they know in the application."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    yield scene
    scene.Clear(True)


@pytest.fixture
def oblique() -> np.ndarray:
    """IJK to RAS: on no patient axes, left-handed, 1.5 x 2 x 3 mm."""
    turn = np.linalg.qr(np.array([[-1.0, 0.2, 0.1], [0.1, 0.3, 1.0], [0.2, 1.0, -0.3]]))[0]
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.5, -2.0 * np.sign(np.linalg.det(turn)), 3.0])
    affine[:3, 3] = (40, -30.25, 20)
    assert np.linalg.det(affine) < 0
    return affine


@pytest.fixture
def add_volume(scene, oblique):
    """Adds a scalar volume of numbered voxels; by default the oblique one."""

    def add(name="CT chest", affine=oblique, shape=SHAPE, kind="vtkMRMLScalarVolumeNode"):
        node = scene.AddNewNodeByClass(kind, name)
        array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape[::-1])
        slicer.util.updateVolumeFromArray(node, array)
        node.SetIJKToRASMatrix(to_vtk(affine))
        return node

    return add


@pytest.fixture
def volume(add_volume):
    return add_volume()


@pytest.fixture
def segmentation(scene):
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")


@pytest.fixture
def add_transform(scene):
    """Adds a linear transform: a matrix, or a turn and a shift."""

    def add(matrix=None, name="Linear", parent=None):
        if matrix is None:
            angle = 0.4
            matrix = np.eye(4)
            matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            matrix[:3, 3] = (10, -5, 33)
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        node.SetMatrixTransformToParent(to_vtk(matrix))
        if parent is not None:
            node.SetAndObserveTransformNodeID(parent.GetID())
        return node

    return add


@pytest.fixture
def warp(scene):
    """A transform that is not linear."""
    grid = vtkImageData()
    grid.SetDimensions(3, 3, 3)
    grid.SetSpacing(50, 50, 50)
    grid.AllocateScalars(VTK_DOUBLE, 3)
    shifts = np.random.default_rng(0).normal(0, 3, (27, 3))
    grid.GetPointData().SetScalars(numpy_to_vtk(shifts, deep=True))
    transform = vtkGridTransform()
    transform.SetDisplacementGridData(grid)
    general = vtkGeneralTransform()
    general.Concatenate(transform)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Warp")
    node.SetAndObserveTransformToParent(general)
    return node

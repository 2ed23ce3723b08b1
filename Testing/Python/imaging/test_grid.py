"""The model's grid and the way back, on any orientation."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Grid, Volume, prepare
from SATSegmentLib.inference.masks import MaskBuilder

NANO = (1.0, 1.0, 3.0)
ORIENTATIONS = [(p, s) for p in permutations(range(3)) for s in product((1, -1), repeat=3)]


def _affine(
    permutation=(0, 1, 2), signs=(1, 1, 1), spacing=(1.0, 1.0, 1.0), angles=(0, 0, 0), origin=(5.0, -7.0, 11.0)
):
    axes = np.zeros((3, 3))
    for column, (row, sign) in enumerate(zip(permutation, signs, strict=True)):
        axes[row, column] = sign
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ axes * spacing
    affine[:3, 3] = origin
    return affine


def _blob(shape, affine, millimetres):
    """A ball about the middle of the array: each voxel's distance from its surface, and its centre."""
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    distance = np.linalg.norm(index @ affine[:3, :3].T + affine[:3, 3] - centre, axis=-1)
    return distance - millimetres, centre


def _field(grid: Grid, centre, millimetres):
    """A smooth field on the model's grid that is 0.5 at the ball's surface.

    It falls with 1 / distance, which is harmonic: linear interpolation has next to no bias on it, so
    that what is measured is where the ball comes back.
    """
    index = np.stack(np.meshgrid(*map(np.arange, grid.crop_shape), indexing="ij"), -1)
    points = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    distance = np.linalg.norm(points - centre, axis=-1)
    return np.clip(0.5 * millimetres / np.maximum(distance, 1e-6), 0, 1).astype(np.float32)


def _dice(mask, surface, tolerance):
    """Dice with the ball. Voxels within a tenth of a model's voxel of its surface do not count: where many lie
    there at once, their rounding and not the place decides."""
    sure = np.abs(surface) > 0.1 * tolerance
    mask, ball = mask[sure], surface[sure] < 0
    return 2 * (mask & ball).sum() / (mask.sum() + ball.sum())


def _there_and_back(volume, spacing, field_of, slab):
    grid = Grid.of(volume, spacing)
    builder = MaskBuilder(grid, grid.crop)
    field = field_of(grid)
    for first in range(0, field.shape[2], slab):
        builder.add(field[..., first : first + slab])
    return builder.finish()[0].array


@pytest.mark.parametrize(("permutation", "signs"), ORIENTATIONS)
def test_a_ball_comes_back_in_its_place_for_every_axis_order_and_flip(permutation, signs):
    affine = _affine(permutation, signs, (0.9, 1.3, 2.0))
    shape = (44, 34, 26)
    ball, centre = _blob(shape, affine, 12.0)
    volume = Volume(np.zeros(shape, np.int16), affine, "ct")
    back = _there_and_back(volume, NANO, lambda grid: _field(grid, centre, 12.0), 7)
    assert _dice(back, ball, 1.0) >= 0.99


@settings(max_examples=40, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    angles=st.tuples(*[st.floats(-30, 30)] * 3),
    spacing=st.tuples(*[st.floats(0.6, 3.5)] * 3),
    model=st.sampled_from([NANO, (4.0, 4.0, 3.0), (1.5, 1.5, 1.5)]),
    slab=st.integers(1, 40),
)
def test_a_ball_comes_back_from_oblique_and_anisotropic_volumes(orientation, angles, spacing, model, slab):
    affine = _affine(*orientation, spacing, angles)
    radius = 5.03 * max(*spacing, *model)
    shape = tuple(int(np.ceil(2.6 * radius / s)) + 1 for s in spacing)
    ball, centre = _blob(shape, affine, radius)
    volume = Volume(np.zeros(shape, np.int16), affine, "ct")
    back = _there_and_back(volume, model, lambda grid: _field(grid, centre, radius), slab)
    assert _dice(back, ball, max(model)) >= 0.99


@settings(max_examples=60, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    shape=st.tuples(*[st.integers(2, 6)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 8.0)] * 3),
)
def test_a_full_mask_fills_even_a_tiny_volume(orientation, shape, spacing):
    volume = Volume(np.zeros(shape, np.int16), _affine(*orientation, spacing), "ct")
    back = _there_and_back(volume, NANO, lambda grid: np.ones(grid.crop_shape, np.float32), 2)
    assert back.all()


@settings(max_examples=40, deadline=None)
@given(orientation=st.sampled_from(ORIENTATIONS), seed=st.integers(0, 999), slab=st.integers(1, 9))
def test_slabs_blocks_and_boxes_give_what_one_interpolation_of_everything_gives(orientation, seed, slab):
    random = np.random.default_rng(seed)
    volume = Volume(np.zeros((13, 17, 11), np.int16), _affine(*orientation, (1.4, 0.8, 2.2)), "ct")
    whole = Grid.of(volume, NANO)
    start = random.integers(0, 3, 3)
    stop = np.array(whole.shape) - random.integers(0, 3, 3)
    box = tuple(start.tolist()), tuple(stop.tolist())
    field = np.zeros(whole.shape, np.float32)
    inside = tuple(slice(a, b) for a, b in zip(*box, strict=True))
    field[inside] = random.random(field[inside].shape, np.float32) * random.choice([0.6, 1.0])
    slices, values = whole.restore(field, (0, 0, 0))
    expected = np.zeros(volume.shape, bool)
    expected[slices] = values > 0.5
    builder = MaskBuilder(whole.cropped(box), box)
    for first in range(box[0][2], box[1][2], slab):
        builder.add(field[inside][..., first - box[0][2] : first - box[0][2] + slab])
    mask, confidence = builder.finish()
    np.testing.assert_array_equal(mask.array, expected)
    above = field[inside][field[inside] > 0.5]
    assert confidence == pytest.approx(above.mean() if above.size else 0, abs=1e-6)


def test_the_grids_affine_places_every_voxel_where_the_volume_has_it():
    affine = _affine((2, 0, 1), (-1, 1, -1), (0.8, 2.5, 1.1), (10, -20, 5))
    shape = (20, 12, 16)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    grid = Grid.of(Volume(np.zeros(shape), affine, "ct"), NANO).cropped(((1, 2, 1), (8, 9, 4)))
    voxels = np.stack(np.meshgrid(*map(np.arange, grid.crop_shape), indexing="ij"), -1)
    expected = voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    for axis in range(3):
        np.testing.assert_allclose(grid.resample(ras[..., axis]), expected[..., axis], atol=1e-3)


@pytest.mark.parametrize("name", ["small_ct", "ts_example_ct", "openkbp"])
def test_preprocessing_agrees_with_the_reference(shared, golden, name):
    files = {
        "small_ct": golden / "small_ct.nii.gz",
        "ts_example_ct": shared / "data" / "ts_example_ct" / "ts_example_ct.nii.gz",
        "openkbp": shared / "data" / "openkbp" / "train_pt_100.nii.gz",
    }
    reference = np.load(golden / f"preprocess_{name}.npz")
    image, grid = prepare(Volume.read(files[name]), NANO)
    assert image.shape == tuple(reference["shape"]) == grid.crop_shape
    np.testing.assert_allclose(image[::4, ::4, ::4], reference["stride4"], atol=1e-4)
    assert image.min() == pytest.approx(float(reference["minimum"]), abs=1e-4)
    assert image.mean() == pytest.approx(0, abs=1e-4)
    assert image.std() == pytest.approx(float(reference["std"]), abs=1e-4)


def test_a_box_in_millimetres_becomes_the_voxels_it_touches():
    volume = Volume(
        np.ones((40, 40, 40), np.int16), _affine((1, 0, 2), (-1, 1, -1), (1, 1, 1), origin=(0, 39, 40)), "ct"
    )
    grid = Grid.of(volume, NANO)
    (start, stop) = grid.box_of_ras((10, 0, 10, 20, 12, 31))
    inverse = np.linalg.inv(grid.affine)
    for point in ((10, 0, 10), (20, 12, 31), (15, 6, 20)):
        voxel = inverse[:3, :3] @ point + inverse[:3, 3]
        assert (np.round(voxel) >= start).all()
        assert (np.round(voxel) < stop).all()
    assert np.prod(np.subtract(stop, start)) < 14 * 16 * 10
    with pytest.raises(InputError, match="outside"):
        grid.box_of_ras((500, 500, 500, 600, 600, 600))


def test_a_constant_volume_is_refused():
    with pytest.raises(InputError, match="same value everywhere"):
        prepare(Volume(np.full((8, 8, 8), 7, np.int16), np.eye(4), "mri"), NANO)


def test_a_volume_without_positive_voxels_is_kept_whole():
    array = np.random.default_rng(0).integers(-1000, -1, (8, 9, 10))
    _, grid = prepare(Volume(array, np.eye(4), "ct"), (1.0, 1.0, 1.0))
    assert grid.crop_shape == (8, 9, 10)

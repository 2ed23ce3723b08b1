import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output.planes import choose_planes, choose_window, render

SHAPE = (6, 8, 10)


def reoriented(array: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """A RAS array with its axes swapped and flipped to `codes`."""
    transform = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nibabel.orientations.apply_orientation(array, transform), affine @ inv_ornt_aff(transform, array.shape)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SLA", "ASL", "IPL"])
def test_right_lies_left_whatever_the_orientation(codes):
    array = np.zeros(SHAPE, np.int16)
    array[5, 7, 9] = 1000  # the right, anterior, superior corner
    stored, affine = reoriented(array, np.diag([1.0, 2.0, 3.0, 1.0]), codes)
    axial, coronal, sagittal = choose_planes(Volume(stored, affine, "ct"), [Mask.of(stored > 0)])
    assert [plane.sides for plane in (axial, coronal, sagittal)] == ["RLAP", "RLSI", "APSI"]
    for plane, shape, size in (
        (axial, (8, 6), (6, 16)),
        (coronal, (10, 6), (6, 30)),
        (sagittal, (10, 8), (16, 30)),
    ):
        assert plane.grey.shape == shape
        assert plane.size == pytest.approx(size)
        assert plane.grey[0, 0] == 1000
        ((number, mask),) = plane.masks
        assert number == 0 and mask[0, 0] and mask.sum() == 1
    for plane, axis in ((axial, "SI"), (coronal, "AP"), (sagittal, "RL")):
        (source,) = [index for index, code in enumerate(codes) if code in axis]
        index = np.argwhere(stored)[0][source]
        assert plane.title.endswith(f"{'ijk'[source]} = {index}")


def test_the_slice_with_most_segments_is_taken():
    volume = Volume(np.zeros(SHAPE), np.eye(4), "ct")
    big, one, two = (np.zeros(SHAPE, bool) for _ in range(3))
    big[:, :, 1:5] = True
    one[2:4, 2:4, 3] = True
    two[1, 1, 3:9] = True
    axial, _, sagittal = choose_planes(volume, [Mask.of(mask) for mask in (big, one, two)])
    assert axial.title == "axial, k = 3"
    assert [number for number, _ in axial.masks] == [0, 1, 2]
    assert sagittal.title == "sagittal, i = 1"  # as many segments as in slice 2, more voxels


def test_the_middle_without_voxels():
    planes = choose_planes(Volume(np.zeros(SHAPE), np.eye(4), "ct"), [Mask.of(np.zeros(SHAPE, bool))])
    assert [plane.title for plane in planes] == ["axial, k = 5", "coronal, j = 4", "sagittal, i = 3"]
    assert not any(plane.masks for plane in planes)


def test_windows(chest, chest_segments):
    masks = {segment.name: segment.mask for segment in chest_segments}
    tissue = choose_window("ct", choose_planes(chest, [masks["tissue"]]))
    lung = choose_window("ct", choose_planes(chest, [masks["left lung"]]))
    assert tissue == (-160, 240) == choose_window("ct", choose_planes(chest, []))
    assert lung[0] < -900 and lung[1] > 240


def test_the_window_of_other_modalities_ignores_the_background():
    array = np.zeros((20, 20, 20))
    array[8:12, 8:12, 8:12] = np.linspace(100, 200, 64).reshape(4, 4, 4)
    low, high = choose_window("mri", choose_planes(Volume(array, np.eye(4), "mri"), []))
    assert 100 <= low < 150 < high <= 200


def test_the_window_of_a_flat_volume_has_a_width():
    low, high = choose_window("mri", choose_planes(Volume(np.full(SHAPE, 7), np.eye(4), "mri"), []))
    assert low < high


def test_fill_and_outline():
    volume = Volume(np.full((10, 10, 10), 40), np.eye(4), "ct")  # the window's middle
    large, small = np.zeros((2, 10, 10, 10), bool)
    large[1:9, 1:9, 1:9] = True
    small[4:6, 4:6, 4:6] = True
    plane = choose_planes(volume, [Mask.of(small), Mask.of(large)])[0]
    image = render(plane, 200, 200, (-160, 240), [(255, 0, 0), (0, 0, 255)])
    assert image.shape == (200, 200, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image[5, 5], (128, 128, 128))
    np.testing.assert_array_equal(image[20, 100], (0, 0, 255))  # the large one's outline
    np.testing.assert_allclose(image[40, 40], (76, 76, 178), atol=1)  # 0.6 grey + 0.4 blue
    np.testing.assert_array_equal(image[80, 100], (255, 0, 0))  # the small one's, above the large one
    np.testing.assert_allclose(image[100, 100], (148, 46, 107), atol=1)

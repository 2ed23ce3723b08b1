import numpy as np
import pytest

from SATSegmentLib.imaging import Mask
from SATSegmentLib.output.cleaning import clean, components, fill_holes, largest_component


@pytest.fixture
def shell() -> np.ndarray:
    """A hollow box of 5 x 5 x 5 voxels with 27 inside, and apart from it a bar of 4."""
    array = np.zeros((20, 12, 10), bool)
    array[8:13, 3:8, 2:7] = True
    array[9:12, 4:7, 3:6] = False
    array[2:6, 1, 8] = True
    return array


def test_the_largest_component(shell):
    kept = largest_component(Mask.of(shell))
    wanted = shell.copy()
    wanted[:7] = False
    np.testing.assert_array_equal(kept.array, wanted)
    assert kept.start == (8, 3, 2)


def test_a_corner_connects():
    array = np.zeros((6, 6, 6), bool)
    array[1, 1, 1] = array[2, 2, 2] = array[5, 5, 5] = True
    labels, sizes = components(Mask.of(array))
    assert sizes == [2, 1]
    assert labels.shape == (5, 5, 5)
    assert (labels[0, 0, 0], labels[1, 1, 1], labels[4, 4, 4]) == (1, 1, 2)
    assert largest_component(Mask.of(array)).voxels == 2


def test_holes_are_filled(shell):
    filled = fill_holes(Mask.of(shell))
    wanted = shell.copy()
    wanted[9:12, 4:7, 3:6] = True
    np.testing.assert_array_equal(filled.array, wanted)


@pytest.mark.parametrize("opening", [(10, 5, 2), (8, 5, 4), (10, 7, 4)])
def test_what_is_open_is_no_hole(shell, opening):
    shell[opening] = False
    assert fill_holes(Mask.of(shell)).voxels == shell.sum()


def test_a_hole_is_not_open_at_an_edge(shell):
    shell[8, 3, 4] = False  # an edge of the box: the way out would be over a corner of voxels
    assert fill_holes(Mask.of(shell)).voxels == shell.sum() + 27


def test_what_is_open_at_the_volumes_border_is_no_hole(shell):
    cut = shell[10:]  # through the middle of the box
    np.testing.assert_array_equal(fill_holes(Mask.of(cut)).array, cut)


def test_nothing_in_nothing_out():
    empty = Mask.empty((4, 5, 6))
    for mask in (largest_component(empty), fill_holes(empty), clean(empty, True, True)[0]):
        assert (mask.voxels, mask.shape) == (0, (4, 5, 6))


def test_what_was_done_is_said(shell):
    mask = Mask.of(shell)
    cleaned, said = clean(mask, largest=True, holes=True)
    assert said == "largest component (-4 voxels), holes filled (+27 voxels)"
    assert cleaned.voxels == 125
    assert clean(mask, largest=False, holes=True)[1] == "holes filled (+27 voxels)"
    assert clean(cleaned, largest=True, holes=False)[1] == "largest component (+0 voxels)"
    assert clean(mask, largest=False, holes=False) == (mask, "")


def test_real_segments_come_out_whole(chest_segments):
    """The lungs of a real CT: cleaning takes specks away and closes vessels' holes, and little else."""
    masks = {segment.name: segment.mask for segment in chest_segments}
    for name in ("right lung", "left lung"):
        cleaned, _ = clean(masks[name], largest=True, holes=True)
        both = cleaned.array & masks[name].array
        assert both.sum() > 0.99 * masks[name].voxels
        assert components(cleaned)[1] == [cleaned.voxels]
        assert fill_holes(cleaned).voxels == cleaned.voxels

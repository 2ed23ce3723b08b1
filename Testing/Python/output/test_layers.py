import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from SATSegmentLib.imaging import Mask
from SATSegmentLib.output import pack_layers

SHAPE = (7, 6, 5)


@st.composite
def boxes(draw):
    array = np.zeros(SHAPE, bool)
    bounds = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    array[tuple(slice(*bound) for bound in bounds)] = True
    return array


@given(st.lists(boxes(), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_mask_comes_back(arrays):
    packed = pack_layers([Mask.of(array) for array in arrays])
    for array, (layer, label) in zip(arrays, packed.placement, strict=True):
        np.testing.assert_array_equal(packed.layers[layer] == label, array)
        if not array.any():
            assert layer == 0

    overlaps = np.array([[(a & b).any() for b in arrays] for a in arrays])
    np.fill_diagonal(overlaps, False)
    assert 1 <= len(packed.layers) <= overlaps.sum(0).max() + 1
    for layer in range(len(packed.layers)):
        labels = [label for where, label in packed.placement if where == layer]
        assert labels == list(range(1, len(labels) + 1))


@given(st.lists(boxes(), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_the_same_masks_are_packed_the_same(arrays):
    masks = [Mask.of(array) for array in arrays]
    assert pack_layers(masks).placement == pack_layers(masks).placement


def test_only_empty_masks():
    packed = pack_layers([Mask.of(np.zeros(SHAPE, bool))] * 2)
    assert packed.placement == [(0, 1), (0, 2)]
    assert len(packed.layers) == 1 and not packed.layers[0].any()


def test_more_than_255_labels_in_a_layer():
    masks = []
    for index in range(256):
        array = np.zeros((8, 8, 4), bool)
        array.flat[index] = True
        masks.append(Mask.of(array))
    assert pack_layers(masks[:255]).layers[0].dtype == np.uint8
    (layer,) = pack_layers(masks).layers
    assert layer.dtype == np.uint16
    np.testing.assert_array_equal(layer.ravel(), np.arange(1, 257))


def test_real_segments(chest_segments, overlapping_segments):
    assert len(pack_layers([segment.mask for segment in chest_segments]).layers) == 1
    assert len(pack_layers([segment.mask for segment in overlapping_segments]).layers) == 2

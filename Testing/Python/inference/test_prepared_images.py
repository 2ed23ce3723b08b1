"""Images kept on the model's grid: going back to one costs neither preparing nor encoding."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from Testing.Python.inference.conftest import make_volume

from SATSegmentLib.errors import Cancelled
from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import FeatureStore, Predictor
from SATSegmentLib.inference import predictor as module


@pytest.fixture
def prepared(monkeypatch):
    """A list that gets the name of each volume that is prepared."""
    names, prepare = [], module.prepare
    monkeypatch.setattr(module, "prepare", lambda volume, *grid: names.append(volume.name) or prepare(volume, *grid))
    return names


def _named(seed, name):
    volume = make_volume(seed)
    return Volume(volume.array, volume.affine, "ct", name)


def _region(volume, size):
    centre = volume.affine[:3, :3] @ (np.array(volume.shape) / 2) + volume.affine[:3, 3]
    return (*(centre - size), *(centre + size))


def test_an_image_set_again_is_neither_prepared_nor_encoded(network, queries, prepared):
    first, second = _named(0, "first"), _named(1, "second")
    predictor = Predictor(network, device="cpu")
    encoded = []
    keys = [predictor.set_image(v, progress=lambda *told: encoded.append(told)) for v in (first, second)]
    assert prepared == ["first", "second"]
    expected = predictor.predict(queries=queries)[0].mask
    encoded.clear()
    again = Volume(first.array.copy(), first.affine, "ct", "first, under another name")
    assert predictor.set_image(again, progress=lambda *told: encoded.append(told)) == keys[0]
    assert predictor.use_image(keys[1], progress=lambda *told: encoded.append(told))
    assert prepared == ["first", "second"]
    assert not encoded
    np.testing.assert_array_equal(predictor.predict(queries=queries)[0].mask, expected)


def test_another_region_or_air_or_modality_is_another_image(network):
    volume = make_volume()
    predictor = Predictor(network, device="cpu")
    keys = [
        predictor.set_image(volume),
        predictor.set_image(volume, roi=_region(volume, 8)),
        predictor.set_image(volume, roi=_region(volume, 9)),
        predictor.set_image(volume, skip_air=True),
        predictor.set_image(Volume(volume.array, volume.affine, "mri")),
    ]
    assert len(set(keys)) == len(keys)
    shapes = []
    for key in keys[:3]:
        assert predictor.use_image(key)
        shapes.append(predictor.grid.crop_shape)
    assert shapes[0] > shapes[2] > shapes[1]
    assert predictor.modality == "ct"
    assert predictor.use_image(keys[4])
    assert predictor.modality == "mri"


def test_images_leave_where_there_are_more_than_the_budget_holds(network, queries, prepared, monkeypatch):
    volumes = [_named(seed, str(seed)) for seed in range(3)]
    predictor = Predictor(network, device="cpu")
    keys = [predictor.set_image(volumes[0])]
    monkeypatch.setattr(module, "_PREPARED_BUDGET", int(2.5 * predictor._image.array.nbytes))
    keys.append(predictor.set_image(volumes[1]))
    predictor.set_image(volumes[0])  # used last
    keys.append(predictor.set_image(volumes[2]))
    expected = predictor.predict(queries=queries)[0].mask
    assert not predictor.use_image(keys[1])
    np.testing.assert_array_equal(predictor.predict(queries=queries)[0].mask, expected)  # the image set stays
    assert predictor.use_image(keys[0])
    assert prepared == ["0", "1", "2"]
    assert predictor.set_image(volumes[1]) == keys[1]
    assert prepared == ["0", "1", "2", "1"]
    monkeypatch.setattr(module, "_PREPARED_BUDGET", 0)
    assert predictor.use_image(predictor.set_image(volumes[2]))  # the one set is kept however large


def test_features_that_are_no_longer_kept_are_computed_again(network, queries):
    predictor = Predictor(network, device="cpu")
    key = predictor.set_image(make_volume())
    expected = predictor.predict(queries=queries)[0].mask
    assert predictor.features_kept
    predictor.store.drop(predictor._image.key)
    assert not predictor.features_kept
    encoded = []
    assert predictor.use_image(key, progress=lambda *told: encoded.append(told))
    assert len(encoded) == predictor.windows
    assert predictor.features_kept
    np.testing.assert_array_equal(predictor.predict(queries=queries)[0].mask, expected)
    small = Predictor(network, device="cpu", store=FeatureStore(ram=0, disk=0))
    small.set_image(make_volume())
    assert not small.features_kept


def test_a_cancelled_image_is_not_prepared_again(network, prepared):
    predictor = Predictor(network, device="cpu")
    volume = _named(0, "first")
    with pytest.raises(Cancelled):
        predictor.set_image(volume, cancelled=lambda: True)
    predictor.set_image(volume)
    assert prepared == ["first"]


def test_a_volume_that_was_set_is_let_go(network, queries):
    volume = make_volume()
    alive = weakref.ref(volume.array)
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    del volume
    gc.collect()
    assert alive() is None  # a file that is mapped could not be replaced on Windows
    assert predictor.predict(queries=queries)

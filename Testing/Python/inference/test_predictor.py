"""The predictor: right results, features kept, bounded memory, cancel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from Testing.Python.inference.conftest import SMALL, make_volume

from SATSegmentLib.errors import Cancelled, InputError, OutOfMemoryError
from SATSegmentLib.imaging import Volume, prepare
from SATSegmentLib.inference import FeatureStore, Predictor
from SATSegmentLib.inference import predictor as module
from SATSegmentLib.inference.windows import gaussian_weight, layout
from SATSegmentLib.network import SAT, SATConfig


def _count_windows(network, monkeypatch):
    """A list that gets the number of windows of each run of the U-Net."""
    calls, encode = [], network.encode_image
    monkeypatch.setattr(network, "encode_image", lambda image: calls.append(len(image)) or encode(image))
    return calls


def _dice(a, b):
    return 2 * (a & b).sum() / max((a.sum() + b.sum()), 1)


def _assert_same(results, expected):
    # convolutions of other batch sizes round differently, which half precision then makes a step of 1e-3
    for result, other in zip(results, expected, strict=True):
        assert result.prompt == other.prompt
        np.testing.assert_allclose(result.probabilities, other.probabilities, atol=5e-4)
        assert _dice(result.mask, other.mask) > 0.999


def test_a_whole_case_agrees_with_the_reference(golden, seeded):
    values = np.load(golden / "case_small_ct.npz")
    config = dataclasses.replace(SATConfig.named("nano"), window=tuple(map(int, values["window"])))
    model = SAT(config)
    model.load_state_dict(seeded.seeded_state_dict(model.state_dict()))
    predictor = Predictor(model, device="cpu")
    volume = Volume.read(golden / "small_ct.nii.gz")
    predictor.set_image(volume)
    shape = tuple(values["shape"])
    masks = np.unpackbits(values["mask"])[: np.prod(shape)].reshape(shape).astype(bool)
    results = predictor.predict(queries=torch.from_numpy(values["queries"]), probabilities=True)
    for result, mask, coarse in zip(results, masks, values["probability_stride4"], strict=True):
        assert _dice(result.probabilities > 0.5, mask) >= 0.999
        np.testing.assert_allclose(result.probabilities[::4, ::4, ::4], coarse, atol=2e-3)
        assert result.mask.shape == volume.shape


def test_it_is_the_published_sliding_window_written_out_plainly(network, queries, volume):
    image, grid = prepare(volume, SMALL.spacing)
    weight = gaussian_weight(SMALL.window)
    total, weights = torch.zeros(len(queries), *image.shape), torch.zeros(image.shape)
    for window in layout(image.shape, SMALL.window):
        h, w, d = window.shape
        patch = torch.zeros(1, 1, *SMALL.window)
        patch[0, 0, :h, :w, :d] = torch.from_numpy(image[window.slices])
        with torch.inference_mode():
            probabilities = network(patch, queries)[0].sigmoid()
        total[(slice(None), *window.slices)] += (probabilities * weight)[:, :h, :w, :d]
        weights[window.slices] += weight[:h, :w, :d]
    expected = (total / weights).numpy()
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    results = predictor.predict(queries=queries, probabilities=True)
    whole = np.zeros((len(queries), *grid.shape), np.float32)
    whole[(slice(None), *(slice(a, b) for a, b in zip(*grid.crop, strict=True)))] = expected
    for result, probabilities, all_probabilities in zip(results, expected, whole, strict=True):
        np.testing.assert_allclose(result.probabilities, probabilities, atol=1e-3)
        slices, values = grid.restore(all_probabilities, (0, 0, 0))
        mask = np.zeros(volume.shape, bool)
        mask[slices] = values > 0.5
        assert 0 < mask.sum() < mask.size
        assert _dice(result.mask, mask) > 0.99
        above = probabilities[probabilities > 0.5]
        assert result.confidence == pytest.approx(above.mean(), abs=2e-3)


def test_the_result_does_not_depend_on_what_is_batched_with_what(network, queries, volume, monkeypatch):
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    expected = predictor.predict(queries=queries, probabilities=True)
    one_by_one = [predictor.predict(queries=queries[i : i + 1], probabilities=True)[0] for i in range(5)]
    for result, other in zip(one_by_one, expected, strict=True):
        np.testing.assert_allclose(result.probabilities, other.probabilities, atol=1e-5)
    monkeypatch.setattr(module, "_SUMS_BUDGET", 1)
    monkeypatch.setattr(module, "_DOT_VOXELS", 100)
    other = Predictor(network, device="cpu")
    other._batch = 3
    other.set_image(volume)
    _assert_same(other.predict(queries=queries, probabilities=True), expected)


def test_the_image_is_encoded_once_whatever_its_name(network, queries, volume, monkeypatch):
    calls = _count_windows(network, monkeypatch)
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    windows = len(calls)
    assert windows > 8
    predictor.predict(queries=queries)
    predictor.predict(queries=queries[:1])
    predictor.set_image(Volume(volume.array.copy(), volume.affine, "ct", "another name"))
    predictor.predict(queries=queries[1:2])
    assert len(calls) == windows
    other = make_volume(1)
    predictor.set_image(other)
    assert len(calls) > windows
    after = len(calls)
    predictor.set_image(volume)  # back to the first: still kept
    assert len(calls) == after
    predictor.set_image(Volume(volume.array, volume.affine, "mri"))
    assert len(calls) > after


def test_other_weights_do_not_take_the_features_of_the_first(network, queries, volume):
    store = FeatureStore()
    first = Predictor(network, device="cpu", store=store)
    first.set_image(volume)
    expected = first.predict(queries=queries)[0].mask
    torch.manual_seed(9)
    second = Predictor(SAT(SMALL), device="cpu", store=store)
    second.set_image(volume)
    assert (second.predict(queries=queries)[0].mask != expected).any()


@pytest.mark.parametrize(("ram", "disk"), [(0, 1 << 30), (0, 0), (300_000, 0), (300_000, 200_000)])
def test_the_result_does_not_depend_on_where_features_are_kept(network, queries, volume, ram, disk):
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    expected = predictor.predict(queries=queries, probabilities=True)
    small = Predictor(network, device="cpu", store=FeatureStore(ram, disk))
    small.set_image(volume)
    _assert_same(small.predict(queries=queries, probabilities=True), expected)
    _assert_same(small.predict(queries=queries, probabilities=True), expected)


def test_the_least_recently_used_image_leaves_first_and_files_go_with_it(tmp_path, network, monkeypatch):
    volumes = [make_volume(seed) for seed in range(3)]
    calls = _count_windows(network, monkeypatch)
    probe = Predictor(network, device="cpu")
    probe.set_image(volumes[0])
    windows = len(calls)
    size = probe.store.used(on_disk=False)
    store = FeatureStore(ram=0, disk=int(2.5 * size), folder=tmp_path)
    predictor = Predictor(network, device="cpu", store=store)
    for index, encoded in ((0, True), (1, True), (0, False), (2, True), (0, False), (1, True)):
        before = len(calls)
        predictor.set_image(volumes[index])
        assert (len(calls) > before) == encoded, index
    assert len(list(tmp_path.rglob("*.npy"))) == 2 * windows
    store.close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_time_and_nothing_else(tmp_path, network, queries, volume, monkeypatch):
    expected = Predictor(network, device="cpu")
    expected.set_image(volume)

    def full(path, array):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    predictor = Predictor(network, device="cpu", store=FeatureStore(ram=0, folder=tmp_path))
    monkeypatch.setattr(np, "save", full)
    predictor.set_image(volume)
    results = predictor.predict(queries=queries, probabilities=True)
    _assert_same(results, expected.predict(queries=queries, probabilities=True))
    assert not list(tmp_path.rglob("*.npy"))


def test_progress_counts_every_window_of_both_stages(network, queries, volume):
    seen = []
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume, progress=lambda *event: seen.append(event))
    windows = len(seen)
    assert seen == [("encode", i + 1, windows) for i in range(windows)]
    seen.clear()
    predictor.predict(queries=queries, progress=lambda *event: seen.append(event))
    assert seen == [("segment", i + 1, windows) for i in range(windows)]


def test_cancel_stops_at_the_next_window_and_loses_nothing(network, queries, volume, monkeypatch):
    predictor = Predictor(network, device="cpu")
    first = make_volume(7)
    predictor.set_image(first)
    expected = predictor.predict(queries=queries)[0].mask
    calls = _count_windows(network, monkeypatch)
    with pytest.raises(Cancelled):
        predictor.set_image(volume, cancelled=lambda: len(calls) >= 3)
    assert len(calls) == 3
    np.testing.assert_array_equal(predictor.predict(queries=queries)[0].mask, expected)  # the image before
    predictor.set_image(volume)
    windows = len(layout(prepare(volume, SMALL.spacing)[0].shape, SMALL.window))
    assert len(calls) == windows  # the three done were kept
    asked = []
    with pytest.raises(Cancelled):
        predictor.predict(queries=queries, cancelled=lambda: asked.append(1) or len(asked) > 2)
    assert len(asked) == 3
    assert predictor.predict(queries=queries)[0].mask.any()


def test_a_region_limits_windows_and_mask_and_agrees_where_windows_agree(network, queries, monkeypatch):
    volume = make_volume(2, (60, 50, 40))
    predictor = Predictor(network, device="cpu")
    calls = _count_windows(network, monkeypatch)
    predictor.set_image(volume)
    everything, calls[:] = len(calls), []
    centre = volume.affine[:3, :3] @ (np.array(volume.shape) / 2) + volume.affine[:3, 3]
    predictor.set_image(volume, roi=(*(centre - 8), *(centre + 8)))
    assert 0 < len(calls) < everything / 4
    results = predictor.predict(queries=queries, probabilities=True)
    assert any(result.mask.any() for result in results)
    for result in results:
        assert result.probabilities.shape == predictor.grid.crop_shape
        index = np.argwhere(result.mask)
        points = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        # the box is turned by 16 degrees against the voxels
        assert (np.abs(points - centre) <= 8 * 1.3 + 3).all()
    small = make_volume(0, (9, 8, 7))  # one window holds it: inside the box the result is that of the whole
    predictor.set_image(small)
    whole = predictor.predict(queries=queries, probabilities=True)
    origin = predictor.grid.crop[0]
    centre = small.affine[:3, :3] @ (np.array(small.shape) / 2) + small.affine[:3, 3]
    predictor.set_image(small, roi=(*(centre - 3), *(centre + 3)))
    start, stop = (np.subtract(corner, origin) for corner in predictor.grid.crop)
    inside = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    for result, other in zip(predictor.predict(queries=queries, probabilities=True), whole, strict=True):
        np.testing.assert_allclose(result.probabilities, other.probabilities[inside], atol=1e-6)


def test_windows_of_air_are_skipped_only_when_asked(network, queries, monkeypatch):
    array = make_volume(0, (60, 50, 40)).array.copy()
    array[:34] = -1000
    array[0, 0, 0] = array[-1, -1, -1] = 100  # the crop keeps the air
    volume = Volume(array, np.diag([2.0, 2, 3, 1]), "ct")
    calls = _count_windows(network, monkeypatch)
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    everything, calls[:] = len(calls), []
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume, skip_air=True)
    assert 0 < len(calls) < everything
    (first, *_) = predictor.predict(queries=queries[:1], probabilities=True)
    assert first.probabilities[20:24].max() == 0


def test_out_of_memory_halves_the_batch_then_the_classes_then_says_what_to_do(network, queries, volume, monkeypatch):
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    expected = predictor.predict(queries=queries, probabilities=True)
    encode, masks = network.encode_image, network.mask_embeddings
    batches, chunks = [], []

    def small_encode(image):
        batches.append(len(image))
        if len(image) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return encode(image)

    def small_masks(memory, positions, queries):
        chunks.append(len(queries))
        if len(queries) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return masks(memory, positions, queries)

    monkeypatch.setattr(network, "encode_image", small_encode)
    monkeypatch.setattr(network, "mask_embeddings", small_masks)
    starved = Predictor(network, device="cpu")
    starved._batch = 8
    starved.set_image(volume)
    assert batches[:3] == [8, 4, 2]
    _assert_same(starved.predict(queries=queries, probabilities=True), expected)
    assert max(chunks) == 5

    def nothing(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(network, "mask_embeddings", nothing)
    with pytest.raises(OutOfMemoryError, match=r"use a smaller model\."):
        starved.predict(queries=queries)
    monkeypatch.setattr(network, "encode_image", nothing)
    with pytest.raises(OutOfMemoryError, match="16 x 16 x 8"):
        starved.set_image(make_volume(5))


def test_another_error_is_not_taken_for_memory(network, volume, monkeypatch):
    def broken(_image):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(network, "encode_image", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        Predictor(network, device="cpu").set_image(volume)


def test_half_precision_on_a_cpu_is_used_when_asked(network, queries, volume):
    full = Predictor(network, device="cpu")
    half = Predictor(network, device="cpu", precision="bfloat16")
    for predictor in (full, half):
        predictor.set_image(volume)
    a, b = (p.predict(queries=queries, probabilities=True) for p in (full, half))
    difference = max(np.abs(x.probabilities - y.probabilities).max() for x, y in zip(a, b, strict=True))
    assert 1e-5 < difference < 0.2


def test_bad_calls_are_refused_in_words(network, queries, volume):
    with pytest.raises(InputError, match="not available"):
        Predictor(network, device="cuda:99")
    with pytest.raises(InputError, match="no device"):
        Predictor(network, device="abacus")
    with pytest.raises(InputError, match="no precision"):
        Predictor(network, device="cpu", precision="double")
    predictor = Predictor(network, device="cpu")
    with pytest.raises(InputError, match="set_image first"):
        predictor.predict(queries=queries)
    predictor.set_image(volume)
    with pytest.raises(InputError, match="either prompts or queries"):
        predictor.predict()
    with pytest.raises(InputError, match="Prompts are a list"):
        predictor.predict("liver")
    with pytest.raises(InputError, match="text encoder"):
        predictor.predict(["liver"])
    with pytest.raises(InputError, match=r"\(N, 24\)"):
        predictor.predict(queries=torch.zeros(3, 7))
    with pytest.raises(InputError, match="outside"):
        predictor.set_image(volume, roi=(900, 900, 900, 950, 950, 950))


def test_an_impossible_prompt_gives_an_empty_mask(network, volume, monkeypatch):
    monkeypatch.setattr(network, "mask_embeddings", lambda m, p, q: torch.full((1, len(q), 8), -0.0))
    predictor = Predictor(network, device="cpu")
    predictor.set_image(volume)
    (result,) = predictor.predict(queries=torch.zeros(1, 24))  # probability 0.5 everywhere is not above it
    assert result.region.voxels == 0
    assert result.confidence == 0
    assert result.mask.shape == volume.shape
    assert not result.mask.any()

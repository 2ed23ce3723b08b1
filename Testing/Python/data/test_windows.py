"""The windows a network is trained on."""

from __future__ import annotations

import dataclasses
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.format import open_memmap
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader

from SATSegmentLib.errors import InputError
from SATTrainingLib.cases import Case, Label, read_cases
from SATTrainingLib.data.augmentation import Augmentation
from SATTrainingLib.data.cache import CaseCache, prepare_all
from SATTrainingLib.data.prepared import PreparedCase, StoredArray
from SATTrainingLib.data.windows import WindowSampler, _crop

NOTHING = Augmentation(**{f.name: 0.0 for f in dataclasses.fields(Augmentation) if f.name.endswith("_probability")})
SIZE = (16, 16, 16)


def _made(labels: np.ndarray, dataset: str = "made", annotated: int | None = None) -> PreparedCase:
    """A case whose label n is called "n", and whose image numbers its voxels."""
    image = np.arange(labels.size).reshape(labels.shape).astype(np.float32)
    values = range(1, (annotated or int(labels.max())) + 1)
    places = {str(value): np.argwhere(labels == value) for value in values}
    return PreparedCase(
        case=Case("made", Path(), Path(), (), "ct", dataset),
        image=image,
        labels=labels[None],
        terms={str(value): (Label(str(value), value),) for value in values},
        spacing=(4.0, 4.0, 4.0),
        voxels={term: where.astype(np.int16) for term, where in places.items() if len(where)},
        labelled=np.argwhere(labels > 0).astype(np.int16),
    )


def _same(mine, theirs):
    assert (mine.number, mine.prompts, mine.modality, mine.dataset) == (
        theirs.number,
        theirs.prompts,
        theirs.modality,
        theirs.dataset,
    )
    torch.testing.assert_close(mine.image, theirs.image)
    assert torch.equal(mine.masks, theirs.masks)


def test_windows_are_the_same_for_a_step_and_unlabelled_is_unknown(prepared):
    sampler, other = (WindowSampler(prepared, SIZE, 2, 4, seed=3) for _ in range(2))
    for step in range(30):
        for window, again in zip(sampler[step], other[step], strict=True):
            _same(window, again)
            assert window.image.shape == (1, *SIZE)
            assert window.image.dtype == torch.float32
            assert window.masks.shape == (len(window.prompts), *SIZE)
            assert len(set(window.prompts)) == len(window.prompts) <= 4
            assert (window.modality, window.dataset) == ("ct", "balls")
            if "kidney" in window.prompts:
                assert not window.masks[window.prompts.index("kidney")].any()
            if {"ball", "left ball", "right ball"} <= set(window.prompts):
                ball, left, right = (window.masks[window.prompts.index(t)] for t in ("ball", "left ball", "right ball"))
                assert torch.equal(ball, left | right)
    only = WindowSampler([case for case in prepared if case.case.id == "case3"], SIZE, 2, 4, seed=3)
    asked = {prompt for step in range(30) for window in only[step] for prompt in window.prompts}
    assert asked == {"left ball", "kidney"}  # its right ball was not annotated: neither asked nor taught as absent
    _, seed, step = sampler[0][0], WindowSampler(prepared, SIZE, 2, 4, seed=4)[0][0], sampler[1][0]
    assert not torch.equal(sampler[0][0].image, seed.image)
    assert not torch.equal(sampler[0][0].image, step.image)
    assert not torch.equal(sampler[0][0].image, sampler[0][1].image)


@pytest.mark.parametrize("world", [2, 4])
def test_several_processes_draw_what_one_would(prepared, world):
    alone = WindowSampler(prepared, SIZE, 4, 4, seed=3)
    ranks = [WindowSampler(prepared, SIZE, 4, 4, seed=3, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        together = [window for sampler in ranks for window in sampler[step]]
        assert [window.number for window in together] == [0, 1, 2, 3]
        for mine, theirs in zip(alone[step], together, strict=True):
            _same(mine, theirs)


def test_a_batch_that_cannot_be_shared_and_no_case_at_all_are_refused(prepared):
    with pytest.raises(InputError, match="3 windows cannot be shared by 2 processes"):
        WindowSampler(prepared, SIZE, 3, 4, seed=3, rank=0, world=2)
    with pytest.raises(InputError, match="no case to train on"):
        WindowSampler([], SIZE, 2, 4, seed=3)


def test_other_processes_draw_the_same_from_the_disk(prepared, ball_cases, balls, small_config, tmp_path):
    kept = prepare_all(read_cases(ball_cases), {"balls": balls}, small_config, CaseCache(tmp_path / "cache"))
    sampler = WindowSampler(kept, SIZE, 2, 4, seed=3)
    handed = pickle.loads(pickle.dumps(sampler))  # what a process is given where none can be forked
    loader = DataLoader(handed, batch_size=None, sampler=range(4), num_workers=1, collate_fn=list)
    memory = WindowSampler(prepared, SIZE, 2, 4, seed=3)
    drawn = list(loader)
    assert len(drawn) == 4
    for step, windows in enumerate(drawn):
        for mine, theirs in zip(memory[step], windows, strict=True):
            _same(mine, theirs)


def test_image_and_masks_of_a_window_stay_together_and_left_stays_left(prepared):
    sampler = WindowSampler(prepared[:1], SIZE, 4, 4, seed=1)
    differences = []
    for window in (w for step in range(20) for w in sampler[step]):
        found = {}
        for term, sign in (("left ball", 1), ("right ball", -1)):
            if term in window.prompts:
                mask = window.masks[window.prompts.index(term)]
                if 30 < mask.sum() < mask.numel() / 2:
                    differences.append(sign * float(window.image[0][mask].mean() - window.image[0][~mask].mean()))
                    found[term] = float(mask.nonzero()[:, 0].float().mean())
        if len(found) == 2:
            assert found["left ball"] < found["right ball"]
    assert len(differences) > 20
    assert min(differences) > 0.2


def test_a_window_that_is_not_changed_holds_the_volumes_own_voxels():
    labels = np.zeros((20, 30, 12), np.uint8)
    labels[3:9, 20:29, 2:5] = 1
    case = _made(labels)
    sampler = WindowSampler([case], SIZE, 4, 4, seed=0, augmentation=NOTHING)
    for window in (w for step in range(10) for w in sampler[step]):
        inside = window.image[0].nonzero()
        assert inside.numel()
        first = np.array(np.unravel_index(int(window.image[0][tuple(inside[0])]), labels.shape)) - inside[0].numpy()
        image, mask = np.zeros(SIZE, np.float32), np.zeros(SIZE, bool)
        start, stop = np.maximum(first, 0), np.minimum(first + SIZE, labels.shape)
        there = tuple(slice(a, b) for a, b in zip(start - first, stop - first, strict=True))
        own = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        image[there], mask[there] = case.image[own], labels[own] == 1
        np.testing.assert_array_equal(window.image[0], image)
        np.testing.assert_array_equal(window.masks[window.prompts.index("1")], mask)
        # a window stays inside the volume where it can
        assert (start[:2] == first[:2]).all()
        assert (stop[:2] == first[:2] + SIZE[:2]).all()


def test_zoom_and_tilt_follow_a_known_shape():
    """A ball: zooming by z makes its radius z times smaller, tilting leaves it a ball."""
    index = np.stack(np.meshgrid(*[np.arange(48)] * 3, indexing="ij"), -1)
    labels = (np.linalg.norm(index - 24, axis=-1) < 6).astype(np.uint8)
    case = dataclasses.replace(_made(labels), image=labels.astype(np.float16))
    whole = np.count_nonzero(labels)
    for zoom in (0.5, 1.0, 1.6):
        changed = dataclasses.replace(NOTHING, zoom=(zoom, zoom), stretch=0, zoom_probability=1, tilt_probability=1)
        sampler = WindowSampler([case], (32, 32, 32), 4, 1, seed=0, augmentation=changed)
        for window in sampler[0]:
            mask = window.masks[0].numpy()
            if zoom < 1 and not _free(mask):
                continue
            assert mask.sum() == pytest.approx(whole / zoom**3, rel=0.12)
            assert ((window.image[0].numpy() > 0.5) != mask).mean() < 0.004


def _free(mask: np.ndarray) -> bool:
    """Whether a mask does not touch the window's sides."""
    return not any(np.take(mask, end, axis).any() for axis in range(3) for end in (0, -1))


@pytest.mark.parametrize("centre", [(20.0, 15.0, 12.0), (3.0, 27.5, 21.0)])  # the second reaches beyond the volume
def test_a_turned_window_holds_what_scipy_finds_there(centre):
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, (40, 30, 24)).astype(np.uint8)
    image = random.normal(size=labels.shape).astype(np.float32)
    spacing = (1.0, 2.0, 3.0)
    case = dataclasses.replace(_made(labels), image=image, spacing=spacing)
    size = (16, 32, 24)
    turn = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix() * (0.8, 1.0, 1.2)
    found, layers = _crop(case, np.array(centre), size, turn)
    index = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1) - (np.array(size) - 1) / 2
    places = (index * spacing @ turn.T / spacing + centre - 0.5).transpose(3, 0, 1, 2)
    expected = map_coordinates(image, places, order=1, mode="grid-constant")
    np.testing.assert_allclose(found[0], expected, atol=2e-3)
    nearest = map_coordinates(labels, places, order=0, mode="grid-constant")
    assert (layers[0].numpy() == nearest).mean() > 0.999


def test_absent_terms_are_asked_half_as_often_and_keep_a_third_of_the_room():
    labels = np.zeros((32, 32, 32), np.uint8)
    for value in range(1, 7):
        labels[2 * value + 8, 10:20, 10:20] = value
    case = _made(labels, annotated=20)
    for prompts in (1, 4, 6, 8, 32):
        sampler = WindowSampler([case], (32, 32, 32), 2, prompts, seed=0, augmentation=NOTHING)
        for window in (w for step in range(5) for w in sampler[step]):
            there = window.masks.flatten(1).any(1)
            assert int(there.sum()) == min(6, prompts - prompts // 3)
            assert int((~there).sum()) == min(3, prompts // 3)
            assert len(set(window.prompts)) == len(window.prompts)


def test_where_nothing_is_known_to_be_absent_all_the_room_is_for_what_is_there():
    labels = np.zeros((32, 32, 32), np.uint8)
    for value in range(1, 7):
        labels[2 * value + 8, 10:20, 10:20] = value
    sampler = WindowSampler([_made(labels)], (32, 32, 32), 2, 4, seed=0, augmentation=NOTHING)
    assert all(len(window.prompts) == 4 and window.masks.flatten(1).any(1).all() for window in sampler[0])


def test_a_case_without_a_voxel_asks_for_what_is_absent():
    sampler = WindowSampler([_made(np.zeros((32, 32, 32), np.uint8), annotated=3)], SIZE, 2, 8, seed=0)
    for window in (w for step in range(10) for w in sampler[step]):
        assert len(window.prompts) == 1
        assert not window.masks.any()


def test_rare_structures_get_their_share():
    labels = np.zeros((96, 16, 16), np.uint8)
    labels[:60], labels[92, 8, 8] = 1, 2  # a large structure, and one of a voxel too far away to be there by chance
    sampler = WindowSampler([_made(labels)], SIZE, 4, 4, seed=0, augmentation=NOTHING)
    windows = [window for step in range(100) for window in sampler[step]]
    shown = sum("2" in window.prompts and bool(window.masks[window.prompts.index("2")].any()) for window in windows)
    # half of the windows are centred on one of the two terms, drawn evenly
    assert shown / len(windows) == pytest.approx(0.25, abs=0.05)


def test_data_sets_are_drawn_by_their_size_and_large_regions_more_often():
    small = np.zeros((64, 64, 64), np.uint8)
    small[30:34, 30:34, 30:34] = 1
    large = np.zeros_like(small)
    large[2:62, 30:34, 30:34] = 1  # 4 windows long
    many = np.zeros_like(small)
    many[30:34, 30:34, 30:42] = np.arange(1, 13)
    cases = [_made(small, "nine") for _ in range(9)] + [_made(small, "one")]
    cases += [_made(large, "large"), _made(many, "many")]
    sampler = WindowSampler(cases, SIZE, 4, prompts=5, seed=0, augmentation=NOTHING)
    drawn = [window.dataset for step in range(120) for window in sampler[step]]
    counts = {name: drawn.count(name) for name in ("nine", "one", "large", "many")}
    # 9 / sqrt(9) : 1 : 4 windows : 12 terms with 5 prompts a window
    for name, weight in (("nine", 3), ("one", 1), ("large", 4), ("many", 3)):
        assert counts[name] / len(drawn) == pytest.approx(weight / 11, abs=0.05), name
    weights = {"one": 9.0, "large": 0.25}
    sampler = WindowSampler(cases, SIZE, 4, prompts=5, seed=0, augmentation=NOTHING, weights=weights)
    drawn = [window.dataset for step in range(120) for window in sampler[step]]
    for name, weight in (("nine", 3), ("one", 9), ("large", 1), ("many", 3)):
        assert drawn.count(name) / len(drawn) == pytest.approx(weight / 16, abs=0.06), name


def test_only_what_lies_under_a_window_is_read(tmp_path):
    shape = (512, 512, 256)
    image = open_memmap(tmp_path / "image.npy", "w+", np.float16, shape)
    labels = open_memmap(tmp_path / "labels.npy", "w+", np.uint8, (1, *shape))
    labels[0, 200:210, 200:210, 100:110] = 1
    image[200:210, 200:210, 100:110] = 1
    case = _made(np.zeros((4, 4, 4), np.uint8), annotated=1)
    voxels = np.array([[205, 205, 105]], np.int16)
    case = dataclasses.replace(
        case,
        image=StoredArray(tmp_path / "image.npy", shape),
        labels=StoredArray(tmp_path / "labels.npy", (1, *shape)),
        voxels={"1": voxels},
        labelled=voxels,
    )
    zoomed = dataclasses.replace(NOTHING, zoom_probability=1, tilt_probability=1)
    for augmentation in (NOTHING, zoomed):
        sampler = WindowSampler([case], (64, 64, 48), 1, 4, seed=0, augmentation=augmentation)
        (window,) = sampler[0]
        assert window.masks.any()
        tracemalloc.start()
        sampler[1]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 0.05 * image.nbytes


def test_intensities_change_only_as_much_as_they_may(prepared):
    image = torch.from_numpy(prepared[0].image[:16, :16, :16]).float()[None]
    random = np.random.default_rng(0)
    assert torch.equal(NOTHING.change_intensities(image, random), image)
    assert NOTHING.draw_matrix(random) is None
    changed = [Augmentation().change_intensities(image, np.random.default_rng(seed)) for seed in range(20)]
    assert len({float(one.sum()) for one in changed}) > 15
    for seed, one in enumerate(changed):
        torch.testing.assert_close(Augmentation().change_intensities(image, np.random.default_rng(seed)), one)
        assert one.shape == image.shape
        correlation = np.corrcoef(one.flatten(), image.flatten())[0, 1]
        assert correlation > 0.5
    published = Augmentation.published()
    drawn = [published.draw_matrix(random) for _ in range(500)]
    zooms = [float(matrix[0, 0]) for matrix in drawn if matrix is not None]
    assert len(zooms) / len(drawn) == pytest.approx(0.2, abs=0.05)
    assert 0.7 <= min(zooms) < 0.8
    assert 1.3 < max(zooms) <= 1.4
    for matrix in drawn:
        assert matrix is None or np.array_equal(matrix, matrix[0, 0] * np.eye(3))

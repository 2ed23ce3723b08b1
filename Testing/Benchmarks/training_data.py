"""What the windows of a training step cost, against the step itself."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import torch

from SATSegmentLib.network import SAT, SATConfig

_SHAPE, _SPACING = (320, 320, 120), (1.2, 1.2, 3.0)  # mm; a trunk
_CASES, _LABELS, _PROMPTS, _BATCH = 3, 24, 16, 2
_STEPS = 12


def training_data() -> None:
    """Preparing a case, finding it again, and the share of data loading in a step of a network of sat-tiny's size."""
    from SATTrainingLib.cases import DatasetLabels
    from SATTrainingLib.data.cache import CaseCache
    from SATTrainingLib.data.windows import WindowSampler

    tiny, nano = SATConfig.named("tiny"), SATConfig.named("nano")
    with tempfile.TemporaryDirectory() as folder:
        cases = [_case(Path(folder), number) for number in range(_CASES)]
        kept = {}
        for name, network in (("sat-tiny", tiny), ("sat-nano", nano)):
            start = time.perf_counter()
            for case in cases:
                CaseCache(Path(folder) / "cache").get(case, DatasetLabels(), network)
            prepared = time.perf_counter()
            cache = CaseCache(Path(folder) / "cache")
            kept[name] = [cache.get(case, DatasetLabels(), network) for case in cases]
            found = time.perf_counter() - prepared
            each = (prepared - start) / _CASES
            print(
                f"{name}: a case is prepared in {each:.2f} s, found again in {found / _CASES / each:.2%} of that",
                flush=True,
            )
        windows = {
            name: _seconds_a_window(WindowSampler(kept[name], network.window, _BATCH, _PROMPTS, seed=1), count)
            for name, network, count in (("sat-tiny", tiny, 30), ("sat-nano", nano, 2))
        }
        print(f"sat-nano's window is drawn in {windows['sat-nano']:.2f} s by one thread", flush=True)
        sampler = WindowSampler(kept["sat-tiny"], tiny.window, _BATCH, _PROMPTS, seed=1)
        step, waited = _steps(SAT(tiny, deep_supervision=True), sampler)
        print(
            f"sat-tiny: a window is drawn in {1000 * windows['sat-tiny']:.0f} ms by one thread, its step of {_BATCH} "
            f"takes {step:.2f} s: {_BATCH * windows['sat-tiny'] / step:.1%} if drawn in turn; with one process that "
            f"draws, a step waits for {waited / step:.1%} of its time"
        )


def _case(folder: Path, number: int):
    """A noisy trunk with structures side by side along its axis."""
    from SATTrainingLib.cases import Case, Label

    random = np.random.default_rng(number)
    x, y = (np.linspace(-1, 1, n, dtype=np.float32) for n in _SHAPE[:2])
    inside = (x[:, None] ** 2 + y**2 < 0.8)[..., None].repeat(_SHAPE[2], 2)
    image = (np.where(inside, 40, -1000) + random.normal(0, 30, _SHAPE)).astype(np.int16)
    cells = np.arange(_SHAPE[0])[:, None, None] // 80 + 4 * (np.arange(_SHAPE[2]) // 20)
    mask = np.where(inside, cells + 1, 0).astype(np.uint8)
    paths = [folder / f"{number}_{name}.nii.gz" for name in ("image", "mask")]
    for path, array in zip(paths, (image, mask), strict=True):
        nibabel.save(nibabel.Nifti1Image(array, np.diag([*_SPACING, 1.0])), path)
    labels = tuple(Label(f"structure {value}", value) for value in range(1, _LABELS + 1))
    return Case(str(number), *paths, labels, "ct", "made")


def _seconds_a_window(sampler, count: int) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sampler[0]
    start = time.perf_counter()
    for step in range(1, count + 1):
        sampler[step]
    torch.set_num_threads(threads)
    return (time.perf_counter() - start) / count / _BATCH


def _steps(model: SAT, sampler) -> tuple[float, float]:
    """Seconds of a step, and of those what it waited for its windows; the middle of several."""
    from SATTrainingLib.training.losses import deep_supervision_losses

    model = model.to(memory_format=torch.channels_last_3d).train()
    optimizer = torch.optim.AdamW(model.parameters())
    loader = torch.utils.data.DataLoader(
        sampler,
        batch_size=None,
        sampler=range(_STEPS),
        num_workers=1,
        collate_fn=list,
        worker_init_fn=_one_thread,
        prefetch_factor=4,
    )
    times, waits = [], []
    before = time.perf_counter()
    for windows in loader:
        there = time.perf_counter()
        image = torch.stack([window.image for window in windows]).contiguous(memory_format=torch.channels_last_3d)
        masks = torch.zeros(_BATCH, _PROMPTS, *image.shape[2:], dtype=torch.bool)
        real = torch.zeros(_BATCH, _PROMPTS, dtype=torch.bool)
        for i, window in enumerate(windows):
            masks[i, : len(window.prompts)] = window.masks
            real[i, : len(window.prompts)] = True
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model.forward_deep(image, torch.randn(_BATCH, _PROMPTS, model.config.text_width))
        optimizer.zero_grad()
        deep_supervision_losses(outputs, masks, real).mean().backward()
        optimizer.step()
        now = time.perf_counter()
        times.append(now - before)
        waits.append(there - before)
        before = now
    return statistics.median(times[2:]), statistics.median(waits[2:])


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)

"""What a training step costs: time and memory."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import torch

from SATSegmentLib.network import SAT, SATConfig
from SATTrainingLib.data.windows import Window
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.distributed import joined
from SATTrainingLib.training.learner import save_memory
from SATTrainingLib.training.losses import deep_supervision_losses
from SATTrainingLib.training.presets import PRESETS
from SATTrainingLib.training.setup import set_up
from SATTrainingLib.training.stepper import Stepper

_STEPS = 7
_PROMPTS = 16


def training() -> None:
    """Seconds a step and what is kept for the backward pass, by precision; what the presets need."""
    tiny = SATConfig.named("tiny")
    terms = [(f"term {number}", "ct") for number in range(_PROMPTS)]
    windows = [
        Window(
            number,
            torch.randn(1, *tiny.window),
            [term for term, _ in terms],
            "ct",
            "data",
            torch.rand(_PROMPTS, *tiny.window) > 0.9,
        )
        for number in range(2)
    ]
    first = None
    for precision, checkpointing in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
        config = TrainingConfig(
            Path("cases.jsonl"), None, windows_at_once=2, precision=precision, activation_checkpointing=checkpointing
        )
        with joined("cpu") as ranks:
            stepper = Stepper(config, set_up(config, terms), ["data"], ranks)
        seconds = []
        for step in range(_STEPS):
            start = time.perf_counter()
            stepper.step(step, windows, 2 * _PROMPTS)
            seconds.append(time.perf_counter() - start)
        kept = _Kept()
        with kept:
            stepper.step(_STEPS, windows, 2 * _PROMPTS)
        now = statistics.median(seconds), kept.bytes
        first = first or now
        print(
            f"sat-tiny, 2 windows, {precision}{', checkpointing' if checkpointing else ''}: {now[0]:.2f} s a step "
            f"({now[0] / first[0]:.2f} of float32), {now[1] / 1e9:.2f} GB kept for the backward pass "
            f"({now[1] / first[1]:.2f})"
        )
    _presets()


class _Kept:
    """Bytes that autograd keeps of the forward pass, each tensor's memory counted once; weights included."""

    def __enter__(self) -> _Kept:
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._hooks.__exit__(*error)
        self.bytes = sum(storage.nbytes() for storage in self._storages.values())
        self._storages.clear()

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        self._storages[storage.data_ptr()] = storage
        return tensor


def _presets() -> None:
    """What SAT-Nano keeps for the backward pass, in half precision, scaled to the windows of the presets."""
    network = SATConfig.named("nano")
    for name, preset in PRESETS.items():
        if name == "cpu":
            continue
        values = preset.values
        torch.manual_seed(0)
        model = SAT(network, deep_supervision=True)
        weights = sum(p.numel() for p in model.parameters())
        if values["activation_checkpointing"]:
            save_memory(model)
        small, large = (_kept_by(model, values["prompts"], (64, 64, depth)) for depth in (32, 64))
        a_voxel = (large - small) / (64 * 64 * 32)  # weights are in both
        windows = np.prod(values["window"]) * values["windows_at_once"]
        print(
            f"sat-nano, {values['prompts']} prompts{', checkpointing' if values['activation_checkpointing'] else ''}: "
            f"{a_voxel / 1e3:.2f} kB a voxel; {name} preset: {a_voxel * windows / 1e9:.1f} GB for its windows, "
            f"{16 * weights / 1e9:.1f} GB for weights, gradients and optimiser",
            flush=True,
        )


def _kept_by(model: SAT, prompts: int, window: tuple[int, int, int]) -> int:
    masks = torch.rand(1, prompts, *window) > 0.9
    kept = _Kept()
    with kept:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model.forward_deep(torch.randn(1, 1, *window), torch.randn(1, prompts, 768))
        deep_supervision_losses(outputs, masks, torch.ones(1, prompts, dtype=torch.bool))
    return kept.bytes

"""Settings for what a machine can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Preset:
    """What to set for an amount of memory.

    Attributes:
        title: For people.
        values: Fields of `TrainingConfig`.
    """

    title: str
    values: dict[str, object]


def preset_for(memory_gb: float | None) -> str:
    """The name of the largest preset for a GPU of `memory_gb`, or for none.

    A GPU of less than the smallest preset's memory gets the smallest.
    """
    if memory_gb is None:
        return "cpu"
    sizes = [float(name.split()[0]) for name in PRESETS if name != "cpu"]
    # a card of "24 GB" offers a little less to programs
    return f"{max([size for size in sizes if memory_gb > 0.9 * size], default=min(sizes)):g} GB"


def _cpu_precision() -> str:
    """bfloat16 where the processor has matrix units for it, which makes a step much shorter; else float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "amx_bf16" in flags else "float32"


def _gpu(window: tuple[int, int, int], prompts: int, windows_at_once: int, checkpointing: bool) -> dict[str, object]:
    # float16 runs on every GPU with CUDA
    return {
        "window": window,
        "prompts": prompts,
        "batch": 2,
        "windows_at_once": windows_at_once,
        "precision": "float16",
        "activation_checkpointing": checkpointing,
        "workers": 2,
        "device": "cuda",
    }


# For SAT-Nano. Estimates: a forward pass in half precision keeps 2.2 kB a voxel of the window at 32 prompts, with
# checkpointing 1.1 kB at 16 (Testing/Benchmarks/training.py, on a CPU), the backward pass needs about as much again,
# and weights, gradients and optimiser 1.8 GB; not measured on GPUs. Its authors train two windows of 288 x 288 x 64-96
# voxels at 32 prompts on 80 GB. SAT-Pro, with twice the channels, takes about twice as much: use the preset of half
# the memory for it.
PRESETS = {
    "cpu": Preset(
        "No GPU: for small networks such as sat-tiny",
        {
            "window": None,
            "prompts": 16,
            "batch": 2,
            "windows_at_once": 2,
            "precision": _cpu_precision(),
            "activation_checkpointing": False,
            "workers": 1,
            "device": "cpu",
        },
    ),
    "8 GB": Preset("GPU with 8 GB", _gpu((128, 128, 64), 16, 1, True)),
    "12 GB": Preset("GPU with 12 GB", _gpu((192, 192, 64), 16, 1, True)),
    "24 GB": Preset("GPU with 24 GB", _gpu((256, 256, 96), 16, 1, True)),
    "48 GB": Preset("GPU with 48 GB", _gpu((288, 288, 96), 32, 1, False)),
    "80 GB": Preset("GPU with 80 GB", _gpu((288, 288, 96), 32, 2, False)),
}

"""What this computer can train with, asked without loading PyTorch."""

from __future__ import annotations

import subprocess
from contextlib import suppress

_QUERY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")


def gpu_memories() -> list[float]:
    """Gigabytes of memory of each NVIDIA GPU; none where the driver is not installed. Takes a moment."""
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        told = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True)
        return [float(line) / 1024 for line in told.stdout.split("\n") if line.strip()]
    return []

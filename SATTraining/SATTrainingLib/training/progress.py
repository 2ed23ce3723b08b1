"""Means over the steps between two events."""

from __future__ import annotations

from collections import defaultdict

import psutil
import torch

from .config import TrainingConfig
from .log import RunLog
from .optimisation import learning_rate

_TOLD_EVERY = 10  # steps; the first ones are told one by one


class Means:
    """Adds up losses and times of steps; the losses go into checkpoints, so that an event does not depend on when the
    run was interrupted."""

    def __init__(self) -> None:
        self._steps = 0
        self._loss = 0.0
        self._losses: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._timed = 0
        self._seconds = 0.0
        self._waited = 0.0

    def add(self, loss: float, losses: dict[str, tuple[float, float]], seconds: float, waited: float) -> None:
        """A step: its loss, of each data set the sum over prompts and their number, its seconds, and those of them that
        it waited for windows."""
        self._steps += 1
        self._loss += loss
        for name, (total, count) in losses.items():
            self._losses[name][0] += total
            self._losses[name][1] += count
        self._timed += 1
        self._seconds += seconds
        self._waited += waited

    def take(self, windows_a_step: int) -> dict[str, object]:
        """The means for an event, and begins anew."""
        values = {
            "loss": self._loss / self._steps,
            "losses": {name: total / count for name, (total, count) in sorted(self._losses.items()) if count},
            "seconds_a_step": self._seconds / self._timed,
            "windows_a_second": windows_a_step * self._timed / self._seconds,
            "data_share": self._waited / self._seconds,
        }
        self.__init__()
        return values

    def state(self) -> dict:
        """For a checkpoint."""
        return {"steps": self._steps, "loss": self._loss, "losses": {k: list(v) for k, v in self._losses.items()}}

    def load(self, state: dict) -> None:
        """The inverse of `state`."""
        self._steps, self._loss = state["steps"], state["loss"]
        self._losses.update({name: list(values) for name, values in state["losses"].items()})


def tell(log: RunLog, means: Means, step: int, config: TrainingConfig, device: torch.device) -> None:
    """Writes the event of the steps since the one before, where one is due after `step` steps."""
    if step > _TOLD_EVERY and step % _TOLD_EVERY and step != config.steps:
        return
    on_gpu = device.type == "cuda"
    memory = torch.cuda.max_memory_allocated(device) if on_gpu else psutil.Process().memory_info().rss
    rate = learning_rate(step - 1, config)
    log.steps(step, learning_rate=rate, memory_gb=memory / 1e9, **means.take(config.batch))

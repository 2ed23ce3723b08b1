"""One step of the training: forward and backward over its windows, in all processes, and the update."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from SATSegmentLib.errors import OutOfMemoryError, SATError
from SATSegmentLib.inference.device import is_out_of_memory

from ..data.windows import Window
from .config import TrainingConfig
from .distributed import Ranks
from .learner import Batch, Learner, save_memory
from .optimisation import averaged, learning_rate, make_optimizer
from .setup import Setup

_CLIP = 5.0  # norm of the gradient


class Stepper:
    """Holds what a step changes: weights, their average, the optimiser.

    Dropout is seeded by the seed, the step and the number of a pass's first window in the batch; the loss is the mean
    over the prompts of the whole batch, over all processes and passes.

    Args:
        config: What to do.
        setup: The learner, before its first step.
        datasets: Names that windows may have.
        ranks: The processes.
    """

    def __init__(self, config: TrainingConfig, setup: Setup, datasets: list[str], ranks: Ranks) -> None:
        self._config = config
        self._ranks = ranks
        self._datasets = datasets
        self._pairs = {pair: number for number, pair in enumerate(setup.pairs)}
        self._learner = setup.learner.to(ranks.device).train()
        if ranks.device.type == "cpu":  # its convolutions are faster so
            self._learner.network.to(memory_format=torch.channels_last_3d)
        self._ema = None if config.ema is None else averaged(self._learner, config.ema)
        if config.activation_checkpointing:
            save_memory(self._learner.network)
        self._optimizer = make_optimizer(self._learner, config.learning_rate)
        self._scaler = torch.amp.GradScaler(ranks.device.type, enabled=config.precision == "float16")
        self._parallel: nn.Module = self._learner
        if ranks.world > 1:
            devices = [ranks.device] if ranks.device.type == "cuda" else None
            self._parallel = DistributedDataParallel(self._learner, devices)

    def step(self, step: int, windows: list[Window], prompts: int) -> tuple[float, dict[str, tuple[float, float]]]:
        """Takes a step.

        Args:
            step: Its number, from 0.
            windows: This process's.
            prompts: Of all processes' windows.

        Returns:
            The loss, and of each data set the sum of its prompts' losses and their number; over all processes.

        Raises:
            SATError: Loss or gradient is not finite; the weights are those before the step.
            OutOfMemoryError: It does not fit.
        """
        rate = learning_rate(step, self._config)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        sums = np.zeros((2, len(self._datasets)))
        at_once = self._config.windows_at_once
        try:
            for first in range(0, len(windows), at_once):
                last = first + at_once >= len(windows)
                with contextlib.nullcontext() if last or self._ranks.world == 1 else self._parallel.no_sync():
                    sums += self._pass(step, windows[first : first + at_once], prompts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(
                f"The training does not fit into the memory of {self._ranks.device}. Start a run with a smaller "
                '"window", "windows_at_once": 1, fewer "prompts" or "activation_checkpointing": true.'
            ) from error
        totals = np.reshape(self._ranks.sum(sums.ravel().tolist()), sums.shape)
        loss = float(totals[0].sum() / prompts)
        if not np.isfinite(loss):
            raise _not_finite("loss", step)
        self._update(step)
        return loss, {name: tuple(of) for name, of in zip(self._datasets, totals.T.tolist(), strict=True)}

    def weights(self) -> dict:
        """What is validated and exported, the average where there is one: `model`, `text`, see `checkpoint`."""
        return _weights(self._learner if self._ema is None else self._ema.module)

    def state(self) -> dict:
        """For a checkpoint: `model`, `text`, `ema`, `optimizer`, `scaler`."""
        ema = None
        if self._ema is not None:
            ema = {**_weights(self._ema.module), "count": int(self._ema.n_averaged)}
        return {
            **_weights(self._learner),
            "ema": ema,
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load(self, state: dict) -> None:
        """The inverse of `state`."""
        learners = [(self._learner, state)]
        if self._ema is not None:
            learners.append((self._ema.module, state["ema"]))
            self._ema.n_averaged.fill_(state["ema"]["count"])
        for learner, weights in learners:
            learner.network.load_state_dict(weights["model"])
            if learner.text.trained is not None:
                learner.text.trained.load_state_dict(weights["text"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def _pass(self, step: int, windows: list[Window], prompts: int) -> np.ndarray:
        """Forward and backward; sums of losses and numbers of prompts (2, data sets)."""
        torch.manual_seed(_seed(self._config.seed, step, windows[0].number))
        losses = self._parallel(Batch.of(windows, self._pairs, self._ranks.device))
        # processes' gradients are averaged, hence the factor
        self._scaler.scale(losses.sum() * (self._ranks.world / prompts)).backward()
        sums = np.zeros((2, len(self._datasets)))
        parts = losses.detach().double().cpu().split([len(window.prompts) for window in windows])
        for window, part in zip(windows, parts, strict=True):
            sums[:, self._datasets.index(window.dataset)] += float(part.sum()), len(part)
        return sums

    def _update(self, step: int) -> None:
        self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_([p for group in self._optimizer.param_groups for p in group["params"]], _CLIP)
        if not self._scaler.is_enabled() and not torch.isfinite(norm):
            raise _not_finite("gradient", step)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._ema is not None:
            self._ema.update_parameters(self._learner)


def _not_finite(what: str, step: int) -> SATError:
    return SATError(
        f"The {what} is no longer finite at step {step}; start a run with a lower learning rate. The last checkpoint "
        "is from before that, and good."
    )


def _weights(learner: Learner) -> dict:
    text = learner.text.trained
    return {"model": learner.network.state_dict(), "text": None if text is None else text.state_dict()}


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))

"""The loop that teaches: steps and checkpoints, the same numbers however often it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from SATSegmentLib.errors import InputError, SATError

from .. import runs
from ..data.windows import WindowSampler
from ..training import checkpoint
from ..training.distributed import Ranks
from ..training.log import RunLog
from ..training.optimisation import learning_rate, make_optimizer
from ..training.progress import Means, tell
from ..training.stopping import StopRequests
from .atlas import Wordings
from .config import KnowledgeConfig
from .encoders import in_batches
from .learner import Learner, Shown, losses
from .lookalikes import lookalikes
from .pairs import PairSampler

_FREE = ("encoder", "atlas", "device")  # of a configuration: may differ when a run goes on elsewhere
_KEYS = {"trained", "optimizer", "step", "log", "config"}
_LOOK_EVERY = 250  # steps, for what the encoder takes for another structure


class Trainer:
    """Teaches what `learner` holds.

    Args:
        config: What to do.
        folder: Of the run; a checkpoint there is resumed.
        learner: Before its first step.
        pairs: Of each step.
        windows: This process's of each step, and how their terms are worded; None in stage 1.
        ranks, log, stop: Of this process.

    Attributes:
        step: Steps done.

    Raises:
        InputError: The checkpoint belongs to another configuration.
        SATError: The checkpoint is damaged.
    """

    def __init__(
        self,
        config: KnowledgeConfig,
        folder: Path,
        learner: Learner,
        pairs: PairSampler,
        windows: tuple[WindowSampler, Wordings] | None,
        ranks: Ranks,
        log: RunLog,
        stop: StopRequests,
    ) -> None:
        self._config = config
        self._folder = folder
        self._pairs = pairs
        self._windows = windows
        self._ranks = ranks
        self._log = log
        self._stop = stop
        self._means = Means()
        self._saved = -1
        self.step = 0
        self._learner = learner.to(ranks.device).train()
        self._optimizer = make_optimizer(learner, config.learning_rate)
        if (folder / runs.LAST).exists():
            self._load(folder / runs.LAST)
        self._parallel = learner if ranks.world == 1 else DistributedDataParallel(learner, broadcast_buffers=False)

    def run(self) -> str:
        """Teaches to the last step, or until it is asked to stop; a checkpoint stands at the end.

        Returns:
            `runs.DONE` or `runs.PAUSED`.

        Raises:
            SATError: The loss is no longer finite, or the disk is full; the last checkpoint is from before that.
        """
        while self.step < self._config.steps:
            if self._ranks.sum([self._stop()])[0]:
                self._save()
                return runs.PAUSED
            self._log.state(runs.TRAINING, self.step)
            start = time.monotonic()
            if self.step and self.step % _LOOK_EVERY == 0:
                self._look()
            with self._ranks.together():
                pairs = self._pairs[self.step]
                shown = self._windows and self._windows[0][self.step]
            waited = time.monotonic() - start
            parts = self._step(pairs, shown)
            self.step += 1
            loss = sum(parts.values())
            self._means.add(loss, {name: (value, 1) for name, value in parts.items()}, time.monotonic() - start, waited)
            tell(self._log, self._means, self.step, self._config, self._ranks.device)
            if self.step % self._config.checkpoint_every == 0:
                self._save()
        self._log.state(runs.TRAINING, self.step)
        self._save()
        return runs.DONE

    def _step(self, pairs: list, windows: list | None) -> dict[str, float]:
        """Takes a step on the pairs of all processes and this one's windows; the parts of its loss."""
        ranks = self._ranks
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self._config)
        seed = np.random.SeedSequence((self._config.seed, self.step, ranks.rank)).generate_state(1)[0]
        torch.manual_seed(int(seed))  # of dropout
        shown = None if windows is None else Shown.of(windows, self._windows[1], self.step, ranks)
        share = len(pairs) // ranks.world
        own = pairs[ranks.rank * share : (ranks.rank + 1) * share]
        parts = losses(self._parallel(own, shown, ranks.rank), pairs, shown, ranks)
        loss = sum(parts.values())
        if not torch.isfinite(loss):
            raise SATError(
                f"The loss is no longer finite at step {self.step}; start a run with a lower learning rate. The last "
                "checkpoint is from before that, and good."
            )
        self._optimizer.zero_grad(set_to_none=True)
        (loss * ranks.world).backward()  # processes' gradients are averaged
        self._optimizer.step()
        return {name: float(part.detach()) for name, part in parts.items()}

    @torch.no_grad()
    def _look(self) -> None:
        """Looks for what the encoder confuses now; all processes take the first one's word."""
        texts = self._learner.texts.eval()
        with self._ranks.together():
            found = lookalikes(lambda names: in_batches(texts, list(names)), self._pairs.concepts)
        self._pairs.lookalikes = self._ranks.gather(found)[0]
        texts.train()

    def _save(self) -> None:
        if self._saved == self.step:
            return
        with self._ranks.together():
            if self._ranks.rank == 0:
                checkpoint.save(self._folder / runs.LAST, self._state())
        self._saved = self.step
        self._log.event("checkpoint", step=self.step, best=False)

    def _state(self) -> dict:
        return {
            "trained": dict(self._trained()),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "log": self._means.state(),
            "config": self._config.to_dict(),
            "lookalikes": None if (found := self._pairs.lookalikes) is None else torch.from_numpy(found),
        }

    def _trained(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((name, weight.detach()) for name, weight in self._learner.named_parameters() if weight.requires_grad)

    def _load(self, path: Path) -> None:
        state = checkpoint.load(path, _KEYS)
        theirs, ours = state["config"], self._config.to_dict()
        if changed := [key for key in ours if key not in _FREE and ours[key] != theirs.get(key)]:
            raise InputError(
                f"{path} was made with another configuration ({', '.join(changed)}); start a new run for this one."
            )
        own = dict(self._trained())
        if {name: w.shape for name, w in own.items()} != {name: w.shape for name, w in state["trained"].items()}:
            raise InputError(f"{path} started from another encoder or network; start a new run for these.")
        for name, weight in own.items():
            weight.copy_(state["trained"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self._means.load(state["log"])
        self._pairs.lookalikes = None if (found := state.get("lookalikes")) is None else found.numpy()
        self.step = self._saved = state["step"]

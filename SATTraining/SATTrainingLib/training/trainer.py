"""The training loop: steps, validations and checkpoints, the same numbers however often it was interrupted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from SATSegmentLib.errors import InputError, SATError

from .. import runs
from ..cases import Case
from ..data.windows import Window, WindowSampler
from . import checkpoint
from .config import TrainingConfig
from .distributed import Ranks
from .log import RunLog
from .progress import Means, tell
from .setup import Setup
from .stepper import Stepper
from .stopping import StopRequests, ignore_signals
from .text import prompt_encoder
from .validation import summary, validate, write_scores

# of a configuration: may differ when a run goes on elsewhere
_FREE = ("cases", "base", "text_encoder", "device", "workers")


class Trainer:
    """Trains what `setup` holds.

    Args:
        config: What to do.
        folder: Of the run; a checkpoint there is resumed.
        setup: The learner, before its first step.
        sampler: Draws this process's windows.
        validation: Cases to validate on.
        ranks, log, stop: Of this process.

    Attributes:
        step: Steps done.

    Raises:
        InputError: The checkpoint belongs to another configuration.
        SATError: The checkpoint is damaged.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        setup: Setup,
        sampler: WindowSampler,
        validation: list[Case],
        ranks: Ranks,
        log: RunLog,
        stop: StopRequests,
    ) -> None:
        self._config = config
        self._folder = folder
        self._setup = setup
        self._sampler = sampler
        self._validation = validation
        self._ranks = ranks
        self._log = log
        self._stop = stop
        self._best: float | None = None
        self._validated = -1
        self._saved: tuple[int, int] | None = None
        self._means = Means()
        self.step = 0
        self._stepper = Stepper(config, setup, sorted({case.case.dataset for case in sampler.cases}), ranks)
        if (folder / runs.LAST).exists():
            self._load(folder / runs.LAST)

    def run(self) -> str:
        """Trains to the last step, or until it is asked to stop; a checkpoint stands at the end.

        Returns:
            `runs.DONE` or `runs.PAUSED`.

        Raises:
            SATError: The loss is no longer finite, memory or disk is full; the last checkpoint is from before that.
        """
        with self._batches() as batches:
            return self._run(batches)

    def _run(self, batches: Iterator[list[Window]]) -> str:
        while True:
            self._log.step = self.step
            if self._is_validation_due() and not self._validate():
                self._save_if_new()
                return runs.PAUSED
            if self.step == self._config.steps:
                self._save_if_new()
                return runs.DONE
            self._log.state(runs.TRAINING, self.step)
            start = time.monotonic()
            with self._ranks.together():
                windows = self._next(batches)
            waited = time.monotonic() - start
            prompts, stops = self._ranks.sum([sum(len(window.prompts) for window in windows), self._stop()])
            if stops:
                self._save_if_new()
                return runs.PAUSED
            loss, losses = self._stepper.step(self.step, windows, int(prompts))
            self.step += 1
            self._means.add(loss, losses, time.monotonic() - start, waited)
            tell(self._log, self._means, self.step, self._config, self._ranks.device)
            if self.step % self._config.checkpoint_every == 0:
                self._save(runs.LAST)

    @contextmanager
    def _batches(self) -> Iterator[Iterator[list[Window]]]:
        """The windows of each step that is left."""
        workers = self._config.workers
        batches = iter(
            DataLoader(
                self._sampler,
                batch_size=None,
                sampler=range(self.step, self._config.steps),
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=_begin_worker,
                prefetch_factor=4 if workers else None,
            )
        )
        try:
            yield batches
        finally:
            if workers:  # the trace of an error holds on to them, and Python would wait for them when it ends
                batches._shutdown_workers()

    def _next(self, batches: Iterator[list[Window]]) -> list[Window]:
        try:
            return next(batches)
        except (SATError, OSError, RuntimeError, ValueError) as error:
            # a worker process gives its trace with it, the error's name before the last line
            reason = re.sub(r"^[\w.]+: ", "", str(error).strip().splitlines()[-1]).rstrip(".")
            if isinstance(error, SATError):
                raise SATError(f"At step {self.step}: {reason}.") from error
            raise SATError(
                f"The windows of step {self.step} cannot be drawn ({reason}). Check that the cases can still be read "
                'and that memory is left ("workers" takes some), then resume the run.'
            ) from error

    def _is_validation_due(self) -> bool:
        if not self._validation or self._validated == self.step:
            return False
        if self.step == 0:
            return self._config.base is not None  # what "before" was
        return self.step % self._config.validate_every == 0 or self.step == self._config.steps

    def _validate(self) -> bool:
        """Whether it came to its end."""
        self._log.state(runs.VALIDATING, self.step)
        start = time.monotonic()
        weights = self._stepper.weights()
        scores = validate(
            checkpoint.plain_network(self._setup.network, weights["model"]),
            prompt_encoder(self._setup.prompts, weights["text"]),
            self._validation,
            self._config.datasets,
            self._ranks,
            self._stop,
            lambda: self._log.state(runs.VALIDATING, self.step),
        )
        if scores is None:
            return False
        self._validated = self.step
        values = summary(scores)
        is_best = self._best is None or values["dice"] > self._best
        self._best = values["dice"] if is_best else self._best
        with self._ranks.together():
            if self._ranks.rank == 0:
                write_scores(self._folder, self.step, scores)
                self._log.validation(self.step, seconds=time.monotonic() - start, **values)
        self._save(*([runs.BEST] if is_best else []), runs.LAST)
        return True

    def _save_if_new(self) -> None:
        if self._saved != (self.step, self._validated):
            self._save(runs.LAST)

    def _save(self, *names: str) -> None:
        with self._ranks.together():
            if self._ranks.rank == 0:
                state = self._state()
                for name in names:
                    checkpoint.save(self._folder / name, state)
        self._saved = (self.step, self._validated)
        self._log.event("checkpoint", step=self.step, best=runs.BEST in names)

    def _state(self) -> dict:
        return {
            **self._stepper.state(),
            "step": self.step,
            "best": self._best,
            "validated": self._validated,
            "log": self._means.state(),
            "config": self._config.to_dict(),
            "terms": [list(pair) for pair in self._setup.pairs],
            "network": self._setup.network.to_dict(),
            "base": self._setup.base,
        }

    def _load(self, path: Path) -> None:
        state = checkpoint.load(path)
        ours = self._config.to_dict()
        # it may be from before a setting was
        theirs = TrainingConfig(self._config.cases).to_dict() | state["config"]
        changed = [key for key in ours if key not in _FREE and ours[key] != theirs[key]]
        if not changed and state["terms"] != [list(pair) for pair in self._setup.pairs]:
            changed = ["the terms of its cases"]
        if changed:
            raise InputError(
                f"{path} was made with another configuration ({', '.join(changed)}); start a new run for this one."
            )
        if (state["base"] or {}).get("sha256") != (self._setup.base or {}).get("sha256"):
            raise InputError(
                f"{path} started from another version of the model {self._config.base}; install that one again, or "
                "start a new run."
            )
        self._stepper.load(state)
        self.step, self._best, self._validated = state["step"], state["best"], state["validated"]
        self._means.load(state["log"])
        self._saved = (self.step, self._validated)


def _as_it_is(windows: list[Window]) -> list[Window]:
    return windows


def _begin_worker(_number: int) -> None:
    torch.set_num_threads(1)
    ignore_signals()

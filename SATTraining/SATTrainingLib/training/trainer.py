"""A minimal trainer: one process, checkpoints, exact resumption."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging.modality import MODALITIES
from SATSegmentLib.network import SAT, SATConfig
from SATSegmentLib.network.text_encoder import TextEncoder, TextHead

from .data import PreparedCase, Window, WindowSampler
from .initialisation import spread_prompts
from .losses import deep_supervision_loss
from .recipe import Recipe

CHECKPOINT = "last.pt"
EVENTS = "events.jsonl"


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to zero."""
    warm_up = max(1, round(recipe.warm_up * recipe.steps))
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, recipe.steps - warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class Trainer:
    """Trains a SAT network and the head of its text encoder; the transformer stays frozen.

    All that is random in a step is seeded by the step's number, so a run that was stopped and resumed
    goes through the same numbers as one that was not.

    Args:
        recipe: What to do.
        cases: Prepared training cases.
        text: Encoder with an untrained head.
        folder: Where checkpoints and events go; an earlier checkpoint there is resumed.
        workers: Processes that draw windows; 0 draws them in this one.
    """

    def __init__(self, recipe: Recipe, cases: list[PreparedCase], text: TextEncoder, folder: Path, workers: int = 1):
        self.recipe = recipe
        self.folder = folder
        self.workers = workers
        torch.manual_seed(recipe.seed)
        config = SATConfig.named(recipe.model)
        self.sampler = WindowSampler(cases, config.window, recipe.batch, recipe.prompts, recipe.seed)
        self.model = SAT(config, deep_supervision=True).to(memory_format=torch.channels_last_3d)
        self.head = TextHead(text.tower.config.hidden_size, config.text_width)
        self.cases = [case.case.id for case in cases]
        self.terms = sorted({term for case in cases for term in case.terms})
        with torch.no_grad():
            self.pooled = text.pool(*text.tokenizer(self.terms))
        spread_prompts(self.head, self.pooled)
        parameters = [p for p in (*self.model.parameters(), *self.head.parameters()) if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, betas=(0.9, 0.999), weight_decay=0.0)
        self.step = 0
        if (folder / CHECKPOINT).exists():
            self._load()

    def run(self, stop_at: int | None = None) -> None:
        """Trains until the recipe's last step, or until `stop_at`; a checkpoint stands at the end.

        Raises:
            SATError: The loss is no longer finite; the last checkpoint is from before that.
        """
        stop = min(stop_at or self.recipe.steps, self.recipe.steps)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"{CHECKPOINT}.*.part"):  # by a run that was killed while it wrote
            left.unlink()
        self.model.train()
        batches = DataLoader(
            self.sampler,
            batch_size=None,
            sampler=range(self.step, stop),
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if self.workers else None,
        )
        since = time.monotonic()
        losses = []
        for windows in batches:
            losses.append(self._train(windows))
            self.step += 1
            if self.step % 20 == 0 or self.step == stop:
                now = time.monotonic()
                self._log(loss=sum(losses) / len(losses), seconds_a_step=(now - since) / len(losses))
                since, losses = now, []
            if self.step % self.recipe.checkpoint_every == 0 or self.step == stop:
                self._save()

    def _train(self, windows: list[Window]) -> float:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # dropout
        rate = learning_rate(self.step, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        image = torch.stack([window.image for window in windows]).contiguous(memory_format=torch.channels_last_3d)
        queries, masks, real = self._prompts(windows)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            outputs = self.model.forward_deep(image, queries)
        loss = deep_supervision_loss(outputs, masks, real)
        if not torch.isfinite(loss):
            raise SATError(
                f"The loss is no longer finite at step {self.step}; lower the learning rate. "
                f"The last good checkpoint is {self.folder / CHECKPOINT}."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], 5.0)
        self.optimizer.step()
        return float(loss.detach())

    def _prompts(self, windows: list[Window]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, N, W), masks (B, N, H, W, D) and which of them are real (B, N)."""
        most = max(len(window.prompts) for window in windows)
        masks = torch.zeros(len(windows), most, *windows[0].image.shape[1:], dtype=torch.bool)
        real = torch.zeros(len(windows), most, dtype=torch.bool)
        index = torch.zeros(len(windows), most, dtype=torch.long)
        modality = torch.zeros(len(windows), most, dtype=torch.long)
        for i, window in enumerate(windows):
            n = len(window.prompts)
            masks[i, :n] = window.masks
            real[i, :n] = True
            index[i, :n] = torch.tensor([self.terms.index(prompt) for prompt in window.prompts])
            modality[i] = MODALITIES.index(window.modality)
        return self.head(self.pooled[index], modality), masks, real

    def _log(self, **values: float) -> None:
        event = {"step": self.step, "learning_rate": learning_rate(self.step - 1, self.recipe), **values}
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        print(
            f"step {self.step}/{self.recipe.steps}  " + "  ".join(f"{k} {v:.4f}" for k, v in values.items()), flush=True
        )

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "recipe": self.recipe.to_dict(),
            "terms": self.terms,
            "cases": self.cases,
        }
        temporary = self.folder / f"{CHECKPOINT}.{os.getpid()}.part"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT)

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        state = torch.load(path, weights_only=True)
        told = (self.recipe.to_dict(), self.terms, self.cases)
        if (state["recipe"], state["terms"], state["cases"]) != told:
            raise InputError(f"{path} belongs to another recipe or other cases; train into another folder.")
        self.model.load_state_dict(state["model"])
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _as_it_is(windows: list[Window]) -> list[Window]:
    return windows


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)

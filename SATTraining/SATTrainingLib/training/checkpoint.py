"""Checkpoints of a run: written whole or not at all, read safely.

A checkpoint is a dict of

    model      weights of the network, with deep supervision
    text       weights of the text head or encoder; None where the base's own is used as it is
    ema        None, or averaged weights: `model`, `text`, and how many steps were averaged (`count`)
    optimizer, scaler   their state dicts; the scaler's is empty where no loss is scaled
    step       steps done
    best       the best mean Dice of a validation, or None
    validated  the step of the newest validation, or -1
    log        what was added up for the next event
    config     `TrainingConfig.to_dict()`
    terms      [term, modality] of all that is asked in training
    network    `SATConfig.to_dict()`
    base       `name`, `folder`, `sha256` (of its model.json) of the model it started from, or None
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Set
from pathlib import Path

import torch
from torch import Tensor

from SATSegmentLib.errors import SATError
from SATSegmentLib.network import SAT, SATConfig

_KEYS = {
    *("model", "text", "ema", "optimizer", "scaler", "step", "best", "validated", "log", "config", "terms"),
    *("network", "base"),
}
_PART = ".part"
_WEIGHTS = ("model", "text", "ema", "optimizer", "scaler", "log")


def save(path: Path, state: dict) -> None:
    """Replaces the checkpoint `path`; where that fails the old one stays.

    Raises:
        SATError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}{_PART}")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # a computer that loses power must not keep the new name without the content
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch makes its own error of a full disk
        temporary.unlink(missing_ok=True)
        cause = error if isinstance(error, OSError) else error.__context__
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error).splitlines()[0]
        kept = f"the last good one, {path.name}, is still there" if path.exists() else "there is none yet"
        raise SATError(
            f"The checkpoint {path} cannot be written ({reason}); {kept}. Free some space there, then resume the run."
        ) from error


def load(path: Path, keys: Set[str] = _KEYS) -> dict:
    """Reads a checkpoint that has `keys`, onto the CPU.

    Raises:
        SATError: It is missing or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SATError(f"There is no checkpoint {path}.") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise SATError(_damaged(path)) from error
    if not isinstance(state, dict) or not set(state) >= keys:
        raise SATError(_damaged(path))
    return state


def remove_partial(path: Path) -> None:
    """Removes what a process that was killed while it wrote `path` left behind."""
    path.with_name(f".{path.name}{_PART}").unlink(missing_ok=True)


def network_of(path: Path) -> tuple[SAT, dict[str, Tensor] | None, dict]:
    """The network of a checkpoint, averaged weights where there are any.

    Returns:
        The network without deep supervision, set to evaluation; the state of the text head ("projection_layer...") or
        of the whole text encoder ("tower...", "head..."), None where it is the base's own; the rest: `step`, `best`,
        `validated`, `config`, `terms`, `network`, `base`.

    Raises:
        SATError: The checkpoint is missing or damaged.
    """
    state = load(path)
    weights = state["ema"] or state
    network = plain_network(SATConfig.from_dict(state["network"]), weights["model"])
    return network, weights["text"], {key: value for key, value in state.items() if key not in _WEIGHTS}


def plain_network(config: SATConfig, weights: dict[str, Tensor]) -> SAT:
    """A network without deep supervision, set to evaluation, on the CPU."""
    network = SAT(config)
    network.load_state_dict({name: w for name, w in weights.items() if not name.startswith("mid_mask_embed_proj.")})
    return network.eval()


def _damaged(path: Path) -> str:
    other = {"last.pt": "best.pt", "best.pt": "last.pt"}.get(path.name, "")
    if other and path.with_name(other).is_file():
        return f"The checkpoint {path} is damaged; put a copy of {other} in its place to go on from there."
    return f"The checkpoint {path} is damaged, and there is no other; start a new run."

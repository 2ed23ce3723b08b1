"""Weights from published checkpoints, and to and from safetensors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .sat import SAT
from .text_encoder import TextEncoder, WordPieceTokenizer

_SHOWN = 5  # names a kind in an error
_SCALE = ".scale"
_LARGE = 4096  # values; smaller tensors (biases, norms) matter more than the room they take


def load_published(model: SAT, checkpoint: str | Path | Mapping[str, Tensor]) -> None:
    """Fills a network with a published checkpoint.

    `module.` prefixes, the second copy of each convolution and norm, and optimizer state are dropped;
    so are the deep supervision projections where the network has none.

    Args:
        model: A network of the checkpoint's configuration.
        checkpoint: File, or a state dict.

    Raises:
        ModelError: The file is damaged, or names or shapes do not fit; all of them are in one message.
    """
    state = _read(checkpoint)
    state = {name: tensor for name, tensor in _canonical(state).items() if not _is_spare(name, model)}
    _fill(model, state, "The checkpoint", str(checkpoint) if isinstance(checkpoint, (str, Path)) else "")


def load_published_text_encoder(
    checkpoint: str | Path | Mapping[str, Tensor], tokenizer: WordPieceTokenizer | None = None
) -> TextEncoder:
    """The published text encoder (an MPNet with SAT's head).

    The atlas tower and the temperature of its training are dropped. A fifth modality row is kept.

    Raises:
        ModelError: As `load_published`.
    """
    state = {
        _text_name(name): tensor
        for name, tensor in _canonical(_read(checkpoint)).items()
        if not name.startswith("atlas_tower.") and name != "temperature" and not name.endswith("position_ids")
    }
    rows = state.get("head.modality_embed.weight")
    encoder = TextEncoder.mpnet(tokenizer, 4 if rows is None else len(rows))
    _fill(encoder, state, "The text encoder", str(checkpoint) if isinstance(checkpoint, (str, Path)) else "")
    return encoder


def save_weights(module: nn.Module, path: Path, half: bool = False, small: bool = False) -> None:
    """Writes a module's tensors as safetensors.

    Args:
        module: Whose.
        path: The file.
        half: Floating-point ones in half precision.
        small: Large ones as 8-bit integers with a scale for each index of their first axis (`<name>.scale`), the others
            in half precision.

    Raises:
        ModelError: A value is not finite, or too large for half precision.
        OSError: The file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    state = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu()
        if small and tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() >= _LARGE:
            tensor, state[name + _SCALE] = _as_bytes(tensor)
        elif (half or small) and tensor.is_floating_point():
            tensor = tensor.half()
        state[name] = tensor.contiguous().clone()
    if broken := [name.removesuffix(_SCALE) for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise ModelError(f"The weights {', '.join(broken[:_SHOWN])} hold values that are infinite or no numbers.")
    try:
        save_file(state, path)
    except SafetensorError as error:  # what a full disk becomes
        raise OSError(str(error)) from error


def load_weights(module: nn.Module, path: Path, what: str) -> None:
    """Fills a module from what `save_weights` wrote, widened to the module's type.

    Args:
        module: A module of the file's shapes.
        path: The file.
        what: What to call it in errors, e.g. "The network".

    Raises:
        ModelError: The file is missing or damaged, or names or shapes do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{what} cannot be read from {path}: {error}.") from error
    _fill(module, _widened(state), what, str(path))


def _as_bytes(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """8-bit integers and the scale (rows,), float32, that gives the values back."""
    rows = tensor.float().flatten(1)
    scale = rows.abs().amax(1).clamp(min=1e-12) / 127
    return (rows / scale[:, None]).round().to(torch.int8).reshape(tensor.shape), scale


def _widened(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with their scales applied."""
    found = dict(state)
    for name, tensor in state.items():
        scale = state.get(name + _SCALE)
        if tensor.dtype == torch.int8 and scale is not None and scale.shape == tensor.shape[:1]:
            found[name] = (tensor.flatten(1) * scale[:, None]).reshape(tensor.shape)
            del found[name + _SCALE]
    return found


def _read(checkpoint: str | Path | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    state = checkpoint
    if isinstance(checkpoint, (str, Path)):
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        except FileNotFoundError as error:
            raise ModelError(f"There is no checkpoint {checkpoint}.") from error
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(
                f"{checkpoint} is no checkpoint that can be read safely, or is damaged: {first}"
            ) from error
    if isinstance(state, Mapping):
        state = state.get("model_state_dict", state)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(f"{checkpoint} holds no state dict of tensors.")
    return state


def _canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without `module.`, each convolution and norm once."""
    canonical = {}
    for name, tensor in state.items():
        name = name.removeprefix("module.")
        name = name.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm.")
        canonical[name] = tensor
    return canonical


def _is_spare(name: str, model: SAT) -> bool:
    return name.startswith("mid_mask_embed_proj.") and not hasattr(model, "mid_mask_embed_proj")


def _text_name(name: str) -> str:
    if name.startswith("text_tower.biolord."):
        return "tower." + name.removeprefix("text_tower.biolord.")
    return f"head.{name}"


def _fill(module: nn.Module, state: Mapping[str, Tensor], what: str, where: str) -> None:
    own = module.state_dict()
    problems = {
        "missing": sorted(set(own) - set(state)),
        "unexpected": sorted(set(state) - set(own)),
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in sorted(set(own) & set(state))
            if state[name].shape != own[name].shape
        ],
    }
    if any(problems.values()):
        lines = []
        for kind, names in problems.items():
            if names:
                more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                lines.append(f"{len(names)} {kind}: {', '.join(names[:_SHOWN])}{more}")
        place = f" {where}" if where else ""
        raise ModelError(f"{what}{place} does not fit this model; tensors " + "; ".join(lines) + ".")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])

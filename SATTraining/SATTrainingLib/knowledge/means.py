"""What a frozen transformer says of texts, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from SATSegmentLib.errors import Cancelled
from SATSegmentLib.network.text_encoder import TextEncoder, fingerprint
from SATSegmentLib.output.atomic import written

from .encoders import in_batches

_BLOCK = 1024  # texts a file


def means_of(
    encoder: TextEncoder,
    texts: Iterable[str],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    rank: int = 0,
    world: int = 1,
) -> dict[str, np.ndarray]:
    """The transformer's mean over the tokens of each text (tower width,), float16.

    Work that was stopped goes on where it was. Each of `world` processes begins with its own share; what one has done
    the others take from the disk.

    Args:
        encoder: Whose transformer.
        texts: Lower case.
        folder: Where they are kept; all in it may be deleted.
        progress: Called with texts done and all.
        cancelled: Asked between blocks.
        rank, world: Which of how many processes this is.

    Raises:
        Cancelled: `cancelled` said so.
        SATError: The disk is full, or cannot be written to.
    """
    texts = sorted(set(texts), key=lambda text: (len(text), text))  # alike lengths go together
    blocks = [texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK)]
    shares = [blocks[first::world] for first in range(world)]
    # after its own share, those of the others from their ends
    order = shares[rank] + [block for k in range(1, world) for block in reversed(shares[(rank + k) % world])]
    transformer = fingerprint(encoder.tower)
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, np.ndarray] = {}
    for block in order:
        if cancelled and cancelled():
            raise Cancelled
        name = blake2b("\n".join((transformer, *block)).encode(), digest_size=16).hexdigest()
        known.update(zip(block, _block(encoder, block, folder / f"{name}.npy"), strict=True))
        if progress:
            progress(len(known), len(texts))
    return known


def _block(encoder: TextEncoder, texts: list[str], path: Path) -> np.ndarray:
    """(N, tower width), from the file where it is whole."""
    try:
        kept = np.load(path, allow_pickle=False)
        if len(kept) == len(texts):
            return kept
    except (OSError, ValueError, EOFError):
        pass
    device = encoder.head.modality_embed.weight.device
    with torch.inference_mode():
        rows = in_batches(lambda part: encoder.mean(*(x.to(device) for x in encoder.tokenizer(part))), texts)
    rows = rows.astype(np.float16)
    with written(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows)
    return rows

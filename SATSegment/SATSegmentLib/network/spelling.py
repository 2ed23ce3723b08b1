"""How words are spelt, as vectors: "musculus brachialis" is near "brachialis muscle" before anything is taught.

A transformer's mean over its word pieces hides which rare words a name is made of, and in anatomy these say most. Words
are cut into pieces of letters (fastText: Bojanowski et al., 2017), and each piece has two rows of a small table by its
hash (Hash Embeddings: Svenstrup et al., 2017), so that a piece never met before has a vector of its own too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PIECES = (3, 4, 5)  # letters, the marks of a word's begin and end among them; the whole word is one more
_ROWS = 8192  # of the table
_ROWS_A_PIECE = 2
_START = 3.0  # length of a vector before anything is taught
_WORD = re.compile(r"[a-z0-9]+")


class Spelling(nn.Module):
    """Texts to vectors of one length (N, `width`) that tell which words they are made of, in any order.

    Args:
        width: Of a vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(_ROWS, width))
        self.length = nn.Parameter(torch.tensor(_START))

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Texts in lower case; anything but letters and digits parts words."""
        pieces = [_of_text(text) for text in texts]
        counts = torch.tensor([len(rows) for rows, _ in pieces])
        rows, signs = (torch.from_numpy(np.concatenate(column)) for column in zip(*pieces, strict=True))
        device = self.table.device
        sums = F.embedding_bag(
            rows.to(device),
            self.table,
            (counts.cumsum(0) - counts).to(device),
            mode="sum",
            per_sample_weights=signs.to(self.table),
        )
        return F.normalize(sums, dim=1) * self.length


def _of_text(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the table and their signs (n,), of all pieces of a text."""
    words = [_of_word(word) for word in _WORD.findall(text)] or [_of_word("")]
    rows, signs = zip(*words, strict=True)
    return np.concatenate(rows), np.concatenate(signs)


@lru_cache(maxsize=1 << 16)
def _of_word(word: str) -> tuple[np.ndarray, np.ndarray]:
    marked = f"<{word}>"
    pieces = [marked]
    pieces += [marked[i : i + n] for n in _PIECES if n < len(marked) for i in range(len(marked) - n + 1)]
    hashes = b"".join(blake2b(piece.encode(), digest_size=4 * _ROWS_A_PIECE).digest() for piece in pieces)
    numbers = np.frombuffer(hashes, "<u4")
    return (numbers % _ROWS).astype(np.int64), np.where(numbers >> 31, 1, -1).astype(np.float32)

"""From a prompt and a modality to a query: transformer, mean over tokens, projection, modality."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..imaging.modality import MODALITIES
from .spelling import Spelling

MAX_TOKENS = 256
_REFINEMENT = 1536  # hidden units
_SPELLED_REFINEMENT = 768
_SPELLING = 128  # width of what spelling says
_PADDING_ID = 0  # also where a vocabulary calls another entry its padding, as MPNet's does


class WordPieceTokenizer:
    """Lower-case word pieces between the literal entries `[CLS]` and `[SEP]` of a vocabulary.

    Args:
        vocabulary: A `vocab.txt` with one entry a line.
    """

    def __init__(self, vocabulary: Path) -> None:
        from tokenizers import BertWordPieceTokenizer

        if not vocabulary.is_file():
            raise ModelError(f"The text encoder's vocabulary {vocabulary} is missing.")
        try:
            self._tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
        except Exception as error:  # the library raises bare ones
            raise ModelError(f"{vocabulary} is no vocabulary of word pieces, or is damaged: {error}.") from error
        self.vocabulary = vocabulary
        self.size = self._tokenizer.get_vocab_size()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding(pad_id=_PADDING_ID)

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """(token ids, attention mask), both (N, T) int64, padded with id 0."""
        ids = torch.tensor([encoding.ids for encoding in self._tokenizer.encode_batch(texts)])
        return ids, (ids > _PADDING_ID).long()

    def texts(self, ids: Tensor) -> list[str]:
        """What token ids (N, T) say: lower case, without accents, punctuation standing apart."""
        return self._tokenizer.decode_batch(ids.tolist())


class TextHead(nn.Module):
    """Pooled text (N, tower width) and modality indices (N,) -> queries (N, width).

    Attributes:
        reads_texts: Whether `refine` needs the texts.
    """

    reads_texts = False

    def __init__(self, tower_width: int, width: int, modalities: int = len(MODALITIES)) -> None:
        super().__init__()
        self.projection_layer = nn.Sequential(nn.Linear(tower_width, width), nn.GELU(), nn.Linear(width, width))
        self.modality_embed = nn.Embedding(modalities, width)

    def refine(self, pooled: Tensor, texts: Sequence[str] = ()) -> Tensor:
        """What is projected of pooled text (N, tower width), and of the texts as a tokenizer gives them back."""
        return pooled

    def forward(self, pooled: Tensor, modality: Tensor) -> Tensor:
        return self.projection_layer(pooled) + self.modality_embed(modality)


class KnowledgeHead(TextHead):
    """A head for a transformer that does not know anatomy's names: pooled text is refined first.

    The refinement is taught apart from any network and stays as it is while one is trained.
    """

    def __init__(self, tower_width: int, width: int, modalities: int = len(MODALITIES)) -> None:
        super().__init__(tower_width, width, modalities)
        self.refinement = nn.Sequential(
            nn.Linear(tower_width, _REFINEMENT), nn.GELU(), nn.Linear(_REFINEMENT, tower_width)
        ).requires_grad_(False)

    def refine(self, pooled: Tensor, texts: Sequence[str] = ()) -> Tensor:
        return pooled + self.refinement(pooled)


class SpellingHead(TextHead):
    """A head as `KnowledgeHead` that also sees how the words are spelt.

    All but projection and modalities is taught apart from any network and stays as it is while one is trained.
    """

    reads_texts = True

    def __init__(self, tower_width: int, width: int, modalities: int = len(MODALITIES)) -> None:
        super().__init__(tower_width, width, modalities)
        self.spelling = Spelling(_SPELLING).requires_grad_(False)
        self.spelled = nn.Linear(_SPELLING, tower_width, bias=False).requires_grad_(False)
        self.refinement = nn.Sequential(
            nn.Linear(tower_width + _SPELLING, _SPELLED_REFINEMENT),
            nn.GELU(),
            nn.Linear(_SPELLED_REFINEMENT, tower_width),
        ).requires_grad_(False)

    def refine(self, pooled: Tensor, texts: Sequence[str] = ()) -> Tensor:
        spelling = self.spelling(texts)
        return pooled + self.spelled(spelling) + self.refinement(torch.cat((pooled, spelling), 1))


class TextEncoder(nn.Module):
    """A BERT-like transformer and SAT's head on it.

    Args:
        tower: A Hugging Face model whose output has `last_hidden_state`.
        head: Projection and modality embedding.
        tokenizer: Text to ids; may be left out where only ids are encoded, by a head that reads no texts.
    """

    def __init__(self, tower: nn.Module, head: TextHead, tokenizer: WordPieceTokenizer | None = None) -> None:
        super().__init__()
        if tokenizer is not None and tokenizer.size > tower.get_input_embeddings().num_embeddings:
            raise ModelError(f"{tokenizer.vocabulary} is the vocabulary of another text encoder.")
        self.tower = tower
        self.head = head
        self.tokenizer = tokenizer

    @classmethod
    def mpnet(cls, tokenizer: WordPieceTokenizer | None = None, modalities: int = len(MODALITIES)) -> TextEncoder:
        """The published encoder's shape (BioLORD-2023-C, an MPNet), with random weights."""
        from transformers import MPNetConfig, MPNetModel

        config = MPNetConfig(
            vocab_size=30527, max_position_embeddings=514, relative_attention_num_buckets=32, layer_norm_eps=1e-5
        )
        return cls(MPNetModel(config), TextHead(768, 768, modalities), tokenizer).eval()

    @classmethod
    def from_folder(cls, folder: Path, width: int, head: type[TextHead] = TextHead) -> TextEncoder:
        """Any BERT-like encoder saved by Hugging Face (`config.json`, `model.safetensors`, `vocab.txt`),
        with an untrained head of `width`, of the given kind.

        Raises:
            ModelError: A file is missing.
        """
        from transformers import AutoModel

        missing = [name for name in ("config.json", "model.safetensors", "vocab.txt") if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"The text encoder in {folder} lacks {', '.join(missing)}.")
        with _no_progress_bar():
            tower = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = WordPieceTokenizer(folder / "vocab.txt")
        return cls(tower, head(tower.config.hidden_size, width), tokenizer).eval()

    def mean(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The transformer's output averaged over the tokens that the mask keeps: (N, tower width)."""
        hidden = self.tower(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The same as the head refines it: what the projection takes."""
        texts = self.tokenizer.texts(input_ids) if self.head.reads_texts else ()
        return self.head.refine(self.mean(input_ids, attention_mask), texts)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, modality: Tensor) -> Tensor:
        """Queries (N, width) of token ids (N, T), their mask, and indices into `MODALITIES` (N,)."""
        return self.head(self.pool(input_ids, attention_mask), modality)

    @torch.inference_mode()
    def encode(self, prompts: list[str], modality: str) -> Tensor:
        """Queries (N, width), float32, of texts asked of one modality."""
        device = self.head.modality_embed.weight.device
        ids, mask = (x.to(device) for x in self.tokenizer([prompt.lower() for prompt in prompts]))
        index = torch.full((len(prompts),), MODALITIES.index(modality), device=device)
        return self(ids, mask, index).float().cpu()


@contextlib.contextmanager
def _no_progress_bar():
    """Hugging Face's bar for reading a local file would stand between our own lines."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def fingerprint(module: nn.Module) -> str:
    """A hash of a module's tensors, names included."""
    digest = blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()

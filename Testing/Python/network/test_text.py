"""Prompts to queries."""

from __future__ import annotations

import pytest
import torch

from SATSegmentLib.errors import ModelError
from SATSegmentLib.models.loading import minilm_folder
from SATSegmentLib.network.prompts import CachedPrompts
from SATSegmentLib.network.text_encoder import MAX_TOKENS, TextEncoder, WordPieceTokenizer, fingerprint


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return TextEncoder.from_folder(minilm_folder(), 32)


def test_tokens_are_word_pieces_between_the_literal_marks(tmp_path):
    # As in MPNet's vocabulary: [PAD] is not entry 0, and [CLS] and [SEP] are not its own marks.
    words = ["<s>", "<pad>", "</s>", "<unk>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "kidney", "left", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = WordPieceTokenizer(tmp_path / "vocab.txt")
    ids, mask = tokenizer(["left Kidneys", "kidney", "LEFT zebra"])
    assert ids.tolist() == [[6, 10, 9, 11, 7], [6, 9, 7, 0, 0], [6, 10, 5, 7, 0]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    ids, _ = tokenizer(["kidney " * 1000])
    assert ids.shape == (1, MAX_TOKENS)
    assert ids[0, -1] == 7
    with pytest.raises(ModelError, match="missing"):
        WordPieceTokenizer(tmp_path / "none.txt")


def test_padding_does_not_change_a_query(encoder):
    alone = encoder.encode(["liver"], "ct")
    together = encoder.encode(["liver", "the left lobe of the thyroid gland"], "ct")
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


def test_case_does_not_matter_and_modality_does(encoder):
    assert torch.equal(encoder.encode(["Liver"], "ct"), encoder.encode(["liver"], "ct"))
    assert not torch.allclose(encoder.encode(["liver"], "ct"), encoder.encode(["liver"], "mri"))


def test_an_incomplete_folder_is_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"model\.safetensors, vocab\.txt"):
        TextEncoder.from_folder(tmp_path, 32)


def test_the_encoder_is_made_once_for_what_neither_vocabulary_nor_cache_knows(encoder, tmp_path):
    made = []

    def make():
        made.append(1)
        return encoder

    known = torch.arange(32.0)
    prompts = CachedPrompts({("liver", "ct"): known}, make, fingerprint(encoder), tmp_path)
    assert torch.equal(prompts.encode([" Liver "], "ct")[0], known)
    assert not made
    spleen = prompts.encode(["spleen", "liver", "spleen"], "ct")
    assert made == [1]
    assert torch.equal(spleen[1], known)
    torch.testing.assert_close(spleen[0], encoder.encode(["spleen"], "ct")[0])
    again = CachedPrompts({}, make, fingerprint(encoder), tmp_path)
    assert torch.equal(again.encode(["spleen"], "ct")[0], spleen[0])
    assert made == [1]
    CachedPrompts({}, make, "another encoder", tmp_path).encode(["spleen"], "ct")
    again.encode(["spleen"], "mri")
    assert made == [1, 1, 1]


def test_a_damaged_cache_is_computed_again(encoder, tmp_path):
    CachedPrompts({}, lambda: encoder, "h", tmp_path).encode(["spleen"], "ct")
    (file,) = (tmp_path / "h").iterdir()
    file.write_bytes(b"cut")
    query = CachedPrompts({}, lambda: encoder, "h", tmp_path).encode(["spleen"], "ct")[0]
    torch.testing.assert_close(query, encoder.encode(["spleen"], "ct")[0])

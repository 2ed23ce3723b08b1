"""What a text encoder makes of how words are spelt."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from SATSegmentLib.models.loading import minilm_folder
from SATSegmentLib.network.spelling import Spelling
from SATSegmentLib.network.text_encoder import KnowledgeHead, SpellingHead, TextEncoder
from SATTrainingLib import encoder_folder
from SATTrainingLib.knowledge.config import KnowledgeConfig
from SATTrainingLib.knowledge.encoders import Texts, source_of


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    torch.manual_seed(0)
    return Spelling(64)


def _alike(spelling, one, other):
    with torch.no_grad():
        return float(F.cosine_similarity(*spelling([one, other]).split(1)))


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("musculus brachialis", "brachialis muscle", "brachial artery"),
        ("arm bone", "bone of arm", "bone of leg"),
        ("parietooccipital sulcus", "parieto-occipital sulcus", "parietal sulcus"),
        ("vertebrae", "vertebra", "ventricle"),
        ("l3", "l3 vertebra", "l4 vertebra"),
    ],
)
def test_names_with_words_in_common_are_alike_before_anything_is_taught(spelling, one, near, far):
    assert _alike(spelling, one, near) > _alike(spelling, one, far) + 0.05


def test_neither_order_nor_punctuation_nor_the_other_texts_matter(spelling):
    vectors = spelling(["left kidney", "kidney, left", "liver", "left-kidney", "(kidney) left"])
    for row in (1, 3, 4):
        torch.testing.assert_close(vectors[0], vectors[row])
    torch.testing.assert_close(spelling(["liver"])[0], vectors[2])


def test_a_text_without_words_is_one_too(spelling):
    vectors = spelling(["", "肝", "?!"])
    assert torch.isfinite(vectors).all()
    torch.testing.assert_close(vectors[0], vectors[2])


def test_pieces_keep_their_rows():
    """A head that was kept is read again on other computers, by other versions."""
    kept = Spelling(3)
    with torch.no_grad():
        kept.table.copy_(torch.arange(kept.table.numel()).reshape(-1, 3).float().sin())
        kept.length.fill_(1)
        found = kept(["mca", "brodmann area 4"])
    wanted = torch.tensor([[-0.7362, -0.0573, 0.6743], [0.0071, 0.6827, 0.7306]])
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def _saved(folder, kind, head):
    torch.manual_seed(3)
    encoder = TextEncoder.from_folder(minilm_folder(), 16, head)
    encoder_folder.save(folder, kind, encoder)
    return encoder


@pytest.mark.parametrize(("kind", "head"), [("minilm-spelling", SpellingHead), ("minilm-knowledge", KnowledgeHead)])
def test_heads_of_both_kinds_are_read_again_and_taught_further(tmp_path, kind, head):
    before = _saved(tmp_path / "encoder", kind, head)
    found, after = encoder_folder.load(tmp_path / "encoder")
    asked = ["left kidney", "Guérin's valve", "some text never seen"]
    assert found == kind
    torch.testing.assert_close(after.encode(asked, "ct"), before.encode(asked, "ct"), atol=2e-3, rtol=2e-2)
    source = source_of(KnowledgeConfig(encoder=str(tmp_path / "encoder")))
    assert (source.kind, source.new_head, type(source.encoder.head)) == (kind, False, head)


def test_a_text_is_taught_as_it_is_asked(tmp_path):
    """Training reads texts, use reads token ids; accents and punctuation must come out alike."""
    encoder = _saved(tmp_path / "encoder", "minilm-spelling", SpellingHead)
    names = ["guérin's valve", "l3-l4 intervertebral disc", "left kidney"]
    texts = Texts(source_of(KnowledgeConfig(encoder=str(tmp_path / "encoder"))), 0).eval()
    with torch.no_grad():
        taught = texts.refined(names)
        asked = encoder.pool(*encoder.tokenizer(names))
        plain = encoder.pool(*encoder.tokenizer(["guerin's valve"]))
    torch.testing.assert_close(taught, asked, atol=2e-3, rtol=2e-2)
    torch.testing.assert_close(plain[0], asked[0])

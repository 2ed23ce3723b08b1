"""The published network's outputs, on weights made from tensor names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SATSegmentLib.network import SAT, SATConfig, load_published
from SATSegmentLib.network.checkpoints import load_published_text_encoder


def _published_state(seeded, tsv, prefix="module."):
    """A checkpoint as published: every tensor of the list, doubled names and prefix included."""
    state = {}
    for line in tsv.read_text().splitlines():
        name, shape = line.split("\t")
        state[prefix + name] = seeded.seeded_tensor(name, tuple(map(int, shape.split("x"))))
    return state


def _close(actual, expected):
    """Within 1e-3 of the largest value."""
    assert np.abs(np.asarray(actual) - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("name", "reference"), [("nano", "UNET"), ("pro", "UNET-L")])
def test_the_network_agrees_with_the_reference(shared, golden, seeded, name, reference):
    values = np.load(golden / f"forward_{reference}.npz")
    model = SAT(SATConfig.named(name)).eval()
    load_published(model, _published_state(seeded, shared / "spec" / f"sat_{name}_state_dict.tsv"))
    image, queries = torch.from_numpy(values["image"]), torch.from_numpy(values["queries"])
    with torch.inference_mode():
        encoded = model.encode_image(image)
        logits = model(image, queries)[0]
    _close(encoded.positions, values["pos_embedding"])
    _close(encoded.memory[0], values["image_embedding"])
    _close(encoded.pixels[0].mean((2, 3, 4)), values["pixel_embedding_mean"])
    _close(encoded.pixels[0].std((2, 3, 4)), values["pixel_embedding_std"])
    _close(logits[:, ::4, ::4, ::4], values["logits_stride4"])
    voxels = (logits > 0).flatten(1).sum(1).numpy()
    np.testing.assert_allclose(voxels, values["mask_voxels"], atol=10)


def test_the_text_encoder_agrees_with_the_reference(shared, golden, seeded):
    values = np.load(golden / "text_encoder.npz")
    state = _published_state(seeded, shared / "spec" / "text_encoder_state_dict.tsv", prefix="")
    state["atlas_tower.encoder.weight"] = torch.ones(3)
    state["temperature"] = torch.ones(())
    encoder = load_published_text_encoder(state)
    with torch.inference_mode():
        embeddings = encoder(*(torch.from_numpy(values[key]) for key in ("input_ids", "attention_mask", "modality")))
    _close(embeddings, values["embeddings"])


def test_a_fifth_modality_row_is_kept(shared, seeded):
    state = _published_state(seeded, shared / "spec" / "text_encoder_state_dict.tsv", prefix="")
    state["modality_embed.weight"] = torch.zeros(5, 768)
    assert load_published_text_encoder(state).head.modality_embed.num_embeddings == 5

"""The network's interface, on a small configuration."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from SATSegmentLib.errors import ModelError
from SATSegmentLib.network import SAT, SATConfig, load_published
from SATSegmentLib.network.checkpoints import load_weights, save_weights
from SATSegmentLib.network.query_decoder import position_encoding

SMALL = dataclasses.replace(
    SATConfig.named("tiny"),
    features=(4, 8, 12, 16),
    query_width=24,
    text_width=24,
    heads=2,
    window=(16, 16, 8),
    layers=2,
    mid_mask_hidden=(16, 16),
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return SAT(SMALL, deep_supervision=True).eval()


def test_queries_may_be_shared_or_given_a_image(model):
    image, queries = torch.randn(2, 1, 16, 16, 8), torch.randn(3, 24)
    with torch.inference_mode():
        shared = model(image, queries)
        each = model(image, torch.stack((queries, queries.flip(0))))
    assert shared.shape == (2, 3, 16, 16, 8)
    torch.testing.assert_close(each[0], shared[0])
    torch.testing.assert_close(each[1], shared[1].flip(0))


def test_a_prompts_mask_does_not_depend_on_the_others(model):
    image, queries = torch.randn(1, 1, 16, 16, 8), torch.randn(5, 24)
    with torch.inference_mode():
        torch.testing.assert_close(model(image, queries[2:3]), model(image, queries)[:, 2:3], atol=1e-5, rtol=1e-5)


def test_deep_supervision_halves_the_resolution_each_time(model):
    outputs = model.forward_deep(torch.randn(1, 1, 16, 16, 8), torch.randn(2, 24))
    assert [tuple(o.shape[2:]) for o in outputs] == [(16, 16, 8), (8, 8, 4), (4, 4, 2)]


def test_text_of_another_width_goes_through_a_linear_layer():
    model = SAT(dataclasses.replace(SMALL, text_width=10)).eval()
    assert model(torch.randn(1, 1, 16, 16, 8), torch.randn(2, 10)).shape == (1, 2, 16, 16, 8)


def test_positions_follow_the_token_order():
    positions = position_encoding((2, 3, 4), 24).view(2, 3, 4, 24)
    assert torch.equal(positions[0, 0, :, :16], positions[0, 0, :1, :16].expand(4, -1))  # h and w constant along d
    assert not torch.equal(positions[0, 0, 0], positions[0, 0, 1])
    torch.testing.assert_close(positions[1, 0, 0, 0], torch.sin(torch.tensor(1.0)))
    assert position_encoding((1, 1, 1), 10).shape == (1, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": (4, 8, 12)}, "too few"),
        ({"heads": 7}, "multiple of 7 heads"),
        ({"window": (16, 16, 9)}, "multiple of 8 voxels"),
    ],
)
def test_configurations_that_cannot_work_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        dataclasses.replace(SMALL, **change)


def test_configurations_survive_json_and_refuse_what_they_do_not_know():
    assert SATConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(ModelError, match="colour"):
        SATConfig.from_dict({**SMALL.to_dict(), "colour": 1})
    with pytest.raises(ModelError, match="nano, pro, tiny"):
        SATConfig.named("huge")


def test_a_published_checkpoint_is_read_from_disk_without_its_optimizer(model, tmp_path):
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    for name in list(state):
        if ".conv." in name:
            state[name.replace(".conv.", ".all_modules.0.")] = state[name]
    torch.save(
        {"model_state_dict": state, "optimizer_state_dict": {"state": {0: torch.ones(3)}}, "step": 7},
        tmp_path / "x.pth",
    )
    plain = SAT(SMALL).eval()
    load_published(plain, tmp_path / "x.pth")
    image, queries = torch.randn(1, 1, 16, 16, 8), torch.randn(2, 24)
    torch.testing.assert_close(plain(image, queries), model(image, queries))


def test_all_that_does_not_fit_is_in_one_message(model):
    state = dict(model.state_dict())
    del state["transformer_decoder.norm.weight"]
    state["extra.weight"] = torch.ones(2)
    state["mask_embed_proj.0.weight"] = torch.ones(5, 5)
    with pytest.raises(ModelError) as error:
        load_published(model, state)
    message = str(error.value)
    assert "1 missing: transformer_decoder.norm.weight" in message
    assert "1 unexpected: extra.weight" in message
    assert "mask_embed_proj.0.weight (5, 5) instead of (96, 24)" in message


def test_a_checkpoint_that_would_run_code_is_refused(model, tmp_path):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    torch.save({"model_state_dict": {"a": Evil()}}, tmp_path / "evil.pth")
    (tmp_path / "noise.pth").write_bytes(b"not a checkpoint")
    torch.save(["a list"], tmp_path / "list.pth")
    for name in ("evil.pth", "noise.pth", "list.pth", "none.pth"):
        with pytest.raises(ModelError, match=name):
            load_published(model, tmp_path / name)
    assert not ran.exists()


def test_our_own_format_keeps_weights_and_halves_them_if_asked(model, tmp_path):
    save_weights(model, tmp_path / "full.safetensors")
    save_weights(model, tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    other = SAT(SMALL, deep_supervision=True)
    load_weights(other, tmp_path / "full.safetensors", "The network")
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    load_weights(other, tmp_path / "half.safetensors", "The network")
    assert other.projection_layer[0].weight.dtype == torch.float32
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "full.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_weights(other, tmp_path / "cut.safetensors", "The network")

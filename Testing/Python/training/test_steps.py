"""What a step is made of: loss, schedule, averages, what is frozen, how memory is saved."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from Testing.Python.support import small_mpnet

from SATSegmentLib.errors import InputError
from SATSegmentLib.models.loading import load, minilm_folder
from SATSegmentLib.models.registry import find_model
from SATSegmentLib.network.text_encoder import TextEncoder
from SATTrainingLib.data.windows import Window
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.distributed import joined
from SATTrainingLib.training.initialisation import network_to_train, spread_prompts
from SATTrainingLib.training.learner import Batch, save_memory
from SATTrainingLib.training.losses import deep_supervision_losses, prompt_losses
from SATTrainingLib.training.optimisation import averaged, learning_rate
from SATTrainingLib.training.setup import set_up
from SATTrainingLib.training.stepper import Stepper
from SATTrainingLib.training.text import prompt_encoder

PAIRS = [("ball", "ct"), ("kidney", "ct"), ("left ball", "ct"), ("right ball", "ct")]


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _windows(count: int, asked: tuple[int, ...] = (3, 1, 2, 4)) -> list[Window]:
    random = torch.Generator().manual_seed(count)
    return [
        Window(
            number,
            torch.randn(1, 16, 16, 16, generator=random),
            [term for term, _ in PAIRS[: asked[number]]],
            "ct",
            "ab"[number % 2],
            torch.rand(asked[number], 16, 16, 16, generator=random) > 0.8,
        )
        for number in range(count)
    ]


def _stepper(config, pairs=PAIRS):
    setup = set_up(config, pairs)
    with joined("cpu") as ranks:
        return setup, Stepper(config, setup, ["a", "b"], ranks)


def test_the_loss_is_zero_for_a_perfect_answer_and_knows_no_padding():
    masks = torch.zeros(2, 3, 8, 8, 8)
    masks[:, :, :4] = 1
    logits = (masks * 2 - 1) * 50
    real = torch.tensor([[True, True, False], [True, False, False]])
    assert prompt_losses(logits, masks, real).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    wrong = logits.clone()
    wrong[~real] *= -1
    assert prompt_losses(wrong, masks, real).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    probability = torch.full((1, 1, 8, 8, 8), 0.0)  # logit 0: p = 0.5 everywhere, half of the voxels true
    half = masks[:1, :1]
    n = half.numel()
    expected = 1 - 2 * (0.5 * n / 2) / (0.25 * n + n / 2) + np.log(2)
    assert prompt_losses(probability, half, torch.ones(1, 1, dtype=torch.bool)) == pytest.approx(expected, abs=1e-5)
    levels = [logits[..., ::s, ::s, ::s] for s in (1, 2, 4)]
    assert deep_supervision_losses(levels, masks, real).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    one_level_wrong = [levels[0], levels[1] * -1, levels[2]]
    alone = prompt_losses(levels[1] * -1, masks[..., ::2, ::2, ::2], real)
    weighted = deep_supervision_losses(one_level_wrong, masks, real)
    torch.testing.assert_close(weighted, alone * 0.5 / 1.75)


def test_a_voxel_found_by_mistake_weighs_the_same_in_a_small_answer_and_a_large_one_where_silence_is_taught():
    """In the paper's loss it hardly weighs anything; what a mask holds is taught as before."""
    masks = torch.zeros(1, 2, 16, 16, 16)
    masks[0, 1, :4] = 1
    real = torch.ones(1, 2, dtype=torch.bool)

    def pull(size, silence):
        """The gradient that all voxels found for the first prompt feel together, and the second prompt's loss."""
        logits = torch.full((1, 2, 16, 16, 16), -12.0)
        logits[0, 0, :size] = 3
        logits.requires_grad_()
        losses = deep_supervision_losses([logits], masks, real, silence)
        losses[0].backward()
        return float(logits.grad[0, 0, :size].sum()), float(losses[1].detach())

    small, paper = pull(1, 0.0)
    assert small < 0.07 and pull(8, 0.0)[0] < 0.5
    taught = [pull(size, 1.0) for size in (1, 2, 8)]
    assert all(
        0.95 < gradient - pull(size, 0.0)[0] < 1.05 for (gradient, _), size in zip(taught, (1, 2, 8), strict=True)
    )
    assert all(loss == paper for _, loss in taught)


def test_a_small_structure_that_a_coarse_level_misses_is_not_silenced():
    masks = torch.zeros(1, 1, 16, 16, 16)
    masks[0, 0, 1, 1, 1] = 1
    levels = [torch.zeros(1, 1, 16 // s, 16 // s, 16 // s) for s in (1, 2, 4)]
    real = torch.ones(1, 1, dtype=torch.bool)
    torch.testing.assert_close(
        deep_supervision_losses(levels, masks, real, 1.0), deep_supervision_losses(levels, masks, real)
    )


def test_the_schedule_warms_up_and_falls_to_zero():
    config = TrainingConfig(cases=Path("x"), steps=1000, warm_up=0.1, learning_rate=1e-3)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5)
    assert max(rates) == pytest.approx(1e-3)
    assert int(np.argmax(rates)) in (99, 100)
    assert rates[-1] < 1e-8
    assert all(a >= b for a, b in zip(rates[100:-1], rates[101:], strict=True))


def test_averaged_weights_follow_slowly_once_they_have_begun():
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(module.weight)
    mean = averaged(module, 0.9)
    values = []
    for _ in range(120):
        mean.update_parameters(module)
        torch.nn.init.zeros_(module.weight)
        values.append(mean.module.weight.item())
    assert values[:3] == pytest.approx([1, 2 / 11, 2 / 11 * 3 / 12])
    assert np.array(values[101:]) / values[100:-1] == pytest.approx(0.9)


def test_prompts_start_apart():
    text = TextEncoder.from_folder(minilm_folder(), 64)
    terms = ["left parotid gland", "right parotid gland", "liver", "spleen", "left kidney", "right kidney"]
    with torch.no_grad():
        pooled = text.pool(*text.tokenizer(terms))
    torch.manual_seed(0)
    spread_prompts(text.head, pooled)
    with torch.no_grad():
        queries = text.head(pooled, torch.zeros(len(terms), dtype=torch.long))
    similar = torch.nn.functional.cosine_similarity
    assert similar(pooled[0], pooled[1], 0) > 0.8
    assert similar(queries[0], queries[1], 0) < 0.7
    assert 0.5 < queries.std() < 2


@pytest.mark.parametrize("at_once", [1, 2])
def test_passes_add_up_to_the_loss_of_the_whole_batch(config, at_once, monkeypatch):
    from SATSegmentLib.network.query_decoder import QueryDecoderLayer

    monkeypatch.setattr(QueryDecoderLayer, "train", lambda self, mode=True: torch.nn.Module.train(self, False))
    windows = _windows(4)
    results = []
    for count in (4, at_once):
        _, stepper = _stepper(dataclasses.replace(config, batch=4, windows_at_once=count))
        results.append((*stepper.step(0, windows, 10), stepper.state()["optimizer"]["state"]))
    (loss, losses, moments), (loss_in_parts, losses_in_parts, moments_in_parts) = results
    assert loss_in_parts == pytest.approx(loss, rel=1e-5)
    assert loss == pytest.approx(sum(total for total, _ in losses.values()) / 10)
    assert {name: count for name, (_, count) in losses.items()} == {"a": 5, "b": 5}
    assert losses_in_parts["a"] == pytest.approx(losses["a"], rel=1e-5)
    for number, values in moments.items():  # a tenth of the gradient
        torch.testing.assert_close(moments_in_parts[number]["exp_avg"], values["exp_avg"], rtol=1e-3, atol=1e-6)


def test_saving_memory_changes_no_number(config):
    results = []
    for saves in (False, True):
        torch.manual_seed(0)
        setup = set_up(config, PAIRS)
        if saves:
            save_memory(setup.learner.network)
        kept = []
        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.nbytes) or t, lambda t: t):
            pairs = {pair: number for number, pair in enumerate(PAIRS)}
            losses = setup.learner.train()(Batch.of(_windows(2), pairs, torch.device("cpu")))
        losses.sum().backward()
        named = {n.replace("_checkpoint_wrapped_module.", ""): p for n, p in setup.learner.named_parameters()}
        results.append((losses, named, sum(kept)))
    (losses, one, much), (other_losses, other, little) = results
    assert torch.equal(losses, other_losses)
    assert little < 0.6 * much
    for name, parameter in one.items():
        if parameter.grad is None:
            assert other[name].grad is None
        else:
            torch.testing.assert_close(other[name].grad, parameter.grad, msg=name)


@pytest.mark.parametrize(
    ("train", "text", "changed"),
    [
        ("all", "frozen", {"backbone.encoder", "backbone.decoder", "projection_layer", "transformer_decoder"}),
        ("decoder", "frozen", {"backbone.decoder", "projection_layer", "transformer_decoder"}),
        ("queries", "head", {"transformer_decoder"}),
    ],
)
def test_what_is_frozen_stays_and_takes_no_memory(config, train, text, changed):
    setup, stepper = _stepper(dataclasses.replace(config, train=train, text=text, ema=None))
    before = {name: tensor.clone() for name, tensor in setup.learner.state_dict().items()}
    stepper.step(0, _windows(2), 4)
    different = {name for name, tensor in setup.learner.state_dict().items() if not torch.equal(tensor, before[name])}
    parts = {".".join(name.split(".")[1:3]) if "backbone" in name else name.split(".")[1] for name in different}
    expected = changed | {"mask_embed_proj", "mid_mask_embed_proj"} | ({"head"} if text == "head" else set())
    assert parts == expected
    assert not any(".norm1." in name for name in different if "transformer_decoder" in name)
    trained = sum(p.numel() for p in setup.learner.parameters() if p.requires_grad)
    state = stepper.state()["optimizer"]["state"]
    assert sum(values["exp_avg"].numel() for values in state.values()) == trained


def test_a_network_starts_from_its_base_and_new_projections(small_base):
    base = load(find_model(str(small_base))).network
    torch.manual_seed(3)
    network = network_to_train(base.config, base, "all")
    for name, tensor in base.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    assert any(name.startswith("mid_mask_embed_proj") for name in network.state_dict())


def test_frozen_text_asks_the_bases_own_queries(config, small_base):
    setup, stepper = _stepper(config)
    vocabulary = load(find_model(str(small_base))).prompts
    assert torch.equal(setup.learner.text(torch.tensor([[0, 3]]))[0], vocabulary.encode(["ball", "right ball"], "ct"))
    assert stepper.state()["text"] is None
    # free text goes through the base's text encoder
    free, _ = _stepper(config, [("a ball of mine", "mri")])
    assert torch.equal(free.learner.text(torch.tensor([[0]]))[0], vocabulary.encode(["a ball of mine"], "mri"))


def test_a_trained_head_answers_as_it_was_trained(config):
    setup, stepper = _stepper(dataclasses.replace(config, text="head", ema=None))
    stepper.step(0, _windows(2), 4)
    state = copy.deepcopy(stepper.state()["text"])
    asked = torch.tensor([[0, 2]])
    answers = prompt_encoder(setup.prompts, state).encode(["ball", "left ball"], "ct")
    torch.testing.assert_close(answers, setup.learner.text(asked)[0].detach())
    stepper.step(1, _windows(2), 4)
    assert not torch.allclose(answers, setup.learner.text(asked)[0].detach())
    torch.testing.assert_close(prompt_encoder(setup.prompts, state).encode(["ball", "left ball"], "ct"), answers)


def test_a_whole_text_encoder_is_trained_where_the_model_owns_it(config, small_base, tmp_path, monkeypatch):
    from SATSegmentLib.models.folder import TOKENS, ModelFolder
    from SATSegmentLib.network.checkpoints import save_weights

    with pytest.raises(InputError, match='cannot be trained; set "text" to "head"'):
        set_up(dataclasses.replace(config, text="all"), PAIRS)
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))
    folder = tmp_path / "own"
    folder.mkdir()
    network = load(find_model(str(small_base))).network
    torch.manual_seed(5)
    save_weights(network, folder / "network.safetensors")
    save_weights(TextEncoder.mpnet(None, 4), folder / "text.safetensors")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ball", "kidney", "left", "right"]
    (folder / TOKENS).write_text("\n".join(words) + "\n")
    ModelFolder("own", "", ("ct",), network.config, "mpnet").write(folder)
    setup, stepper = _stepper(dataclasses.replace(config, base=str(folder), text="all"))
    before = {name: tensor.clone() for name, tensor in setup.learner.text.encoder.state_dict().items()}
    stepper.step(0, _windows(2), 4)
    state = stepper.state()["text"]
    changed = {name for name in state if not torch.equal(state[name], before[name])}
    assert any(name.startswith("tower.encoder.layer.0.") for name in changed)
    assert any(name.startswith("head.") for name in changed)
    assert not any("pooler" in name for name in changed)
    answers = prompt_encoder(setup.prompts, state).encode(["left ball"], "ct")
    with torch.no_grad():
        torch.testing.assert_close(setup.learner.eval().text(torch.tensor([[2]]))[0], answers)

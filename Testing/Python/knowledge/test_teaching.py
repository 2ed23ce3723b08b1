"""Runs that teach a text encoder, on a small tree with the real transformer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from Testing.Python.knowledge import small_tree
from Testing.Python.support import small_mpnet
from Testing.Python.training.processes import environment, told

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import NETWORK, TEXT, ModelFolder
from SATSegmentLib.models.loading import load, minilm_folder
from SATSegmentLib.models.registry import find_model
from SATSegmentLib.network import SAT
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import KnowledgeHead, TextEncoder, TextHead
from SATTrainingLib import encoder_folder, runs
from SATTrainingLib.cli import main
from SATTrainingLib.knowledge.evaluation import (
    AFTER,
    BEFORE,
    MAP,
    RETRIEVAL,
    STRUCTURES,
    SYNONYMS,
    TAUGHT,
    evaluate_run,
)
from SATTrainingLib.knowledge.start import ENCODER, create_run, train
from SATTrainingLib.knowledge.trainer import Trainer

pytestmark = pytest.mark.usefixtures("small")


def _checkpoint(folder):
    return torch.load(folder / runs.LAST, weights_only=True)


def _stop_at(monkeypatch, step):
    """A fault in a step, after which the process ends."""
    take = Trainer._step

    def faulty(self, *arguments):
        if self.step == step:
            raise SATError("a fault")
        return take(self, *arguments)

    monkeypatch.setattr(Trainer, "_step", faulty)


def _same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.fixture
def atlas(ball_cases, small_config, tmp_path):
    """The configuration of a training on balls, which the tree does not have, and kidneys, which it has."""
    base = tmp_path / "base"
    base.mkdir()
    torch.manual_seed(7)
    save_weights(SAT(small_config), base / NETWORK)
    save_weights(TextHead(384, small_config.text_width), base / TEXT)
    transformer = sha256_of(minilm_folder() / "model.safetensors")
    ModelFolder("base", "For tests.", ("ct",), small_config, "minilm", transformer).write(base)
    path = tmp_path / "balls.json"
    labels = {"left ball": ["left kidney"], "right ball": ["ball"]}
    values = {"cases": str(ball_cases), "base": str(base), "datasets": {"balls": {"terms": labels}}, "batch": 2}
    path.write_text(json.dumps(values))
    return path


def test_what_is_taught_is_found_better_than_before(config, tmp_path):
    folder = tmp_path / "run"
    create_run(replace(config, steps=60, batch=32), folder)
    assert train(folder) == runs.DONE
    state = runs.read_state(folder)
    assert (state.state, state.step, told(folder, "end")[-1]["step"]) == (runs.DONE, 60, 60)
    results = evaluate_run(folder)
    before, after = results[TAUGHT][BEFORE], results[TAUGHT][AFTER]
    assert after.synonyms[1].value > max(0.9, before.synonyms[1].value)
    assert after.statements[1].value > before.statements[1].value
    assert after.told_apart["side"].value == after.told_apart["level"].value == 1
    told_of = json.loads((folder / RETRIEVAL).read_text())
    assert set(told_of) == {STRUCTURES, SYNONYMS, TAUGHT}
    row = told_of[TAUGHT][AFTER]["synonym -> term, recall@1"]
    assert row == {"share": after.synonyms[1].value, "count": after.synonyms[1].count}
    assert (folder / MAP).read_bytes().startswith(b"\x89PNG")
    assert (folder / ENCODER / TEXT).stat().st_size <= 4e6
    # the encoder of the folder is the one that was evaluated, for any text
    kind, encoder = encoder_folder.load(folder / ENCODER)
    assert kind == "minilm-spelling"
    queries = encoder.encode(["Left Kidney", "left ren", "right kidney", "some text never seen"], "ct")
    assert queries.shape == (4, 16)
    cosines = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(queries, dim=1).T
    assert cosines[0, 1] > cosines[0, 2]
    assert 0.3 < queries.std() < 3  # what a network expects of a query


def test_a_run_that_failed_goes_on_to_the_numbers_of_one_that_did_not(config, tmp_path, monkeypatch):
    monkeypatch.setattr("SATTrainingLib.knowledge.trainer._LOOK_EVERY", 4)  # the failed one needs those of its step 4
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        create_run(config, folder)
    train(whole)
    with monkeypatch.context() as patch:
        _stop_at(patch, 8)
        with pytest.raises(SATError, match="a fault"):
            train(broken)
    assert (runs.read_state(broken).state, runs.read_state(broken).message) == (runs.FAILED, "a fault")
    assert _checkpoint(broken)["step"] == 5
    assert _checkpoint(broken)["lookalikes"].shape[1] == 6
    assert not (broken / ENCODER).exists()
    with pytest.raises(InputError, match="come to its end"):
        evaluate_run(broken)
    train(broken)
    assert _same(_checkpoint(whole), _checkpoint(broken))
    assert told(whole, "step") == told(broken, "step")
    assert (whole / ENCODER / TEXT).read_bytes() == (broken / ENCODER / TEXT).read_bytes()


def test_a_stop_is_answered_with_a_checkpoint_and_the_run_goes_on(config, tmp_path):
    folder = tmp_path / "run"
    create_run(config, folder)
    (folder / runs.STOP).touch()
    assert train(folder) == runs.PAUSED
    assert not (folder / runs.STOP).exists()
    assert runs.read_state(folder).state == runs.PAUSED
    assert train(folder) == runs.DONE
    assert train(folder) == runs.DONE  # nothing left to do


def _with_plain_text(folder):
    """A model whose text head has no refinement."""
    shutil.copytree(find_model("sat-tiny").folder, folder / "plain")
    path = folder / "plain" / "model.json"
    path.write_text(path.read_text().replace('"minilm-knowledge"', '"minilm"'))
    return path.parent


def test_another_runs_folder_or_checkpoint_is_refused(config, tmp_path):
    folder = tmp_path / "run"
    create_run(config, folder)
    create_run(config, folder)
    with pytest.raises(InputError, match="another run"):
        create_run(replace(config, steps=13), folder)
    train(folder)
    replace(config, width=24).write(folder / runs.CONFIG)
    with pytest.raises(InputError, match=r"another configuration \(width\)"):
        train(folder)
    config.write(folder / runs.CONFIG)
    (folder / runs.LAST).write_bytes(b"cut")
    with pytest.raises(SATError, match="damaged"):
        train(folder)
    with pytest.raises(InputError, match="no run"):
        train(tmp_path / "none")
    with pytest.raises(InputError, match="no model"):
        create_run(replace(config, encoder="unheard-of"), tmp_path / "other")
    with pytest.raises(InputError, match="no room for knowledge"):
        create_run(replace(config, encoder=str(_with_plain_text(tmp_path))), tmp_path / "tiny")
    with pytest.raises(InputError, match="a bert transformer"):
        create_run(replace(config, encoder=str(minilm_folder())), tmp_path / "bert")


def test_two_processes_give_the_numbers_of_one(config, atlas, tmp_path):
    config = replace(config, atlas=atlas)
    one, two = tmp_path / "one", tmp_path / "two"
    create_run(config, one)
    train(one)
    config.write(tmp_path / "config.json")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--", small_tree.__file__, "train"]
    command += ["--config", tmp_path / "config.json", "--run", two]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert [event["world_size"] for event in told(two, "start")] == [2]
    for alone, together in zip(told(one, "step"), told(two, "step"), strict=True):
        assert together["losses"] == pytest.approx(alone["losses"], abs=1e-3)
    alone, together = _checkpoint(one)["trained"], _checkpoint(two)["trained"]
    assert alone.keys() == together.keys()
    for name, weight in alone.items():
        if not name.endswith(".conv.bias"):  # a norm takes them away: their gradient is noise
            torch.testing.assert_close(together[name], weight, rtol=1e-2, atol=2e-3)


def test_stage_2_brings_masks_and_names_together_and_goes_on_from_stage_1(config, atlas, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    create_run(config, first)
    train(first)
    config = replace(config, encoder=str(first / ENCODER), atlas=atlas, steps=40, learning_rate=3e-3)
    create_run(config, second)
    assert train(second) == runs.DONE
    losses = [event["losses"] for event in told(second, "step")]
    for part, share in (("atlas", 0.7), ("text", 0.95)):
        assert losses[-1][part] < share * sum(of[part] for of in losses[:10]) / 10
    _, before = encoder_folder.load(first / ENCODER)
    _, after = encoder_folder.load(second / ENCODER)
    assert not torch.equal(before.head.modality_embed.weight, after.head.modality_embed.weight)
    trained = _checkpoint(second)["trained"]
    assert any(name.startswith("atlas.encoder.") for name in trained)
    frozen = tmp_path / "frozen"
    create_run(replace(config, steps=1, frozen_images=True), frozen)
    train(frozen)
    assert not any(name.startswith("atlas.encoder.") for name in _checkpoint(frozen)["trained"])


def test_stage_2_needs_cases_that_can_be_trained_on(config, atlas, tmp_path):
    values = json.loads(atlas.read_text()) | {"datasets": {"balls": {"terms": {"left ball": [], "right ball": []}}}}
    (tmp_path / "none.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="teaches a term"):
        create_run(replace(config, atlas=tmp_path / "none.json"), tmp_path / "run")
    values["datasets"]["balls"]["terms"]["left ball"] = ["ball"]
    (tmp_path / "one.json").write_text(json.dumps(values))
    create_run(replace(config, atlas=tmp_path / "one.json"), tmp_path / "run")
    with pytest.raises(InputError, match="fewer than two terms"):
        train(tmp_path / "run")


@pytest.fixture
def mpnet(tmp_path, monkeypatch):
    """A folder of a small transformer as Hugging Face saves it."""
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))
    folder = tmp_path / "mpnet"
    torch.manual_seed(0)
    small_mpnet(TextEncoder).tower.save_pretrained(folder)
    letters = [f"{mark}{chr(letter)}" for letter in range(ord("a"), ord("z") + 1) for mark in ("", "##")]
    words = ["[PAD]", "<s>", "</s>", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def test_an_mpnet_is_taught_above_its_frozen_layers(config, mpnet, tmp_path):
    config = replace(config, encoder=str(mpnet), width=24, frozen_layers=1, steps=4)
    folder = tmp_path / "run"
    create_run(config, folder)
    before = TextEncoder.from_folder(mpnet, 24).tower.state_dict()
    assert train(folder) == runs.DONE
    kind, encoder = encoder_folder.load(folder / ENCODER)
    assert kind == "mpnet"
    after = encoder.tower.state_dict()
    for name, weight in before.items():
        is_taught = name.startswith("encoder.layer.1.")
        assert torch.equal(after[name], weight) != is_taught or "key.bias" in name or "k.bias" in name, name
    assert set(evaluate_run(folder)) == {STRUCTURES, SYNONYMS, TAUGHT}
    # a frozen one learns in its head alone, and goes on from the result of another
    again = replace(config, encoder=str(folder / ENCODER), frozen_layers=9, steps=1)
    create_run(again, tmp_path / "again")
    train(tmp_path / "again")
    _, head_only = encoder_folder.load(tmp_path / "again" / ENCODER)
    assert all(torch.equal(head_only.tower.state_dict()[name], weight) for name, weight in after.items())
    assert not torch.equal(head_only.head.projection_layer[0].weight, encoder.head.projection_layer[0].weight)


def test_a_model_folder_carries_a_taught_encoder(config, tmp_path, small_config):
    create_run(config, tmp_path / "run")
    train(tmp_path / "run")
    _, encoder = encoder_folder.load(tmp_path / "run" / ENCODER)
    folder = tmp_path / "model"
    folder.mkdir()
    network = replace(small_config, text_width=config.width)
    save_weights(SAT(network), folder / NETWORK)
    (folder / TEXT).write_bytes((tmp_path / "run" / ENCODER / TEXT).read_bytes())
    transformer = sha256_of(minilm_folder() / "model.safetensors")
    ModelFolder("taught", "For tests.", ("ct",), network, "minilm-spelling", transformer).write(folder)
    queries = load(find_model(str(folder))).prompts.encode(["left kidney", "any text"], "ct")
    torch.testing.assert_close(queries, encoder.encode(["left kidney", "any text"], "ct"))
    # what is trained of it with a network is its projection; what it was taught stays
    trained = {name for name, weight in encoder.head.named_parameters() if weight.requires_grad}
    assert trained == {name for name, _ in TextHead(384, 16).named_parameters()}


def test_an_untaught_head_is_what_it_was():
    torch.manual_seed(0)
    plain = TextHead(8, 4)
    pooled = torch.randn(3, 8)
    assert torch.equal(plain.refine(pooled), pooled)
    assert set(KnowledgeHead(8, 4).state_dict()) - set(plain.state_dict()) == {
        f"refinement.{layer}.{name}" for layer in (0, 2) for name in ("weight", "bias")
    }


def test_the_command_line_teaches_and_evaluates(config, tmp_path, capsys):
    config.write(tmp_path / "lesson.json")
    assert main(["knowledge", "train", "--config", str(tmp_path / "lesson.json")]) == 0
    assert (tmp_path / "lesson" / ENCODER / encoder_folder.RESULT).is_file()
    assert main(["knowledge", "evaluate", "--run", str(tmp_path / "lesson")]) == 0
    printed = capsys.readouterr().out
    assert "synonym -> term, recall@1" in printed
    assert "STRUCTURES HELD BACK" in printed
    assert main(["knowledge", "evaluate", "--run", str(tmp_path / "none")]) == 2
    (tmp_path / "bad.yaml").write_text("stepz: 1")
    assert main(["knowledge", "train", "--config", str(tmp_path / "bad.yaml")]) == 2

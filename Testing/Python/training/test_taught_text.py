"""A new network with a text encoder that was taught before."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch
from Testing.Python.support import small_mpnet

from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.models import find_model
from SATSegmentLib.models.folder import TEXT, TOKENS, ModelFolder
from SATSegmentLib.models.loading import load, load_text_encoder, minilm_folder
from SATSegmentLib.network.text_encoder import KnowledgeHead, TextEncoder, WordPieceTokenizer
from SATTrainingLib import encoder_folder, runs
from SATTrainingLib.cases import read_cases
from SATTrainingLib.export.model import export_run
from SATTrainingLib.launch.job import write_job
from SATTrainingLib.training.checkpoint import load as load_checkpoint
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.start import create_run, train
from SATTrainingLib.training.text import make_queries


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Folder of a text encoder for queries of 24 values, whose refinement does something."""
    torch.manual_seed(1)
    encoder = TextEncoder.from_folder(minilm_folder(), 24, KnowledgeHead)
    folder = tmp_path_factory.mktemp("taught") / "encoder"
    encoder_folder.save(folder, "minilm-knowledge", encoder)
    return folder


@pytest.fixture
def config(ball_cases, small_network, taught):
    return TrainingConfig(
        ball_cases, base=None, text_encoder=taught, text="head", steps=2, checkpoint_every=1, workers=0, device="cpu"
    )


def _query(encoder):
    return encoder.encode(["left ball"], "ct")[0]


def test_a_run_begins_with_the_taught_encoder_and_its_model_keeps_it(config, taught, tmp_path):
    before = encoder_folder.load(taught)[1]
    create_run(config, tmp_path / "run")
    moved = (tmp_path / "run").rename(tmp_path / "moved")  # all it needs goes along
    assert train(moved) == runs.DONE
    model = export_run(moved, "balls", "", tmp_path / "model")
    folder = ModelFolder.read(model)
    assert folder.text == "minilm-knowledge"
    after = load_text_encoder(model, folder)
    # the projection has learnt, what refines the text has not
    for name, weight in before.head.state_dict().items():
        assert torch.equal(weight, after.head.state_dict()[name]) == name.startswith("refinement."), name
    known = load(find_model(str(model))).prompts
    torch.testing.assert_close(_query(known), _query(after), atol=1e-3, rtol=1e-3)  # weights are kept in half
    assert not torch.allclose(_query(known), _query(before), atol=1e-3)
    assert "text_encoder" not in json.loads((model / "recipe.json").read_text())


def test_frozen_it_answers_as_it_was_taught(config, taught, tmp_path):
    create_run(dataclasses.replace(config, text="frozen", steps=1), tmp_path / "run")
    train(tmp_path / "run")
    model = export_run(tmp_path / "run", "balls", "", tmp_path / "model")
    torch.testing.assert_close(_query(load(find_model(str(model))).prompts), _query(encoder_folder.load(taught)[1]))


def test_an_encoder_with_a_transformer_of_its_own_is_trained_as_a_whole(config, tmp_path, monkeypatch):
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))
    (tmp_path / TOKENS).write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nball\nleft\nright\n")
    folder = tmp_path / "encoder"
    encoder_folder.save(folder, "mpnet", TextEncoder.mpnet(WordPieceTokenizer(tmp_path / TOKENS)))
    queries, before = make_queries(None, folder, "all", [("ball", "ct"), ("left ball", "ct")], 24)
    queries(torch.tensor([[0, 1]])).square().sum().backward()
    # what is trained without being used ends a training of several processes
    assert not [name for name, p in queries.named_parameters() if p.requires_grad and p.grad is None]

    encoder_folder.save(folder, "mpnet", before)  # its vocabulary is in the folder that is replaced
    create_run(dataclasses.replace(config, text_encoder=folder, text="all", validation=("case2",)), tmp_path / "run")
    assert train(tmp_path / "run") == runs.DONE
    model = export_run(tmp_path / "run", "balls", "", tmp_path / "model", "last")
    found = ModelFolder.read(model)
    assert found.text == "mpnet"
    found.check(model)
    after = load_text_encoder(model, found)
    torch.testing.assert_close(_query(load(find_model(str(model))).prompts), _query(after), atol=1e-3, rtol=1e-3)
    before.load_state_dict(load_checkpoint(tmp_path / "run" / runs.LAST)["text"])
    torch.testing.assert_close(_query(after), _query(before), atol=1e-2, rtol=1e-2)  # weights are kept in half


def test_a_run_can_be_made_from_files_that_are_read_only(config, taught, tmp_path):
    mine = tmp_path / "encoder"
    shutil.copytree(taught, mine)
    for path in (*mine.iterdir(), mine):
        path.chmod(path.stat().st_mode & 0o555)
    create_run(dataclasses.replace(config, text_encoder=mine), tmp_path / "run")
    own = tmp_path / "run" / runs.ENCODER
    assert all(path.stat().st_mode & 0o200 for path in (own, *own.iterdir()))
    mine.chmod(0o755)


def test_a_stopped_run_goes_on_and_keeps_its_own_copy(config, taught, tmp_path):
    mine = tmp_path / "encoder"
    shutil.copytree(taught, mine)
    config = dataclasses.replace(config, text_encoder=mine)
    run = tmp_path / "run"
    create_run(config, run)
    create_run(config, run)  # the same run again
    torch.manual_seed(2)
    encoder_folder.save(mine, "minilm-knowledge", TextEncoder.from_folder(minilm_folder(), 24, KnowledgeHead))
    with pytest.raises(InputError, match="holds another run"):
        create_run(config, run)
    assert encoder_folder.same(run / runs.ENCODER, taught)
    assert train(run) == runs.DONE
    assert load_checkpoint(run / runs.LAST)["step"] == 2
    assert train(run) == runs.DONE  # from its checkpoint


def test_a_job_takes_the_encoder_along(config, tmp_path):
    write_job(tmp_path / "job", config, read_cases(config.cases), gpus=1, nodes=1, hours=1, copy_data=False)
    elsewhere = TrainingConfig.read((tmp_path / "job").rename(tmp_path / "elsewhere") / "config.yaml")
    assert elsewhere.text_encoder == tmp_path / "elsewhere" / "encoder"
    create_run(elsewhere, tmp_path / "run")


def test_what_does_not_fit_is_refused_before_any_work(config, taught, tmp_path, small_network):
    with pytest.raises(InputError, match='"text_encoder" is for a new network, but sat-tiny has its own'):
        dataclasses.replace(config, base="sat-tiny")
    with pytest.raises(InputError, match="holds no text encoder"):
        create_run(dataclasses.replace(config, text_encoder=tmp_path), tmp_path / "run")
    with pytest.raises(InputError, match="shared by several models"):
        create_run(dataclasses.replace(config, text="all"), tmp_path / "run")
    wide = tmp_path / "wide"
    encoder_folder.save(wide, "minilm-knowledge", TextEncoder.from_folder(minilm_folder(), 32, KnowledgeHead))
    with pytest.raises(InputError, match="32 values, the network takes 24"):
        create_run(dataclasses.replace(config, text_encoder=wide), tmp_path / "run")
    (wide / encoder_folder.RESULT).write_text("{}")
    with pytest.raises(ModelError, match="missing or damaged"):
        create_run(dataclasses.replace(config, text_encoder=wide), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert (taught / TEXT).is_file()

"""A run from its making to its end: refusals before any work, and that it learns."""

from __future__ import annotations

import dataclasses
import json

import pytest
from Testing.Python.training.processes import finish, told

from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.inference import Predictor
from SATSegmentLib.models.loading import load
from SATSegmentLib.models.registry import find_model
from SATTrainingLib import runs
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.cases.splits import write_splits
from SATTrainingLib.cli import main
from SATTrainingLib.evaluation.evaluate import evaluate
from SATTrainingLib.training.checkpoint import load as load_checkpoint
from SATTrainingLib.training.checkpoint import network_of
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.start import create_run


def test_a_run_holds_all_it_needs(config, tmp_path):
    (tmp_path / "lists").mkdir()
    lines = config.cases.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        row |= {"image": str(config.cases.parent / row["image"]), "mask": str(config.cases.parent / row["mask"])}
    cases = tmp_path / "lists" / "cases.jsonl"
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_splits(tmp_path / "splits.json", [["case0"], ["case1", "case2"]])
    config = dataclasses.replace(config, cases=cases, validation=(), splits=tmp_path / "splits.json", fold=1)
    create_run(config, tmp_path / "run")
    kept = TrainingConfig.read(tmp_path / "run" / runs.CONFIG)
    assert (kept.validation, kept.splits, kept.cases) == (("case1", "case2"), None, tmp_path / "run" / runs.CASES)
    assert runs.read_state(tmp_path / "run") == runs.RunState(steps=config.steps)
    create_run(config, tmp_path / "run")  # the same again
    before = (tmp_path / "run" / runs.CONFIG).read_bytes()
    with pytest.raises(InputError, match="holds another run"):
        create_run(dataclasses.replace(config, steps=3), tmp_path / "run")
    rows[0]["dataset"] = "other"
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="holds another run"):
        create_run(config, tmp_path / "run")
    assert (tmp_path / "run" / runs.CONFIG).read_bytes() == before
    cases.unlink()
    (tmp_path / "splits.json").unlink()
    finish(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"validation": ("case9",)}, InputError, "case9"),
        ({"validation": ("case0", "case1"), "test": ("case2", "case3")}, InputError, "nothing is left to train on"),
        ({"datasets": {"ball": DatasetLabels()}}, InputError, '"datasets" or "weights" name ball, which none'),
        ({"datasets": {"balls": DatasetLabels({"left ball": (), "right ball": ()})}}, InputError, "teaches a term"),
        ({"base": "sat-none"}, InputError, 'There is no model "sat-none"'),
        ({"base": "sat-nano"}, ModelError, "no model|not installed"),
        ({"base": None, "network": "huge"}, ModelError, 'no configuration "huge"'),
        ({"window": (16, 16, 12)}, InputError, "must be a multiple of 8"),
        ({"window": (8, 8, 8)}, InputError, "too small; make at least one side 16"),
        ({"text": "all"}, InputError, 'set "text" to "head"'),
        ({"base": None, "text": "all"}, InputError, 'set "text" to "head"'),
    ],
)
def test_what_cannot_be_trained_is_refused_before_any_work(config, change, error, message, tmp_path):
    with pytest.raises(error, match=message):
        create_run(dataclasses.replace(config, **change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_parts_of_a_run_is_left_alone(config, tmp_path):
    (tmp_path / runs.LAST).touch()
    with pytest.raises(InputError, match="parts of another run"):
        create_run(config, tmp_path)
    assert not (tmp_path / runs.CONFIG).exists()
    assert main(["resume", "--run", str(tmp_path)]) == 2


def test_training_learns_and_says_so(config, tmp_path):
    config = dataclasses.replace(
        config, steps=120, learning_rate=8e-3, text="head", validate_every=60, workers=1, ema=0.95
    )
    create_run(config, tmp_path / "run")
    finish(tmp_path / "run")
    run = tmp_path / "run"
    validations = told(run, "validation")
    assert [event["step"] for event in validations] == [0, 60, 120]
    before, after = validations[0], validations[-1]
    assert set(after["terms"]) == {"ct/ball", "ct/left ball", "ct/right ball"}
    assert before["dice"] < 0.3
    assert after["dice"] > 0.7
    assert after["nsd"] > before["nsd"]
    losses = [event["loss"] for event in told(run, "step")]
    # an absent prompt costs a Dice loss of 1 whatever is answered, so the loss keeps a floor
    assert losses[-1] < 0.75 * losses[0]
    assert {event["step"]: event["best"] for event in told(run, "checkpoint")}[0]
    best = load_checkpoint(run / runs.BEST)
    assert best["best"] == max(event["dice"] for event in validations)
    # what is validated is what is exported, with its average weights and its trained head
    network, text, meta = network_of(run / runs.LAST)
    assert (meta["step"], meta["base"]["name"], set(meta["terms"][0])) == (120, "base", {"ball", "ct"})
    encoder = load(find_model(str(config.base)))
    from SATSegmentLib.models.loading import load_text_encoder

    encoder = load_text_encoder(find_model(config.base).folder, encoder.folder)
    encoder.head.load_state_dict(text)
    case = [case for case in read_cases(run / runs.CASES) if case.id == "case2"]
    scores = {score.term: score.dice for score in evaluate(Predictor(network, encoder, "cpu"), case, config.datasets)}
    assert scores == {name.partition("/")[2]: pytest.approx(term["dice"]) for name, term in after["terms"].items()}
    rows = json.loads((run / runs.VALIDATION).read_text())
    assert {(row["step"], row["case"]) for row in rows} == {(120, "case2")}
    assert list((run / runs.TENSORBOARD).glob("events.out.*"))


def test_from_nothing_and_in_bfloat16_with_little_memory(config, tmp_path):
    config = dataclasses.replace(
        config,
        base=None,
        text="head",
        window=(16, 16, 32),
        steps=3,
        validation=(),
        precision="bfloat16",
        windows_at_once=2,
        activation_checkpointing=True,
        ema=None,
    )
    config.write(tmp_path / "mine.yaml")
    create_run(config, tmp_path / "run")
    finish(tmp_path / "run")
    network, text, meta = network_of(tmp_path / "run" / runs.LAST)
    assert network.config.window == (16, 16, 32)
    assert meta["base"] is None
    assert "projection_layer.0.weight" in text
    assert [event["step"] for event in told(tmp_path / "run", "step")] == [1, 2, 3]


def test_the_command_line_prepares_and_trains(config, tmp_path, capsys):
    dataclasses.replace(config, steps=2, validation=()).write(tmp_path / "mine.yaml")
    assert main(["prepare", "--config", str(tmp_path / "mine.yaml")]) == 0
    assert "4 cases with 4 terms are prepared" in capsys.readouterr().out
    assert main(["train", "--config", str(tmp_path / "mine.yaml")]) == 0
    out = capsys.readouterr().out
    assert f"The run in {tmp_path / 'mine'} is done." in out
    assert runs.read_state(tmp_path / "mine").state == runs.DONE
    (tmp_path / "mine.yaml").write_text("cases: x\nstps: 3\n")
    assert main(["train", "--config", str(tmp_path / "mine.yaml")]) == 2
    assert 'there is no key "stps"; is "steps" meant?' in capsys.readouterr().err

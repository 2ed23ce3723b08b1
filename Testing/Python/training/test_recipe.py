"""A model from data in one go."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
from filelock import FileLock
from safetensors import safe_open

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.models.folder import ModelFolder, read_terms
from SATTrainingLib import runs
from SATTrainingLib.cases import read_cases
from SATTrainingLib.cli import main
from SATTrainingLib.recipe import Recipe, make


def _training(name, **changes):
    balls = {"terms": {"left ball": ["left ball", "ball"], "right ball": ["right ball", "ball"]}}
    quick = {"steps": 1, "prompts": 2, "batch": 1, "workers": 0, "device": "cpu", "window": [32, 16, 16]}
    return {"name": name, "text": "head", "datasets": {"balls": balls}, **quick, **changes}


def _recipe(folder, **changes):
    values = {
        "name": "both-balls",
        "note": "Finds balls.",
        "cases": "cases.jsonl",
        "test": ["case3"],
        "small": True,
        "trainings": [_training("first"), _training("second")],
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(values | changes))
    return path


def _interrupt(run):
    """Ctrl-C as a terminal sends it, to the recipe and to its step, once that trains."""
    while not any(event["event"] == "start" for event in runs.read_events(run)[0]):
        time.sleep(0.02)
    os.kill(runs.read_state(run).pid, signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def one_thread(monkeypatch):
    """For so little work several threads mostly wait."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_recipe_makes_a_model_and_goes_on_where_it_was_stopped(ball_cases, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, work = ball_cases.parent, Path("new folder/work")
    training = _training("first", steps=4, checkpoint_every=1000)
    command = ["recipe", str(_recipe(tmp_path, trainings=[training, _training("second")])), "--data", str(data)]
    command += ["--output", str(work)]
    threading.Thread(target=_interrupt, args=(work / "first",), daemon=True).start()
    assert main(command) == 130
    paused = runs.read_state(work / "first")
    assert paused.state == runs.PAUSED and paused.step < 4
    alive = {"pid": os.getpid(), "started": psutil.Process().create_time(), "host": socket.gethostname()}
    runs.write_state(work / "first", dataclasses.replace(paused, state=runs.TRAINING, **alive))
    assert main(command) == 2  # as where the recipe was killed and what it had started lives on
    assert "trains the run" in capfd.readouterr().err
    runs.write_state(work / "first", paused)
    with FileLock(work / ".lock"):
        assert main(command) == 2
    assert "Another process makes a model" in capfd.readouterr().err

    assert main(["resume", "--run", str(work / "first")]) == 0  # a step may be gone on with by hand
    assert main(command) == 0
    begun = [event["step"] for event in runs.read_events(work / "first")[0] if event["event"] == "start"]
    assert begun == [0, paused.step]
    model = tmp_path / work / "models" / "both-balls"
    assert str(model) in capfd.readouterr().out
    assert ModelFolder.read(model).note == "Finds balls."
    assert {term.term: term.cases for term in read_terms(model)} == {"left ball": 6, "right ball": 6, "ball": 6}
    config = json.loads((work / "second" / runs.CONFIG).read_text())
    assert config["base"] == str(tmp_path / work / "models" / "first") and config["test"] == ["case3"]
    with safe_open(model / "network.safetensors", "pt") as file:
        assert any(file.get_slice(name).get_dtype() == "I8" for name in file.keys())  # noqa: SIM118 (no mapping)
    written = (model / "network.safetensors").stat().st_mtime_ns
    assert main(command) == 0  # all is there
    assert (model / "network.safetensors").stat().st_mtime_ns == written
    _recipe(tmp_path, trainings=[{**training, "seed": 2}, _training("second")])
    assert main(command) == 2
    assert "holds another run" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainings": []}, '"trainings" is missing'),
        ({"trainings": [{"steps": 1}]}, 'needs a "name"'),
        ({"trainings": [{"name": "a", "base": "sat-tiny"}]}, "base: of the training a, follows from the recipe"),
        ({"note": None}, '"note" is missing'),
        ({"test": "case3"}, '"test" must be a list'),
        ({"small": "yes"}, '"small" must be true or false'),
        ({"name": "both balls"}, '"both balls" is no name'),
        ({"name": "../balls"}, "is no name"),
        ({"name": "First"}, 'the last are both called "First"'),
        ({"trainings": [_training("a"), _training("A")]}, 'can be called "a"'),
        ({"trainings": [_training("knowledge")]}, 'can be called "knowledge"'),
        ({"traning": []}, 'no key "traning"; is "trainings" meant?'),
    ],
)
def test_what_is_wrong_is_said_before_any_work(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        Recipe.read(_recipe(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainings": [_training("a"), _training("b", stepps=1)]}, 'the training b: there is no key "stepps"'),
        ({"trainings": [_training("a", network="small")]}, 'no configuration "small"'),
        ({"test": ["case3", "case33"]}, '"test" names case33, which'),
        ({"synthesis": {"datasets": {"synthseg": {"maps": "none", "ct": 1}}}}, "there is no .*none"),
    ],
)
def test_what_a_step_would_refuse_is_said_before_the_first(ball_cases, tmp_path, changes, said):
    recipe = Recipe.read(_recipe(tmp_path, knowledge={"steps": 1}, **changes))
    with pytest.raises(SATError, match=said):
        make(recipe, ball_cases.parent, tmp_path / "work")
    assert not (tmp_path / "work" / "knowledge").exists()


def test_what_labels_mean_may_stand_in_a_file_beside_the_cases(ball_cases, tmp_path):
    (ball_cases.parent / "labels.yaml").write_text("balls: {terms: {left ball: [ball]}}\n")
    recipe = Recipe.read(_recipe(tmp_path, trainings=[_training("only", datasets="labels.yaml", text="all")]))
    with pytest.raises(InputError, match='set "text" to'):  # by what makes the run
        make(recipe, ball_cases.parent, tmp_path / "work")
    assert len(read_cases(tmp_path / "work" / "only.jsonl")) == 4


def test_a_training_without_data_sets_is_on_those_of_the_one_before(tmp_path):
    second = _training("second")
    del second["datasets"]
    trainings = [_training("first"), second, _training("third", datasets={})]
    first, second, third = Recipe.read(_recipe(tmp_path, trainings=trainings)).trainings
    assert second["datasets"] == first["datasets"] != {}
    assert third["datasets"] == {}

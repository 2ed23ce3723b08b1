"""A model from data in one go."""

from __future__ import annotations

import json

import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.models.folder import ModelFolder, read_terms
from SATTrainingLib import runs
from SATTrainingLib.cli import main
from SATTrainingLib.recipe import Recipe


def _recipe(folder, **changes):
    quick = {"steps": 1, "prompts": 2, "batch": 1, "workers": 0, "device": "cpu", "window": [32, 32, 32]}
    balls = {"terms": {"left ball": ["left ball", "ball"], "right ball": ["right ball", "ball"]}}
    values = {
        "name": "both-balls",
        "note": "Finds balls.",
        "cases": "cases.jsonl",
        "test": ["case3"],
        "trainings": [
            {"name": "first", "text": "head", "datasets": {"balls": balls}, **quick},
            {"name": "second", "text": "head", "datasets": {"balls": balls}, **quick},
        ],
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(values | changes))
    return path


def test_a_recipe_makes_a_model_and_goes_on_where_it_was_stopped(ball_cases, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = ["recipe", str(_recipe(tmp_path)), "--data", str(ball_cases.parent), "--output", str(tmp_path / "work")]
    assert main(command) == 0
    model = tmp_path / "work" / "models" / "both-balls"
    assert str(model) in capfd.readouterr().out
    assert ModelFolder.read(model).note == "Finds balls."
    assert {term.term: term.cases for term in read_terms(model)} == {"left ball": 6, "right ball": 6, "ball": 6}
    config = json.loads((tmp_path / "work" / "second" / runs.CONFIG).read_text())
    assert config["base"].endswith("models/first") and config["test"] == ["case3"]
    written = (model / "network.safetensors").stat().st_mtime_ns
    assert main(command) == 0  # all is there
    assert (model / "network.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainings": []}, '"trainings" is missing'),
        ({"trainings": [{"steps": 1}]}, 'needs a "name"'),
        ({"trainings": [{"name": "a", "base": "sat-tiny"}]}, "base: of the training a, follows from the recipe"),
        ({"note": None}, '"note" is missing'),
        ({"traning": []}, 'no key "traning"; is "trainings" meant?'),
    ],
)
def test_what_is_wrong_is_said_before_any_work(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        Recipe.read(_recipe(tmp_path, **changes))


def test_what_a_step_refuses_ends_the_recipe(ball_cases, tmp_path, capfd):
    recipe = _recipe(tmp_path, trainings=[{"name": "first", "stepps": 1}])
    command = ["recipe", str(recipe), "--data", str(ball_cases.parent), "--output", str(tmp_path / "work")]
    assert main(command) == 2
    assert 'no key "stepps"' in capfd.readouterr().err
    assert main(["recipe", str(recipe), "--data", str(tmp_path), "--output", str(tmp_path / "work")]) == 2
    assert "There is no case list" in capfd.readouterr().err

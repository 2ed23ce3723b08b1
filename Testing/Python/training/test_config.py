"""The configuration of a training: every value checked, every mistake named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.network import SATConfig
from SATTrainingLib.cases import read_cases
from SATTrainingLib.knowledge.config import KnowledgeConfig
from SATTrainingLib.recipe import Recipe
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.presets import PRESETS, preset_for

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_what_is_written_is_read_again(config, suffix, tmp_path):
    config = dataclasses.replace(
        config, window=(16, 32, 16), test=("case0",), ema=None, learning_rate=1e-5, weights={"balls": 2.0}
    )
    config.write(tmp_path / f"run{suffix}")
    assert TrainingConfig.read(tmp_path / f"run{suffix}") == config
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict())), "x", tmp_path) == config


def test_a_file_by_hand_is_read(tmp_path, small_base):
    (tmp_path / "mine").symlink_to(small_base)
    (tmp_path / "run.yaml").write_text(
        "cases: lists/cases.jsonl\nbase: mine\nlearning_rate: 1e-4\nema: .999\nwindow: [64, 64, 32]\n"
        "datasets:\n  a:\n    terms:\n      Kidney_L: [Left  Kidney, kidney]\n      spleen_: spleen\n      body: []\n"
        "    absent: [Brain]\n"
    )
    config = TrainingConfig.read(tmp_path / "run.yaml")
    assert config.cases == tmp_path / "lists" / "cases.jsonl"
    assert config.base == str(tmp_path / "mine")
    assert (config.learning_rate, config.ema, config.window) == (1e-4, 0.999, (64, 64, 32))
    labels = config.datasets["a"]
    assert labels.terms == {"Kidney_L": ("left kidney", "kidney"), "spleen_": ("spleen",), "body": ()}
    assert labels.absent == ("brain",)


def test_what_labels_mean_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "labels.yaml").write_text("mine:\n  terms:\n    kidney_l: [left kidney, kidney]\n")
    (tmp_path / "run.yaml").write_text("cases: cases.jsonl\ndatasets: labels.yaml\n")
    config = TrainingConfig.read(tmp_path / "run.yaml")
    assert config.datasets["mine"].terms == {"kidney_l": ("left kidney", "kidney")}
    (tmp_path / "run.yaml").write_text("cases: cases.jsonl\ndatasets: none.yaml\n")
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        TrainingConfig.read(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rte": 1e-4}, 'there is no key "learning_rte"; is "learning_rate" meant\\?'),
        ({"zygote": 1}, 'there is no key "zygote"\\.'),
        ({"datasets": {"a": {"term": {}}}}, 'no key "term" in "datasets", a; is "terms" meant\\?'),
        ({"datasets": {"a": {"terms": {"x": 3}}}}, "must be a list of texts, not 3"),
        ({"datasets": {"a": {"terms": ["x"]}}}, "must map labels to terms"),
        ({"datasets": {"a": {"lungs_from_air": 1}}}, "must be true or false"),
        ({"datasets": ["a"]}, "must map the names of data sets"),
        ({"cases": None}, '"cases" is missing'),
        ({"steps": 0}, '"steps" must be a whole number of at least 1, not 0'),
        ({"steps": True}, '"steps" must be a whole number'),
        ({"steps": 1.5}, '"steps" must be a whole number'),
        ({"workers": -1}, '"workers" must be a whole number of at least 0'),
        ({"seed": 2**40}, '"seed" must be a whole number'),
        ({"learning_rate": 2}, '"learning_rate" must lie between 0 and 1, not 2'),
        ({"learning_rate": "fast"}, "\"learning_rate\" must be a number, not 'fast'"),
        ({"learning_rate": "nan"}, '"learning_rate" must be a number'),
        ({"learning_rate": None}, '"learning_rate" must be a number, not None'),
        ({"warm_up": 1}, '"warm_up" must be at least 0 and less than 1'),
        ({"silence": -1}, '"silence" must be 0 or more'),
        ({"ema": 1}, '"ema" must lie between 0 and 1'),
        ({"train": "encoder"}, '"train" must be one of all, decoder, queries'),
        ({"text": ["head"]}, '"text" must be a text'),
        ({"precision": "half"}, '"precision" must be one of'),
        ({"weights": ["a"]}, '"weights" must map the names of data sets to factors'),
        ({"weights": {"a": "much"}}, "\"weights, a\" must be a number, not 'much'"),
        ({"weights": {"a": 0}}, '"weights, a" must be more than 0'),
        ({"window": [64, 64]}, '"window" must be three'),
        ({"window": "64"}, '"window" must be whole numbers'),
        ({"window": [64, 64, 1.5]}, '"window" must be whole numbers'),
        ({"activation_checkpointing": "yes"}, '"activation_checkpointing" must be true or false'),
        ({"batch": 3, "windows_at_once": 2}, '"batch" \\(3\\) must be a multiple of "windows_at_once" \\(2\\)'),
        ({"validation": [1]}, '"validation" must be a list of texts'),
        ({"validation": ["a", "b"], "test": ["b"]}, 'b: in "validation" and in "test"'),
        ({"validation": ["a"], "splits": "s.json"}, 'either "validation" or "splits"'),
        ({"base": 3}, '"base" must be a text'),
    ],
)
def test_a_mistake_is_named(values, message, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"cases": "cases.jsonl"} | values))
    with pytest.raises(InputError, match=message) as raised:
        TrainingConfig.read(tmp_path / "run.json")
    assert str(tmp_path / "run.json") in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b"{"), ("a.yaml", b"a: [1"), ("a.yaml", b"\xff\xfe\x00"), ("a.yaml", b"- 1"), ("a.json", b"[]")],
)
def test_a_malformed_file_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"malformed|holds no keys"):
        TrainingConfig.read(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        TrainingConfig.read(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_configuration_for_the_networks_it_is_for(name):
    values = PRESETS[name].values
    config = TrainingConfig(cases=Path("cases.jsonl"), **values)
    network = SATConfig.named("tiny" if name == "cpu" else "nano")
    for side, most in zip(config.window or network.window, network.window, strict=True):
        assert side % network.reduction == 0
        assert side <= most
    assert (config.device == "cpu") == (name == "cpu")


def test_the_preset_for_a_gpu_is_one_it_can_hold():
    # what torch tells of cards called 6, 8, 11, 12, 16, 24, 48, 80 and 141 GB
    told = {5.8: 8, 7.6: 8, 10.8: 8, 11.6: 12, 15.7: 12, 23.6: 24, 44.5: 48, 79.1: 80, 140: 80}
    assert {memory: preset_for(memory) for memory in told} == {memory: f"{size} GB" for memory, size in told.items()}
    assert preset_for(None) == "cpu"


def test_the_built_in_models_recipe_fits_its_cases(shared):
    recipe = Recipe.read(ROOT / "SATSegment/Resources/Models/sat-tiny/recipe.json")
    cases = read_cases(shared / "data" / recipe.cases)
    assert set(recipe.test) <= {case.id for case in cases}
    asked = set()
    for training in recipe.trainings:
        values = {key: value for key, value in training.items() if key != "name"}
        config = TrainingConfig.from_dict({"cases": "cases.jsonl", **values}, training["name"], shared)
        assert {case.dataset for case in cases} <= set(config.datasets)
        for case in cases:
            terms = config.datasets[case.dataset].terms_of(case)
            assert any(terms.values())
            names = {label.name for label in case.labels}
            if len(names) > 10:  # the data sets of one case: every label of the recipe must be there
                assert set(config.datasets[case.dataset].terms) <= names
            asked |= set(terms)
    assert {"kidney", "left kidney", "brainstem", "brain ventricle", "left rib", "mandible"} <= asked
    assert not {"3rd ventricle", "brain stem", "wm hypointensities"} & asked
    for source in recipe.synthesis["datasets"].values():
        assert (shared / "data" / source["maps"]).exists()
    KnowledgeConfig(**recipe.knowledge)

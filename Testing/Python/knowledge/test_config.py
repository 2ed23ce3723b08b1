"""The configuration of a teaching."""

from __future__ import annotations

import json

import pytest

from SATSegmentLib.errors import InputError
from SATTrainingLib.knowledge.config import KnowledgeConfig


def test_yaml_and_json_say_the_same_and_paths_are_the_files_own(tmp_path):
    (tmp_path / "taught").mkdir()
    (tmp_path / "a.yaml").write_text("encoder: taught\natlas: base.yaml\nlearning_rate: 1e-4\nsteps: 7\n")
    (tmp_path / "a.json").write_text(
        json.dumps({"encoder": "taught", "atlas": "base.yaml", "learning_rate": 1e-4, "steps": 7})
    )
    config = KnowledgeConfig.read(tmp_path / "a.yaml")
    assert config == KnowledgeConfig.read(tmp_path / "a.json")
    assert config.encoder == str(tmp_path / "taught")
    assert config.atlas == tmp_path / "base.yaml"
    assert (config.learning_rate, config.steps) == (1e-4, 7)
    (tmp_path / "elsewhere").mkdir()
    config.write(tmp_path / "elsewhere" / "config.json")
    assert KnowledgeConfig.read(tmp_path / "elsewhere" / "config.json") == config
    (tmp_path / "empty.yaml").write_text("")
    assert KnowledgeConfig.read(tmp_path / "empty.yaml") == KnowledgeConfig()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("stepz: 3", 'no key "stepz"; is "steps" meant'),
        ("steps: 0", '"steps" must be a whole number of at least 1'),
        ("steps: true", '"steps" must be a whole number'),
        ("batch: 10", "must be a multiple of 4"),
        ("learning_rate: fast", '"learning_rate" must be a number'),
        ("held_back: 1", '"held_back" must lie between 0 and 1'),
        ("temperature: 0", '"temperature" must lie'),
        ("encoder: 3", '"encoder" must be a text'),
        ("frozen_images: often", '"frozen_images" must be true or false'),
        ("[1, 2", "malformed"),
        ("- 1", "no keys and values"),
    ],
)
def test_bad_values_are_refused_by_name(tmp_path, text, wanted):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=wanted) as raised:
        KnowledgeConfig.read(path)
    assert str(path) in str(raised.value)
    with pytest.raises(InputError, match="cannot be read"):
        KnowledgeConfig.read(tmp_path / "none.yaml")

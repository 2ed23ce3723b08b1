"""A model given away as one zip, and zips that must not be taken in."""

from __future__ import annotations

import json
import stat
import zipfile

import pytest

from SATSegmentLib.cli import main
from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.models import find_model
from SATSegmentLib.models.archive import pack, unpack
from SATSegmentLib.models.installing import import_model
from SATSegmentLib.models.registry import models_folder
from SATSegmentLib.resources import resource


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The built-in model under a name of its own."""
    import shutil

    folder = tmp_path_factory.mktemp("model") / "mine"
    shutil.copytree(resource("Models", "sat-tiny"), folder)
    values = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(values | {"name": "mine"}))
    return folder


@pytest.fixture
def entries(model):
    """What the zip holds, to be spoilt."""
    return {path.name: path.read_bytes() for path in model.iterdir()}


def _zip(path, entries, change=lambda info: None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            change(info)
            archive.writestr(info, content)
    return path


def test_a_shared_model_is_installed_whole_by_the_command_line(model, tmp_path, capsys):
    pack(model, tmp_path / "mine.zip")
    assert main(["models", "import", str(tmp_path / "mine.zip")]) == 0
    installed = find_model("mine").folder
    assert {p.name: p.read_bytes() for p in installed.iterdir()} == {p.name: p.read_bytes() for p in model.iterdir()}
    assert main(["models", "verify", "mine"]) == 0
    capsys.readouterr()
    assert main(["models", "import", str(tmp_path / "mine.zip")]) == 2
    assert "already" in capsys.readouterr().err


def test_the_same_model_gives_the_same_zip_and_none_is_overwritten(model, tmp_path):
    pack(model, tmp_path / "a.zip")
    pack(model, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(InputError, match=r"a\.zip exists"):
        pack(model, tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../network.safetensors", "/etc/passwd", "sub/model.json", "evil.pt", "C:\\x.json"])
def test_files_that_are_not_a_models_are_refused(entries, tmp_path, name):
    path = _zip(tmp_path / "m.zip", entries | {name: b"x"})
    with pytest.raises(InputError, match="no file of a model"):
        import_model(path)
    _nothing_left()


def test_links_are_refused(entries, tmp_path):
    def link(info):
        if info.filename == "MODEL_CARD.md":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(InputError, match="no plain file"):
        import_model(_zip(tmp_path / "m.zip", entries | {"MODEL_CARD.md": b"/etc/passwd"}, link))
    _nothing_left()


def test_a_bomb_is_refused_before_it_is_unpacked(entries, tmp_path):
    with pytest.raises(InputError, match="too large"):
        import_model(_zip(tmp_path / "m.zip", entries | {"vocabulary.json": bytes(100 << 20)}))
    _nothing_left()


def test_a_file_that_is_larger_than_the_zip_says_is_damaged(entries, tmp_path):
    path = _zip(tmp_path / "m.zip", entries | {"MODEL_CARD.md": bytes(5000)})
    size = (5000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (50).to_bytes(4, "little")))
    with pytest.raises(ModelError, match="damaged"):
        import_model(path)
    _nothing_left()


def test_weights_of_another_model_are_refused(entries, tmp_path):
    spoilt = entries | {"network.safetensors": entries["text.safetensors"]}
    with pytest.raises(ModelError, match="damaged or belongs to another model"):
        import_model(_zip(tmp_path / "m.zip", spoilt))
    _nothing_left()


def test_what_is_no_zip_or_no_model_is_said(entries, tmp_path):
    (tmp_path / "m.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="neither a folder nor the zip"):
        import_model(tmp_path / "m.zip")
    with pytest.raises(InputError, match=r"no model\.json"):
        import_model(_zip(tmp_path / "n.zip", {"network.safetensors": b""}))
    _nothing_left()


def test_a_zip_cannot_take_the_built_in_models_name(entries, tmp_path):
    values = json.loads(entries["model.json"]) | {"name": "sat-tiny"}
    with pytest.raises(InputError, match="another name"):
        import_model(_zip(tmp_path / "m.zip", entries | {"model.json": json.dumps(values).encode()}))
    _nothing_left()


def _nothing_left():
    assert not models_folder().exists() or not list(models_folder().iterdir())


def test_a_folder_that_cannot_be_written_to_is_said(model, tmp_path):
    pack(model, tmp_path / "model.zip")
    with pytest.raises(ModelError, match=r"cannot be unpacked to .*make room"):
        unpack(tmp_path / "model.zip", tmp_path / "none")

"""Published files that were downloaded and not yet converted."""

from __future__ import annotations

import shutil

import pytest
from Testing.Python.models.test_installing import Published
from Testing.Python.support import SMALL_NANO, small_mpnet

from SATSegmentLib.errors import InputError
from SATSegmentLib.models import find_model
from SATSegmentLib.models.catalog import catalog
from SATSegmentLib.models.registry import disk_use, remove
from SATSegmentLib.network import config
from SATSegmentLib.network.text_encoder import TextEncoder
from SATSegmentLib.worker.downloads import convert


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    monkeypatch.setitem(config._NAMED, "nano", SMALL_NANO)
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))


@pytest.fixture
def files(tmp_path):
    return Published(tmp_path).files


def row():
    return next(row for row in catalog() if row["name"] == "sat-nano")


def test_an_interrupted_conversion_is_done_without_the_network(files, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    model = find_model("sat-nano")
    model.downloads.mkdir(parents=True)
    for number, file in enumerate(files):
        assert row()["state"] == "not installed"
        with pytest.raises(InputError, match="download it first"):
            convert("sat-nano", lambda *_: None)
        shutil.copy(file, model.downloads)
        assert (row()["megabytes"] or 0) == pytest.approx(disk_use(model.downloads) / 1e6, abs=0.06), number
    assert row()["state"] == "downloaded"
    told = []
    convert("sat-nano", lambda *progress: told.append(progress))
    assert row()["state"] == "installed"
    assert not model.downloads.exists()
    assert told == [("convert", 0, 1), ("convert", 1, 1)]
    with pytest.raises(InputError, match="installed already"):
        convert("sat-nano", lambda *_: None)


def test_what_was_downloaded_can_be_removed(files):
    model = find_model("sat-nano")
    model.downloads.mkdir(parents=True)
    shutil.copy(files[0], model.downloads)
    assert remove(model) == files[0].stat().st_size
    assert not model.downloads.exists()
    with pytest.raises(InputError, match="not installed"):
        remove(model)

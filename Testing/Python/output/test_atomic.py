import errno
import os

import pytest

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.output import check_targets, written


def test_replaces_the_file_when_the_block_ends(tmp_path):
    path = tmp_path / "scan.2.seg.nrrd"
    path.write_text("old")
    with written(path) as temporary:
        assert temporary.parent == tmp_path and temporary.name.startswith(".")
        assert temporary.suffixes[-2:] == [".seg", ".nrrd"]
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_keeps_the_old_file(tmp_path, failure):
    path = tmp_path / "labels.nii.gz"
    path.write_text("old")
    with pytest.raises(failure), written(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_so(tmp_path):
    with pytest.raises(SATError, match="no space left"), written(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_replaced_is_named(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(SATError, match="taken could not be written"), written(tmp_path / "taken") as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_targets_that_may_be_written(tmp_path):
    old = tmp_path / "old.csv"
    old.touch()
    check_targets([tmp_path / "new.csv"], overwrite=False)
    check_targets([old], overwrite=True)


def test_targets_that_exist_are_refused(tmp_path):
    old = tmp_path / "old.csv"
    old.touch()
    with pytest.raises(InputError, match=r"old\.csv exists; give --overwrite"):
        check_targets([tmp_path / "new.csv", old], overwrite=False)


def test_folders_are_refused_as_targets(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        check_targets([tmp_path], overwrite=True)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        check_targets([tmp_path / "nowhere" / "a.csv"], overwrite=False)


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    # The superuser, and everybody on Windows, may write to read-only folders
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="cannot be written to"):
        check_targets([tmp_path / "a.csv"], overwrite=False)

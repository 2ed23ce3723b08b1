"""What is done is known again, and what is not, or is somebody's own, is not taken for it."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from SATSegmentLib.batch.cases import BatchCase
from SATSegmentLib.batch.kept import Result, alone, new_results, read_kept, segmentation_of, stamps, write_done
from SATSegmentLib.batch.run import plan
from SATSegmentLib.batch.settings import Settings
from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.output import write_table

SECONDS = {"prepare": 1.0, "wait": 0.0, "network": 1.0, "write": 0.1}


def write_scan(path, value):
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), value, np.int16)), str(path))
    os.utime(path, (1e9, 1e9))  # as of files from one archive
    return path


@pytest.fixture
def done(tmp_path):
    """Settings, and a case that was done with them."""
    settings = Settings(("liver",), "sat-tiny", "0", tmp_path / "out", "1.0")
    settings.output.mkdir()
    case = BatchCase("a", write_scan(tmp_path / "one" / "ct.mha", 1), "ct")
    with new_results(settings.output, case) as folder:
        (folder / "a.seg.nrrd").write_bytes(b"voxels")
        write_table(folder / "measurements.json", [])
        content = Volume.read(case.image, "ct").content_hash
        write_done(folder, case, settings, content, stamps(case.image), Result(case, (), "ct", (), SECONDS))
    return settings, case


def test_the_same_scan_is_done_wherever_it_is(done, tmp_path):
    settings, case = done
    assert read_kept(case, settings)[1] == ""
    shutil.move(tmp_path / "one", tmp_path / "moved")
    result, change = read_kept(BatchCase("a", tmp_path / "moved" / "ct.mha", "ct"), settings)
    assert (result.seconds, change) == (SECONDS, "")


def test_another_scan_of_the_same_name_size_and_time_is_not_done(done, tmp_path):
    settings, case = done
    other = BatchCase("a", write_scan(tmp_path / "two" / "ct.mha", 2), "ct")
    assert read_kept(other, settings)[1] == "another scan"
    write_scan(case.image, 2)
    assert read_kept(case, settings)[1] == "another scan"


def test_a_result_without_its_segmentation_is_none(done):
    settings, case = done
    segmentation_of(settings.output, case).unlink()
    with pytest.raises(InputError, match="holds no result of a batch"):
        read_kept(case, settings)


@pytest.mark.parametrize("name", ["a.seg.nrrd", "notes.txt"])
def test_what_was_changed_by_hand_is_not_replaced(done, name):
    settings, case = done
    other = Settings(("spleen",), "sat-tiny", "0", settings.output, "1.0")
    assert plan([case], other, again=True).todo == [case]
    (settings.output / "a" / name).write_text("corrected")
    assert list(plan([case], settings, again=True).kept) == ["a"]
    with pytest.raises(InputError, match=rf"changed by hand \({name}\); move the folder away"):
        plan([case], other, again=True)
    assert (settings.output / "a" / name).read_text() == "corrected"


def test_two_batches_do_not_work_in_one_folder(tmp_path):
    with alone(tmp_path), pytest.raises(InputError, match="Another batch is at work in"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
    assert not list(tmp_path.iterdir())

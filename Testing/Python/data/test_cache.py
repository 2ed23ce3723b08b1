"""Prepared cases on disk: found again, never half, shared by processes."""

from __future__ import annotations

import dataclasses
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import Cancelled, InputError, SATError
from SATTrainingLib.cases import read_cases
from SATTrainingLib.data.cache import CaseCache, prepare_all
from SATTrainingLib.data.content import ContentHashes

ROOT = Path(__file__).resolve().parents[3]

# `python -c _PREPARE cache cases copies [bytes]`: prepares every case `copies` times over, each with a term of its own
_PREPARE = """
import dataclasses, sys
from pathlib import Path
from SATSegmentLib.errors import SATError
from SATSegmentLib.network import SATConfig
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.data.cache import CaseCache, prepare_all

cache, cases, copies, *limit = sys.argv[1:]
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
cases = [
    dataclasses.replace(case, dataset=str(n)) for n in range(int(copies)) for case in read_cases(Path(cases))
]
datasets = {str(n): DatasetLabels(absent=(f"term {n}",)) for n in range(int(copies))}
try:
    prepare_all(cases, datasets, SATConfig.named("tiny"), CaseCache(Path(cache)))
except SATError as error:
    print(error)
    sys.exit(3)
"""


def _process(*arguments) -> subprocess.Popen:
    path = os.pathsep.join(str(ROOT / module) for module in ("SATSegment", "SATTraining"))
    command = [sys.executable, "-c", _PREPARE, *map(str, arguments)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)


def _entries(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/case.json") if not path.parent.name.startswith(".")}


@pytest.fixture
def cases(ball_cases, tmp_path):
    """The cases of `ball_cases` in a folder of their own, long since written."""
    folder = shutil.copytree(ball_cases.parent, tmp_path / "cases")
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    return read_cases(folder / "cases.jsonl")


@pytest.fixture
def cache(tmp_path):
    return CaseCache(tmp_path / "cache")


def test_what_is_kept_is_what_was_prepared(cases, cache, balls, small_config, prepared):
    kept = prepare_all(cases, {"balls": balls}, small_config, cache)
    for mine, theirs in zip(kept, prepared, strict=True):
        np.testing.assert_array_equal(mine.image, theirs.image)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        np.testing.assert_array_equal(mine.labelled, theirs.labelled)
        assert (mine.image.shape, mine.labels.shape) == (theirs.image.shape, theirs.labels.shape)
        assert (mine.terms, mine.spacing) == (theirs.terms, theirs.spacing)
        assert mine.voxels.keys() == theirs.voxels.keys()
        for term in mine.voxels:
            np.testing.assert_array_equal(mine.voxels[term], theirs.voxels[term])
            assert len(mine.voxels[term]) == len(theirs.voxels[term])
    assert len(pickle.dumps(kept[0])) < 5000  # what a process that draws windows is handed
    again = pickle.loads(pickle.dumps(kept[0]))
    np.testing.assert_array_equal(again.image, prepared[0].image)


def test_a_case_is_found_again_wherever_its_files_are(cases, cache, balls, small_config, tmp_path):
    cache.get(cases[0], balls, small_config)
    (entry,) = _entries(cache.folder)
    before = (cache.folder / entry / "image.npy").stat().st_mtime_ns
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    case = dataclasses.replace(
        cases[0],
        id="another name",
        image=cases[0].image.rename(moved / "scan.nii.gz"),
        mask=cases[0].mask.rename(moved / "mask.nii.gz"),
    )
    found = CaseCache(cache.folder).get(case, balls, small_config)
    assert found.case == case
    assert _entries(cache.folder) == {entry}
    assert (cache.folder / entry / "image.npy").stat().st_mtime_ns == before


def test_a_case_is_prepared_anew_when_anything_changes_that_it_depends_on(cases, cache, balls, small_config):
    case = cases[0]
    seen = []

    def prepare(case=case, labels=balls, network=small_config):
        prepared = CaseCache(cache.folder).get(case, labels, network)
        seen.append(prepared.image.path.parent)
        return prepared

    prepare()
    prepare(labels=dataclasses.replace(balls, absent=("kidney", "spleen")))
    prepare(labels=dataclasses.replace(balls, terms={}))
    prepare(labels=dataclasses.replace(balls, lungs_from_air=True))
    prepare(case=dataclasses.replace(case, labels=case.labels[:1]))
    prepare(case=dataclasses.replace(case, modality="mri"))
    prepare(network=dataclasses.replace(small_config, spacing=(4.0, 4.0, 5.0)))
    prepare(network=dataclasses.replace(small_config, axis_codes="ASR"))
    for path, change in ((case.image, 7), (case.mask, 1)):  # written again at once: the same size, another content
        image = nibabel.load(path)
        array = np.asarray(image.dataobj).copy()
        array[0, 0, 0] = change
        nibabel.save(nibabel.Nifti1Image(array, image.affine), path)
        prepare()
    assert len(set(seen)) == len(seen) == 10
    assert _entries(cache.folder) == {folder.name for folder in seen}
    prepare(network=dataclasses.replace(small_config, layers=2))  # does not matter
    prepare(labels=dataclasses.replace(balls, terms={**balls.terms, "not in this case": ("x",)}))
    assert seen[-1] == seen[-2] == seen[-3]


def test_a_damaged_entry_is_prepared_again(cases, cache, balls, small_config, prepared):
    for name in ("image.npy", "case.json"):
        kept = cache.get(cases[0], balls, small_config)
        path = kept.image.path.with_name(name)
        path.write_bytes(path.read_bytes()[:100])
        again = cache.get(cases[0], balls, small_config)
        np.testing.assert_array_equal(again.image, prepared[0].image)
        np.testing.assert_array_equal(again.labels, prepared[0].labels)
    shutil.rmtree(path.parent)
    with pytest.raises(SATError, match="gone or damaged; start again"):
        kept.image[:]


def test_stopped_work_goes_on_where_it_was(cases, cache, balls, small_config):
    told = []
    with pytest.raises(Cancelled):
        prepare_all(
            cases,
            {"balls": balls},
            small_config,
            cache,
            progress=lambda done, total: told.append((done, total)),
            cancelled=lambda: len(told) == 2,
        )
    assert told == [(1, 4), (2, 4)]
    kept = {path: path.stat().st_mtime_ns for path in cache.folder.glob("*/*")}
    assert len(_entries(cache.folder)) == 2
    assert len(prepare_all(cases, {"balls": balls}, small_config, cache)) == 4
    assert len(_entries(cache.folder)) == 4
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_all_cases_that_cannot_be_used_are_named_and_the_others_kept(cases, cache, balls, small_config):
    cases[1].mask.write_bytes(b"no mask")
    cases[2].image.unlink()
    with pytest.raises(InputError) as told:
        prepare_all(cases, {"balls": balls}, small_config, cache)
    message = str(told.value)
    assert message.startswith("2 of 4 cases cannot be used. case1: ")
    assert "case2: " in message
    assert str(cases[2].image) in message
    assert len(_entries(cache.folder)) == 2


def test_each_process_gets_all_cases_and_begins_with_its_own(cases, cache, balls, small_config):
    order = []

    class Noted(CaseCache):
        def get(self, case, labels, network):
            order.append(case.id)
            return super().get(case, labels, network)

    for rank in range(2):
        noted = Noted(cache.folder)
        found = prepare_all(cases, {"balls": balls}, small_config, noted, rank=rank, world=2)
        assert [case.case.id for case in found] == [case.id for case in cases]
    assert order == ["case0", "case2", "case3", "case1", "case1", "case3", "case2", "case0"]


def test_two_processes_prepare_the_same_cases_at_once(cases, cache):
    arguments = (cache.folder, cases[0].image.with_name("cases.jsonl"), 5)
    processes = [_process(*arguments) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert len(_entries(cache.folder)) == 20
    assert not list(cache.folder.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_process_leaves_no_half_case(cases, cache, small_config):
    listed = cases[0].image.with_name("cases.jsonl")
    process = _process(cache.folder, listed, 100)
    while len(_entries(cache.folder)) < 5:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = _entries(cache.folder)
    assert 5 <= len(kept) < 400
    before = {path: path.stat().st_mtime_ns for name in kept for path in (cache.folder / name).iterdir()}
    left = cache.folder / ".0.part"
    left.mkdir()
    os.utime(left, (1e9, 1e9))  # by a process that was killed long ago
    assert _process(cache.folder, listed, 6).wait(120) == 0
    assert len(_entries(cache.folder)) >= 24
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not left.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_disk_that_takes_no_more_is_told_in_a_sentence(cases, cache):
    process = _process(cache.folder, cases[0].image.with_name("cases.jsonl"), 1, 20_000)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert told.startswith("case0 could not be kept in")
    assert told.rstrip().endswith("choose another folder.")
    assert not [path for path in cache.folder.iterdir() if path.is_dir()]  # neither whole nor half


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SATError, match="choose another"):
        CaseCache(tmp_path / "file" / "cache")


def test_hashes_are_remembered_while_size_and_time_stay(tmp_path):
    path, remembered = tmp_path / "scan.nii.gz", tmp_path / "hashes.jsonl"
    path.write_bytes(b"content")
    os.utime(path, (1e9, 1e9))
    first = ContentHashes(remembered).of(path)
    path.write_bytes(b"CONTENT")
    os.utime(path, (1e9, 1e9))
    assert ContentHashes(remembered).of(path) == first  # it was not read again
    os.utime(path, (1e9, 1e9 + 1))
    assert ContentHashes(remembered).of(path) != first
    with remembered.open("ab") as file:
        file.write(b'{"path": "half a li')
    path.write_bytes(b"content")  # as at first, but just now
    assert ContentHashes(remembered).of(path) == first
    path.write_bytes(b"CONTENT")
    assert ContentHashes(remembered).of(path) != first


@pytest.mark.parametrize("header", ["scan.mhd", "scan.nhdr", "folder"])
def test_voxels_beside_the_file_that_is_named_count(tmp_path, header):
    line = {"scan.mhd": "ElementDataFile = voxels.raw", "scan.nhdr": "data file: voxels.raw"}.get(header)
    if line:
        (tmp_path / header).write_text(f"NDims = 3\n{line}\n")
    else:
        (tmp_path / header).mkdir()
    voxels = tmp_path / ("voxels.raw" if line else "folder/slice.dcm")
    voxels.write_bytes(b"one")
    hashes = ContentHashes(tmp_path.parent / f"{tmp_path.name}.jsonl")
    first = hashes.of(tmp_path / header)
    assert hashes.of(tmp_path / header) == first
    voxels.write_bytes(b"another")
    assert hashes.of(tmp_path / header) != first

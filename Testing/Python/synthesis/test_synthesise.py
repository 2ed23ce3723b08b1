"""`sattraining synthesise`: a folder of cases that can be moved, and goes on where it was stopped."""

from __future__ import annotations

import argparse
import shutil
import threading

import nibabel
import numpy as np
import psutil
import pytest

from SATSegmentLib.errors import InputError, SATError
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.cases.checks import ERROR, check_case
from SATTrainingLib.cases.masks import read_layers
from SATTrainingLib.cli_synthesis import add_synthesise
from SATTrainingLib.synthesis.config import SynthesisConfig
from SATTrainingLib.synthesis.synthesise import synthesise


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Two label maps as SynthSeg's: a skull with two halves of white matter and a brain stem."""
    folder = tmp_path_factory.mktemp("maps")
    index = np.stack(np.meshgrid(*[np.arange(40) - 19.5] * 3, indexing="ij"), -1)
    far = np.linalg.norm(index, axis=-1)
    for name, size in (("one", 15), ("two", 17)):
        values = np.zeros(far.shape, np.int16)
        values[far < size] = 515
        values[(far < size - 2) & (index[..., 0] < 0)] = 2
        values[(far < size - 2) & (index[..., 0] > 0)] = 41
        values[far < 5] = 16
        nibabel.save(nibabel.Nifti1Image(values, np.diag([3.0, 3, 3, 1])), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def config(maps, tmp_path):
    """Writes a configuration."""

    def write(text: str = "ct: 1, mri: 1", seed: int = 1):
        path = tmp_path / "synthesis.yaml"
        path.write_text(f"seed: {seed}\ndatasets:\n  synthseg: {{maps: {maps}, {text}}}\n")
        return path

    return write


def _files(folder):
    return {path.name + path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/*.nii.gz")}


def test_the_command_makes_cases_and_a_picture_of_them(config, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_synthesise(parser.add_subparsers())
    options = parser.parse_args(["synthesise", "--config", str(config()), "--output", str(tmp_path / "new" / "made")])
    options.run(options)
    assert "4 cases" in capsys.readouterr().out
    assert (tmp_path / "new" / "made" / "overview.png").read_bytes()[:4] == b"\x89PNG"

    shutil.move(tmp_path / "new" / "made", tmp_path / "elsewhere")
    cases = read_cases(tmp_path / "elsewhere" / "cases.jsonl")
    assert [case.modality for case in cases] == ["ct", "mri"] * 2
    assert [case.patient for case in cases] == ["one", "one", "two", "two"]
    for case in cases:
        layers, affine = read_layers(case)
        left, right = (np.argwhere(layers[..., 0] == value).mean(0) @ affine[:3, :3] for value in (2, 41))
        assert left[0] < right[0]  # millimetres towards the right
        names = {label.name for label in case.labels}
        assert {"left cerebral white matter", "brain stem", "left hippocampus"} <= names  # the last is absent there
        assert not [found for found in check_case(case, DatasetLabels()) if found.severity == ERROR]


def test_only_what_is_lacking_is_made_again(config, tmp_path):
    folder = tmp_path / "made"
    settings = SynthesisConfig.read(config())
    seen = []
    assert synthesise(settings, folder, progress=lambda *counts: seen.append(counts)) == (4, 4)
    assert seen == [(n, 4) for n in range(5)]
    before, cases = _files(folder), (folder / "cases.jsonl").read_text()
    assert synthesise(settings, folder) == (4, 0)
    assert _files(folder) == before

    lost = folder / "images" / "synthseg-one-mri-000.nii.gz"
    content = nibabel.load(lost).get_fdata()
    lost.unlink()
    assert synthesise(settings, folder) == (4, 1)
    assert np.array_equal(nibabel.load(lost).get_fdata(), content)
    assert (folder / "cases.jsonl").read_text() == cases

    assert synthesise(SynthesisConfig.read(config("ct: 2, mri: 1")), folder) == (6, 2)
    assert synthesise(SynthesisConfig.read(config(seed=2)), folder) == (4, 4)
    assert not np.array_equal(nibabel.load(lost).get_fdata().ravel()[:99], content.ravel()[:99])


def test_a_run_that_was_stopped_goes_on(config, tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stopped

    settings = SynthesisConfig.read(config("mri: 2"))
    with pytest.raises(Stopped):
        synthesise(settings, tmp_path / "made", progress=stop)
    assert len(read_cases(tmp_path / "made" / "cases.jsonl")) == 2
    assert synthesise(settings, tmp_path / "made") == (4, 2)


def test_several_processes_make_the_same_and_the_loss_of_one_is_told(config, tmp_path):
    settings = SynthesisConfig.read(config("ct: 1"))
    synthesise(settings, tmp_path / "one")
    here, killed = psutil.Process(), []
    others = here.children()

    def kill_one():
        while not killed:
            started = [child for child in here.children() if child not in others]
            killed.extend(child for child in started if "spawn_main" in " ".join(child.cmdline()))
        killed[0].kill()  # while the other one starts

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(SATError, match="fewer workers"):
        synthesise(settings, tmp_path / "two", workers=2)
    killer.join()
    assert not [child for child in here.children() if "spawn_main" in " ".join(child.cmdline())]
    synthesise(settings, tmp_path / "two", workers=2)
    assert (tmp_path / "one" / "cases.jsonl").read_text() == (tmp_path / "two" / "cases.jsonl").read_text()
    for path in (tmp_path / "one").glob("*/*.nii.gz"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert np.array_equal(nibabel.load(path).get_fdata(), nibabel.load(other).get_fdata())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_label_map_that_cannot_be_read_is_told(maps, config, tmp_path, workers):
    shutil.copytree(maps, tmp_path / "maps")
    (tmp_path / "maps" / "two.nii.gz").write_bytes(b"no label map")
    path = config("ct: 1")
    path.write_text(path.read_text().replace(str(maps), str(tmp_path / "maps")))
    with pytest.raises(SATError, match=r"^[^\n]*two.nii.gz[^\n]*$"):
        synthesise(SynthesisConfig.read(path), tmp_path / "made", workers=workers)


def test_a_folder_in_which_nothing_was_finished_is_gone_on_with(config, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / ".123.cases.jsonl").touch()  # of a process that was killed while it wrote
    settings = SynthesisConfig.read(config("ct: 1"))
    import resource  # not on Windows

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))  # as on a full disk
    try:
        with pytest.raises(SATError, match="could not be written"):
            synthesise(settings, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert synthesise(settings, folder) == (2, 2)
    with pytest.raises(SATError, match="cannot be made"):
        synthesise(settings, config("ct: 1") / "made")


def test_folders_of_others_are_left_alone(config, tmp_path):
    settings = SynthesisConfig.read(config())
    for name, text in (("notes.txt", "x"), ("cases.jsonl", '{"id": "a"}\n'), ("cases.jsonl", "[1]\n")):
        folder = tmp_path / f"theirs{len(text)}"
        folder.mkdir()
        (folder / name).write_text(text)
        with pytest.raises(InputError, match="new folder"):
            synthesise(settings, folder)
        assert (folder / name).read_text() == text
    with pytest.raises(InputError, match="is a file"):
        synthesise(settings, folder / "cases.jsonl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", '"datasets" is missing'),
        ("seeds: 1", 'is "seed" meant'),
        ("{seed: -1, datasets: {synthseg: {maps: MAPS, ct: 1}}}", '"seed" must be a whole number'),
        ("datasets: {brains: {maps: MAPS, ct: 1}}", 'no label maps of the kind "brains"; choose one of'),
        ("datasets: {synthseg: {map: MAPS, ct: 1}}", 'is "maps" meant'),
        ("datasets: {synthseg: {ct: 1}}", '"maps" of "synthseg" must name'),
        ("datasets: {synthseg: {maps: none, ct: 1}}", "there is no .*none"),
        ("datasets: {synthseg: {maps: ., ct: 1}}", "no label map"),
        ("datasets: {synthseg: {maps: MAPS}}", 'say how many volumes of "synthseg"'),
        ("datasets: {synthseg: {maps: MAPS, ct: 1.5}}", '"ct" must be a whole number'),
        ("datasets: {synthseg: 3}", 'no keys and values of "synthseg"'),
    ],
)
def test_bad_settings_are_told_in_a_sentence(maps, tmp_path, text, said):
    path = tmp_path / "synthesis.yaml"
    path.write_text(text.replace("MAPS", str(maps)))
    with pytest.raises(InputError, match=said) as told:
        SynthesisConfig.read(path)
    assert str(path) in str(told.value)

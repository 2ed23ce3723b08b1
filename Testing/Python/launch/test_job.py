"""Job folders: complete, relative, with scripts that run."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SATSegmentLib.errors import Cancelled, InputError
from SATSegmentLib.models.registry import find_model
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.launch.job import write_job
from SATTrainingLib.runs import DONE, read_events, read_state
from SATTrainingLib.training.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[3]
# SLURM's commands on one computer: what a step runs, and the requests of the script
SLURM = {
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": 'if [[ $1 == show ]]; then echo localhost; else echo "$@" > requeued; fi',
    # a training that saves and ends where it is asked to
    "trainer": """
        echo "$@" > arguments
        mkdir -p run
        if [[ $ENDS == yes ]]; then echo '{"state": "done"}' > run/state.json; exit; fi
        echo $$ > started.part
        mv started.part started
        trap 'echo "{\\"state\\": \\"paused\\"}" > run/state.json; exit 1' TERM
        while [[ ! -e run/stop ]]; do sleep 0.02; done
        rm run/stop
        echo '{"state": "paused"}' > run/state.json
    """,
}


@pytest.fixture
def config(ball_cases) -> TrainingConfig:
    labels = DatasetLabels({"left ball": ("left ball", "ball")})
    return TrainingConfig(ball_cases, datasets={"balls": labels}, validation=("case2",), batch=8)


def _run(script, environment=None):
    paths = os.pathsep.join(str(ROOT / module) for module in ("SATSegment", "SATTraining"))
    return subprocess.run(
        ["bash", script],
        cwd=script.parent.parent,
        env={**os.environ, "PYTHONPATH": paths, "PYTHON": sys.executable, **(environment or {})},
        capture_output=True,
        text=True,
    )


def test_a_job_with_data_is_complete_wherever_it_is_moved(config, ball_cases, tmp_path):
    cases, told = read_cases(ball_cases), []
    write_job(tmp_path / "job", config, cases, copy_data=True, progress=lambda *numbers: told.append(numbers))
    moved = (tmp_path / "job").rename(tmp_path / "elsewhere")
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {path.name for path in moved.iterdir()} == {
        *("config.yaml", "cases.jsonl", "data", "run.sh", "slurm.sh", "README.txt")
    }
    there = read_cases(moved / "cases.jsonl")
    assert [dataclasses.replace(c, image=b.image, mask=b.mask) for c, b in zip(there, cases, strict=True)] == cases
    for case, original in zip(there, cases, strict=True):
        assert moved in case.image.parents
        assert case.image.read_bytes() == original.image.read_bytes()
        assert case.mask.read_bytes() == original.mask.read_bytes()
    again = TrainingConfig.read(moved / "config.yaml")
    assert again == dataclasses.replace(config, cases=moved / "cases.jsonl")
    assert str(ball_cases.parent) not in (moved / "config.yaml").read_text() + (moved / "cases.jsonl").read_text()
    assert os.access(moved / "run.sh", os.X_OK)


def test_a_job_without_data_says_where_the_data_is(config, ball_cases, tmp_path):
    cases = read_cases(ball_cases)
    (tmp_path / "job").mkdir()  # an empty folder chosen in a dialog
    write_job(tmp_path / "job", config, cases)
    assert [case.image for case in read_cases(tmp_path / "job" / "cases.jsonl")] == [case.image for case in cases]
    assert not (tmp_path / "job" / "data").exists()
    assert "change the paths" in (tmp_path / "job" / "README.txt").read_text()


def test_a_base_of_ones_own_and_a_splits_file_go_along(config, ball_cases, tmp_path):
    shutil.copytree(find_model("sat-tiny").folder, tmp_path / "mine")
    (tmp_path / "folds.json").write_text('[{"train": ["case1"], "val": ["case0"]}]')
    config = dataclasses.replace(
        config, base=str(tmp_path / "mine"), validation=(), splits=tmp_path / "folds.json", fold=0
    )
    write_job(tmp_path / "job", config, read_cases(ball_cases))
    again = TrainingConfig.read(tmp_path / "job" / "config.yaml")
    assert Path(again.base).is_relative_to(tmp_path / "job")
    assert find_model(again.base).installed
    assert again.splits == tmp_path / "job" / "splits.json"
    assert again.splits.read_text() == (tmp_path / "folds.json").read_text()


def test_a_published_base_is_named_to_be_downloaded_there(config, ball_cases, tmp_path):
    write_job(tmp_path / "job", dataclasses.replace(config, base="sat-nano"), read_cases(ball_cases))
    assert "satsegment models download sat-nano" in (tmp_path / "job" / "README.txt").read_text()
    assert TrainingConfig.read(tmp_path / "job" / "config.yaml").base == "sat-nano"


def test_images_of_several_files_are_copied_whole(config, ball_cases, tmp_path):
    import SimpleITK as sitk

    source = read_cases(ball_cases)[0]
    image = sitk.ReadImage(source.image)
    sitk.WriteImage(image, tmp_path / "scan.mhd")
    sitk.WriteImage(image, tmp_path / "scan.nhdr")
    (tmp_path / "series").mkdir()
    for number in range(3):
        (tmp_path / "series" / f"{number}.dcm").write_bytes(b"a slice")
    images = [tmp_path / "scan.mhd", tmp_path / "scan.nhdr", tmp_path / "series", tmp_path / "series" / "1.dcm"]
    cases = [dataclasses.replace(source, id=f"c{i}", image=path) for i, path in enumerate(images)]
    config = dataclasses.replace(config, validation=())
    write_job(tmp_path / "job", config, cases, copy_data=True)
    mhd, nhdr, series, one = [case.image for case in read_cases(tmp_path / "job" / "cases.jsonl")]
    for copy in (mhd, nhdr):
        assert sitk.GetArrayFromImage(sitk.ReadImage(copy)).tobytes() == sitk.GetArrayFromImage(image).tobytes()
    assert len(list(series.iterdir())) == len(list(one.parent.iterdir())) == 3
    assert one.name == "1.dcm"


def test_what_cannot_be_a_job_is_refused_and_leaves_nothing(config, ball_cases, tmp_path):
    cases = read_cases(ball_cases)
    folder = tmp_path / "job"
    refused = [
        ({"gpus": 3}, "A batch of 8 windows cannot be shared evenly by 3 GPUs"),
        ({"gpus": 2, "nodes": 8}, "16 GPUs"),
        ({"hours": 0}, "at least one of its hours"),
        ({"cases": []}, "no cases"),
        ({"cases": [dataclasses.replace(cases[0], mask=tmp_path / "none.nii.gz")]}, "Case case0: there is no file"),
        ({"config": dataclasses.replace(config, base="sat-unknown")}, "no model"),
        ({"config": dataclasses.replace(config, validation=("case9",))}, "case9 is to hold out"),
        ({"cases": [dataclasses.replace(case, patient="p") for case in cases]}, "patient p are trained and validated"),
    ]
    for changed, sentence in refused:
        with pytest.raises(InputError, match=sentence):
            write_job(folder, **{"config": config, "cases": cases, **changed})
    with pytest.raises(Cancelled):
        write_job(folder, config, cases, copy_data=True, cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    (folder / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds something already"):
        write_job(folder, config, cases)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_the_scripts_are_bash(config, ball_cases, tmp_path):
    write_job(tmp_path / "my job; rm -rf", config, read_cases(ball_cases), gpus=4, nodes=2, hours=36)
    for name in ("run.sh", "slurm.sh"):
        subprocess.run(["bash", "-n", tmp_path / "my job; rm -rf" / name], check=True)
    lines = (tmp_path / "my job; rm -rf" / "slurm.sh").read_text().splitlines()
    for line in ("--job-name=my-job-rm--rf", "--nodes=2", "--gpus-per-node=4", "--time=36:00:00", "--requeue"):
        assert f"#SBATCH {line}" in lines


def test_the_script_trains_on_this_computer(config, ball_cases, tmp_path):
    config = dataclasses.replace(
        config, base=None, window=(32, 32, 32), batch=1, steps=2, prompts=2, workers=0, device="cpu", validation=()
    )
    write_job(tmp_path / "job", config, read_cases(ball_cases), copy_data=True)
    done = _run(tmp_path / "job" / "run.sh")
    assert done.returncode == 0, done.stderr
    state = read_state(tmp_path / "job" / "run")
    assert (state.state, state.step) == (DONE, 2)
    events, _ = read_events(tmp_path / "job" / "run")
    assert events[-1]["event"] == "end"


@pytest.fixture
def slurm(config, ball_cases, tmp_path):
    """Starts a job's slurm.sh; returns its process and its folder."""
    write_job(tmp_path / "job", config, read_cases(ball_cases), gpus=2, nodes=2)
    (tmp_path / "bin").mkdir()
    for name, text in SLURM.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def start(ends):
        environment = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": "trainer",
            "ENDS": ends,
            "SLURM_SUBMIT_DIR": str(tmp_path / "job"),
            "SLURM_JOB_ID": "123456",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_PER_TASK": "4",
            "SLURM_JOB_NODELIST": "localhost",
        }
        return subprocess.Popen(
            ["bash", tmp_path / "job" / "slurm.sh"], cwd=tmp_path, env=environment
        ), tmp_path / "job"

    return start


def _wait_for(process, path):
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


def test_the_clusters_job_is_queued_again_when_its_time_is_over(slurm):
    process, job = slurm("no")
    _wait_for(process, job / "started")
    assert not (job / "run" / "stop").exists()
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == 0
    assert (job / "requeued").read_text() == "requeue 123456\n"
    assert not (job / "run" / "stop").exists()


def test_the_clusters_job_is_queued_again_when_it_makes_room_but_not_when_paused_by_hand(slurm):
    process, job = slurm("no")
    _wait_for(process, job / "started")
    os.kill(int((job / "started").read_text()), signal.SIGTERM)
    assert process.wait(60) == 0
    assert (job / "requeued").read_text() == "requeue 123456\n"
    for name in ("requeued", "started"):
        (job / name).unlink()
    process, job = slurm("no")
    _wait_for(process, job / "started")
    (job / "run" / "stop").touch()
    assert process.wait(60) == 0
    assert not (job / "requeued").exists()


def test_the_clusters_job_is_over_when_the_training_is(slurm):
    process, job = slurm("yes")
    assert process.wait(60) == 0
    assert not (job / "requeued").exists()
    expected = "-m torch.distributed.run --nnodes 2 --nproc-per-node 2 --max-restarts 1 --rdzv-id 123456-0 "
    expected += "--rdzv-backend c10d --rdzv-endpoint localhost:23456 -m -- SATTrainingLib train"
    assert (job / "arguments").read_text() == f"{expected} --config config.yaml --run run\n"

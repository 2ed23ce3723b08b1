"""A job folder: all that a cluster, or another computer, needs to train a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError
from SATSegmentLib.models.registry import ModelInfo, find_model

from .. import encoder_folder
from ..cases import Case, write_cases
from ..cases.splits import fold_of, parts
from ..data.content import files_of
from ..training.config import TrainingConfig
from . import job_texts
from .runs import runs_folder

CONFIG = "config.yaml"
CASES = "cases.jsonl"
DATA = "data"
ENCODER = "encoder"

_SPARE = 1.02  # of the disk space that copies take


def write_job(
    folder: Path,
    config: TrainingConfig,
    cases: Sequence[Case],
    gpus: int = 1,
    nodes: int = 1,
    hours: int = 24,
    copy_data: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Writes a folder with the configuration, the cases, scripts for torchrun and SLURM, and how to use them.

    A base model that cannot be downloaded there, because it is the user's own, goes along.

    Args:
        folder: To be made; it must not exist, or be empty.
        config: What to train.
        cases: What `config.cases` lists.
        gpus: Processes on each computer.
        nodes: Computers.
        hours: What the cluster is asked for; a run that takes longer is queued again by itself.
        copy_data: Whether images and masks go along. Otherwise they must be found there under the same paths.
        progress: Gets the cases copied and how many there are.
        cancelled: Asked between cases.

    Raises:
        InputError: The folder holds something, numbers do not fit, or a case or the base is missing.
        SATError: The folder cannot be written.
        Cancelled: `cancelled` said so; nothing is left behind.
    """
    base = _check(folder, config, cases, gpus, nodes, hours)
    own = base if base is not None and not base.built_in and base.hub is None else None
    part = folder.parent.resolve() / f".{folder.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(part, config, cases, own, copy_data, progress, cancelled)
        cpus = gpus * (config.workers + 1)
        files = {
            "run.sh": job_texts.run_script(gpus),
            "slurm.sh": job_texts.slurm_script(folder.name, gpus, nodes, hours, cpus),
            "README.txt": job_texts.readme(gpus, nodes, _to_download(base), copy_data, runs_folder()),
        }
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8", newline="\n")
            if name.endswith(".sh"):
                (part / name).chmod(0o755)
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise SATError(f"The job folder {folder} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(
    folder: Path, config: TrainingConfig, cases: Sequence[Case], gpus: int, nodes: int, hours: int
) -> ModelInfo | None:
    """Refuses what cannot become a job; returns the base model."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something already; choose a new folder for the job.")
    for name, value in (("GPUs", gpus), ("computers", nodes), ("hours", hours)):
        if value < 1:
            raise InputError(f"A job needs at least one of its {name}, not {value}.")
    at_once = config.windows_at_once * gpus * nodes
    if config.batch % at_once:
        raise InputError(
            f"A batch of {config.batch} windows cannot be shared evenly by {gpus * nodes} GPUs that take "
            f"{config.windows_at_once} at once: choose a multiple of {at_once}."
        )
    if not cases:
        raise InputError("There are no cases to train on; add some first.")
    for case in cases:
        for path in (case.image, case.mask):
            if not path.exists():
                raise InputError(f"Case {case.id}: there is no file {path}.")
    parts(cases, fold_of(config.splits, config.fold) if config.splits else config.validation, config.test)
    return None if config.base is None else find_model(config.base)


def _to_download(base: ModelInfo | None) -> str:
    """The name of the base where it is to be downloaded there, or nothing."""
    return "" if base is None or base.hub is None else base.name


def _write(
    part: Path,
    config: TrainingConfig,
    cases: Sequence[Case],
    base: ModelInfo | None,
    copy_data: bool,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Writes configuration, cases, data and base into `part`, all paths relative to it."""
    import yaml

    files = [files_of(case.image) + files_of(case.mask) for case in cases] if copy_data else []
    own = sorted(path for path in base.folder.rglob("*") if path.is_file()) if base else []
    needed = _SPARE * sum(path.stat().st_size for path in [*own, *(path for paths in files for path in paths)])
    free = shutil.disk_usage(part).free
    if needed > free:
        raise SATError(
            f"The copies take {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; choose another disk."
        )
    values = config.to_dict() | {"cases": CASES}
    if config.text_encoder is not None:
        values["text_encoder"] = ENCODER
        encoder_folder.copy(config.text_encoder, part / ENCODER)
    if config.splits is not None:
        values["splits"] = f"splits{config.splits.suffix}"
        shutil.copyfile(config.splits, part / values["splits"])
    if base is not None:
        values["base"] = f"base/{base.name}"
        shutil.copytree(base.folder, part / "base" / base.name, copy_function=shutil.copyfile)
    (part / CONFIG).write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    write_cases(part / CASES, cases)
    if copy_data:
        _copy_data(part, cases, progress, cancelled)


def _copy_data(
    part: Path,
    cases: Sequence[Case],
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Copies images and masks to data/<number>/{image,mask}/ and makes the case list say so."""
    rows = [json.loads(line) for line in (part / CASES).read_text(encoding="utf-8").splitlines()]
    for number, (case, row) in enumerate(zip(cases, rows, strict=True)):
        if cancelled is not None and cancelled():
            raise Cancelled
        for kind, path in (("image", case.image), ("mask", case.mask)):
            target = part / DATA / f"{number + 1:04d}" / kind
            target.mkdir(parents=True)
            for source in files_of(path):
                shutil.copyfile(source, target / source.name)
            row[kind] = (target if path.is_dir() else target / path.name).relative_to(part).as_posix()
        if progress is not None:
            progress(number + 1, len(cases))
    (part / CASES).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

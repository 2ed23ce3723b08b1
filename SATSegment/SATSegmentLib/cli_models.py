"""`satsegment models`: list, download, import, convert, verify, remove."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .cli_progress import Bar
from .errors import InputError


def add_parser(commands) -> None:
    """Adds the command to the parser's."""
    models = commands.add_parser("models", help="list, download, import, convert, verify, remove models")
    actions = models.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="which models there are")
    listing.set_defaults(run=_models_list)
    listing.add_argument("--terms", metavar="MODEL", help="the terms a model was trained on")
    listing.add_argument("--json", action="store_true")
    download = actions.add_parser("download", help="download a published model")
    download.set_defaults(run=_models_download)
    download.add_argument("name")
    download.add_argument("--accept-terms", action="store_true", help="accept its terms of use")
    importing = actions.add_parser("import", help="install a model from files carried over by hand")
    importing.set_defaults(run=_models_import)
    importing.add_argument("path", type=Path, help="folder with the published files, or a model's folder or zip")
    convert = actions.add_parser("convert", help="write a published model as safetensors")
    convert.set_defaults(run=_models_convert)
    convert.add_argument("name", help="sat-nano or sat-pro")
    for option in ("checkpoint", "text-encoder", "vocabulary", "output"):
        convert.add_argument(f"--{option}", type=Path, required=True)
    convert.add_argument("--half", action="store_true", help="half precision, half the size")
    verify = actions.add_parser("verify", help="compare a model's files with their SHA-256")
    verify.set_defaults(run=_models_verify)
    verify.add_argument("name")
    remove = actions.add_parser("remove", help="delete an installed model")
    remove.set_defaults(run=_models_remove)
    remove.add_argument("name")


def _models_list(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.catalog import catalog
    from .models.folder import read_terms

    if options.terms:
        model = find_model(options.terms)
        if not model.installed:
            raise InputError(f"{model.name} is not installed.")
        terms = read_terms(model.folder)
        if options.json:
            print(json.dumps([vars(term) for term in terms], indent=2))
        for term in () if options.json else terms:
            dice = "" if term.dice is None else f"  Dice {term.dice:.2f}"
            cases = "" if term.cases is None else f"trained on {term.cases:3}"
            print(f"{term.modality:4} {term.term:40} {cases}{dice}".rstrip())
        if not terms and not options.json:
            print(f"{options.terms} carries no list of terms; any text can be asked.")
        return
    rows = [{key: value for key, value in row.items() if key != "terms"} for row in catalog()]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        download = f"{row['download_megabytes']} MB to download" if row["download_megabytes"] else ""
        size = f"{row['megabytes']} MB" if row["megabytes"] else download
        modalities = ", ".join(row["modalities"])
        print(f"{row['name']:10} {row['state']:14} {size:22} {modalities:14} {row['title']}. {row['note']}")


def _models_download(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.installing import download_model

    model = find_model(options.name)
    if model.hub and not options.accept_terms:
        raise InputError(
            f"{model.name} ({model.hub.download_mb} MB) comes from {model.hub.terms} under its authors' terms of use. "
            f"Read them there, then run `satsegment models download {model.name} --accept-terms`."
        )
    bar = Bar("B", scale=True)
    try:
        download_model(model, bar)
    finally:
        bar.close()
    print(f"{model.name} is installed in {model.folder}.")


def _models_import(options: argparse.Namespace) -> None:
    from .models.installing import import_model

    model = import_model(options.path)
    print(f"{model.name} is installed in {model.folder}.")


def _models_convert(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.installing import convert
    from .models.registry import disk_use

    model = find_model(options.name)
    convert(model, options.checkpoint, options.text_encoder, options.vocabulary, options.output, options.half)
    print(f"wrote {options.output}, {disk_use(options.output) / 1e6:.0f} MB")


def _models_verify(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.folder import ModelFolder

    model = find_model(options.name)
    folder = ModelFolder.read(model.folder)
    folder.check(model.folder)
    print(f"{model.name}: all {len(folder.sha256)} files are as they should be.")


def _models_remove(options: argparse.Namespace) -> None:
    from .models import find_model
    from .models.registry import remove

    model = find_model(options.name)
    freed = remove(model)
    print(f"{model.name} is removed; {freed / 1e6:.0f} MB are free again.")

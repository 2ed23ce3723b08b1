"""The command that turns a run into a model."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_export(commands) -> None:
    """Adds `export`."""
    export = commands.add_parser("export", help="write a run as a model that satsegment runs")
    export.set_defaults(run=_export)
    export.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the training run")
    export.add_argument("--name", required=True, help="of the model")
    export.add_argument("--note", default="", help="a sentence shown wherever the model is offered")
    export.add_argument(
        "--checkpoint", choices=("best", "last"), default="best", help="which one (default: best by validation)"
    )
    export.add_argument(
        "--small", action="store_true", help="the network's weights as 8-bit integers: half the size, rounded"
    )
    export.add_argument("--output", type=Path, help="the model's folder (default: among the installed models)")
    export.add_argument("--zip", type=Path, help="write it as one file to share, too")


def _export(options: argparse.Namespace) -> None:
    from SATSegmentLib.errors import InputError
    from SATSegmentLib.models.archive import pack
    from SATSegmentLib.models.registry import list_models, models_folder

    from . import runs
    from .export.card import NOT_BETTER
    from .export.model import export_run

    if options.zip and options.zip.exists():
        raise InputError(f"{options.zip} exists; remove it first, or choose another name.")
    if options.zip and not options.zip.parent.is_dir():
        raise InputError(f"The folder {options.zip.parent} does not exist; make it first, or choose another.")
    if options.output is None and any(model.name == options.name for model in list_models()):
        raise InputError(f"There is a model called {options.name} already; choose another name.")
    target = options.output or models_folder() / options.name
    export_run(options.folder, options.name, options.note, target, options.checkpoint, options.small)
    print(f"wrote {target}")
    saved = [event for event in runs.current(runs.read_events(options.folder)[0]) if event["event"] == "checkpoint"]
    if options.checkpoint == "best" and [event["step"] for event in saved if event["best"]][-1:] == [0]:
        print(f"{NOT_BETTER} `--checkpoint last` exports what was learnt since.")
    if options.zip:
        pack(target, options.zip)
        print(f"wrote {options.zip}; `satsegment models import {options.zip}` installs it elsewhere")

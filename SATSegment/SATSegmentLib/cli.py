"""The command line: `satsegment segment | batch | terms | models | info`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import traceback

from . import __version__, cli_batch, cli_models, cli_segment, cli_terms
from .errors import Cancelled, InputError, SATError

DONE, BAD_INPUT, FAILED, CANCELLED = 0, 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Returns:
        0 done, 2 bad input, 3 failed, 130 stopped by Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    # nibabel reports odd headers through logging, in the middle of our own lines
    logging.getLogger("nibabel").setLevel(logging.ERROR)
    try:
        options.run(options)
        return DONE
    except InputError as error:
        return _complain(error, BAD_INPUT)
    except (Cancelled, KeyboardInterrupt):
        return _complain("stopped; nothing was written that is not complete.", CANCELLED)
    except (SATError, OSError, MemoryError) as error:
        return _complain(str(error) or "memory ran out; close other programs or use a smaller volume.", FAILED)
    except Exception:  # a defect of ours: all that is known of it, for a report
        traceback.print_exc()
        return FAILED


def _complain(message: object, code: int) -> int:
    print(f"satsegment: {' '.join(str(message).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="satsegment", description="Segment radiology scans by text.")
    parser.add_argument("--version", action="version", version=f"satsegment {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cli_segment.add_parser(commands)
    cli_batch.add_parser(commands)
    cli_terms.add_parser(commands)
    cli_models.add_parser(commands)

    info = commands.add_parser("info", help="versions, devices, memory, folders")
    info.set_defaults(run=_info)
    info.add_argument("--json", action="store_true")
    return parser


def _info(options: argparse.Namespace) -> None:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import psutil
    import torch

    from .inference.device import choose_device
    from .models.registry import data_folder, disk_use, models_folder

    def version_of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    values = {
        "satsegment": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version_of(package) for package in ("torch", "transformers", "nibabel", "SimpleITK", "slicerio")},
        "device": str(choose_device()),
        "gpus": gpus,
        "free_memory_gb": round(psutil.virtual_memory().available / 1e9, 1),
        "models_folder": str(models_folder()),
        "models_megabytes": round(disk_use(models_folder()) / 1e6, 1),
        "cache_megabytes": round(disk_use(data_folder() / "cache") / 1e6, 1),
    }
    if options.json:
        print(json.dumps(values, indent=2))
        return
    for name, value in values.items():
        print(f"{name:18} {', '.join(value) or 'none' if isinstance(value, list) else value}")

"""The command line of training: `python -m SATTrainingLib`, or `sattraining`."""

from __future__ import annotations

import argparse
import sys

from SATSegmentLib.errors import Cancelled, InputError, SATError

from .cli_cases import add_cases, add_check, add_split
from .cli_evaluation import add_evaluate
from .cli_export import add_export
from .cli_knowledge import add_knowledge
from .cli_recipe import add_recipe
from .cli_synthesis import add_synthesise
from .cli_training import add_prepare, add_resume, add_train

_COMMANDS = (
    add_cases,
    add_check,
    add_split,
    add_prepare,
    add_train,
    add_resume,
    add_evaluate,
    add_export,
    add_knowledge,
    add_synthesise,
    add_recipe,
)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns 0 done, 2 bad input, 3 failed, 130 stopped by Ctrl-C."""
    parser = argparse.ArgumentParser(prog="sattraining", description="Train SAT networks on labelled cases.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except InputError as error:
        print(f"sattraining: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("sattraining: stopped; nothing that was finished is lost.", file=sys.stderr)
        return 130
    except SATError as error:
        print(f"sattraining: {error}", file=sys.stderr)
        return 3

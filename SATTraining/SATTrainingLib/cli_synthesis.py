"""The command that makes cases from label maps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_synthesise(commands) -> None:
    """Adds `synthesise`."""
    command = commands.add_parser(
        "synthesise",
        help="make labelled CT and MRI volumes from label maps",
        description="Makes CT and MRI volumes with their masks from label maps of bodies. What is there is not made "
        "again, so that a command that was stopped goes on.",
    )
    command.add_argument(
        "--config", type=Path, required=True, help="YAML or JSON: of which label maps how many volumes"
    )
    command.add_argument("--output", type=Path, required=True, help="folder of the cases")
    command.add_argument("--workers", type=int, default=1, help="processes that make volumes (default: 1)")
    command.set_defaults(run=_synthesise)


def _synthesise(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from SATSegmentLib.errors import InputError

    from .cases import read_cases
    from .synthesis.config import SynthesisConfig
    from .synthesis.overview import write_overview
    from .synthesis.synthesise import CASES, synthesise

    if options.workers < 1:
        raise InputError(f"--workers must be at least 1, not {options.workers}.")
    config = SynthesisConfig.read(options.config)
    with tqdm(desc="making volumes", leave=False, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        count, made = synthesise(config, options.output, options.workers, progress)
    cases = options.output / CASES
    overview = options.output / "overview.png"
    if made or not overview.is_file():
        write_overview(overview, read_cases(cases))
    print(f"{count} cases in {cases}, {made} of them made now; look at {overview} before you train on them")

"""`satsegment batch`: many scans, on one machine or many."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import __version__
from .cli_segment import add_model_options, say
from .errors import InputError, SATError

_FIRST = ("id", "image", "modality", "notes", "error")  # columns of the table, before those of a measurement
_SHOWN = 10  # failures at the end


def add_parser(commands) -> None:
    """Adds the command to the parser's."""
    batch = commands.add_parser("batch", help="segment many scans, on one machine or many")
    batch.set_defaults(run=_batch)
    batch.add_argument(
        "--cases", type=Path, required=True, help="folder of scans, or a list: .jsonl or .csv with id, image, modality"
    )
    add_model_options(batch)
    batch.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for a folder a scan")
    batch.add_argument(
        "--scheduler", default="local", help="local (default), or a Dask scheduler's address: tcp://HOST:8786"
    )
    batch.add_argument("--table", type=Path, help="measurements of all scans: FILE.csv (default: DIR/table.csv)")
    batch.add_argument(
        "--again", action="store_true", help="do anew what was made of another scan or with other settings"
    )
    batch.add_argument("--json", action="store_true", help="print what happens as JSON, an object a line")


def _batch(options: argparse.Namespace) -> None:
    from .anatomy.prompts import clean_terms
    from .batch.cases import find_cases
    from .batch.kept import alone
    from .batch.overview import SIGNATURE, write_overview_page
    from .batch.run import plan, run
    from .batch.settings import Settings, model_hash
    from .errors import ModelError
    from .imaging import modality_of_word
    from .models import find_model
    from .output import COLUMNS, check_targets, write_table
    from .output.measurements import check_radiomics

    terms = clean_terms(options.terms)
    if options.radiomics:
        check_radiomics()
    output = options.output.resolve()
    table = options.table.resolve() if options.table else output / "table.csv"
    page = output / "overview.html"
    if table.suffix.lower() != ".csv":
        raise InputError(f"--table must end in .csv; {table.name} does not.")
    modality = None if options.modality == "auto" else modality_of_word(options.modality)
    cases = find_cases(options.cases, output, modality)
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; give the name of a folder.")
    for path, signature in ((table, ",".join((*_FIRST, *COLUMNS[:3]))), (page, SIGNATURE)):
        if path.parent != output or output.exists():
            check_targets([path], overwrite=_is_ours(path, signature))
    model = find_model(options.model)
    if not model.installed:
        raise ModelError(f"{model.name} is not installed; run `satsegment models download {model.name}`.")
    say(_notes(terms, model, {case.modality for case in cases}))
    settings = Settings(
        terms=tuple(terms),
        model=str(Path(options.model).resolve()) if model.name != options.model else model.name,
        model_hash=model_hash(model),
        output=output,
        version=__version__,
        device=options.device,
        precision=options.precision,
        skip_air=options.skip_air,
        largest_component=options.largest_component,
        fill_holes=options.fill_holes,
        radiomics=options.radiomics,
    )
    new = not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with alone(output):
            planned = plan(cases, settings, options.again)
            told = _Lines(planned) if options.json else _Bar(planned)
            results, times = dict(planned.kept), None
            try:
                if planned.todo:
                    fresh, times = run(planned, settings, options.scheduler, told.ready, told.done)
                    results |= fresh
            finally:
                told.close()
            ordered = [results[case.id] for case in cases]
            write_table(table, list(_rows(ordered)), _FIRST)
            write_overview_page(page, output, ordered, terms, model.name)
    finally:
        if new:
            with suppress(OSError):  # there are results in it
                output.rmdir()
    told.end(ordered, times, table, page)
    failed = [result for result in ordered if result.error]
    if failed:
        named = " ".join(f"{result.case.id}: {result.error.rstrip('.')}." for result in failed[:_SHOWN])
        more = f" And {len(failed) - _SHOWN} more, in the table." if len(failed) > _SHOWN else ""
        raise SATError(
            f"{len(failed)} of {len(ordered)} scans failed; the same command tries them again. {named}{more}"
        )


def _is_ours(path: Path, signature: str) -> bool:
    """Whether a file was written by an earlier run, which may replace it."""
    try:
        with path.open(encoding="utf-8") as file:
            return signature in file.read(4096)
    except (OSError, UnicodeDecodeError):
        return False


def _notes(terms: Sequence[str], model, told: set[str | None]) -> list[str]:
    """What is to be said of terms, for the modalities of the list, and the model's own where it does not tell them.

    Raises:
        InputError: Two terms mean the same.
    """
    from .anatomy.prompts import free_text, prompts_of
    from .models.folder import ModelFolder, read_terms

    trained = [(term.term, term.modality) for term in read_terms(model.folder)]
    modalities = sorted(told - {None}) or ModelFolder.read(model.folder).modalities
    notes, free = [], []
    for modality in modalities:
        prompts, said = prompts_of(terms, trained, modality)
        notes += said
        free.append(free_text(prompts, trained, modality, model.name))
    # what is known of one modality may well be all that is asked for
    unknown = [sentence for term, sentence in free[0].items() if all(term in other for other in free)]
    return [*dict.fromkeys(notes), *unknown]


def _rows(results: Sequence) -> list[dict]:
    rows = []
    for result in results:
        case = {"id": result.case.id, "image": str(result.case.image), "modality": result.modality or None}
        case |= {"notes": " ".join(result.notes) or None, "error": result.error or None}
        rows += [case | row for row in result.rows or ({},)]
    return rows


class _Bar:
    """What people read: a bar where someone looks at it, failures as they come, a summary."""

    def __init__(self, plan) -> None:
        from tqdm import tqdm

        if plan.kept:
            print(f"{len(plan.kept)} of {len(plan.cases)} scans are done already.", file=sys.stderr)
        self._plan = plan
        self._bar = tqdm(
            total=len(plan.todo), disable=not sys.stderr.isatty() or not plan.todo, unit="scan", leave=False
        )
        self._bar.set_description("loading the model")

    def ready(self, devices: Sequence[str]) -> None:
        self._bar.reset(len(self._plan.todo))  # so that the time left is that of scans
        self._bar.set_description(f"{len(devices)} x {devices[0]}" if len(devices) > 1 else devices[0])

    def done(self, result) -> None:
        if result.error:
            self._bar.write(f"satsegment: {result.case.id} failed: {result.error}", file=sys.stderr)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()

    def end(self, results: Sequence, times, table: Path, page: Path) -> None:
        good = sum(not result.error for result in results)
        print(f"{good} of {len(results)} scans are done, {len(self._plan.kept)} of them before.")
        if times:
            print(
                f"{times.seconds:.0f} s for {len(self._plan.todo)}; the network was at work {times.network:.0%} of it"
            )
        for path in (table, page):
            print(f"wrote {path}")


class _Lines:
    """What programs read: an object a line."""

    def __init__(self, plan) -> None:
        self._print("plan", cases=len(plan.cases), kept=[case.id for case in plan.cases if case.id in plan.kept])

    def ready(self, devices: Sequence[str]) -> None:
        self._print("ready", devices=devices)

    def done(self, result) -> None:
        self._print("case", id=result.case.id, error=result.error, seconds=result.seconds)

    def close(self) -> None:
        pass

    def end(self, results: Sequence, times, table: Path, page: Path) -> None:
        failed = [result.case.id for result in results if result.error]
        measured = {"seconds": round(times.seconds, 3), "network": round(times.network, 3)} if times else {}
        self._print("end", failed=failed, table=str(table), overview=str(page), **measured)

    @staticmethod
    def _print(event: str, **values) -> None:
        print(json.dumps({"event": event, **values}), flush=True)

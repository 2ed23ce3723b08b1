"""One page of all cases, those that deserve a look first."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..output import written
from ..output.page import Cell, Column, card, cards, number, page, table, text
from .kept import PICTURE, Result, case_folder, segmentation_of
from .oddness import ODD, Oddness, oddness_of

_MOST_TERMS = 12  # with a column of their own
_SHOWN = 4  # reasons
_TITLE = "Segmented scans"
SIGNATURE = f"<title>{_TITLE}</title>"
"""By which such a page is known."""


def write_overview_page(path: Path, output: Path, results: Sequence[Result], terms: Sequence[str], model: str) -> None:
    """Writes the page; pictures are in it, links lead to the segmentations beside it.

    Args:
        path: A name that ends in .html.
        output: Of the batch.
        results: Of all cases.
        terms: That were asked for.
        model: Its name.

    Raises:
        SATError: The file cannot be written.
    """
    good = [result for result in results if not result.error]
    odd = oddness_of({result.case.id: result.rows for result in good})
    for result in results:
        if result.error:
            odd[result.case.id] = Oddness(float("inf"), (result.error,))
    ordered = sorted(results, key=lambda r: (-odd[r.case.id].score, -len(odd[r.case.id].reasons), r.case.id))
    looks = sum(odd[result.case.id].score >= ODD for result in good)
    numbers = [card("scans", str(len(results))), card("done", str(len(good)))]
    if len(good) < len(results):
        numbers.append(card("failed", str(len(results) - len(good))))
    numbers += [card("deserve a look", str(looks), "see the column Why"), card("terms", str(len(terms)))]
    html = page(
        _TITLE,
        [
            f"<h1>{_TITLE}</h1>",
            f'<p class="note">Model {escape(model)}. Not for clinical use. Click on the head of a column to sort.</p>',
            cards(numbers),
            "<h2>Scans, the oddest first</h2>",
            _scans(output, ordered, odd, terms),
            "<h2>Terms</h2>",
            _terms(good, terms),
        ],
    )
    with written(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _scans(output: Path, results: Sequence[Result], odd: dict[str, Oddness], terms: Sequence[str]) -> str:
    shown = terms if len(terms) <= _MOST_TERMS else ()
    columns = [
        Column("Picture"),
        Column("Scan", "Opens its segmentation"),
        Column(
            "Oddness", f"Largest deviation from the other scans, in robust standard deviations; {ODD:g} is odd", True
        ),
        Column("Why", wrap=True),
        Column("Found", "Terms found", True),
        Column("Confidence", "The lowest of the terms found", True),
        Column("Modality"),
        *(Column(term, "Volume in ml", True, "<br>ml") for term in shown),
        Column("Seconds", "Of the network", True),
    ]
    return table(columns, [_scan(output, result, odd[result.case.id], shown) for result in results])


def _scan(output: Path, result: Result, odd: Oddness, shown: Sequence[str]) -> list[Cell]:
    case_id = result.case.id
    if result.error:
        reason = Cell(f'<span class="worse">Failed.</span> {escape(result.error)}', result.error)
        failed = Cell('<span class="worse">failed</span>', 1e9)
        blank = Cell("–", "")
        return [Cell("", case_id), text(case_id), failed, reason, *[blank] * (4 + len(shown))]
    rows = {row["name"]: row for row in result.rows}
    found = [row for row in rows.values() if row["voxels"]]
    sure = [row["confidence"] for row in found if row["confidence"] is not None]
    link = quote(segmentation_of(output, result.case).relative_to(output).as_posix())
    more = f" and {len(odd.reasons) - _SHOWN} more" if len(odd.reasons) > _SHOWN else ""
    score = number(odd.score, 1)
    return [
        Cell(_picture(case_folder(output, result.case) / PICTURE, case_id), case_id),
        Cell(f'<a href="{escape(link)}">{escape(case_id)}</a>', case_id),
        score._replace(html=f'<span class="worse">{score.html}</span>') if odd.score >= ODD else score,
        text(" ".join(filter(None, ("; ".join(odd.reasons[:_SHOWN]) + more, *result.notes)))),
        Cell(f"{len(found)} of {len(rows)}", len(found)),
        number(min(sure) if sure else None, 2),
        text(result.modality),
        *(number(rows[term]["volume_ml"] if rows[term]["voxels"] else None, 1) for term in shown),
        number(result.seconds["network"], 1),
    ]


def _picture(path: Path, name: str) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:  # it was deleted, which hurts nothing else
        return ""
    return f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{data}">'


def _terms(results: Sequence[Result], terms: Sequence[str]) -> str:
    columns = [
        Column("Term"),
        Column("Found in", number=True),
        Column("Median", "ml", True),
        Column("Smallest", "ml", True),
        Column("in"),
        Column("Largest", "ml", True),
        Column("in"),
    ]
    return table(columns, [_term(results, term) for term in terms])


def _term(results: Sequence[Result], term: str) -> list[Cell]:
    volumes = sorted(
        (row["volume_ml"], result.case.id)
        for result in results
        for row in result.rows
        if row["name"] == term and row["voxels"]
    )
    found = Cell(f"{len(volumes)} of {len(results)}", len(volumes))
    if not volumes:
        return [text(term), found, number(None), number(None), text(""), number(None), text("")]
    (least, first), (most, last) = volumes[0], volumes[-1]
    median = float(np.median([volume for volume, _ in volumes]))
    return [text(term), found, number(median, 1), number(least, 1), text(first), number(most, 1), text(last)]

"""Pages of HTML that need nothing from elsewhere, with tables that sort by a click on a head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; color: #1c2430; background: #fff;
  max-width: 1240px; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .5rem; }
p { max-width: 75ch; } .note { color: #556070; font-size: .92em; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.card { border: 1px solid #d5dae1; border-radius: 8px; padding: .6rem 1rem; min-width: 7.5rem; }
.card b { display: block; font-size: 1.6rem; line-height: 1.25; } .card small { color: #556070; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .5rem; border-bottom: 1px solid #e3e7ec; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #aab3bf; vertical-align: bottom; font-size: .88em; }
td.number, th.number { text-align: right; }
th button { all: unset; cursor: pointer; } th button:hover, th button:focus-visible { text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.better { color: #00695c; font-weight: 600; } .worse { color: #b03a00; font-weight: 600; }
.strip { display: block; } .strip .grid { stroke: #e3e7ec; } .strip .box { fill: #ccd6e2; }
.strip .median { stroke: #6b7c91; stroke-width: 1.5; } .strip circle { fill: #3f6fae; fill-opacity: .65; }
.strip .interval { stroke: #111; stroke-width: 2; } .strip .mean { stroke: #111; stroke-width: 2.5; }
.axis { display: flex; justify-content: space-between; width: 180px; color: #556070; font-weight: 400; }
td.wrap { white-space: normal; min-width: 16rem; max-width: 34rem; } td img { display: block; border-radius: 4px; }
figure { margin: 0 0 1.4rem; } figure img { max-width: 100%; border-radius: 6px; }
figcaption { margin-bottom: .3rem; }
.key { display: inline-block; width: 1.6em; height: 0; vertical-align: middle; border-top: 3px solid; }
.problem { border-left: 4px solid #b03a00; padding-left: .8rem; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; max-width: 75ch; }
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } tr, figure { break-inside: avoid; } }
"""

_SCRIPT = """
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const column = [...head.parentElement.children].indexOf(head);
  const up = head.getAttribute("aria-sort") !== "ascending";
  [...head.parentElement.children].forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => row.cells[column].dataset.value;
  const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b, undefined, {numeric: true}) : a - b;
  const [full, empty] = [row => value(row) !== "", row => value(row) === ""].map(is => [...body.rows].filter(is));
  full.sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b)));
  body.append(...full, ...empty);
}));
"""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Shown.
        hint: Shown while the mouse rests on the title.
        number: Whether it is set to the right.
        wrap: Whether its text may run over several lines.
        below: HTML under the title.
    """

    title: str
    hint: str = ""
    number: bool = False
    below: str = ""
    wrap: bool = False


class Cell(NamedTuple):
    """HTML, and what it is sorted by."""

    html: str
    value: object


def text(value: object) -> Cell:
    """A cell of plain text."""
    return Cell(escape(str(value)), value)


def number(value: float | None, digits: int = 3) -> Cell:
    """A cell of a number; a dash where there is none."""
    return Cell("–" if value is None else f"{value:.{digits}f}".replace("-", "−"), "" if value is None else value)


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that can be sorted by each column."""
    heads = "".join(
        f'<th scope="col"{_class(column)} title="{escape(column.hint)}"><button type="button">'
        f"{escape(column.title)}</button>{column.below}</th>"
        for column in columns
    )
    lines = (
        "".join(
            f'<td{_class(column)} data-value="{escape(str(cell.value))}">{cell.html}</td>'
            for column, cell in zip(columns, row, strict=True)
        )
        for row in rows
    )
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def card(title: str, value: str, below: str = "") -> str:
    """A headline number."""
    return f'<div class="card">{escape(title)}<b>{escape(value)}</b><small>{escape(below)}</small></div>'


def cards(items: Iterable[str]) -> str:
    """Headline numbers side by side."""
    return f'<div class="cards">{"".join(items)}</div>'


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document; `parts` are its HTML."""
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _class(column: Column) -> str:
    return ' class="number"' if column.number else ' class="wrap"' if column.wrap else ""

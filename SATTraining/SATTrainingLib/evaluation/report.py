"""The report of an evaluation, for people: one HTML page that needs no network and names no patient."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from html import escape

from SATSegmentLib.output.page import Cell, Column, card, cards, number, page, table, text

from .comparison import Difference
from .evaluate import Score
from .evaluation import Evaluation, ModelResult
from .intervals import LEVEL, RESAMPLES, Estimate
from .overlays import PREDICTION_COLOR, REFERENCE_COLOR
from .strips import strip
from .summary import Group, region_of

_AXIS = '<span class="axis"><span>0</span><span>0.5</span><span>1</span></span>'
_SCORES = (
    Column("Dice", "mean", True),
    Column("95 % interval", "of the mean Dice"),
    Column("Dice by case", "dots: cases; box: quartiles; black: mean and its interval", below=_AXIS),
    Column("NSD", "mean", True),
    Column("95 % interval", "of the mean NSD"),
)
_COUNTS = (
    Column("cases", number=True),
    Column("missed", "structures of the reference of which nothing was found", True),
    Column("invented", "structures that were found although the reference has none", True),
)


def report(evaluation: Evaluation) -> str:
    """The page as HTML."""
    names = " and ".join(result.name for result in evaluation.results)
    return page(f"Evaluation of {names}", _parts(evaluation, names))


def _parts(evaluation: Evaluation, names: str) -> Iterator[str]:
    yield f"<h1>Evaluation of {escape(names)}</h1>"
    yield f'<p class="note">{evaluation.made:%d %B %Y, %H:%M} · not for clinical use</p>'
    for result in evaluation.results:
        yield f"<p>{escape(_headline(result))}</p>"
        yield _cards(result)
    yield from _problems(evaluation)
    if evaluation.comparison:
        yield from _comparison(evaluation)
    for result in evaluation.results:
        yield from _model(evaluation, result)
    yield "<h2>What was evaluated</h2>"
    yield _evaluated(evaluation)
    yield "<h2>How to read this</h2>"
    yield _reading(evaluation)


def _headline(result: ModelResult) -> str:
    overall = result.summary.overall
    return (
        f"{result.name} was asked for {_count(overall.classes, 'structure')} in {_count(overall.cases, 'case')} of "
        f"{_count(overall.patients, 'patient')}. Compared with the reference, its masks have a mean Dice of "
        f"{overall.dice.mean:.3f} and a mean NSD of {overall.nsd.mean:.3f}."
    )


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _cards(result: ModelResult) -> str:
    overall = result.summary.overall
    return cards(
        [
            card("Dice", f"{overall.dice.mean:.3f}", _interval(overall.dice)),
            card("NSD", f"{overall.nsd.mean:.3f}", _interval(overall.nsd)),
            card("classes", str(overall.classes), "a structure in a modality"),
            card("cases", str(overall.cases), _count(overall.patients, "patient")),
            card("missed", str(overall.missed), "nothing found of them"),
            card("invented", str(overall.invented), "not in the reference"),
        ]
    )


def _interval(estimate: Estimate) -> str:
    return "–" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}".replace("-", "−")


def _interval_cell(estimate: Estimate) -> Cell:
    return Cell(_interval(estimate), "" if estimate.low is None else estimate.low)


def _problems(evaluation: Evaluation) -> Iterator[str]:
    for result in evaluation.results:
        lost = [evaluation.numbers[problem.case] for problem in evaluation.problems if problem.model == result.name]
        if lost:
            yield (
                f'<p class="problem">{escape(result.name)}: {_count(len(lost), "case")} could not be evaluated: '
                f"{', '.join(map(str, lost))}. Its numbers are those of the others; problems.csv says why.</p>"
            )


def _comparison(evaluation: Evaluation) -> Iterator[str]:
    first, second = (escape(result.name) for result in evaluation.results)
    yield f"<h2>{first} compared with {second}</h2>"
    yield (
        f"<p>Only what both were scored on, case by case. The difference is {first} minus {second}: "
        f"positive where {first} is better. A difference whose interval leaves out 0 is marked "
        '<span class="better">▲ better</span> or <span class="worse">▼ worse</span>.</p>'
    )
    for metric, title in (("dice", "Dice"), ("nsd", "NSD")):
        (overall,) = (row for row in evaluation.comparison.overall if row.metric == metric)
        rows = [row for row in evaluation.comparison.classes if row.metric == metric]
        yield f"<h3>{title}</h3>"
        yield (
            f"<p>Over all classes: {overall.difference.mean:+.3f} (95 % interval {_interval(overall.difference)}, "
            f"Wilcoxon p {_p(overall.p)}). {first} is better in {overall.wins}, worse in {overall.losses} and the same "
            f"in {overall.ties} pairs of case and class.</p>"
        )
        yield _differences(rows, [result.name for result in evaluation.results])


def _differences(rows: list[Difference], names: list[str]) -> str:
    columns = (
        Column("structure"),
        Column("modality"),
        Column("region"),
        *(Column(name, "mean", True) for name in names),
        Column("difference", "mean over cases", True),
        Column("95 % interval", "of the mean difference"),
        Column(""),
        Column("better", "cases", True),
        Column("worse", "cases", True),
        Column("same", "cases", True),
        Column("p", "Wilcoxon signed-rank test", True),
        Column("p adjusted", "for the number of classes (Benjamini-Hochberg)", True),
    )
    return table(
        columns,
        [
            (
                text(row.name),
                text(row.modality.upper()),
                text(row.region),
                number(row.first),
                number(row.second),
                Cell(f"{row.difference.mean:+.3f}".replace("-", "−"), row.difference.mean),
                _interval_cell(row.difference),
                _verdict(row.difference),
                number(row.wins, 0),
                number(row.losses, 0),
                number(row.ties, 0),
                Cell(_p(row.p), "" if row.p is None else row.p),
                Cell(_p(row.p_adjusted), "" if row.p_adjusted is None else row.p_adjusted),
            )
            for row in rows
        ],
    )


def _verdict(difference: Estimate) -> Cell:
    if difference.low is not None and difference.low > 0:
        return Cell('<span class="better">▲ better</span>', 1)
    if difference.high is not None and difference.high < 0:
        return Cell('<span class="worse">▼ worse</span>', -1)
    return Cell("", 0)


def _p(value: float | None) -> str:
    return "–" if value is None else "&lt;0.001" if value < 0.001 else f"{value:.3f}"


def _model(evaluation: Evaluation, result: ModelResult) -> Iterator[str]:
    of = f" of {escape(result.name)}" if len(evaluation.results) > 1 else ""
    yield f"<h2>Structures{of}</h2>"
    if result.untrained:
        yield '<p class="note">* Not among the terms the model was trained on; it was asked by free text.</p>'
    yield _classes(result)
    yield f"<h2>Regions{of}</h2>"
    yield _groups("region", result, result.summary.regions, lambda score: region_of(score.term))
    yield f"<h2>Data sets{of}</h2>"
    yield _groups("data set", result, result.summary.datasets, lambda score: score.dataset)
    yield from _worst(evaluation, result, of)


def _classes(result: ModelResult) -> str:
    values = defaultdict(list)
    for score in result.scores:
        values[score.term, score.modality].append(score.dice)
    rows = []
    for group in result.summary.classes:
        key = group.name, group.modality
        mark = " *" if key in result.untrained else ""
        names = (text(group.name + mark), text(group.modality.upper()), text(group.region))
        rows.append((*names, *_score_cells(group, values[key]), *_count_cells(group)))
    return table((Column("structure"), Column("modality"), Column("region"), *_SCORES, *_COUNTS), rows)


def _groups(title: str, result: ModelResult, groups: list[Group], name_of: Callable[[Score], str]) -> str:
    """A table of regions or data sets, whose plots have a dot a class."""
    values = defaultdict(lambda: defaultdict(list))
    for score in result.scores:
        values[name_of(score)][score.term, score.modality].append(score.dice)
    rows = []
    for group in groups:
        means = [sum(dice) / len(dice) for dice in values[group.name].values()]
        rows.append((text(group.name), number(group.classes, 0), *_score_cells(group, means), *_count_cells(group)))
    dice, interval, _, *nsd = _SCORES
    plot = Column("Dice by class", "dots: means of classes; box: quartiles; black: mean and its interval", below=_AXIS)
    return table((Column(title), Column("classes", number=True), dice, interval, plot, *nsd, *_COUNTS), rows)


def _score_cells(group: Group, values: list[float]) -> tuple[Cell, ...]:
    return (
        number(group.dice.mean),
        _interval_cell(group.dice),
        Cell(strip(values, group.dice), group.dice.mean),
        number(group.nsd.mean),
        _interval_cell(group.nsd),
    )


def _count_cells(group: Group) -> tuple[Cell, ...]:
    return number(group.cases, 0), number(group.missed, 0), number(group.invented, 0)


def _worst(evaluation: Evaluation, result: ModelResult, of: str) -> Iterator[str]:
    if not result.worst:
        return
    yield f"<h2>Worst cases{of}</h2>"
    yield (
        "<p>The worst case of each structure, the worst structures first, on the slices where mask and reference "
        f'disagree most: <span class="key" style="border-color: {REFERENCE_COLOR}"></span> reference, '
        f'<span class="key" style="border-color: {PREDICTION_COLOR}; border-top-style: dashed"></span> '
        "the model's mask. The patient's right is on the left; each picture shows the surroundings of the two only.</p>"
    )
    for score, overlay in result.worst:
        caption = (
            f"{score.term}, {score.modality.upper()}, case {evaluation.numbers[score.case]} ({score.dataset}): "
            f"Dice {score.dice:.3f}, NSD {score.nsd:.3f}; {score.voxels_prediction:,} voxels found, "
            f"{score.voxels_reference:,} in the reference"
        )
        picture = b64encode(overlay.png()).decode("ascii")
        yield (
            f"<figure><figcaption>{escape(caption)}</figcaption>"
            f'<img alt="{escape(caption)}" src="data:image/png;base64,{picture}"></figure>'
        )


def _evaluated(evaluation: Evaluation) -> str:
    rows = []
    for result in evaluation.results:
        steps = f", recipe of {result.steps:,} steps" if result.steps else ""
        rows.append(("Model", f"{result.name}{steps} (SHA-256 of model.json {result.sha256[:16]}…)"))
    datasets = defaultdict(int)
    for case in evaluation.cases:
        datasets[case.dataset, case.modality] += 1
    cases = "; ".join(f"{name} ({modality.upper()}) {count}" for (name, modality), count in sorted(datasets.items()))
    rows += [
        ("Cases", cases),
        ("Scored", "on each case's own voxels; only structures annotated in a case"),
        ("NSD tolerance", f"{evaluation.tolerance_mm:g} mm"),
        ("Ran on", evaluation.device),
        ("Finished", f"{evaluation.made:%Y-%m-%d %H:%M %Z}"),
    ]
    lines = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<div class="wide"><table>{lines}</table></div>'


def _reading(evaluation: Evaluation) -> str:
    agreed = sum(result.summary.overall.agreed_empty for result in evaluation.results)
    tolerance = f"{evaluation.tolerance_mm:g}"
    items = (
        (
            "Dice (DSC)",
            "How much of the two volumes overlaps: 1 is the same, 0 is apart. It is hard on small structures.",
        ),
        (
            "NSD",
            f"Normalised surface Dice: the share of both surfaces that lies within {tolerance} mm of the other. Its "
            "tolerance should be about what two experts differ by; voxels much larger than it make it low.",
        ),
        (
            "Empty masks",
            "A structure that was annotated, has no voxel in the reference and was not found counts as 1; where only "
            f"one of the two is empty it counts as 0. SAT's authors count so. Found in neither: {agreed}.",
        ),
        (
            "Means",
            "Of a class, over its cases; of a region, a data set or all, over the means of their classes, so that a "
            "class with many cases weighs no more than one with few.",
        ),
        (
            "Intervals",
            f"{LEVEL:g} % percentile intervals of {RESAMPLES:,} bootstrap samples over patients. They tell what chance "
            "in the choice of patients does, not how other scanners or hospitals differ; from fewer than about 10 "
            "patients they are too narrow. A dash: one patient only.",
        ),
        (
            "Cases",
            "Numbered as in scores.csv beside this page, which has every score with its case. This page and "
            "summary.json have the numbers only.",
        ),
    )
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in items) + "</dl>"

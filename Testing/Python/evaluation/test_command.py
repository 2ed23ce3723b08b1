"""`sattraining evaluate` from end to end, with real models and cases."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest

from SATSegmentLib.errors import Cancelled, InputError
from SATTrainingLib.cases import read_cases
from SATTrainingLib.cli import main
from SATTrainingLib.evaluation.evaluated_model import EvaluatedModel
from SATTrainingLib.evaluation.evaluation import evaluate_models
from SATTrainingLib.evaluation.files import write_evaluation


@pytest.fixture
def case_list(ball_cases, tmp_path):
    """The ball cases in a folder of their own, with patients whose names must not get about."""
    folder = tmp_path / "Jane_Doe"
    shutil.copytree(ball_cases.parent, folder)
    rows = [json.loads(line) for line in ball_cases.read_text().splitlines()]
    for row in rows:
        row |= {"id": f"Jane_Doe_{row['id']}", "patient": "Jane Doe"}
    rows[0]["patient"] = "John Roe"
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:3]))
    return folder / "cases.jsonl"


def _run(case_list, output, *more):
    return main(["evaluate", "--cases", str(case_list), "--output", str(output), "--device", "cpu", *map(str, more)])


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class _Page(HTMLParser):
    """Counts what is open and gathers what a page asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.rows = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.rows += tag == "tr"
        if tag not in ("meta", "img", "br", "line", "rect", "circle", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "rect", "circle", "path"):
            assert self.open.pop() == tag


def test_two_models_become_tables_and_a_report(case_list, make_model, tmp_path, capsys):
    output = tmp_path / "results"
    first, second = make_model("first"), make_model("second", 2)
    assert _run(case_list, output, "--model", first, "--compare", second, "--tolerance", 4) == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "comparison.csv",
        "report.html",
        "scores.csv",
        "summary.json",
    ]  # and nothing of what was kept on the way
    scores = _rows(output / "scores.csv")
    assert len(scores) == 2 * 3 * 2
    assert {row["model"] for row in scores} == {"first", "second"}
    assert {row["trained"] for row in scores} == {"True"}
    assert len(_rows(output / "comparison.csv")) == 2 * 2
    summary = json.loads((output / "summary.json").read_text())
    assert summary["tolerance_mm"] == 4
    of_first = [float(row["dice"]) for row in scores if row["model"] == "first"]
    assert summary["models"][0]["overall"]["dice"]["mean"] == pytest.approx(sum(of_first) / 6)
    assert summary["models"][0]["overall"]["patients"] == 2
    assert "Dice" in capsys.readouterr().out

    text = (output / "report.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert not page.open
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    without_pictures = re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r"https?:|url\(|@import", without_pictures)
    assert f"{summary['models'][0]['overall']['dice']['mean']:.3f}" in text
    for shared in (without_pictures, (output / "summary.json").read_text(encoding="utf-8")):
        assert not re.search("Jane|Doe|John|Roe", shared)

    assert _run(case_list, output, "--model", first) == 2  # results are there
    assert "--overwrite" in capsys.readouterr().err
    assert _run(case_list, output, "--model", first, "--overwrite") == 0
    assert not (output / "comparison.csv").exists()  # it was of other models


def test_an_evaluation_that_was_stopped_goes_on(case_list, make_model, tmp_path):
    model = EvaluatedModel(str(make_model("first")))
    cases = read_cases(case_list)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = evaluate_models([model], cases, {}, tmp_path / "whole", device="cpu")

    done = []
    with pytest.raises(Cancelled):
        evaluate_models(
            [model],
            cases,
            {},
            tmp_path / "parts",
            device="cpu",
            progress=lambda count, total: done.append(count),
            cancelled=lambda: bool(done) and done[-1] >= 1,
        )
    (kept,) = (tmp_path / "parts").glob(".evaluation-*/scores.jsonl")
    (row,) = map(json.loads, kept.read_text().splitlines())
    assert row["case"] == cases[0].id
    row["scores"][0]["dice"] = 0.123  # only what is not computed again can show this
    kept.write_text(json.dumps(row) + "\n")
    parts = evaluate_models([model], cases, {}, tmp_path / "parts", device="cpu")
    before, after = whole.results[0].scores, parts.results[0].scores
    assert after[0].dice == 0.123
    assert after[1:] == before[1:]
    assert [score.case for score in after] == [score.case for score in before]
    parts.forget()
    assert not list((tmp_path / "parts").iterdir())


def test_an_evaluation_that_was_killed_goes_on_to_the_same_numbers(case_list, make_model, tmp_path):
    rows = [json.loads(line) for line in case_list.read_text().splitlines()]
    rows = [row | {"id": f"{row['id']}-{copy}"} for copy in range(10) for row in rows]
    case_list.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, killed = make_model("first"), tmp_path / "of a killed one é"
    command = ["evaluate", "--model", model, "--cases", case_list, "--output", killed, "--device", "cpu"]
    process = subprocess.Popen([sys.executable, "-m", "SATTrainingLib", *map(str, command)])
    while not any(path.read_bytes() for path in killed.glob(".*/scores.jsonl")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.05)  # wherever it is then
    process.kill()
    process.wait()
    (kept,) = killed.glob(".*/scores.jsonl")
    first, *others = kept.read_text().splitlines()
    assert 0 < 1 + len(others) < len(rows)
    assert [path.name for path in killed.iterdir()] == [kept.parent.name]
    row = json.loads(first)
    row["scores"][0]["nsd"] = 0.123  # only what is not computed again can show this
    kept.write_text("\n".join([json.dumps(row), *others, json.dumps(row)[:30]]))
    assert _run(case_list, killed, "--model", model) == 0
    assert _run(case_list, tmp_path / "whole", "--model", model) == 0
    after, whole = (_rows(folder / "scores.csv") for folder in (killed, tmp_path / "whole"))
    assert after[0].pop("nsd") == "0.123" != whole[0].pop("nsd")
    assert after == whole
    assert sorted(path.name for path in killed.iterdir()) == ["report.html", "scores.csv", "summary.json"]


def test_a_case_that_cannot_be_read_does_not_stop_the_others(case_list, make_model, tmp_path, capsys):
    output, model = tmp_path / "results", make_model("first")
    bad = case_list.parent / "1.nii.gz"
    good = bad.read_bytes()
    bad.write_bytes(good[: len(good) // 2])
    assert _run(case_list, output, "--model", model) == 3
    said = capsys.readouterr().err
    assert "Jane_Doe_case1" in said
    assert "1 of 3 cases" in said
    assert len(_rows(output / "scores.csv")) == 4
    (problem,) = _rows(output / "problems.csv")
    assert (problem["number"], problem["case"], problem["model"]) == ("2", "Jane_Doe_case1", "first")
    text = (output / "report.html").read_text()
    assert "first: 1 case could not be evaluated: 2." in text
    assert "Jane_Doe" not in text
    bad.write_bytes(good)
    assert _run(case_list, output, "--model", model, "--overwrite") == 0
    assert len(_rows(output / "scores.csv")) == 6
    assert not (output / "problems.csv").exists()


def test_bad_input_is_refused_before_any_work(case_list, make_model, tmp_path, capsys):
    model = make_model("first")
    output = tmp_path / "results"
    (tmp_path / "file").write_text("")
    for arguments, sentence in (
        (("--model", "nothing"), "There is no model"),
        (("--model", model, "--tolerance", "-1"), "--tolerance"),
        (("--model", model, "--compare", model), "Both models are the same"),
        (("--model", model, "--device", "cuda:9"), "cuda:9"),
    ):
        assert _run(case_list, output, *arguments) == 2
        assert sentence in capsys.readouterr().err
    assert _run(case_list, tmp_path / "file", "--model", model) == 2
    assert _run(case_list, tmp_path / "lacking" / "results", "--model", model) == 2
    assert _run(tmp_path / "none.jsonl", output, "--model", model) == 2
    assert not output.exists() or not list(output.iterdir())


def test_nothing_annotated_is_said(case_list, make_model, tmp_path):
    from SATTrainingLib.cases import DatasetLabels

    nothing = {"balls": DatasetLabels({"left ball": (), "right ball": ()})}
    with pytest.raises(InputError, match="nothing to evaluate"):
        evaluate_models([EvaluatedModel(str(make_model("m")))], read_cases(case_list), nothing, tmp_path)


def test_with_its_configuration_a_model_is_evaluated_on_what_it_has_not_seen(case_list, make_model, tmp_path, capsys):
    config = {
        "cases": str(case_list),
        "test": ["Jane_Doe_case0"],
        "datasets": {"balls": {"terms": {"left ball": ["ball"], "right ball": ["ball"]}}},
    }
    (tmp_path / "run.json").write_text(json.dumps(config))
    output, model = tmp_path / "results", make_model("first")
    assert _run(case_list, output, "--model", model, "--config", tmp_path / "run.json") == 0
    (row,) = _rows(output / "scores.csv")
    assert (row["case"], row["term"]) == ("Jane_Doe_case0", "ball")
    assert "2 cases the model was trained on are left out" in capsys.readouterr().err
    # another scan of a patient who was trained on is no unseen case either
    config["test"] = ["Jane_Doe_case2"]
    (tmp_path / "run.json").write_text(json.dumps(config))
    assert _run(case_list, tmp_path / "other", "--model", model, "--config", tmp_path / "run.json") == 2
    assert "trained on all of these" in capsys.readouterr().err
    # a case of another data set that is numbered alike is one, wherever the training's scans are now
    rows = [json.loads(line) | {"patient": ""} for line in case_list.read_text().splitlines()]
    case_list.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(case_list.parent, tmp_path / "new")
    (tmp_path / "new" / "cases.jsonl").write_text("".join(json.dumps(row | {"dataset": "new"}) + "\n" for row in rows))
    for file in case_list.parent.glob("*.nii.gz"):
        file.unlink()
    assert (
        _run(
            tmp_path / "new" / "cases.jsonl", tmp_path / "new one", "--model", model, "--config", tmp_path / "run.json"
        )
        == 0
    )
    assert len(_rows(tmp_path / "new one" / "scores.csv")) == 6
    # the run was moved
    (tmp_path / "run").mkdir()
    case_list.rename(tmp_path / "run" / "cases.jsonl")
    (tmp_path / "run.json").rename(tmp_path / "run" / "config.json")
    again = ("--config", tmp_path / "run" / "config.json", "--overwrite")
    assert _run(tmp_path / "new" / "cases.jsonl", tmp_path / "new one", "--model", model, *again) == 0


def test_what_labels_mean_can_be_given_alone(case_list, make_model, tmp_path, capsys):
    (tmp_path / "labels.yaml").write_text("balls:\n  terms: {left ball: liver, right ball: []}\n")
    output, model = tmp_path / "results", make_model("first")
    assert _run(case_list, output, "--model", model, "--datasets", tmp_path / "labels.yaml") == 0
    assert {row["term"] for row in _rows(output / "scores.csv")} == {"liver"}
    (tmp_path / "labels.yaml").write_text("balls:\n  term: {}\n")
    assert _run(case_list, tmp_path / "other", "--model", model, "--datasets", tmp_path / "labels.yaml") == 2
    assert 'is "terms" meant?' in capsys.readouterr().err


def test_markup_in_names_stays_text(case_list, make_model, tmp_path):
    rows = [json.loads(line) for line in case_list.read_text().splitlines()]
    for row in rows:
        row["dataset"] = '<img src="https://example.org/x">&"'
    case_list.write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluation = evaluate_models([EvaluatedModel(str(make_model("m")))], read_cases(case_list), {}, tmp_path)
    write_evaluation(tmp_path, evaluation)
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    assert all(link.startswith("data:") for link in page.links)

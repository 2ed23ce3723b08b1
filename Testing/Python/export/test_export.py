"""From a run to a model that the engine lists and runs, and that can be given away."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from SATSegmentLib.errors import InputError, ModelError, SATError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import Predictor
from SATSegmentLib.models import find_model
from SATSegmentLib.models.folder import CONFIG, read_terms
from SATSegmentLib.models.loading import load
from SATTrainingLib import runs
from SATTrainingLib.cases import DatasetLabels
from SATTrainingLib.cli import main
from SATTrainingLib.export.model import export_run
from SATTrainingLib.training.config import TrainingConfig
from SATTrainingLib.training.start import create_run, train


@pytest.fixture(scope="module")
def made(ball_cases, small_config, tmp_path_factory):
    """A model trained from nothing, and a run that fine-tunes it on a term it does not know."""
    from SATSegmentLib.network import config as networks

    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SATSEGMENT_HOME", str(folder / "home"))
        patch.setitem(networks._NAMED, "tiny", small_config)
        config = TrainingConfig(
            cases=ball_cases, base=None, text="head", steps=3, validation=("case2",), validate_every=3, workers=0
        )
        create_run(config, folder / "first")
        train(folder / "first")
        export_run(folder / "first", "balls", "Two balls.", folder / "balls")
        tuned = replace(
            config,
            base=str(folder / "balls"),
            text="frozen",
            datasets={"balls": DatasetLabels(terms={"left ball": ("left ball",), "right ball": ("dark sphere",)})},
            ema=0.5,
        )
        create_run(tuned, folder / "second")
        train(folder / "second")
        export_run(folder / "second", "spheres", "", folder / "spheres")
    return folder


def _queries(model, terms):
    return load(find_model(str(model))).prompts.encode(terms, "ct")


def test_the_exported_network_answers_as_the_run_does(made, ball_cases):
    from SATTrainingLib.training.checkpoint import network_of

    model = load(find_model(str(made / "spheres")))
    network, _, meta = network_of(made / "second" / runs.BEST)
    assert meta["step"] in (0, 3)
    image = torch.randn(1, 1, 16, 16, 16)
    queries = _queries(made / "spheres", ["dark sphere"])
    with torch.inference_mode():
        torch.testing.assert_close(model.network(image, queries), network(image, queries), rtol=2e-2, atol=2e-2)
    predictor = Predictor(model.network, model.prompts)
    predictor.set_image(Volume.read(ball_cases.parent / "0.nii.gz", "ct"))
    results = list(predictor.predict(["dark sphere", "left ball", "right ball", "any text"]))
    assert [result.prompt for result in results] == ["dark sphere", "left ball", "right ball", "any text"]
    assert all(result.mask.shape == (24, 24, 24) for result in results)


def test_the_bases_terms_stay_with_the_bases_own_queries(made):
    terms = {term.term: term for term in read_terms(made / "spheres")}
    assert set(terms) == {"left ball", "right ball", "dark sphere"}
    # case 3 has no right ball that was annotated, case 2 is held back
    assert [terms[name].cases for name in ("left ball", "right ball", "dark sphere")] == [6, 2, 2]
    assert terms["dark sphere"].dice is not None
    old = ["left ball", "right ball", "something else"]
    torch.testing.assert_close(_queries(made / "spheres", old), _queries(made / "balls", old))
    assert (made / "spheres" / "text.safetensors").read_bytes() == (made / "balls" / "text.safetensors").read_bytes()


def test_the_card_says_what_it_was_made_from_and_what_changed(made):
    card = (made / "spheres" / "MODEL_CARD.md").read_text()
    assert "Fine-tuned from `balls`" in card
    assert "| balls | ct | 3 cases | 1 cases | dark sphere, left ball |" in card
    assert "1 of the base's 2 terms had validation cases" in card
    (row,) = [line for line in card.splitlines() if line.startswith("| left ball | ct |")]
    events = [e for e in runs.read_events(made / "second")[0] if e["event"] == "validation"]
    assert f"{events[0]['terms']['ct/left ball']['dice']:.3f}" in row  # before, of step 0
    assert "Trained from nothing." in (made / "balls" / "MODEL_CARD.md").read_text()


def test_nothing_given_away_names_a_case_or_a_path(made):
    for model in ("balls", "spheres"):
        for path in (made / model).iterdir():
            content = path.read_bytes()
            assert b"case0" not in content and b"case2" not in content, path
            assert str(made).encode() not in content and b".nii" not in content, path


def test_the_command_line_exports_a_model_that_runs_elsewhere(made, ball_cases, tmp_path, monkeypatch, capsys):
    arguments = ["export", "--run", str(made / "second"), "--name", "given", "--output", str(tmp_path / "given")]
    assert main([*arguments, "--zip", str(tmp_path / "given.zip")]) == 0
    assert main(arguments) == 2
    assert "exists" in capsys.readouterr().err

    def satsegment(*words):
        done = subprocess.run([sys.executable, "-m", "SATSegmentLib", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    satsegment("models", "import", str(tmp_path / "given.zip"))
    assert "dark sphere" in satsegment("models", "list", "--terms", "given")
    shown = satsegment(
        *("segment", str(ball_cases.parent / "0.nii.gz"), "--modality", "ct", "--terms", "dark sphere"),
        *("--model", "given", "--output", str(tmp_path / "out.seg.nrrd"), "--json"),
    )
    assert json.loads(shown)
    assert (tmp_path / "out.seg.nrrd").is_file()


def test_what_cannot_be_exported_is_said_and_leaves_nothing(made, tmp_path):
    with pytest.raises(InputError, match="no name for a model"):
        export_run(made / "second", "../evil", "", tmp_path / "evil")
    with pytest.raises(InputError, match="exists"):
        export_run(made / "second", "again", "", made / "balls")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no checkpoint yet"):
        export_run(tmp_path / "empty", "none", "", tmp_path / "none")
    spoilt = tmp_path / "spoilt"
    shutil.copytree(made / "second", spoilt)
    for name in (runs.BEST, runs.LAST):
        (spoilt / name).write_bytes((spoilt / name).read_bytes()[:5000])
    with pytest.raises(SATError, match="damaged"):
        export_run(spoilt, "spoilt", "", tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "spoilt"]


def test_a_base_that_is_another_one_now_is_refused(made, tmp_path):
    moved = tmp_path / "made"
    shutil.copytree(made, moved)
    state = torch.load(moved / "second" / runs.LAST, weights_only=True)
    state["base"]["folder"] = str(moved / "balls")
    for name in (runs.BEST, runs.LAST):
        torch.save(state, moved / "second" / name)
    values = json.loads((moved / "balls" / CONFIG).read_text())
    (moved / "balls" / CONFIG).write_text(json.dumps(values | {"note": "another"}))
    with pytest.raises(ModelError, match="not the one that the run started from"):
        export_run(moved / "second", "other", "", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.fixture
def brought(made, tmp_path):
    """The second run as it comes from a cluster whose scans and folders are not here."""
    run = tmp_path / "brought é back"
    shutil.copytree(made / "second", run)
    rows = [json.loads(line) for line in (run / runs.CASES).read_text().splitlines()]
    rows = [row | {"image": f"/cluster/{row['id']}.nii.gz", "mask": f"/cluster/{row['id']}_m.nii.gz"} for row in rows]
    (run / runs.CASES).write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = json.loads((run / runs.CONFIG).read_text())
    (run / runs.CONFIG).write_text(json.dumps(values | {"cases": "/cluster/run/cases.jsonl"}))
    return run


def _events(run, change):
    """Rewrites the events of a run; `change` gives what stays of each, or None."""
    events = [event for event in map(change, runs.read_events(run)[0]) if event]
    (run / runs.EVENTS).write_text("".join(json.dumps(event) + "\n" for event in events))


def test_a_run_that_was_brought_here_without_its_scans_is_exported(brought, made, tmp_path):
    export_run(brought, "spheres", "", tmp_path / "spheres")
    for name in ("network.safetensors", "vocabulary.json"):
        assert (tmp_path / "spheres" / name).read_bytes() == (made / "spheres" / name).read_bytes()


def test_what_was_measured_of_the_base_is_not_said_of_the_model(brought, tmp_path):
    _events(brought, lambda event: event if event["event"] != "validation" or event["step"] == 0 else None)
    export_run(brought, "spheres", "", tmp_path / "spheres", "last")
    assert "It was not validated since training began" in (tmp_path / "spheres" / "MODEL_CARD.md").read_text()
    assert {term.dice for term in read_terms(tmp_path / "spheres")} == {None}


def test_the_card_says_which_step_was_measured(brought, tmp_path):
    _events(brought, lambda event: event | {"step": 2} if event["event"] == "validation" and event["step"] else event)
    export_run(brought, "spheres", "", tmp_path / "spheres", "last")
    assert "Measured after 2 of the 3 steps." in (tmp_path / "spheres" / "MODEL_CARD.md").read_text()


def test_a_run_that_never_got_better_says_so(brought, tmp_path, capsys):
    for step, said in ((3, False), (0, True)):
        _events(brought, lambda event, at=step: event | {"best": event["step"] == at} if "best" in event else event)
        state = torch.load(brought / runs.BEST, weights_only=True) | {"step": step}
        torch.save(state, brought / runs.BEST)
        target = tmp_path / f"after {step}"
        assert main(["export", "--run", str(brought), "--name", "m", "--output", str(target)]) == 0
        for text in (capsys.readouterr().out, (target / "MODEL_CARD.md").read_text()):
            assert ("No validation was better than the one before training" in text) == said


def test_lungs_that_were_found_by_their_air_are_among_the_terms(made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made / "first", run)
    values = json.loads((run / runs.CONFIG).read_text())
    values["datasets"] = {"balls": {"terms": {}, "absent": ["liver"], "lungs_from_air": True}}
    (run / runs.CONFIG).write_text(json.dumps(values))
    state = torch.load(run / runs.BEST, weights_only=True)
    state["terms"] += [["lung", "ct"], ["liver", "ct"]]
    torch.save(state, run / runs.BEST)
    export_run(run, "lungs", "", tmp_path / "lungs")
    assert {term.term: term.cases for term in read_terms(tmp_path / "lungs")} == {
        "left ball": 3,
        "lung": None,
        "right ball": 2,
    }
    assert "derived labels" in (tmp_path / "lungs" / "MODEL_CARD.md").read_text()


def test_a_zip_that_cannot_be_written_is_refused_before_any_work(made, tmp_path, capsys):
    arguments = ["export", "--run", str(made / "second"), "--name", "m", "--output", str(tmp_path / "m")]
    assert main([*arguments, "--zip", str(tmp_path / "none" / "m.zip")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""Training: windows, loss, exact resumption, export. On synthetic cases, and one real one."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import Predictor
from SATSegmentLib.models.loading import load, minilm_folder
from SATSegmentLib.models.registry import find_model
from SATSegmentLib.network import SATConfig
from SATSegmentLib.network import config as configurations
from SATSegmentLib.network.text_encoder import TextEncoder
from SATTrainingLib.cases import Case, DatasetRecipe, read_cases, split
from SATTrainingLib.cli import main
from SATTrainingLib.data import WindowSampler, prepare_case
from SATTrainingLib.evaluation import dice, evaluate, mean_of_terms
from SATTrainingLib.initialisation import spread_prompts
from SATTrainingLib.losses import deep_supervision_loss, prompt_loss
from SATTrainingLib.recipe import Recipe
from SATTrainingLib.trainer import CHECKPOINT, EVENTS, Trainer, learning_rate

ROOT = Path(__file__).resolve().parents[3]
SMALL = dataclasses.replace(
    SATConfig.named("tiny"),
    features=(6, 8, 12, 16),
    query_width=24,
    text_width=24,
    heads=2,
    window=(16, 16, 16),
    layers=1,
    feedforward=32,
    mid_mask_hidden=(16, 16),
    spacing=(4.0, 4.0, 4.0),
)


@pytest.fixture
def small(monkeypatch):
    """The named configuration "tiny" made smaller still."""
    monkeypatch.setitem(configurations._NAMED, "tiny", SMALL)


@pytest.fixture(scope="module")
def case_list(tmp_path_factory) -> Path:
    """Four scans with a bright ball on the left and a dark one on the right."""
    folder = tmp_path_factory.mktemp("cases")
    rows = []
    for number in range(4):
        random = np.random.default_rng(number)
        index = np.stack(np.meshgrid(*[np.arange(24)] * 3, indexing="ij"), -1)
        left, right = np.array([6, 12, 12]) + random.integers(-2, 3, (2, 3)) + np.array([[0, 0, 0], [11, 0, 0]])
        labels = np.zeros((24, 24, 24), np.uint8)
        labels[np.linalg.norm(index - left, axis=-1) < 5] = 1
        labels[np.linalg.norm(index - right, axis=-1) < 5] = 2
        image = random.normal(100, 20, labels.shape) + np.array([0, 300, -250])[labels]
        affine = np.diag([4.0, 4, 4, 1])
        nibabel.save(nibabel.Nifti1Image(image.astype(np.int16), affine), folder / f"{number}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(labels, affine), folder / f"{number}_label.nii.gz")
        names = {"1": "left ball", "2": "right ball"} if number < 3 else {"1": "left ball"}
        rows.append(
            {
                "id": f"case{number}",
                "image": f"{number}.nii.gz",
                "mask": f"{number}_label.nii.gz",
                "labels": names,
                "modality": "ct",
                "dataset": "balls",
            }
        )
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder / "cases.jsonl"


@pytest.fixture
def recipe():
    dataset = DatasetRecipe(merge={"ball": ["left ball", "right ball"]}, absent=["kidney"])
    return Recipe(datasets={"balls": dataset}, held_back=("case2",), steps=12, prompts=4, checkpoint_every=4)


@pytest.fixture(scope="module")
def prepared(case_list):
    dataset = DatasetRecipe(merge={"ball": ["left ball", "right ball"]}, absent=["kidney"])
    return [prepare_case(case, dataset, SMALL) for case in read_cases(case_list) if case.id != "case2"]


@pytest.fixture(scope="module")
def text():
    return TextEncoder.from_folder(minilm_folder(), SMALL.text_width)


def _weights(folder):
    return torch.load(folder / CHECKPOINT, weights_only=True)["model"]


def test_resuming_gives_the_same_numbers_as_never_stopping(small, recipe, prepared, text, tmp_path):
    Trainer(recipe, prepared, text, tmp_path / "whole", workers=0).run()
    Trainer(recipe, prepared, text, tmp_path / "parts", workers=0).run(stop_at=5)
    again = Trainer(recipe, prepared, text, tmp_path / "parts", workers=1)
    assert again.step == 5
    again.run()
    whole, parts = _weights(tmp_path / "whole"), _weights(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-6)
    last = [json.loads((tmp_path / f / EVENTS).read_text().splitlines()[-1]) for f in ("whole", "parts")]
    assert last[0]["step"] == last[1]["step"] == 12


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_run_resumes_at_its_last_checkpoint(case_list, tmp_path):
    recipe = {"steps": 6, "prompts": 2, "checkpoint_every": 1, "held_back": ["case2", "case3"]}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "SATTrainingLib", "train", "--recipe", tmp_path / "recipe.json"]
    command += ["--cases", case_list, "--run", run, "--workers", "0"]
    path = os.pathsep.join(str(ROOT / module) for module in ("SATSegment", "SATTraining"))
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / CHECKPOINT).exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = torch.load(run / CHECKPOINT, weights_only=True)["step"]
    assert 1 <= reached < 6
    (run / f"{CHECKPOINT}.123.part").write_bytes(b"half a checkpoint")
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert torch.load(run / CHECKPOINT, weights_only=True)["step"] == 6
    assert not list(run.glob("*.part"))


def test_training_learns_and_the_exported_model_runs(small, recipe, prepared, text, case_list, tmp_path, monkeypatch):
    recipe = dataclasses.replace(recipe, steps=400, learning_rate=4e-3, checkpoint_every=400)
    Trainer(recipe, prepared, text, tmp_path / "run", workers=0).run()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / EVENTS).read_text().splitlines()]
    # an absent prompt costs a Dice loss of 1 whatever is answered, so the loss keeps a floor
    assert losses[-1] < 0.7 * losses[0]
    arguments = ["--run", str(tmp_path / "run"), "--cases", str(case_list)]
    assert main(["evaluate", *arguments]) == 0
    assert main(["export", *arguments, "--name", "balls", "--note", "Balls.", "--output", str(tmp_path / "balls")]) == 0
    loaded = load(find_model(str(tmp_path / "balls")))
    (held_back,) = [case for case in read_cases(case_list) if case.id == "case2"]
    scores = {
        s.term: s.dice for s in evaluate(Predictor(loaded.network, loaded.prompts, "cpu"), [held_back], recipe.datasets)
    }
    assert scores["left ball"] > 0.8
    assert scores["right ball"] > 0.5
    terms = {term.term: term for term in loaded.terms}
    assert terms["left ball"].cases == 3
    assert terms["right ball"].cases == 2
    assert terms["left ball"].dice == pytest.approx(scores["left ball"], abs=0.02)  # the export is in half precision
    assert "kidney" not in terms
    assert Recipe.read(tmp_path / "balls" / "recipe.json") == recipe
    assert main(["export", *arguments, "--name", "balls", "--output", str(tmp_path / "balls")]) == 2
    assert main(["export", *arguments, "--name", "my balls", "--output", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
    card = (tmp_path / "balls" / "MODEL_CARD.md").read_text()
    assert "| left ball | ct |" in card
    assert "400 steps" in card


def test_windows_are_the_same_for_a_step_and_unlabelled_is_unknown(prepared):
    sampler = WindowSampler(prepared, SMALL.window, 2, 4, seed=3)
    other = WindowSampler(prepared, SMALL.window, 2, 4, seed=3)
    for step in range(30):
        for window, again in zip(sampler[step], other[step], strict=True):
            assert window.prompts == again.prompts
            assert torch.equal(window.image, again.image)
            assert torch.equal(window.masks, again.masks)
            assert window.image.shape == (1, *SMALL.window)
            assert window.masks.shape == (len(window.prompts), *SMALL.window)
            assert len(set(window.prompts)) == len(window.prompts) <= 4
            if "kidney" in window.prompts:
                assert not window.masks[window.prompts.index("kidney")].any()
            if {"ball", "left ball", "right ball"} <= set(window.prompts):
                ball, left, right = (window.masks[window.prompts.index(t)] for t in ("ball", "left ball", "right ball"))
                assert torch.equal(ball, left | right)
    only = WindowSampler([case for case in prepared if case.case.id == "case3"], SMALL.window, 2, 4, seed=3)
    asked = {prompt for step in range(30) for window in only[step] for prompt in window.prompts}
    assert asked == {
        "left ball",
        "ball",
        "kidney",
    }  # its right ball was not annotated: neither asked nor taught as absent


def test_image_and_masks_of_a_window_stay_together(prepared):
    sampler = WindowSampler(prepared[:1], SMALL.window, 4, 4, seed=1)
    differences = []
    for window in (w for step in range(20) for w in sampler[step]):
        for term, sign in (("left ball", 1), ("right ball", -1)):
            if term in window.prompts:
                mask = window.masks[window.prompts.index(term)]
                if 30 < mask.sum() < mask.numel() / 2:
                    differences.append(sign * float(window.image[0][mask].mean() - window.image[0][~mask].mean()))
    assert len(differences) > 20
    assert min(differences) > 0.2


def test_the_loss_is_zero_for_a_perfect_answer_and_ignores_padding():
    masks = torch.zeros(2, 3, 8, 8, 8)
    masks[:, :, :4] = 1
    logits = (masks * 2 - 1) * 50
    real = torch.tensor([[True, True, False], [True, False, False]])
    assert prompt_loss(logits, masks, real) == pytest.approx(0, abs=1e-6)
    wrong = logits.clone()
    wrong[~real] *= -1
    assert prompt_loss(wrong, masks, real) == pytest.approx(0, abs=1e-6)
    probability = torch.full((1, 1, 8, 8, 8), 0.0)  # logit 0: p = 0.5 everywhere, half of the voxels true
    half = masks[:1, :1]
    n = half.numel()
    expected = 1 - 2 * (0.5 * n / 2) / (0.25 * n + n / 2) + np.log(2)
    assert prompt_loss(probability, half, torch.ones(1, 1, dtype=torch.bool)) == pytest.approx(expected, abs=1e-5)
    levels = [logits[..., ::s, ::s, ::s] for s in (1, 2, 4)]
    assert deep_supervision_loss(levels, masks, real) == pytest.approx(0, abs=1e-6)


def test_the_schedule_warms_up_and_falls_to_zero():
    recipe = Recipe(steps=1000, warm_up=0.1, learning_rate=1e-3)
    rates = [learning_rate(step, recipe) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5)
    assert max(rates) == pytest.approx(1e-3)
    assert int(np.argmax(rates)) in (99, 100)
    assert rates[-1] < 1e-8
    assert all(a >= b for a, b in zip(rates[100:-1], rates[101:], strict=True))


def test_prompts_start_apart(text):
    terms = ["left parotid gland", "right parotid gland", "liver", "spleen", "left kidney", "right kidney"]
    with torch.no_grad():
        pooled = text.pool(*text.tokenizer(terms))
    torch.manual_seed(0)
    head = TextEncoder.from_folder(minilm_folder(), 64).head
    spread_prompts(head, pooled)
    with torch.no_grad():
        queries = head(pooled, torch.zeros(len(terms), dtype=torch.long))
    similar = torch.nn.functional.cosine_similarity
    assert similar(pooled[0], pooled[1], 0) > 0.8
    assert similar(queries[0], queries[1], 0) < 0.7
    assert 0.5 < queries.std() < 2


def test_a_loss_that_is_not_finite_stops_with_the_last_checkpoint_intact(small, recipe, prepared, text, tmp_path):
    trainer = Trainer(recipe, prepared, text, tmp_path, workers=0)
    trainer.run(stop_at=4)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with torch.no_grad():
        trainer.model.mask_embed_proj[0].weight.fill_(torch.nan)
    with pytest.raises(SATError, match="no longer finite at step 4"):
        trainer.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_checkpoint_of_another_recipe_is_not_overwritten(small, recipe, prepared, text, tmp_path):
    Trainer(recipe, prepared, text, tmp_path, workers=0).run(stop_at=1)
    with pytest.raises(InputError, match="another recipe"):
        Trainer(dataclasses.replace(recipe, seed=2), prepared, text, tmp_path, workers=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stepz": 3}', "unknown keys stepz"),
        ('{"datasets": {"a": {"merg": {}}}}', "unknown keys merg"),
        ('{"steps": 0}', '"steps" must be a whole number'),
        ('{"learning_rate": 2}', '"learning_rate" must lie between'),
        ("{", "malformed"),
        ("[]", "malformed"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_before_anything_starts(text, message, tmp_path, capsys):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(InputError, match=message):
        Recipe.read(tmp_path / "recipe.json")
    arguments = ["--recipe", str(tmp_path / "recipe.json"), "--cases", "x", "--run", str(tmp_path / "run")]
    assert main(["train", *arguments]) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "none.nii.gz"}, "there is no file"),
        ({"labels": {"one": "x"}}, "line 2"),
        ({"modality": None, "labels": None}, "line 2"),
        ({"id": "case0"}, "comes twice"),
    ],
)
def test_a_case_list_with_a_mistake_names_its_line(case_list, change, message):
    lines = case_list.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path = case_list.with_name("broken.jsonl")
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=message):
        read_cases(path)


def test_what_cannot_be_split_is_refused(case_list):
    cases = read_cases(case_list)
    training, held_back = split(cases, ["case2"])
    assert ([c.id for c in training], [c.id for c in held_back]) == (["case0", "case1", "case3"], ["case2"])
    with pytest.raises(InputError, match="not in the list: case9"):
        split(cases, ["case2", "case9"])
    with pytest.raises(InputError, match="no case to train on"):
        split(cases, [case.id for case in cases])


def test_a_case_without_a_labelled_voxel_is_refused(case_list):
    (case, *_) = read_cases(case_list)
    with pytest.raises(InputError, match="nothing to learn from"):
        prepare_case(dataclasses.replace(case, labels={9: "spleen"}), DatasetRecipe(), SMALL)


def test_a_mask_on_another_grid_is_refused(case_list, tmp_path):
    (case, *_) = read_cases(case_list)
    mask = nibabel.load(case.mask)
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), np.diag([2.0, 4, 4, 1])), tmp_path / "m.nii.gz")
    with pytest.raises(InputError, match="not on the image's grid"):
        prepare_case(dataclasses.replace(case, mask=tmp_path / "m.nii.gz"), DatasetRecipe(), SMALL)


def test_dice_of_nothing_with_nothing_is_one():
    empty, full = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    assert dice(empty, empty) == 1
    assert dice(empty, full) == 0
    assert dice(full, full) == 1


def test_lungs_of_a_real_neck_ct_are_labelled_on_their_sides(shared):
    cases = {case.id: case for case in read_cases(shared / "data" / "cases.jsonl")}
    case: Case = cases["openkbp_test-pats_pt_285"]
    prepared = prepare_case(case, DatasetRecipe(lungs_from_air=True), SATConfig.named("tiny"))
    labels = prepared.labels.numpy()
    left, right = (np.isin(labels, prepared.terms[f"{side} lung"]) for side in ("left", "right"))
    cord = np.isin(labels, prepared.terms["spinal cord"])
    for lung in (left, right):
        assert 0.5e6 < lung.sum() * 48 < 4e6  # mm3
    assert np.nonzero(left)[0].mean() < np.nonzero(cord)[0].mean() < np.nonzero(right)[0].mean()
    air = Volume.read(case.image).array
    assert air.min() < -900


def test_the_built_in_models_recipe_fits_its_cases(shared):
    recipe = Recipe.read(ROOT / "SATSegment/Resources/Models/sat-tiny/recipe.json")
    cases = read_cases(shared / "data" / "cases.jsonl")
    assert set(recipe.held_back) <= {case.id for case in cases}
    assert set(recipe.datasets) == {case.dataset for case in cases}
    for case in cases:
        labels = set(case.labels.values())
        dataset = recipe.datasets[case.dataset]
        if len(labels) > 10:  # the data sets of one case: every name of the recipe must be there
            assert set(dataset.drop) <= labels
            assert {name for names in dataset.merge.values() for name in names} <= labels
        assert not set(dataset.absent) & labels


def test_means_are_by_term_and_modality():
    from SATTrainingLib.evaluation import Score

    scores = [Score("a", "liver", "ct", 0.5), Score("b", "liver", "ct", 1.0), Score("c", "liver", "mri", 0.1)]
    assert mean_of_terms(scores) == {("liver", "ct"): (0.75, 2), ("liver", "mri"): (0.1, 1)}

"""A small base model in a folder, a configuration that trains it, and processes that start quickly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import NETWORK, PROMPTS, TEXT, ModelFolder, TrainedTerm, write_terms
from SATSegmentLib.models.loading import minilm_folder
from SATSegmentLib.network import SAT
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import TextHead
from SATTrainingLib.cases import DatasetLabels
from SATTrainingLib.training.config import TrainingConfig

TERMS = ("ball", "kidney", "left ball", "right ball")


@pytest.fixture(scope="session")
def small_base(small_config, tmp_path_factory) -> Path:
    """The folder of a model with random weights that knows `TERMS` without its text encoder."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models") / "base"
    folder.mkdir()
    torch.manual_seed(7)
    save_weights(SAT(small_config), folder / NETWORK)
    save_weights(TextHead(384, small_config.text_width), folder / TEXT)
    save_file({"queries": torch.randn(len(TERMS), small_config.text_width)}, folder / PROMPTS)
    write_terms(folder, [TrainedTerm(term, "ct") for term in TERMS])
    transformer = sha256_of(minilm_folder() / "model.safetensors")
    ModelFolder("base", "For tests.", ("ct",), small_config, "minilm", transformer).write(folder)
    return folder


@pytest.fixture
def balls() -> dict[str, DatasetLabels]:
    """What the labels of `ball_cases` teach."""
    terms = {"left ball": ("left ball", "ball"), "right ball": ("right ball", "ball")}
    return {"balls": DatasetLabels(terms, absent=("kidney",))}


@pytest.fixture
def config(ball_cases, small_base, balls) -> TrainingConfig:
    """Twelve steps from `small_base`, validated on one case."""
    return TrainingConfig(
        cases=ball_cases,
        base=str(small_base),
        datasets=balls,
        validation=("case2",),
        steps=12,
        prompts=4,
        learning_rate=4e-3,
        ema=0.9,
        validate_every=6,
        checkpoint_every=4,
        workers=0,
        device="cpu",
    )

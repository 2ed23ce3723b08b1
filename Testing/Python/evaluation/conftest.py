"""A model folder of a small network, and cases with masks it finds something in."""

from __future__ import annotations

import pytest
import torch

from SATSegmentLib.models.folder import NETWORK, PROMPTS, TEXT, ModelFolder, TrainedTerm, write_terms
from SATSegmentLib.network import SAT

TERMS = ("left ball", "right ball", "ball", "liver")


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose more by waiting for each other's threads than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_model(small_config, tmp_path):
    """Writes a model with random weights, whose prompts are known for `TERMS` in CT."""
    from safetensors.torch import save_file

    def make(name: str, seed: int = 1):
        torch.manual_seed(seed)
        folder = tmp_path / name
        folder.mkdir()
        save_file({k: v.contiguous() for k, v in SAT(small_config).state_dict().items()}, folder / NETWORK)
        save_file({"none": torch.zeros(1)}, folder / TEXT)  # every prompt asked here is known without it
        save_file({"queries": torch.randn(len(TERMS), small_config.text_width)}, folder / PROMPTS)
        write_terms(folder, [TrainedTerm(term, "ct") for term in TERMS])
        ModelFolder(name, "for tests", ("ct",), small_config, "minilm", "none").write(folder)
        return folder

    return make

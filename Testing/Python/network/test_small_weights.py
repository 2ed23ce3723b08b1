"""Weights in files of 8-bit integers."""

from __future__ import annotations

import pytest
import torch

from SATSegmentLib.errors import ModelError
from SATSegmentLib.network import SAT, SATConfig
from SATSegmentLib.network.checkpoints import load_weights, save_weights


def test_small_files_hold_bytes_and_give_nearly_the_same_network(tmp_path):
    torch.manual_seed(1)
    network = SAT(SATConfig.named("tiny")).eval()
    save_weights(network, tmp_path / "half", half=True)
    save_weights(network, tmp_path / "small", small=True)
    assert (tmp_path / "small").stat().st_size < 0.52 * (tmp_path / "half").stat().st_size
    read = SAT(SATConfig.named("tiny")).eval()
    load_weights(read, tmp_path / "small", "The network")
    for name, tensor in network.state_dict().items():
        step = tensor.flatten(1).abs().amax(1).max() / 127 if tensor.ndim > 1 else tensor.abs().max() / 1000
        assert (read.state_dict()[name] - tensor).abs().max() <= 0.51 * step + 1e-6, name
    image, queries = torch.randn(1, 1, 32, 32, 32), torch.randn(2, 192)
    with torch.no_grad():
        expected, found = network(image, queries), read(image, queries)
    assert torch.corrcoef(torch.stack((expected.flatten(), found.flatten())))[0, 1] > 0.999


def test_a_small_file_of_another_network_is_refused(tmp_path):
    save_weights(torch.nn.Linear(128, 64), tmp_path / "small", small=True)
    with pytest.raises(ModelError, match=r"weight \(64, 128\) instead of \(128, 64\)"):
        load_weights(torch.nn.Linear(64, 128), tmp_path / "small", "It")

"""Weights in files of 8-bit integers."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

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
    image, queries = torch.randn(1, 1, 32, 16, 16), torch.randn(2, 192)
    with torch.no_grad():
        expected, found = network(image, queries), read(image, queries)
    assert torch.corrcoef(torch.stack((expected.flatten(), found.flatten())))[0, 1] > 0.999


def test_a_small_file_of_another_network_is_refused(tmp_path):
    save_weights(torch.nn.Linear(128, 64), tmp_path / "small", small=True)
    with pytest.raises(ModelError, match=r"weight \(64, 128\) instead of \(128, 64\)"):
        load_weights(torch.nn.Linear(64, 128), tmp_path / "small", "It")


@pytest.mark.parametrize("form", [{}, {"half": True}, {"small": True}])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_not_written(tmp_path, form, value):
    module = torch.nn.Linear(128, 64)
    module.weight.data[1, 2] = value
    with pytest.raises(ModelError, match="weight hold values that are infinite or no numbers"):
        save_weights(module, tmp_path / "weights", **form)
    assert not (tmp_path / "weights").exists()


def test_rows_of_nothing_stay_nothing_and_whole_numbers_stay_whole(tmp_path):
    module = torch.nn.BatchNorm1d(4)
    module.register_parameter("table", torch.nn.Parameter(torch.randn(64, 128)))
    module.table.data[3] = 0
    module.num_batches_tracked += 300
    save_weights(module, tmp_path / "small", small=True)
    read = torch.nn.BatchNorm1d(4)
    read.register_parameter("table", torch.nn.Parameter(torch.ones(64, 128)))
    load_weights(read, tmp_path / "small", "It")
    assert not read.table[3].any()
    assert int(read.num_batches_tracked) == 300


def test_integers_whose_scale_does_not_fit_are_refused(tmp_path):
    weights = {"weight": torch.ones(128, 64, dtype=torch.int8), "weight.scale": torch.ones(64), "bias": torch.ones(128)}
    save_file(weights, tmp_path / "small")
    with pytest.raises(ModelError, match=r"unexpected: weight\.scale"):
        load_weights(torch.nn.Linear(64, 128), tmp_path / "small", "It")

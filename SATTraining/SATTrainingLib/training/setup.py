"""What a run trains, made from its configuration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from SATSegmentLib.inference.device import choose_dtype
from SATSegmentLib.inference.predictor import PromptEncoder
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import CONFIG, ModelFolder
from SATSegmentLib.models.loading import load
from SATSegmentLib.models.registry import find_model
from SATSegmentLib.network import SATConfig

from .config import TrainingConfig
from .initialisation import network_to_train
from .learner import Learner
from .text import Pairs, make_queries


@dataclass(frozen=True, eq=False)
class Setup:
    """A learner before its first step.

    Attributes:
        learner: On the CPU.
        network: Shape of its network.
        pairs: Terms and modalities it asks, in the order of its indices.
        prompts: What its queries were made from, see `text.prompt_encoder`.
        base: `name`, `folder` and `sha256` (of its model.json) of the model it starts from, or None.
    """

    learner: Learner
    network: SATConfig
    pairs: Pairs
    prompts: PromptEncoder
    base: dict[str, str] | None


def network_of_config(config: TrainingConfig) -> SATConfig:
    """The shape of the network that a configuration trains, without reading weights.

    Raises:
        InputError: There is no such model.
        ModelError: It is not installed, or there is no such configuration of networks.
    """
    if config.base is not None:
        return ModelFolder.read(find_model(config.base).folder).network
    network = SATConfig.named(config.network)
    return network if config.window is None else dataclasses.replace(network, window=config.window)


def set_up(config: TrainingConfig, pairs: Pairs) -> Setup:
    """Makes network and queries, the same for the same seed.

    Raises:
        ModelError: The base or its text encoder is not installed, or damaged.
    """
    torch.manual_seed(config.seed)
    network, loaded, base = network_of_config(config), None, None
    if config.base is not None:
        model = find_model(config.base)
        loaded = (model, load(model))
        base = {"name": model.name, "folder": str(model.folder.resolve()), "sha256": sha256_of(model.folder / CONFIG)}
    trained = network_to_train(network, loaded and loaded[1].network, config.train)
    queries, prompts = make_queries(loaded, config.text_encoder, config.text, pairs, network.text_width)
    dtype = choose_dtype(config.precision, torch.device("cpu"))
    return Setup(Learner(trained, queries, dtype, config.silence), network, pairs, prompts, base)

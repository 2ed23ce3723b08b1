"""A run that teaches a text encoder, from its making to its end.

Its folder is that of a training run (`runs`), with `encoder/` for the result, and after an evaluation `retrieval.json`
and `map.png`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from SATSegmentLib.anatomy import knowledge_tree
from SATSegmentLib.errors import Cancelled, InputError

from .. import encoder_folder, runs
from ..caches import texts_cache
from ..cases import read_cases
from ..training import checkpoint
from ..training.distributed import Ranks
from ..training.life import live
from ..training.log import RunLog
from ..training.start import check, prepare
from ..training.stopping import StopRequests
from .atlas import AtlasTower, Wordings, check_terms, image_network, training_of, windows_of
from .concepts import hold_back, knowledge_of
from .config import KnowledgeConfig
from .encoders import Texts, check_encoder, source_of
from .learner import Learner
from .means import means_of
from .pairs import PairSampler
from .trainer import Trainer

ENCODER = runs.ENCODER


def create_run(config: KnowledgeConfig, folder: Path) -> None:
    """Makes the folder of a run, before any work starts; one that holds the same run is left as it is.

    Raises:
        InputError: The encoder or the atlas training cannot be used, or the folder holds another run.
        ModelError: A model or package is not installed.
        SATError: The folder cannot be written.
    """
    check_encoder(config)
    if config.atlas is not None:
        training = training_of(config.atlas)
        check(training, read_cases(training.cases))
    place = folder / runs.CONFIG
    runs.make(folder, config.steps, lambda: KnowledgeConfig.read(place) == config, lambda: config.write(place))


def train(folder: Path) -> str:
    """The whole life of a process that teaches the encoder of the run in `folder`.

    Where torchrun started it, it is one of several. SIGTERM, Ctrl-C or the file `stop` end it with a checkpoint.

    Returns:
        `runs.DONE` or `runs.PAUSED`.

    Raises:
        InputError: There is no run, or it cannot be trained as it is.
        Cancelled: Ctrl-C; the run is paused.
        OtherFailed: Another process failed and has told so.
        SATError: The training failed; the state says why, the last good checkpoint is there.
    """
    if not (folder / runs.CONFIG).is_file():
        raise InputError(f"There is no run in {folder} that teaches a text encoder.")
    folder = folder.resolve()
    config = KnowledgeConfig.read(folder / runs.CONFIG)
    return live(folder, config.steps, config.device, lambda ranks, log, stop: _train(config, folder, ranks, log, stop))


def _train(config: KnowledgeConfig, folder: Path, ranks: Ranks, log: RunLog, stop: StopRequests) -> str:
    if config.batch % ranks.world:
        raise InputError(f'"batch" ({config.batch}) must be a multiple of the {ranks.world} processes; start fewer.')
    log.state(runs.PREPARING, log.step)
    if ranks.rank == 0:
        checkpoint.remove_partial(folder / runs.LAST)
    everything = knowledge_of(knowledge_tree())
    learning = hold_back(everything, config.held_back, config.seed).taught
    torch.manual_seed(config.seed)
    with ranks.together():
        source = source_of(config)
        source.encoder.to(ranks.device)
        texts = Texts(source, config.frozen_layers)
    atlas, windows = None, None
    if config.atlas is not None:
        training = training_of(config.atlas)
        cases = _agreed(ranks, lambda: prepare(training, log.preparing, stop, ranks.rank, ranks.world))
        if cases is None:
            return runs.PAUSED
        with ranks.together():
            check_terms(cases)
            network = image_network(training)
            atlas = AtlasTower(network, source.encoder.head.modality_embed.embedding_dim, config.frozen_images)
            sampler = windows_of(training, network.config, cases, ranks.rank, ranks.world)
            windows = sampler, Wordings(learning, config.seed)
    if texts.frozen:

        def read(done: int, total: int) -> None:
            log.state(runs.PREPARING, log.step)
            log.say(f"read {done} of {total} texts")

        of_cases = [] if windows is None else [term for case in windows[0].cases for term in case.terms]
        for wanted in (everything.texts(), of_cases):
            known = _agreed(
                ranks,
                lambda wanted=wanted: means_of(
                    source.encoder, wanted, texts_cache(), read, stop, ranks.rank, ranks.world
                ),
            )
            if known is None:
                return runs.PAUSED
            texts.known |= known
    with ranks.together():
        learner = Learner(texts, config.temperature, atlas)
        pairs = PairSampler(learning, config.batch, config.seed)
        trainer = Trainer(config, folder, learner, pairs, windows, ranks, log, stop)
    log.begin(trainer.step, world_size=ranks.world, device=str(ranks.device), structures=len(learning.concepts))
    state = trainer.run()
    with ranks.together():
        if state == runs.DONE and ranks.rank == 0:
            if source.new_head:
                _to_unit_variance(texts, [concept.name for concept in learning.concepts])
            encoder_folder.save(folder / ENCODER, source.kind, source.encoder)
    return state


def _agreed(ranks: Ranks, work):
    """What `work` gives; None where any process was asked to stop meanwhile."""
    with ranks.together():
        try:
            made = work()
        except Cancelled:
            made = None
    return None if ranks.sum([made is None])[0] else made


@torch.no_grad()
def _to_unit_variance(texts: Texts, names: list[str]) -> None:
    """Scales the head so that queries are as large as a network expects them; their directions stay."""
    head = texts.encoder.head
    scale = head.projection_layer(texts.refined(names)).square().mean().rsqrt()
    head.projection_layer[2].weight *= scale
    head.projection_layer[2].bias *= scale
    head.modality_embed.weight *= scale

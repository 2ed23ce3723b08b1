"""A small tree, and runs that teach with it in seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from Testing.Python.knowledge.small_tree import small_tree, use_small_tree

from SATSegmentLib.anatomy import knowledge_tree
from SATTrainingLib.knowledge.concepts import Knowledge, knowledge_of
from SATTrainingLib.knowledge.config import KnowledgeConfig


@pytest.fixture(scope="session")
def everything() -> Knowledge:
    """What the extension's own tree teaches."""
    return knowledge_of(knowledge_tree())


@pytest.fixture(scope="session")
def little() -> Knowledge:
    """What the small tree teaches."""
    return knowledge_of(small_tree())


@pytest.fixture
def small(monkeypatch, tmp_path_factory) -> Iterator[None]:
    """The small tree is the knowledge tree during the test; what MiniLM says of it is computed once.

    Its steps are too small to share: one thread.
    """
    use_small_tree(monkeypatch.setattr)
    folder = tmp_path_factory.getbasetemp() / "texts"
    for module in ("start", "evaluation"):
        monkeypatch.setattr(f"SATTrainingLib.knowledge.{module}.texts_cache", lambda: folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def config() -> KnowledgeConfig:
    """Twelve steps with the built-in transformer."""
    return KnowledgeConfig(
        width=16, steps=12, batch=16, learning_rate=1e-3, checkpoint_every=5, held_back=0.2, device="cpu"
    )

"""What the tests of training data share."""

from __future__ import annotations

import pytest

from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.data.prepared import prepare_case


@pytest.fixture(scope="session")
def balls():
    """What the labels of `ball_cases` teach."""
    terms = {"left ball": ("left ball", "ball"), "right ball": ("right ball", "ball")}
    return DatasetLabels(terms=terms, absent=("kidney",))


@pytest.fixture(scope="session")
def prepared(ball_cases, balls, small_config):
    """`ball_cases` on the small network's grid, which is their own."""
    return [prepare_case(case, balls, small_config) for case in read_cases(ball_cases)]

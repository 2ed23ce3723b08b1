"""The scene of the tests of SATSegment's MRML code."""

from Testing.Python.mrml.conftest import (  # noqa: F401
    add_transform,
    add_volume,
    oblique,
    scene,
    segmentation,
    volume,
    warp,
)

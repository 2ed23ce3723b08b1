"""Masks that may overlap, packed into as few label maps as they need."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..imaging.mask import Mask


@dataclass(frozen=True, eq=False)
class LabelLayers:
    """Label maps that together hold all masks.

    Attributes:
        layers: uint8, or uint16 where a layer has more than 255 labels; axes (I, J, K); one at least.
        placement: For each mask its layer and its label value there.
    """

    layers: list[np.ndarray]
    placement: list[tuple[int, int]]


def pack_layers(masks: list[Mask]) -> LabelLayers:
    """Label maps of masks, overlapping ones in different layers.

    The layers are a greedy colouring of the graph of overlaps. Label values count from 1 in each layer, in
    the order given; an empty mask gets a value of its own in layer 0.

    Args:
        masks: One or more, on the same grid.
    """
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(index for index, mask in enumerate(masks) if mask.voxels)
    graph.add_edges_from((a, b) for a, b in combinations(graph.nodes, 2) if masks[a].overlaps(masks[b]))
    layer_of = networkx.greedy_color(graph, strategy="largest_first")

    labels = [0] * (max(layer_of.values(), default=0) + 1)
    placement = []
    for index in range(len(masks)):
        layer = layer_of.get(index, 0)
        labels[layer] += 1
        placement.append((layer, labels[layer]))

    # Fortran order: it is how both NRRD and NIfTI store voxels
    layers = [np.zeros(masks[0].shape, np.uint8 if n <= 255 else np.uint16, order="F") for n in labels]
    for mask, (layer, label) in zip(masks, placement, strict=True):
        layers[layer][mask.slices][mask.block] = label
    return LabelLayers(layers, placement)

"""Cleaning of masks, where it is asked for: their largest part alone, their holes filled."""

from __future__ import annotations

import numpy as np

from ..imaging.mask import Mask


def clean(mask: Mask, largest: bool, holes: bool) -> tuple[Mask, str]:
    """A mask with what is asked done to it, its largest part first, and what that changed, in words.

    Returns:
        The mask, and a text such as "largest component (-134 voxels), holes filled (+57 voxels)"; empty where
        nothing is asked.
    """
    said = []
    if largest:
        before, mask = mask, largest_component(mask)
        said.append(f"largest component ({mask.voxels - before.voxels:+} voxels)")
    if holes:
        before, mask = mask, fill_holes(mask)
        said.append(f"holes filled ({mask.voxels - before.voxels:+} voxels)")
    return mask, ", ".join(said)


def largest_component(mask: Mask) -> Mask:
    """The part with the most voxels; voxels that share a face, an edge or a corner are one part."""
    labels, sizes = components(mask)
    return mask if len(sizes) < 2 else Mask.of(labels == 1, mask.start, mask.shape)


def fill_holes(mask: Mask) -> Mask:
    """With what it encloses: voxels from which no way over faces leads out of the mask's box.

    What is open at the volume's border is no hole.
    """
    import SimpleITK as sitk

    if not mask.voxels:
        return mask
    around = np.pad(mask.block, 1)
    image = sitk.ConnectedComponent(sitk.GetImageFromArray((~around).view(np.uint8)))
    labels = sitk.GetArrayViewFromImage(image)
    return Mask(mask.shape, mask.start, labels[1:-1, 1:-1, 1:-1] != labels[0, 0, 0])


def components(mask: Mask) -> tuple[np.ndarray, list[int]]:
    """The connected parts of a mask, the largest first; a shared face, edge or corner connects.

    Returns:
        The block with the parts' numbers, from 1, in their voxels; the parts' voxels.
    """
    import SimpleITK as sitk

    if not mask.voxels:
        return np.zeros(mask.block.shape, np.uint32), []
    by_size = sitk.RelabelComponentImageFilter()
    image = sitk.GetImageFromArray(mask.block.astype(np.uint8))  # whose axes' order does not matter here
    parts = by_size.Execute(sitk.ConnectedComponent(image, True))
    return sitk.GetArrayFromImage(parts), list(by_size.GetSizeOfObjectsInPixels())

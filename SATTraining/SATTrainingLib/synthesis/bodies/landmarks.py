"""Where the parts that the Human Reference Atlas' volumes leave out belong, read off the volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Landmarks:
    """Lengths and places in voxels of 2.5 mm; axes (R, A, S).

    Attributes:
        centre: R of the midline.
        canal: Rows of (S, A): the middle of the spinal canal, from the sacrum upwards.
        chest: Rows of (S, A of the inner front, half of the inner width), from the costal margin to the lungs' apex.
        promontory: S of the sacrum's upper end.
        domes: S of the diaphragm's highest points, left and right.
        carina: S of the trachea's fork.
        xiphoid: S of the sternum's lower end.
    """

    centre: float
    canal: tuple[tuple[float, float], ...]
    chest: tuple[tuple[float, float, float], ...]
    promontory: float
    domes: tuple[float, float]
    carina: float
    xiphoid: float

    @property
    def apex(self) -> float:
        """S of the lungs' upper end."""
        return self.chest[-1][0]

    def canal_at(self, level: np.ndarray) -> np.ndarray:
        """A of the spinal canal at levels S."""
        return _smooth(self.canal, 1, level)

    def front_at(self, level: np.ndarray) -> np.ndarray:
        """A of the chest's inner front at levels S."""
        return _smooth(self.chest, 1, level)

    def half_width_at(self, level: np.ndarray) -> np.ndarray:
        """Half of the chest's inner width at levels S."""
        return _smooth(self.chest, 2, level)

    def moved(self, right: int, anterior: int) -> Landmarks:
        """The same places in an array that was padded in front of its first voxels."""
        return Landmarks(
            self.centre + right,
            tuple((s, a + anterior) for s, a in self.canal),
            tuple((s, a + anterior, half) for s, a, half in self.chest),
            self.promontory,
            self.domes,
            self.carina,
            self.xiphoid,
        )


def _smooth(rows: tuple[tuple[float, ...], ...], column: int, level: np.ndarray) -> np.ndarray:
    from scipy.interpolate import PchipInterpolator

    table = np.array(rows)
    level = np.clip(level, table[0, 0], table[-1, 0])
    return PchipInterpolator(table[:, 0], table[:, column])(level)


MALE = Landmarks(
    centre=97,
    canal=(
        (96, 35), (112, 43), (130, 51), (150, 56), (165, 56), (180, 53.5), (192, 52.5), (208, 49.5), (224, 46.5),
        (240, 44.5), (256, 44.5), (272, 46.5), (288, 51.5), (304, 59), (319, 66),
    ),
    chest=(
        (172, 120, 56), (190, 122, 58), (210, 121, 59), (230, 118, 58), (245, 114, 56.5), (260, 109, 54),
        (272, 104, 51), (282, 99, 47), (292, 93, 41), (300, 87, 34), (306, 80, 26), (311, 71, 17),
    ),
    promontory=130,
    domes=(241, 248),
    carina=280,
    xiphoid=230,
)  # fmt: skip
FEMALE = Landmarks(
    centre=98,
    canal=(
        (84, 6), (98, 11), (112, 19), (124, 25), (140, 28), (156, 27.5), (172, 24.5), (192, 20), (208, 16), (224, 13),
        (240, 12), (256, 14), (272, 18), (288, 26), (304, 37), (319, 46),
    ),
    chest=(
        (160, 84, 49), (180, 84, 51), (200, 82, 52), (220, 79, 52), (235, 76, 51), (250, 73, 49), (262, 70, 46.5),
        (272, 67, 43), (281, 63, 37.5), (289, 59, 31), (295, 54, 24), (300, 46, 16),
    ),
    promontory=122,
    domes=(231, 239),
    carina=268,
    xiphoid=224,
)  # fmt: skip

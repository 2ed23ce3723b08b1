from importlib.util import find_spec

import numpy as np
import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output.measurements import check_radiomics, intensities, parts, radiomics_of, surface_area


def _ellipsoid(radii, spacing) -> Mask:
    """One with these radii in millimetres, off the grid's middle."""
    shape = [int(2 * radius / step) + 6 for radius, step in zip(radii, spacing, strict=True)]
    i, j, k = ((np.arange(n) - n / 2 + 0.3) * step for n, step in zip(shape, spacing, strict=True))
    a, b, c = radii
    return Mask.of((i / a)[:, None, None] ** 2 + (j / b)[:, None] ** 2 + (k / c) ** 2 < 1)


def _area(radii) -> float:
    """An ellipsoid's surface, by integration over its two angles."""
    a, b, c = radii
    polar = (np.arange(1000)[:, None] + 0.5) * np.pi / 1000
    turn = (np.arange(2000) + 0.5) * np.pi / 1000
    sides = (b * c * np.sin(polar) * np.cos(turn), a * c * np.sin(polar) * np.sin(turn), a * b * np.cos(polar))
    return float((np.sin(polar) * np.sqrt(sum(side**2 for side in sides))).sum() * (np.pi / 1000) ** 2)


@pytest.mark.parametrize(
    ("spacing", "error"), [((1, 1, 1), 0.015), ((0.8, 0.8, 2), 0.06), ((0.7, 2.1, 1.4), 0.08), ((0.8, 0.8, 4), 0.1)]
)
@pytest.mark.parametrize("radii", [(20, 20, 20), (12, 30, 18), (30, 20, 10)])
def test_the_surface_of_round_bodies_is_known(spacing, error, radii):
    assert surface_area(_ellipsoid(radii, spacing), spacing) == pytest.approx(_area(radii), rel=error)


def test_the_surface_does_not_depend_on_the_axes_order():
    mask, spacing = _ellipsoid((12, 30, 18), (0.8, 1.1, 3)), np.array((0.8, 1.1, 3))
    wanted = surface_area(mask, tuple(spacing))
    for order in ((1, 0, 2), (2, 0, 1), (2, 1, 0)):
        turned = Mask.of(mask.array.transpose(order)[::-1])
        assert surface_area(turned, tuple(spacing[list(order)])) == pytest.approx(wanted, rel=5e-3)


def test_the_surface_is_in_millimetres_and_counts_the_cut_at_the_volumes_border():
    whole = _ellipsoid((20, 20, 20), (1, 1, 1))
    assert surface_area(whole, (3, 3, 3)) == pytest.approx(9 * surface_area(whole, (1, 1, 1)))
    half = Mask.of(whole.array[whole.array.shape[0] // 2 :])
    assert surface_area(half, (1, 1, 1)) == pytest.approx(3 * np.pi * 20**2, rel=0.06)
    assert surface_area(Mask.empty((4, 4, 4)), (1, 1, 1)) == 0


def test_parts():
    array = np.zeros((9, 9, 9), bool)
    array[:3, 0, 0] = array[5, 5, 5] = array[8, 8, 6:8] = True
    assert parts(Mask.of(array)) == (3, 0.5)
    assert parts(Mask.empty((9, 9, 9))) == (0, None)


def test_intensities():
    values = np.random.default_rng(0).permutation(np.arange(-100, 101)).astype(np.int16)
    assert intensities(values) == {"median": 0, "p5": -90, "p95": 90, "min": -100, "max": 100}
    assert set(intensities(np.array([7], np.uint8)).values()) == {7}


def test_without_pyradiomics_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr("SATSegmentLib.output.measurements.find_spec", lambda _: None)
    with pytest.raises(InputError, match="package pyradiomics"):
        check_radiomics()


@pytest.mark.skipif(find_spec("radiomics") is None, reason="pyradiomics is optional and not installed")
def test_radiomics_of_a_ball(make_segment):
    spacing = (1.0, 1.0, 2.0)
    mask = _ellipsoid((12, 12, 12), spacing)
    array = np.random.default_rng(0).normal(100, 10, mask.shape).astype(np.float32)
    volume = Volume(array, np.diag([*spacing, 1]), "ct")
    features = radiomics_of(volume, make_segment("a", mask.array))
    assert len(features) > 100
    assert features["radiomics_firstorder_Mean"] == pytest.approx(array[mask.array].mean())
    assert features["radiomics_shape_VoxelVolume"] == 2 * mask.voxels
    assert features["radiomics_shape_Maximum3DDiameter"] == pytest.approx(24, rel=0.1)
    line = np.zeros(mask.shape)
    line[3:8, 4, 4] = 1
    assert radiomics_of(volume, make_segment("a", line)) == {}
    full = np.ones(mask.shape)
    assert radiomics_of(volume, make_segment("a", full))["radiomics_firstorder_Mean"] == pytest.approx(array.mean())

"""Bodies of the public label maps: left is left, what is annotated is where and as large as it is in people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SATSegmentLib.errors import InputError
from SATTrainingLib.settings import read_settings
from SATTrainingLib.synthesis.bodies import KINDS, read_body
from SATTrainingLib.synthesis.tissues import TISSUES

ROOT = Path(__file__).resolve().parents[3]
MAPS = {
    "brain": ("synthseg", "synthseg/training_seg_01.nii.gz"),
    "female": ("hra", "hra/hra_female.nii.gz"),
    "abdomen": ("spl_abdomen", "spl_abdomen/seg.nrrd"),
    "head": ("spl_head_neck", "spl_head_neck/HN-Atlas-labels.nrrd"),
    "knee": ("spl_knee", "spl_knee/seg.nrrd"),
}
# millilitres in adults, with room for what atlases do
SIZES = {
    "brain": {"left cerebral cortex": (150, 400), "left eyeball": (3, 12), "brain stem": (10, 40)},
    "female": {"left lung": (900, 3000), "right lung": (900, 3000), "liver": (1200, 2600), "spine": (250, 1000)},
    "abdomen": {"left kidney": (100, 220), "right kidney": (100, 220), "vertebra lumbar 3": (40, 90)},
    "head": {"brain": (900, 1700), "mandible": (30, 130), "left lung": (80, 1000), "right lung": (80, 1000)},
    "knee": {"patella": (8, 30), "femur": (80, 250)},
}


@pytest.fixture(scope="module")
def maps(shared, tmp_path_factory):
    """The label maps' files, some with every second slice only, which is enough."""
    folder = shared / "data" / "labelmaps"
    if not folder.is_dir():
        pytest.skip(f"the label maps are not at {folder}")
    files = {name: folder / file for name, (_, file) in MAPS.items()}
    for name in ("brain", "head", "knee"):  # whose readers take any spacing
        image = sitk.ReadImage(str(files[name]))
        files[name] = tmp_path_factory.mktemp("maps") / f"{name}.nrrd"
        sitk.WriteImage(image[:, :, ::2], str(files[name]))
    return files


@pytest.fixture(scope="module")
def bodies(maps):
    """Every body once, in the middle of its variation."""
    return {name: read_body(kind, maps[name]) for name, (kind, _) in MAPS.items()}


@pytest.mark.parametrize("name", MAPS)
def test_every_value_has_a_tissue_and_every_label_a_line_in_the_table(bodies, name):
    body = bodies[name]
    table = read_settings(ROOT / "SATTraining/Resources/Synthesis/labels.yaml")[body.dataset]["terms"]
    assert set(np.unique(body.values)) - {0} <= set(body.tissues)
    assert set(body.tissues.values()) <= set(TISSUES)
    assert set(body.labels) <= set(body.tissues)
    assert set(body.labels.values()) <= set(table)
    assert body.dataset == MAPS[name][0]
    assert body.modalities == KINDS[body.dataset]


@pytest.mark.parametrize("name", MAPS)
def test_left_is_left(bodies, name):
    body = bodies[name]
    places = _places(body)
    pairs = [(label, "right" + label[4:]) for label in places if label.startswith("left ")]
    pairs = [(left, right) for left, right in pairs if right in places]
    assert pairs or name == "knee"
    for left, right in pairs:
        if not left.endswith("hepatic artery"):
            assert np.median(places[left][0]) < np.median(places[right][0]), left
    if name == "female":
        assert np.median(places["spleen"][0]) < np.median(places["liver"][0])


@pytest.mark.parametrize("name", MAPS)
def test_structures_have_their_sizes(bodies, name):
    body = bodies[name]
    places = _places(body)
    for label, (least, most) in SIZES[name].items():
        size = places[label].shape[1] * np.prod(body.spacing) / 1000
        assert least <= size <= most, f"{label}: {size:.0f} ml"


def test_lungs_lie_around_the_heart_above_the_liver(bodies):
    body = bodies["female"]
    places = _places(body)
    heart, liver = places["heart"], places["liver"]
    for side in ("left", "right"):
        lung = places[f"{side} lung"]
        assert body.tissues[next(value for value, label in body.labels.items() if label == f"{side} lung")] == "lung"
        assert lung[2].max() > heart[2].max()
        assert np.median(lung[2]) > np.median(liver[2])
    assert places["left lung"][0].min() < heart[0].min()
    assert places["right lung"][0].max() > heart[0].max()


@pytest.mark.parametrize("name", ["female", "abdomen", "head", "knee"])
def test_a_body_is_closed_by_skin(bodies, name):
    """No annotated structure but the airway lies at the air around the body."""
    from scipy import ndimage

    body = bodies[name]
    skin = next(value for value, tissue in body.tissues.items() if tissue == "skin")
    outside = ndimage.binary_dilation(body.values == 0, iterations=1)
    outside[:, :, [0, -1]] = outside[[0, -1]] = outside[:, [0, -1]] = False
    rim = body.values[outside & (body.values > 0)]
    assert (rim == skin).mean() > 0.95


def test_maps_on_another_grid_are_refused_by_readers_that_know_places(shared, tmp_path):
    image = sitk.ReadImage(str(shared / "data/labelmaps/spl_abdomen/seg.nrrd"))
    sitk.WriteImage(image[:, :, ::2], str(tmp_path / "half.nrrd"))
    with pytest.raises(InputError, match=r"256 x 256 x 57 voxels, the published map 256 x 256 x 113; use that one"):
        read_body("spl_abdomen", tmp_path / "half.nrrd")


def test_what_is_added_varies_with_the_random_numbers_and_only_with_them(bodies, maps):
    first, again = (read_body("spl_knee", maps["knee"], np.random.default_rng(1)).values for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, bodies["knee"].values)


def test_what_is_no_label_map_of_a_source_is_refused(tmp_path, shared):
    with pytest.raises(InputError, match="kind"):
        read_body("heads", tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="does not hold the structures"):
        read_body("spl_head_neck", shared / "data/labelmaps/hra/hra_male.nii.gz")


def _places(body) -> dict[str, np.ndarray]:
    """Label name to the voxels of it, (3, n)."""
    annotated = np.isin(body.values, list(body.labels))
    index = np.stack(np.nonzero(annotated))
    values = body.values[annotated]
    found: dict[str, list[np.ndarray]] = {}
    for value, label in body.labels.items():
        if (values == value).any():
            found.setdefault(label, []).append(index[:, values == value])
    return {label: np.concatenate(parts, 1) for label, parts in found.items()}

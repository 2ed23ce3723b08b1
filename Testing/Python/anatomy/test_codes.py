import colorsys
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.sr.codedict import codes
from slicerio import segmentation

import SATSegmentLib
from SATSegmentLib.anatomy import Code, CodedEntry, coded_entry, terminology_string
from SATSegmentLib.resources import resource

COLUMNS = ["term", "category", "type", "type_meaning", "modifier", "red", "green", "blue"]
ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
TISSUE = Code("SCT", "85756007", "Tissue")
LEFT, RIGHT = Code("SCT", "7771000", "Left"), Code("SCT", "24028007", "Right")

# SNOMED CT codes in TotalSegmentator's mapping that DICOM PS3.16 has no context group for.
NOT_IN_DICOM = {
    "110765007": "Portal vein and splenic vein",
    "181674001": "Gluteus maximus muscle",
    "22565002": "Ninth rib",
    "244849004": "Deep muscle of back",
    "24915002": "Seventh rib",
    "43993008": "Twelfth rib",
    "58830002": "Eleventh rib",
    "5953002": "Eighth rib",
    "65985001": "S1 vertebra",
    "68455001": "Iliopsoas muscle",
    "75297007": "Gluteus minimus muscle",
    "77644006": "Tenth rib",
    "78333006": "Gluteus medius muscle",
}


def read_table():
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read_table()
BY_TERM = {row["term"]: row for row in ROWS}
LEFTS = [term for term in BY_TERM if term.startswith("left ")]
PAIRS = [(left, right) for left in LEFTS if (right := left.replace("left ", "right ", 1)) in BY_TERM]


def color_of(row):
    return int(row["red"]), int(row["green"]), int(row["blue"])


def hls_of(color):
    return colorsys.rgb_to_hls(*(channel / 255 for channel in color))


def test_the_file_is_plain():
    raw = resource("Anatomy", "terms.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert raw.decode("utf-8").splitlines()[0].split(",") == COLUMNS


def test_terms_are_sorted_unique_and_normal():
    terms = [row["term"] for row in ROWS]
    assert terms == sorted(set(terms))
    assert all(term and term == " ".join(term.lower().split()) for term in terms)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["term"])
def test_a_row_is_well_formed(row):
    side = {"left": LEFT.value, "right": RIGHT.value}.get(row["term"].split()[0], "")
    assert row["modifier"] == side
    assert all(0 <= channel <= 255 for channel in color_of(row))
    if row["type"]:
        assert row["category"] == ANATOMY.value
        assert row["type"].isdecimal()
        assert row["type_meaning"]
        assert not {"left", "right"} & set(row["type_meaning"].lower().split())
    else:
        assert (row["category"], row["type_meaning"]) == (TISSUE.value, "")


def test_one_type_has_one_meaning():
    assert len({row["type"] for row in ROWS}) == len({(row["type"], row["type_meaning"]) for row in ROWS})


def test_different_structures_have_different_types():
    structures = {(row["term"].removeprefix("left ").removeprefix("right "), row["type"]) for row in ROWS}
    assert len(structures) == len({kind for _, kind in structures})


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_sides_differ_in_modifier_and_lightness_only(left, right):
    left, right = BY_TERM[left], BY_TERM[right]
    for column in ("category", "type", "type_meaning"):
        assert left[column] == right[column]
    assert (left["modifier"], right["modifier"]) == (LEFT.value, RIGHT.value)
    (left_hue, left_lightness, _), (right_hue, right_lightness, _) = hls_of(color_of(left)), hls_of(color_of(right))
    assert abs((left_hue - right_hue + 0.5) % 1 - 0.5) < 0.01
    assert 0.04 < left_lightness - right_lightness < 0.12


def test_there_are_pairs():
    assert ("left lung", "right lung") in PAIRS
    assert len(PAIRS) > 25


def test_colors_are_distinct():
    assert len({color_of(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    "level_terms",
    [
        [f"left rib {i}" for i in range(7, 13)],
        [f"thoracic vertebrae {i} (t{i})" for i in (11, 12)]
        + [f"lumbar vertebrae {i} (l{i})" for i in range(1, 6)]
        + ["sacral vertebrae 1 (s1)"],
    ],
)
def test_neighbouring_levels_differ_in_hue(level_terms):
    hues = [hls_of(coded_entry(term).color)[0] for term in level_terms]
    assert all(abs((a - b + 0.5) % 1 - 0.5) > 0.2 for a, b in zip(hues, hues[1:], strict=False))


def test_codes_are_dicoms_where_dicom_has_them():
    meanings = {}
    for concept in codes.SCT.concepts.values():
        meanings.setdefault(concept.value, set()).add(concept.meaning.lower())
    others = {}
    for row in ROWS:
        if row["type"] in meanings:
            assert row["type_meaning"].lower() in meanings[row["type"]]
        elif row["type"]:
            others[row["type"]] = row["type_meaning"]
    assert others == NOT_IN_DICOM
    for code in (ANATOMY, TISSUE, LEFT, RIGHT):
        assert code.value in meanings


@pytest.mark.parametrize(
    ("term", "value", "meaning", "modifier"),
    [
        ("right lung", "39607008", "Lung", RIGHT),
        ("left lung", "39607008", "Lung", LEFT),
        ("lung", "39607008", "Lung", None),
        ("left kidney", "64033007", "Kidney", LEFT),
        ("liver", "10200004", "Liver", None),
        ("spleen", "78961009", "Spleen", None),
        ("aorta", "15825003", "Aorta", None),
        ("brain", "12738006", "Brain", None),
        ("spinal cord", "2748008", "Spinal cord", None),
        ("right hippocampus", "5366008", "Hippocampus", RIGHT),
        ("lumbar vertebrae 1 (l1)", "66794005", "L1 vertebra", None),
        ("left rib 12", "43993008", "Twelfth rib", LEFT),
    ],
)
def test_known_terms(term, value, meaning, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (ANATOMY, Code("SCT", value, meaning), modifier)
    assert entry.color == color_of(BY_TERM[term])


def test_liver_has_slicers_color():
    assert coded_entry("liver").color == (221, 130, 101)


def test_case_and_spacing_do_not_matter():
    assert coded_entry("  Right\tLUNG ") == coded_entry("right lung")
    assert coded_entry("Left  Foo") == coded_entry("left foo")


def test_a_term_without_code_is_tissue_of_the_tables_color():
    entry = coded_entry("basal ganglia")
    assert (entry.category, entry.type, entry.modifier) == (TISSUE, TISSUE, None)
    assert entry.color == color_of(BY_TERM["basal ganglia"])


@pytest.mark.parametrize(
    ("term", "modifier"), [("flux capacitor", None), ("left flux capacitor", LEFT), ("right flux capacitor", RIGHT)]
)
def test_an_unknown_term_is_tissue_with_its_side(term, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (TISSUE, TISSUE, modifier)


@pytest.mark.parametrize("term", ["left", "leftover", "", "bright spot", "upper right lobe"])
def test_only_a_leading_side_of_something_is_a_side(term):
    assert coded_entry(term).modifier is None


def test_sides_of_an_unknown_term_share_the_hue():
    none, left, right = (hls_of(coded_entry(f"{side}flux capacitor").color) for side in ("", "left ", "right "))
    assert left[0] == pytest.approx(right[0], abs=0.01)
    assert left[0] == pytest.approx(none[0], abs=0.01)
    assert none[1] < right[1] < left[1]


def test_unknown_terms_differ_in_color():
    assert len({coded_entry(f"lesion {i}").color for i in range(20)}) > 15


def test_the_color_of_an_unknown_term_is_the_same_in_every_process():
    environment = os.environ | {"PYTHONPATH": str(Path(SATSegmentLib.__file__).parents[1])}
    code = "from SATSegmentLib.anatomy import coded_entry; print(coded_entry('flux capacitor').color)"
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, env=environment | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == str(coded_entry("flux capacitor").color)


def test_terminology_string():
    assert terminology_string(coded_entry("right lung")) == (
        "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
        "~SCT^39607008^Lung~SCT^24028007^Right~Anatomic codes - DICOM master list~^^~^^"
    )


@pytest.mark.parametrize("term", [*BY_TERM, "flux capacitor", "left flux capacitor"])
def test_terminology_string_is_what_slicerio_reads_and_writes(term):
    entry = coded_entry(term)
    text = terminology_string(entry)
    parsed = segmentation.terminology_entry_from_string(text)
    assert segmentation.terminology_entry_to_string(parsed) == text
    category, kind = Code(*parsed["category"]), Code(*parsed["type"])
    modifier = Code(*parsed["typeModifier"]) if "typeModifier" in parsed else None
    assert CodedEntry(category, kind, modifier, entry.color) == entry
    assert "anatomicRegion" not in parsed

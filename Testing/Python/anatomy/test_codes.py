import colorsys
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.sr.codedict import codes
from slicerio import segmentation

import SATSegmentLib
from SATSegmentLib.anatomy import Code, CodedEntry, coded_entry, terminology_string
from SATSegmentLib.resources import resource

COLUMNS = ["term", "uberon", "category", "type", "type_meaning", "modifier", "red", "green", "blue"]
ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
TISSUE = Code("SCT", "85756007", "Tissue")
LESION = Code("SCT", "49755003", "Morphologically Altered Structure")
LEFT, RIGHT = Code("SCT", "7771000", "Left"), Code("SCT", "24028007", "Right")

# SNOMED CT codes in TotalSegmentator's mapping that DICOM PS3.16 has no context group for.
NOT_IN_DICOM = {
    "110765007": "Portal vein and splenic vein",
    "15339008": "Fifth rib",
    "181674001": "Gluteus maximus muscle",
    "22565002": "Ninth rib",
    "244849004": "Deep muscle of back",
    "24915002": "Seventh rib",
    "25523003": "Fourth rib",
    "25888004": "Third rib",
    "43993008": "Twelfth rib",
    "47351003": "Infiltrate",
    "48535007": "First rib",
    "58830002": "Eleventh rib",
    "5953002": "Eighth rib",
    "59558009": "Sixth rib",
    "65985001": "S1 vertebra",
    "68455001": "Iliopsoas muscle",
    "68786006": "Auricular appendage",
    "74281007": "Myocardium",
    "75297007": "Gluteus minimus muscle",
    "77644006": "Tenth rib",
    "78247007": "Second rib",
    "78333006": "Gluteus medius muscle",
}

# What 3D Slicer has in its category Tissue: kinds of tissue, whatever their place.
TISSUE_TYPES = {
    "272673000": "Bone",
    "309312004": "Cartilage",
    "39937001": "Skin",
    "55603005": "Fat",
    "59441001": "Lymph node",
    "71616004": "Muscle",
}

# Names of one and the same structure.
SAME = {"femur bone": "femur", "rib cartilage": "costal cartilage", "thyroid gland": "thyroid"}

# The only type that names a side: there is no such lobe on the other one.
MIDDLE_LOBE = "72481006"

# Lesions that the list of classes does not flag as such.
UNFLAGGED_LESIONS = {"left kidney cyst", "right kidney cyst", "white matter hyperintensities"}


def read_table():
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read_table()
BY_TERM = {row["term"]: row for row in ROWS}
LEFTS = [term for term in BY_TERM if "left" in term.split()]
PAIRS = [(left, right) for left in LEFTS if (right := left.replace("left", "right", 1)) in BY_TERM]


def sides_of(text):
    return {"left", "right"} & set(text.lower().split())


def structure_of(row):
    structure = " ".join(word for word in row["term"].split() if word not in ("left", "right"))
    return SAME.get(structure, structure)


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
    values = {"left": LEFT.value, "right": RIGHT.value}
    assert [row["modifier"]] == ([values[side] for side in sides_of(row["term"])] or [""])
    assert all(0 <= channel <= 255 for channel in color_of(row))
    if row["type"]:
        assert row["category"] in (ANATOMY.value, TISSUE.value, LESION.value)
        assert (row["category"] == TISSUE.value) == (row["type"] in TISSUE_TYPES)
        assert row["type"].isdecimal()
        assert row["type_meaning"]
        assert row["type"] == MIDDLE_LOBE or not sides_of(row["type_meaning"])
    else:
        assert (row["category"], row["type_meaning"]) == (TISSUE.value, "")


def test_one_type_has_one_meaning():
    assert len({row["type"] for row in ROWS}) == len({(row["type"], row["type_meaning"]) for row in ROWS})


def test_one_type_has_one_category():
    rows = [row for row in ROWS if row["type"]]
    assert len({row["type"] for row in rows}) == len({(row["type"], row["category"]) for row in rows})


def test_different_structures_have_different_types():
    """Tissues and lesions have the type of their kind, there is no column for their place."""
    structures = {(structure_of(row), row["type"]) for row in ROWS if row["category"] == ANATOMY.value}
    assert len(structures) == len({kind for _, kind in structures})


def test_tissue_types_have_their_meaning():
    found = {row["type"]: row["type_meaning"] for row in ROWS if row["category"] == TISSUE.value and row["type"]}
    assert found == TISSUE_TYPES


@pytest.mark.parametrize("row", [row for row in ROWS if row["uberon"]], ids=lambda row: row["term"])
def test_an_uberon_id_is_well_formed(row):
    assert re.fullmatch(r"UBERON:\d{7}", row["uberon"])
    assert row["category"] != LESION.value


def test_different_structures_have_different_uberon_ids():
    structures = {(structure_of(row), row["uberon"]) for row in ROWS if row["uberon"]}
    assert len({uberon for _, uberon in structures}) == len(structures)


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_sides_have_uberon_ids_of_their_own_or_that_of_the_structure(left, right):
    """Uberon has terms for both sides or for none: then both have the id of the structure without side."""
    unsided = BY_TERM.get(" ".join(left.replace("left", "", 1).split()))
    left, right = BY_TERM[left]["uberon"], BY_TERM[right]["uberon"]
    assert bool(left) == bool(right)
    if unsided:
        assert bool(unsided["uberon"]) == bool(left)
        assert (left == right) == (left == unsided["uberon"]) == (right == unsided["uberon"])


def classes_of(shared):
    path = shared / "spec" / "sat_classes.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_class_has_a_row(shared):
    names = {item["name"] for item in classes_of(shared)}
    assert len(names) == 451
    assert not names - set(BY_TERM)


def test_exactly_the_lesions_have_their_category(shared):
    lesions = {item["name"] for item in classes_of(shared) if item["lesion"]} | UNFLAGGED_LESIONS
    assert {row["term"] for row in ROWS if row["category"] == LESION.value} == lesions
    assert all(BY_TERM[term]["type"] for term in lesions)


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
    assert ("head of left femur", "head of right femur") in PAIRS
    assert len(PAIRS) > 110


def test_colors_are_distinct():
    assert len({color_of(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    "level_terms",
    [
        [f"left rib {i}" for i in range(1, 13)],
        [f"right rib {i}" for i in range(1, 13)],
        [f"cervical vertebrae {i} (c{i})" for i in range(1, 8)]
        + [f"thoracic vertebrae {i} (t{i})" for i in range(1, 13)]
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
    assert "morphologically abnormal structure" in meanings[LESION.value]  # DICOM's name for it


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
        ("right rib 1", "48535007", "First rib", RIGHT),
        ("cervical vertebrae 1 (c1)", "14806007", "C1 vertebra", None),
        ("thoracic vertebrae 10 (t10)", "7610001", "T10 vertebra", None),
        ("intervertebral disc between lumbar vertebrae 5 (l5) and sacrum", "715056000", "L5/S1 disc", None),
        ("heart", "80891009", "Heart", None),
        ("left heart ventricle", "21814001", "Ventricle", LEFT),
        ("right heart ventricle", "21814001", "Ventricle", RIGHT),
        ("trachea", "44567001", "Trachea", None),
        ("superior vena cava", "48345005", "Superior vena cava", None),
        ("left scapula", "79601000", "Scapula", LEFT),
        ("head of right femur", "2812003", "Femoral head", RIGHT),
        ("thyroid gland", "69748006", "Thyroid", None),
        ("right lung middle lobe", "72481006", "Middle lobe of right lung", RIGHT),
        ("caudate lobe", "71133005", "Couinaud hepatic segment I", None),
        ("right posterior inferior segment of liver", "277960005", "Couinaud hepatic segment VI", RIGHT),
        ("peripheral zone of prostate", "279706003", "Peripheral zone of the prostate", None),
        ("optic chiasm", "244453006", "Optic chiasm", None),
    ],
)
def test_known_terms(term, value, meaning, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (ANATOMY, Code("SCT", value, meaning), modifier)
    assert entry.color == color_of(BY_TERM[term])


@pytest.mark.parametrize(
    ("term", "value", "meaning", "modifier"),
    [
        ("liver tumor", "108369006", "Neoplasm", None),
        ("left kidney cyst", "367643001", "Cyst", LEFT),
        ("brain edema", "79654002", "Edema", None),
        ("intracranial hemorrhage", "50960005", "Hemorrhage", None),
        ("pulmonary embolism", "55584005", "Embolus", None),
        ("lung nodule", "27925004", "Nodule", None),
        ("lung effusion", "41699000", "Effusion", None),
        ("necrotic brain tumor core", "6574001", "Necrosis", None),
    ],
)
def test_known_lesions(term, value, meaning, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (LESION, Code("SCT", value, meaning), modifier)


@pytest.mark.parametrize(
    ("term", "uberon"),
    [
        ("liver", "UBERON:0002107"),
        ("kidney", "UBERON:0002113"),
        ("left kidney", "UBERON:0004538"),
        ("right kidney", "UBERON:0004539"),
        ("left lung", "UBERON:0002168"),
        ("right lung", "UBERON:0002167"),
        ("heart", "UBERON:0000948"),
        ("left heart ventricle", "UBERON:0002084"),
        ("brain", "UBERON:0000955"),
        ("spleen", "UBERON:0002106"),
        ("pancreas", "UBERON:0001264"),
        ("stomach", "UBERON:0000945"),
        ("aorta", "UBERON:0000947"),
        ("spinal cord", "UBERON:0002240"),
        ("urinary bladder", "UBERON:0001255"),
        ("left femur", "UBERON:0000981"),
        ("cervical vertebrae 1 (c1)", "UBERON:0001092"),
        ("small bowel", "UBERON:0002108"),
        ("liver tumor", ""),
        ("portal vein and splenic vein", ""),
    ],
)
def test_known_uberon_ids(term, uberon):
    assert BY_TERM[term]["uberon"] == uberon


@pytest.mark.parametrize(
    ("term", "color"),
    [
        ("liver", (221, 130, 101)),
        ("heart", (206, 110, 84)),
        ("trachea", (182, 228, 255)),
        ("right lung middle lobe", (202, 164, 140)),
        ("brain edema", (140, 224, 228)),
    ],
)
def test_known_structures_have_slicers_color(term, color):
    assert coded_entry(term).color == color


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

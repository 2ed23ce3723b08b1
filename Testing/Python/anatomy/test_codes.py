import colorsys
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from slicerio import segmentation

import SATSegmentLib
from SATSegmentLib.anatomy import Code, CodedEntry, coded_entry, knowledge_tree, terminology_string
from SATSegmentLib.resources import resource

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
TISSUE = Code("SCT", "85756007", "Tissue")
LESION = Code("SCT", "49755003", "Morphologically Altered Structure")
LEFT, RIGHT = Code("SCT", "7771000", "Left"), Code("SCT", "24028007", "Right")
KIDNEY = Code("SCT", "64033007", "Kidney")
TREE = knowledge_tree()


def read_table():
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


BY_TERM = {row["term"]: row for row in read_table()}


def color_of(row):
    return int(row["red"]), int(row["green"]), int(row["blue"])


def hls_of(color):
    return colorsys.rgb_to_hls(*(channel / 255 for channel in color))


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
        ("left heart ventricle", "87878005", "Left ventricle", None),
        ("right heart ventricle", "53085002", "Right ventricle", None),
        ("trachea", "44567001", "Trachea", None),
        ("superior vena cava", "48345005", "Superior vena cava", None),
        ("left scapula", "79601000", "Scapula", LEFT),
        ("head of right femur", "2812003", "Femoral head", RIGHT),
        ("thyroid gland", "69748006", "Thyroid", None),
        ("right lung middle lobe", "72481006", "Middle lobe of right lung", None),
        ("caudate lobe", "71133005", "Couinaud hepatic segment I", None),
        ("right posterior inferior segment of liver", "277960005", "Couinaud hepatic segment VI", None),
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
        ("left kidney cyst", "367643001", "Cyst", None),
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


def test_a_class_without_snomed_code_has_uberons():
    entry = coded_entry("basal ganglia")
    assert (entry.category, entry.modifier) == (ANATOMY, None)
    assert entry.type == Code("UBERON", "UBERON:0010011", "basal ganglia")
    assert entry.color == color_of(BY_TERM["basal ganglia"])


def test_a_class_without_any_code_is_tissue_of_the_tables_color():
    entry = coded_entry("left subgenual frontal cortex")
    assert (entry.category, entry.type, entry.modifier) == (TISSUE, TISSUE, LEFT)
    assert entry.color == color_of(BY_TERM["left subgenual frontal cortex"])


@pytest.mark.parametrize(
    ("term", "region", "modifier"),
    [("kidney tumor", KIDNEY, None), ("left kidney cyst", KIDNEY, LEFT), ("right kidney cyst", KIDNEY, RIGHT)],
)
def test_a_lesion_has_its_organ_as_region(term, region, modifier):
    entry = coded_entry(term)
    assert entry.category == LESION
    assert (entry.region, entry.region_modifier) == (region, modifier)
    assert terminology_string(entry).endswith(
        f"~SCT^64033007^Kidney~{f'SCT^{modifier.value}^{modifier.meaning}' if modifier else '^^'}"
    )


@pytest.mark.parametrize(
    ("term", "code", "modifier"),
    [
        ("ureter", Code("SCT", "87953007", "Ureter"), None),
        ("left ureter", Code("SCT", "87953007", "Ureter"), LEFT),
        ("popliteal artery", Code("SCT", "43899006", "Popliteal artery"), None),
        ("right popliteal artery", Code("SCT", "43899006", "Popliteal artery"), RIGHT),
        ("suspensory ligament of duodenum", Code("UBERON", "UBERON:0000642", "suspensory ligament of duodenum"), None),
    ],
)
def test_terms_beyond_sats_are_coded(term, code, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (ANATOMY, code, modifier)
    assert entry == coded_entry(TREE.named(term))


def test_every_term_of_uberon_is_coded():
    for term in TREE:
        if term.id.startswith("UBERON:"):
            assert coded_entry(term).type != TISSUE or term.name == "tissue", term


def test_colors_come_from_the_place_in_the_tree():
    named = {name: coded_entry(name).color for name in ("ileal artery", "ileal vein", "artery", "vein")}
    red, _, blue = named["ileal artery"]
    assert red > blue
    red, _, blue = named["ileal vein"]
    assert blue > red
    assert named["ileal artery"] != named["artery"]


def test_siblings_differ_and_sides_share_the_hue():
    for parent in ("carpal bone", "tarsal bone", "cerebral nuclear complex", "muscle of arm", "muscle organ"):
        if term := TREE.named(parent):
            children = [child for _, child in TREE.children(term.id) if not child.side]
            assert len({coded_entry(child).color for child in children}) > 0.9 * len(children)
    checked = 0
    for term in TREE:
        if term.side == "left" and term.base and not term.prompts:
            left, right = (hls_of(coded_entry(TREE.side_of(term.id, side)).color) for side in ("left", "right"))
            assert abs((left[0] - right[0] + 0.5) % 1 - 0.5) < 0.02 or min(left[2], right[2]) < 0.05, term
            checked += 1
    assert checked > 500


@pytest.mark.parametrize(
    ("term", "modifier"), [("flux capacitor", None), ("left flux capacitor", LEFT), ("right flux capacitor", RIGHT)]
)
def test_an_unknown_term_is_tissue_with_its_side(term, modifier):
    entry = coded_entry(term)
    assert (entry.category, entry.type, entry.modifier) == (TISSUE, TISSUE, modifier)


@pytest.mark.parametrize("term", ["left", "leftover", "", "bright spot", "upright spot"])
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
    places = (Code(*parsed[part]) if part in parsed else None for part in ("anatomicRegion", "anatomicRegionModifier"))
    assert CodedEntry(category, kind, modifier, entry.color, *places) == entry

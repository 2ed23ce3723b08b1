"""The table of SAT's classes, `Resources/Anatomy/terms.csv`: names, places, codes and colours keep their rules."""

import colorsys
import csv
import json
import re

import pytest
from pydicom.sr.codedict import codes

from SATSegmentLib.anatomy.sources import read_uberon
from SATSegmentLib.resources import resource

COLUMNS = [
    "term",
    "name",
    "uberon",
    "parents",
    "category",
    "type",
    "type_meaning",
    "modifier",
    "region",
    "region_meaning",
    "region_modifier",
    "red",
    "green",
    "blue",
]
ANATOMY, TISSUE, LESION = "123037004", "85756007", "49755003"
LATERALITY = {"left": "7771000", "right": "24028007"}
UBERON = re.compile(r"UBERON:\d{7}")

# Their class of vertebrae, which Uberon does not say; and the lobe that Uberon puts into both others.
ADDED_TO_UBERON = ("cervical vertebrae 1 (c1)", "cervical vertebrae 2 (c2)", "caudate lobe")
RELATION = re.compile(r"(is a|part of|located in|contains) (\S.*)")
ROOT = "lesion"  # of the lesions; the tree's own, not a class

# Codes that no context group of DICOM PS3.16 has; all are in TotalSegmentator's SNOMED CT mapping.
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
    "74281007": "Myocardium",
    "75297007": "Gluteus minimus muscle",  # "minius" there, a slip
    "77644006": "Tenth rib",
    "78247007": "Second rib",
    "78333006": "Gluteus medius muscle",
    "91381003": "Pleural cavity",
}

# What 3D Slicer has in its category Tissue: kinds of tissue, whatever their place.
TISSUE_TYPES = {
    "272673000": "Bone",
    "309312004": "Cartilage",
    "39937001": "Skin",
    "55603005": "Fat",
    "59441001": "Lymph node",
    "71616004": "Muscle",
    "85756007": "Tissue",
    "91728009": "Nerve",
}

# Classes, no lesions, whose type says what they are but not where.
PLACED = {
    "abdominal tissue": ("Tissue", "Abdomen"),
    "arytenoid": ("Cartilage", "Larynx"),
    "external cerebrospinal fluid": ("Cerebrospinal Fluid", "Cranial Subarachnoid Space"),
    "femur cartilage": ("Cartilage", "Femur"),
    "heart tissue": ("Tissue", "Heart"),
    "inferior alveolar nerve": ("Nerve", "Mandible"),
    "liver vessel": ("Blood vessel", "Liver"),
    "lumbar vertebrae 6 (l6)": ("Vertebra", "Lumbar spine"),
    "mediastinal tissue": ("Tissue", "Mediastinum"),
    "nasopharyngeal lymph node": ("Lymph node", "Head and Neck"),
    "pharynx constrictor muscle": ("Muscle", "Pharynx"),
    "tibia cartilage": ("Cartilage", "Tibia"),
}
WHOLE_BODY = {"bone", "fat", "lymph node", "muscle", "skin", "tumor"}

# Two classes for one structure.
SAME = {"femur bone": "femur", "rib cartilage": "costal cartilage", "thyroid gland": "thyroid"}

# Named for a side, but no half of a pair: chambers of the heart, lobes and segments of unpaired organs.
UNPAIRED = {
    "left auricle of heart",
    "left heart atrium",
    "left heart ventricle",
    "left lateral inferior segment of liver",
    "left lateral superior segment of liver",
    "left lobe of liver",
    "left medial segment of liver",
    "left thyroid",
    "right anterior inferior segment of liver",
    "right anterior superior segment of liver",
    "right heart atrium",
    "right heart ventricle",
    "right lobe of liver",
    "right lung middle lobe",
    "right posterior inferior segment of liver",
    "right posterior superior segment of liver",
    "right thyroid",
}

# What the built-in model segments beyond SAT's classes.
NO_CLASSES = {
    "fourth ventricle",
    "left cerebral cortex",
    "left cerebral white matter",
    "left lateral ventricle",
    "right cerebral cortex",
    "right cerebral white matter",
    "right lateral ventricle",
}

# Lesions that the list of classes does not flag as such.
UNFLAGGED_LESIONS = {"left kidney cyst", "right kidney cyst", "white matter hyperintensities"}

# All that is not lower case in a name.
CAPITALS = re.compile(r"[CTL]\d+|S1|T12-L1|L5-S1|([TL])\d+-\1\d+|COVID-19|Eustachian|IV|VI{0,3}|I{1,3}")


def read_table():
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read_table()
BY_TERM = {row["term"]: row for row in ROWS}
LESIONS = [row for row in ROWS if row["category"] == LESION]
LATERAL = [row for row in ROWS if row["modifier"]]
LEFTS = [row for row in LATERAL if row["modifier"] == LATERALITY["left"]]


def term_of(row):
    return row["term"]


def name_of(row):
    return row["name"] or row["term"]


def sides_of(text):
    return set(re.findall(r"\b(left|right)\b", text.lower()))


def mirrored(text):
    return re.sub(r"\bleft\b", "right", text)


def without_side(text):
    return " ".join(re.sub(r"\b(left|right)\b", "", text).split())


def relations_of(row):
    return [RELATION.fullmatch(text).groups() for text in row["parents"].split(";") if text]


def color_of(row):
    return int(row["red"]), int(row["green"]), int(row["blue"])


def hls_of(row):
    return colorsys.rgb_to_hls(*(channel / 255 for channel in color_of(row)))


def hue_difference(a, b):
    return abs((hls_of(a)[0] - hls_of(b)[0] + 0.5) % 1 - 0.5)


def classes_of(shared):
    path = shared / "spec" / "sat_classes.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# The file


def test_the_file_is_plain():
    raw = resource("Anatomy", "terms.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert raw.decode("utf-8").splitlines()[0].split(",") == COLUMNS


def test_every_row_is_whole_and_trimmed():
    for row in ROWS:
        assert None not in row, row["term"]
        assert all(value is not None and value == " ".join(value.split()) for value in row.values()), row["term"]


def test_terms_are_sorted_unique_and_normal():
    terms = [row["term"] for row in ROWS]
    assert terms == sorted(set(terms))
    assert all(term and term == " ".join(term.lower().split()) for term in terms)


def test_every_class_has_a_row(shared):
    names = {item["name"] for item in classes_of(shared)}
    assert len(names) == 451
    assert not names - set(BY_TERM)


def test_rows_beyond_the_classes_are_known(shared):
    assert set(BY_TERM) - {item["name"] for item in classes_of(shared)} == NO_CLASSES


# Names


@pytest.mark.parametrize("row", [row for row in ROWS if row["name"]], ids=term_of)
def test_a_name_is_written_as_in_a_list_and_says_more_than_the_term(row):
    for word in row["name"].replace("(", " ").replace(")", " ").split():
        assert word == word.lower() or CAPITALS.fullmatch(word), word
    assert row["name"] != row["term"] or row["term"] in {*SAME, *SAME.values()}


@pytest.mark.parametrize("row", ROWS, ids=term_of)
def test_a_name_has_the_side_of_its_term(row):
    assert sides_of(name_of(row)) == sides_of(row["term"])
    if row["name"] and row["modifier"]:
        assert row["name"].startswith(("left ", "right "))


def test_names_tell_structures_apart():
    structures = {(name_of(row), SAME.get(row["term"], row["term"])) for row in ROWS}
    assert len({name for name, _ in structures}) == len(structures) == len(ROWS) - len(SAME)


@pytest.mark.parametrize(("other", "term"), SAME.items())
def test_two_classes_of_one_structure_differ_in_term_and_color_only(other, term):
    own = {"term", "red", "green", "blue"}
    first, second = ({k: v for k, v in BY_TERM[key].items() if k not in own} for key in (other, term))
    assert first == second
    assert first["name"]
    assert first["uberon"]


def test_names_of_sides_say_the_same():
    for row in LEFTS:
        assert mirrored(name_of(row)) == name_of(BY_TERM[mirrored(row["term"])])


# Places: the Uberon term that it is, or relations


@pytest.mark.parametrize("row", ROWS, ids=term_of)
def test_a_row_has_an_uberon_id_or_relations(row):
    assert bool(row["uberon"]) != bool(row["parents"]) or row["term"] in ADDED_TO_UBERON
    if row["uberon"]:
        assert UBERON.fullmatch(row["uberon"])
        assert row["category"] != LESION
    else:
        assert {"is a", "part of", "located in"} & {kind for kind, _ in relations_of(row)}


@pytest.mark.parametrize("term", ADDED_TO_UBERON)
def test_what_is_added_to_uberon_is_not_in_it(term, uberon):
    row = BY_TERM[term]
    (relation,) = relations_of(row)
    assert relation[1] not in uberon[row["uberon"]].parents


def test_one_uberon_id_and_side_is_one_structure():
    structures = {
        (SAME.get(row["term"], row["term"]), (row["uberon"], row["modifier"])) for row in ROWS if row["uberon"]
    }
    assert len({place for _, place in structures}) == len(structures)


@pytest.mark.parametrize("left", LEFTS, ids=term_of)
def test_sides_have_uberon_ids_of_their_own_or_that_of_the_structure(left):
    right, unsided = BY_TERM[mirrored(left["term"])], BY_TERM.get(without_side(left["term"]))
    assert bool(left["uberon"]) == bool(right["uberon"])
    if unsided:
        assert bool(unsided["uberon"]) == bool(left["uberon"])
        assert len({left["uberon"], right["uberon"], unsided["uberon"]}) in (1, 3)


@pytest.mark.parametrize("row", [row for row in ROWS if row["parents"] and not row["uberon"]], ids=term_of)
def test_relations_refer_to_rows_or_to_what_no_row_is(row):
    ids = {other["uberon"] for other in ROWS if not other["modifier"]}
    relations = relations_of(row)
    assert len({other for _, other in relations}) == len(relations)
    for _, other in relations:
        assert other in BY_TERM or other == ROOT or (UBERON.fullmatch(other) and other not in ids)
        assert other != row["term"]
        assert sides_of(other) <= sides_of(row["term"])


def test_relations_of_sides_mirror_each_other():
    for row in LEFTS:
        assert mirrored(row["parents"]) == BY_TERM[mirrored(row["term"])]["parents"]


def upward_of(rows):
    """What is directly above each term; two classes of one structure are one."""
    above = {}
    for row in rows:
        for kind, other in relations_of(row):
            low, high = (other, row["term"]) if kind == "contains" else (row["term"], other)
            above.setdefault(SAME.get(low, low), set()).add(SAME.get(high, high))
    return above


def all_above(above, term):
    found, front = set(), {term}
    while front:
        front = set().union(*(above.get(near, set()) for near in front)) - found
        found |= front
    return found


def test_nothing_is_above_itself():
    above = upward_of(ROWS)
    assert not [term for term in above if term in all_above(above, term)]


def test_exactly_the_lesions_are_lesions(shared):
    flagged = {item["name"] for item in classes_of(shared) if item["lesion"]} | UNFLAGGED_LESIONS
    above = upward_of(ROWS)
    assert {row["term"] for row in LESIONS} == flagged
    assert {row["term"] for row in ROWS if ROOT in all_above(above, row["term"])} == flagged


@pytest.mark.parametrize("row", LESIONS, ids=term_of)
def test_a_lesion_is_located_where_its_region_says(row):
    places = [other for kind, other in relations_of(row) if kind == "located in"]
    assert len(places) == (row["term"] not in WHOLE_BODY)
    assert len(places) == bool(row["region"])
    for place in places:
        if place in BY_TERM:
            assert (BY_TERM[place]["type"], BY_TERM[place]["modifier"]) == (row["region"], row["region_modifier"])


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


def test_uberon_has_the_ids_and_their_sides(uberon):
    for row in ROWS:
        for key in filter(None, [row["uberon"], *(other for _, other in relations_of(row) if UBERON.fullmatch(other))]):
            assert key in uberon, (row["term"], key)
        if row["uberon"]:
            assert sides_of(uberon[row["uberon"]].name) in (set(), sides_of(row["term"])), row["term"]


def test_a_side_without_modifier_is_uberons_own(uberon):
    for row in ROWS:
        if sides_of(row["term"]) and row["uberon"] and not row["modifier"]:
            assert sides_of(uberon[row["uberon"]].name) == sides_of(row["term"]), row["term"]


def test_nothing_is_above_itself_in_uberon_either(uberon):
    id_of = {row["term"]: row["uberon"] for row in ROWS if row["uberon"] and not row["modifier"]}
    above = {id_of.get(low, low): {id_of.get(high, high) for high in highs} for low, highs in upward_of(ROWS).items()}
    for key, term in uberon.items():
        above.setdefault(key, set()).update(term.parents)
    assert not [row["term"] for row in ROWS if row["term"] in all_above(above, row["term"])]


# Codes


@pytest.mark.parametrize("row", ROWS, ids=term_of)
def test_a_code_is_well_formed(row):
    if row["type"]:
        assert row["category"] in (ANATOMY, TISSUE, LESION)
        assert (row["category"] == TISSUE) == (row["type"] in TISSUE_TYPES)
        assert row["type"].isdecimal()
        assert row["type_meaning"]
    else:
        assert (row["category"], row["type_meaning"], row["region"]) == (TISSUE, "", "")
    assert bool(row["region"]) == bool(row["region_meaning"])
    assert row["region"].isdecimal() or not row["region"]


@pytest.mark.parametrize("row", ROWS, ids=term_of)
def test_a_half_of_a_pair_has_its_side_once(row):
    sided = [LATERALITY[side] for side in sides_of(row["term"])]
    lesion = row["category"] == LESION
    named = sides_of(row["region_meaning"])
    assert [row["modifier"]] == ([""] if lesion or row["term"] in UNPAIRED else sided or [""])
    assert [row["region_modifier"]] == (sided if lesion and not named and sided else [""])
    assert not (row["modifier"] and sides_of(row["type_meaning"]))
    assert not (row["region_modifier"] and named)


def test_what_is_named_for_a_side_of_no_pair_has_a_type_of_its_own():
    others = {row["type"] for row in ROWS if row["term"] not in UNPAIRED}
    types = [BY_TERM[term]["type"] for term in UNPAIRED if BY_TERM[term]["type"]]
    assert len(types) == len(set(types)) == len(UNPAIRED) - 2  # no source has the liver's lobes
    assert not others & set(types)
    for term in UNPAIRED:
        meaning = BY_TERM[term]["type_meaning"]
        assert sides_of(meaning) == sides_of(term) or "segment" in term or not meaning


def test_sides_have_the_same_code():
    assert len(LEFTS) > 100
    assert 2 * len(LEFTS) == len(LATERAL)
    same = ("category", "type", "type_meaning", "region", "region_meaning", "region_modifier")
    for left in LEFTS:
        right, unsided = BY_TERM[mirrored(left["term"])], BY_TERM.get(without_side(left["term"]))
        assert right["modifier"] == LATERALITY["right"]
        for column in same:
            assert left[column] == right[column], left["term"]
            assert not unsided or unsided[column] == left[column], left["term"]


@pytest.mark.parametrize(("code", "others"), [("type", "type_meaning category"), ("region", "region_meaning")])
def test_one_code_is_one_concept(code, others):
    for other in others.split():
        assert len({row[code] for row in ROWS}) == len({(row[code], row[other] if row[code] else "") for row in ROWS})


def test_different_structures_have_different_codes():
    structures = [
        (row["type"], row["region"], row["modifier"])
        for row in ROWS
        if row["type"] and row["category"] != LESION and row["term"] not in SAME
    ]
    assert len(structures) == len(set(structures))


def test_tissue_types_have_their_meaning():
    found = {row["type"]: row["type_meaning"] for row in ROWS if row["category"] == TISSUE and row["type"]}
    assert found == TISSUE_TYPES


def test_codes_are_dicoms_where_dicom_has_them():
    meanings = {}
    for concept in codes.SCT.concepts.values():
        meanings.setdefault(concept.value, set()).add(concept.meaning.lower())
    others = {}
    for row in ROWS:
        for code, meaning in ((row["type"], row["type_meaning"]), (row["region"], row["region_meaning"])):
            if meaning.lower() not in meanings.get(code, {""} if not code else ()):
                others[code] = meaning
    assert others == NOT_IN_DICOM
    assert {ANATOMY, TISSUE, LESION, *LATERALITY.values()} <= set(meanings)


def test_what_has_a_general_type_has_a_region():
    placed = {row["term"]: (row["type_meaning"], row["region_meaning"]) for row in ROWS if row["region"]}
    assert {term: place for term, place in placed.items() if term not in {row["term"] for row in LESIONS}} == PLACED
    assert {row["term"] for row in ROWS if row["type"] in TISSUE_TYPES and not row["region"]} == WHOLE_BODY - {"tumor"}
    assert {row["term"] for row in LESIONS if not row["region"]} == {"tumor"}


# Colours


def test_colors_are_distinct():
    assert all(0 <= channel <= 255 for row in ROWS for channel in color_of(row))
    assert len({color_of(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("left", LEFTS, ids=term_of)
def test_sides_share_the_hue_and_the_left_is_lighter(left):
    right = BY_TERM[mirrored(left["term"])]
    assert hue_difference(left, right) < 0.01
    assert 0.04 < hls_of(left)[1] - hls_of(right)[1] < 0.12


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
    ids=["left ribs", "right ribs", "vertebrae"],
)
def test_neighbouring_levels_differ_in_hue(level_terms):
    rows = [BY_TERM[term] for term in level_terms]
    assert all(hue_difference(a, b) > 0.2 for a, b in zip(rows, rows[1:], strict=False))


@pytest.mark.parametrize(
    ("term", "color"),
    [
        ("liver", (221, 130, 101)),
        ("heart", (206, 110, 84)),
        ("left heart ventricle", (152, 55, 13)),
        ("right heart ventricle", (181, 85, 57)),
        ("external cerebrospinal fluid", (85, 188, 255)),
        ("trachea", (182, 228, 255)),
        ("right lung middle lobe", (202, 164, 140)),
        ("brain edema", (140, 224, 228)),
    ],
)
def test_known_structures_have_slicers_color(term, color):
    assert color_of(BY_TERM[term]) == color


# Rows


@pytest.mark.parametrize(
    ("term", "name", "uberon", "kind", "modifier"),
    [
        ("left kidney", "left kidney", "UBERON:0004538", "Kidney", "left"),
        ("right kidney", "right kidney", "UBERON:0004539", "Kidney", "right"),
        ("left lung upper lobe", "left upper lobe of lung", "UBERON:0008952", "Upper lobe of lung", "left"),
        ("right lung middle lobe", "right middle lobe of lung", "UBERON:0002174", "Middle lobe of right lung", ""),
        ("left heart atrium", "left atrium of heart", "UBERON:0002079", "Left atrium", ""),
        ("right heart ventricle", "right ventricle of heart", "UBERON:0002080", "Right ventricle", ""),
        ("left auricle of heart", "left atrial appendage", "UBERON:0006630", "Left auricular appendage", ""),
        ("left thyroid", "left lobe of thyroid gland", "UBERON:0001120", "Left lobe of thyroid", ""),
        ("left lobe of liver", "left lobe of liver", "UBERON:0001115", "", ""),
        ("caudate lobe", "liver segment I (caudate lobe)", "UBERON:0001117", "Couinaud hepatic segment I", ""),
        ("left femur", "left femur", "UBERON:0000981", "Femur", "left"),
        ("head of right femur", "right femoral head", "UBERON:0006767", "Femoral head", "right"),
        ("left hip", "left hip bone", "UBERON:0001272", "Hip", "left"),
        ("left iliac vena", "left common iliac vein", "UBERON:0001139", "Common iliac vein", "left"),
        ("right iliac artery", "right common iliac artery", "UBERON:0035322", "Common iliac artery", "right"),
        ("cervical vertebrae 1 (c1)", "C1 vertebra", "UBERON:0001092", "C1 vertebra", ""),
        ("thoracic vertebrae 8 (t8)", "T8 vertebra", "UBERON:0011050", "T8 vertebra", ""),
        ("lumbar vertebrae 6 (l6)", "L6 vertebra", "", "Vertebra", ""),
        ("sacral vertebrae 1 (s1)", "S1 vertebra", "UBERON:0004622", "S1 vertebra", ""),
        ("left rib 8", "left rib 8", "UBERON:0010757", "Eighth rib", "left"),
        ("left thalamus", "left thalamus", "UBERON:0013683", "Thalamus", "left"),
        ("left straight gyrus", "left gyrus rectus", "UBERON:0004671", "", "left"),
        ("bronchie", "bronchus", "UBERON:0002185", "Bronchus", ""),
        ("uterocervix", "uterine cervix", "UBERON:0000002", "Cervix", ""),
        ("muscle", "muscle", "UBERON:0001630", "Muscle", ""),
        ("small bowel", "small bowel", "UBERON:0002108", "Small intestine", ""),
        ("portal vein and splenic vein", "portal vein and splenic vein", "", "Portal vein and splenic vein", ""),
    ],
)
def test_known_structures(term, name, uberon, kind, modifier):
    row = BY_TERM[term]
    found = (name_of(row), row["uberon"], row["type_meaning"], row["modifier"])
    assert found == (name, uberon, kind, LATERALITY.get(modifier, ""))


@pytest.mark.parametrize(
    ("term", "kind", "region", "modifier"),
    [
        ("liver tumor", "Neoplasm", "Liver", ""),
        ("left kidney cyst", "Cyst", "Kidney", "left"),
        ("kidney cyst", "Cyst", "Kidney", ""),
        ("left heart atrium scar", "Scar tissue", "Left atrium", ""),
        ("brain edema", "Edema", "Brain", ""),
        ("intracranial hemorrhage", "Hemorrhage", "Cranial Cavity", ""),
        ("pulmonary embolism", "Embolus", "Pulmonary artery", ""),
        ("lung effusion", "Effusion", "Pleural cavity", ""),
        ("tumor", "Neoplasm", "", ""),
    ],
)
def test_known_lesions(term, kind, region, modifier):
    row = BY_TERM[term]
    found = (row["category"], row["type_meaning"], row["region_meaning"], row["region_modifier"], row["modifier"])
    assert found == (LESION, kind, region, LATERALITY.get(modifier, ""), "")


@pytest.mark.parametrize(
    ("term", "relations"),
    [
        ("kidney tumor", {("is a", "tumor"), ("located in", "kidney")}),
        ("left kidney cyst", {("is a", "kidney cyst"), ("located in", "left kidney")}),
        ("left insula anterior long gyrus", {("part of", "insula")}),
        ("left posterior temporal lobe", {("part of", "left temporal lobe")}),
        ("lumbar vertebrae 6 (l6)", {("is a", "lumbar vertebrae")}),
        ("necrotic brain tumor core", {("part of", "brain tumor"), ("located in", "brain")}),
        (
            "portal vein and splenic vein",
            {("part of", "UBERON:0010194"), ("contains", "UBERON:0001639"), ("contains", "UBERON:0003713")},
        ),
    ],
)
def test_known_relations(term, relations):
    assert set(relations_of(BY_TERM[term])) == relations

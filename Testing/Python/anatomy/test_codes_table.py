"""The table of codes of terms that no SAT class has, `Resources/Anatomy/codes.csv`: each code is of its structure."""

import csv
import re

import pytest
from pydicom.sr.codedict import codes

from SATSegmentLib.anatomy.sources import read_uberon
from SATSegmentLib.resources import resource

COLUMNS = ["uberon", "category", "type", "type_meaning", "red", "green", "blue"]
ANATOMY, TISSUE, SUBSTANCE = "123037004", "85756007", "91720002"
PLACEHOLDER = ("128", "174", "128")  # 3D Slicer's colour of any tissue

# Kinds of tissue, whatever their place: what 3D Slicer has in its category Tissue.
TISSUE_TYPES = {
    "Artery",
    "Cartilage",
    "Ligament",
    "Lymphatic vessel",
    "Meniscus",
    "Nerve",
    "Tendon",
    "Vein",
}

SUBSTANCES = {
    "Amniotic fluid (substance)",
    "Ascitic fluid",
    "Bile",
    "Blood",
    "Feces",
    "Urine",
}

# Codes that no context group of DICOM PS3.16 has; all are in TotalSegmentator's SNOMED CT mapping.
NOT_IN_DICOM = {
    "28641004": "Phalanx structure",
    "3572006": "Vertebral body",
    "53884002": "Metatarsal",
    "68786006": "Auricular appendage",
}

# In 3D Slicer's list, which DICOM no longer has: of the codes it knows these by SNOMED CT's full names only.
OLDER_NAMES = {
    "52731004": "Abdominal cavity",
    "86969008": "Female external genitalia",
}

# Uberon's name of a structure and DICOM's, where they are not made of the same words. Slips are DICOM's or 3D Slicer's.
SAME = {
    "acromion": "Acromion process of scapula",
    "aortic valve anulus": "Aortic Valve Ring",
    "arch of aorta": "Aortic arch",
    "atlanto-axial joint": "Atlantal-axial joint",
    "broad ligament of uterus": "Broad ligament",
    "carina of trachea": "Carina",
    "carotid sinus": "Carotid Bulb",
    "carpal region": "Carpus",
    "cartilage tissue": "Cartilage",
    "chorda tendineae": "Chordae tendineae cordis",
    "cingulum of brain": "Cingulum",
    "external capsule of telencephalon": "external capsule",
    "fontanelle": "Fontanel of skull",
    "forelimb digital artery": "Digital artery of hand",
    "forelimb skin": "Skin of upper extremity",
    "gastric lymph node": "lymph node of stomach",
    "hepatic portal vein": "Portal vein",
    "interlobar lymph node": "interlobar lymph node of the lung",
    "internal capsule of telencephalon": "internal capsule",
    "internal iliac lymph node": "hypogastric lymph node",
    "intertarsal joint": "Tarsal joint",
    "intervertebral disk of axis": "C2/C3 disc",
    "intervertebral disk of fifth cervical vertebra": "C5/C6 disc",
    "intervertebral disk of fourth cervical vertebra": "C4/C5 disc",
    "intervertebral disk of seventh cervical vertebra": "C7/T1 disc",
    "intervertebral disk of sixth cervical vertebra": "C6/C7 disc",
    "intervertebral disk of third cervical vertebra": "C3/C4 disc",
    "intraglandular lymph node": "intraglandular parotid lymph node",
    "jugal bone": "Zygoma",
    "juxta-intestinal mesenteric lymph node": "juxtaintestinal lymph node",
    "kidney calyx": "Calyx",
    "limb": "Extremity",
    "lobar lymph node": "lobar lymph node of the lung",
    "lower jaw incisor": "Mandibular incisor teeth",
    "manual digit 1": "Thumb",
    "mesenteric lymph node": "lymph node of mesentery",
    "metatarsus region": "Metatarsus",
    "mouth mucosa": "Oral mucosa",
    "navicular bone of pes": "Navicular of hindfoot",
    "neural arch": "Arch of vertebra",
    "optic disc": "Optic nerve head",
    "outer canthus": "Lateral Canthus",
    "patellar ligament": "Patellar Tendon",
    "peritoneum": "Peritioneum",
    "posterior commissure": "Posterior cerebral commissure",
    "promontory lymph node": "promontory common iliac lymph node",
    "pulmonary valve anulus": "Pulmonic ring",
    "scalenus anterior": "Scalenous anterior muscle",
    "segmental lymph node": "segmental lymph node of the lung",
    "segmental renal artery": "Segmental Artery",
    "sinoatrial node": "Sino-atrial node",
    "sinotubular junction": "Aortic Sinotubular Junction",
    "skin of palm of manus": "Skin of palm of hand",
    "sternal angle of sternum": "Sternal angle",
    "subarachnoid space of brain": "Cranial Subarachnoid Space",
    "subsegmental lymph node": "subsegmental lymph node of the lung",
    "tetrapod frontal bone": "Frontal bone",
    "tetrapod parietal bone": "Parietal bone",
    "trabecula carnea": "Trabeculae carnae",
    "transverse process of vertebra": "Transverse process or vertebra",
    "tricuspid valve anulus": "Tricuspid Annulus",
    "tunica intima": "Intima",
    "tunica media": "Media",
    "upper jaw incisor": "Maxillary incisor teeth",
    "vagina orifice": "Vaginal introitus",
    "vertebral column": "Spine",
    "vestibule of vagina": "Vulval vestibule",
}

WORDS_OF_ANY = {"bone", "bones", "muscle", "muscles", "of", "structure", "the"}
SPELLINGS = {"ae": "e", "disc": "disk", "oe": "e", "peroneal": "fibular"}


def read_table(name):
    with resource("Anatomy", name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read_table("codes.csv")
CLASSES = read_table("terms.csv")


def words_of(name):
    """What tells names apart: no order, number, spelling, nor what SNOMED CT adds to any name."""
    name = re.sub(r"\((body structure|substance)\)", "", name.lower())
    for variant, spelling in SPELLINGS.items():
        name = name.replace(variant, spelling)
    return sorted(word.rstrip("s") for word in re.findall(r"[a-z0-9]+", name) if word not in WORDS_OF_ANY)


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


@pytest.fixture(scope="module")
def type_of(uberon):
    return {uberon[row["uberon"]].name: (row["type"], row["type_meaning"]) for row in ROWS}


# The file


def test_the_file_is_plain():
    raw = resource("Anatomy", "codes.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert raw.decode("utf-8").splitlines()[0].split(",") == COLUMNS
    assert len(ROWS) > 600


def test_every_row_is_whole_and_trimmed():
    for row in ROWS:
        assert None not in row, row["uberon"]
        assert all(value is not None and value == " ".join(value.split()) for value in row.values()), row["uberon"]
        assert row["type"].isdecimal()
        assert 0 < len(row["type_meaning"]) <= 64, row["uberon"]  # DICOM's limit


def test_rows_are_sorted_and_unique():
    ids = [row["uberon"] for row in ROWS]
    assert ids == sorted(set(ids))
    assert len({row["type"] for row in ROWS}) == len(ROWS)


def test_colors_are_whole_or_absent():
    for row in ROWS:
        color = row["red"], row["green"], row["blue"]
        assert color == ("", "", "") or all(channel.isdecimal() and int(channel) < 256 for channel in color), row
        assert color != PLACEHOLDER, row


def test_exactly_the_tissues_and_substances_have_their_category():
    meanings = {ANATOMY: set(), TISSUE: set(), SUBSTANCE: set()}
    for row in ROWS:
        meanings[row["category"]].add(row["type_meaning"])
    assert meanings[TISSUE] == TISSUE_TYPES
    assert meanings[SUBSTANCE] == SUBSTANCES


# The codes


def test_codes_are_dicoms_where_dicom_has_them():
    meanings = {}
    for concept in codes.SCT.concepts.values():
        meanings.setdefault(concept.value, set()).add(concept.meaning.lower())
    absent, renamed = {}, {}
    for row in ROWS:
        if row["type"] not in meanings:
            absent[row["type"]] = row["type_meaning"]
        elif row["type_meaning"].lower() not in meanings[row["type"]]:
            renamed[row["type"]] = row["type_meaning"]
    assert absent == NOT_IN_DICOM
    assert renamed == OLDER_NAMES


def test_types_name_no_side():
    """The side is a modifier of the type."""
    assert not [row for row in ROWS if re.search(r"\b(left|right)\b", row["type_meaning"].lower())]


def test_ids_are_in_uberon(uberon):
    assert not {row["uberon"] for row in ROWS} - set(uberon)


def test_a_type_means_what_its_term_is_called(uberon):
    differing = {}
    for row in ROWS:
        term = uberon[row["uberon"]]
        if words_of(row["type_meaning"]) not in map(words_of, (term.name, *term.synonyms)):
            differing[term.name] = row["type_meaning"]
    assert differing == SAME


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("abdominal aorta", "7832008", "Abdominal aorta"),
        ("aortic valve", "34202007", "Aortic Valve"),
        ("arch of aorta", "57034009", "Aortic arch"),
        ("basilar artery", "59011009", "Basilar artery"),
        ("common bile duct", "79741001", "Common bile duct"),
        ("coronary artery", "41801008", "Coronary artery"),
        ("dura mater", "18545000", "Dura mater"),
        ("fibula", "87342007", "Fibula"),
        ("hepatic portal vein", "32764006", "Portal vein"),
        ("intervertebral disk of fifth cervical vertebra", "73959003", "C5/C6 disc"),
        ("mediastinum", "72410000", "Mediastinum"),
        ("patella", "64234005", "Patella"),
        ("pectoralis major", "60005003", "Pectoralis major muscle"),
        ("putamen", "89278009", "Putamen"),
        ("sigmoid colon", "60184004", "Sigmoid colon"),
        ("splenic vein", "35819009", "Splenic vein"),
        ("superior mesenteric artery", "42258001", "Superior mesenteric artery"),
        ("tongue", "21974007", "Tongue"),
        ("urethra", "13648007", "Urethra"),
        ("vagus nerve", "88882009", "Vagus nerve"),
    ],
)
def test_known_codes(type_of, name, value, meaning):
    assert type_of[name] == (value, meaning)


@pytest.mark.parametrize(
    ("meaning", "color"),
    [
        ("Artery", ("216", "101", "79")),
        ("Bile", ("0", "145", "30")),
        ("Mediastinum", ("255", "244", "209")),
        ("Tongue", ("166", "84", "94")),
    ],
)
def test_known_structures_have_slicers_color(meaning, color):
    assert [(row["red"], row["green"], row["blue"]) for row in ROWS if row["type_meaning"] == meaning] == [color]


# Beside the table of SAT's classes


def test_no_term_is_in_both_tables():
    assert not {row["uberon"] for row in ROWS} & {row["uberon"] for row in CLASSES}


def test_a_type_in_both_tables_is_the_whole_of_sides_or_the_kind_of_what_has_a_place():
    """A class with a region is one of a kind there; one with a side of its own in Uberon, half of a structure."""
    ours = {row["type"] for row in ROWS}
    shared = [row for row in CLASSES if row["type"] in ours]
    assert shared
    for row in shared:
        assert row["region"] or row["modifier"], row["term"]


def test_a_type_in_both_tables_has_one_meaning_and_category():
    ours = {row["type"]: (row["type_meaning"], row["category"]) for row in ROWS}
    for row in CLASSES:
        if row["type"] in ours:
            assert (row["type_meaning"], row["category"]) == ours[row["type"]], row["term"]


def test_regions_have_the_codes_of_the_structures():
    ours = {row["type"]: row["type_meaning"] for row in ROWS}
    by_meaning = {meaning.lower(): value for value, meaning in ours.items()}
    for row in CLASSES:
        if row["region"] in ours or row["region_meaning"].lower() in by_meaning:
            assert (row["region"], row["region_meaning"]) in ours.items(), row["term"]

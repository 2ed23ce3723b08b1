"""The tables of names of human anatomy (names.csv) and of what Uberon lacks (added.csv) keep their rules."""

import csv
import re

import pytest

from SATSegmentLib.anatomy.relations import CONTAINS, IS_A, LOCATED_IN, PART_OF
from SATSegmentLib.anatomy.scope import why_left_out
from SATSegmentLib.anatomy.sources import read_uberon
from SATSegmentLib.resources import resource

UBERON = re.compile(r"UBERON:\d{7}")
SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
RELATION = re.compile(f"({IS_A}|{PART_OF}|{LOCATED_IN}|{CONTAINS}) (\\S.*)")
ROOT = "lesion"  # of the lesions; the tree's own

COMPARATIVE = re.compile(
    r"\b(manus|manual|manural|pes|pedal|forelimb|hindlimb|\w+pod|\w+podium|camera-type|mammalian|tetrapod|chordate|jugal|"
    r"plus|radiale|intermedium|ulnare|zygapophysis|\w+zygapophysis|neural (arch|spine)|os coxa)\b|\(1909\)"
)
# Human names that only look like those of animals.
HUMAN = {
    "extensor digitorum brevis manus",
    "lateral pes lemniscus",
    "medial pes lemniscus",
    "os vesalianum manus",
    "pes anserinus",
}
PROPER = re.compile(
    r"Achilles|Adamkiewicz|Bartholin|Brodmann|Douglas|Eustachian|Guyon|Haller|Heubner|Lisfranc|Luschka|Magendie|Meckel|Meynert|"
    r"Monro|Oddi|Onodi|Prussak|Vater|Waldeyer|[AMPV]\d|[CST]\d(-[CT]\d)?|VI?|I{1,3}|IV[ab]?"
)

NAMED = """
    radiale = scaphoid; intermedium = lunate bone; ulnare = triquetrum; distal carpal bone 1 = trapezium;
    distal carpal bone 2 = trapezoid bone; distal carpal bone 3 = capitate; distal carpal bone 4 = hamate;
    distal tarsal bone 1 = medial cuneiform; distal tarsal bone 2 = intermediate cuneiform;
    distal tarsal bone 3 = lateral cuneiform; navicular bone of pes = navicular bone; jugal bone = zygomatic bone;
    tetrapod parietal bone = parietal bone; orbitosphenoid = lesser wing of sphenoid bone;
    acetabular part of hip bone = acetabulum; ventral tubercle of humerus = greater tubercle of humerus;
    ectepicondyle of humerus = lateral epicondyle of humerus; entepicondyle of humerus = medial epicondyle of humerus;
    astragalus head = head of talus; neural arch = vertebral arch; vertebral arch joint = facet joint;
    forelimb = upper limb; hindlimb = lower limb; forelimb stylopod = upper arm; hindlimb stylopod = thigh;
    forelimb zeugopod = forearm; hindlimb zeugopod = lower leg; manus = hand; pes = foot; carpal region = wrist;
    tarsal region = ankle; popliteal area = popliteal fossa; manual digit 1 = thumb; manual digit 4 = ring finger;
    pedal digit 1 = great toe; pedal digit 3 = third toe; metacarpal bone of digit 1 = first metacarpal bone;
    metatarsal bone of digit 5 = fifth metatarsal bone;
    distal interphalangeal joint of manural digit 5 = distal interphalangeal joint of little finger;
    frontal artery = supratrochlear artery; ocular angle artery = angular artery; tentorial sinus = straight sinus;
    median basilic vein = median cubital vein; dorsal venous arch = dorsal venous arch of foot;
    hepatic portal vein = portal vein; serratus ventralis = serratus anterior muscle;
    serratus dorsalis superior muscle = serratus posterior superior muscle; accessory XI nerve = accessory nerve;
    brachial nerve plexus = brachial plexus; skin of pes = skin of foot; musculature of manus = musculature of hand;
    hindlimb long bone = long bone of lower limb; mammalian vulva = vulva; caecum = cecum
"""

# What radiologists ask for: a row of added.csv, or a term of Uberon by its name or a synonym.
WANTED = """
    medial meniscus; lateral meniscus; medial collateral ligament of knee; lateral collateral ligament of knee;
    iliotibial tract; plantar fascia; prepatellar bursa; subacromial bursa; trochanteric bursa; rotator cuff;
    acetabular labrum; glenoid labrum of scapula; supraspinatus tendon; triangular fibrocartilage complex;
    multifidus muscle; pronator quadratus muscle; extensor hallucis longus muscle; extensor indicis muscle;
    opponens pollicis muscle; lateral plantar artery; inferior gluteal artery; lateral circumflex femoral artery;
    sphenopalatine artery; superior petrosal sinus; straight sinus; ascending lumbar vein; superior gluteal nerve;
    inferior gluteal nerve; long thoracic nerve; lateral femoral cutaneous nerve; genitofemoral nerve;
    ilioinguinal nerve; auriculotemporal nerve; mastoid antrum; upper pole of kidney; lower pole of kidney;
    trigone of lateral ventricle; pleural space; perirenal space; anterior pararenal space; mesorectum; Hoffa fat pad;
    epicardial fat; pericardial fat; visceral fat; subcutaneous adipose tissue; psoas compartment; aortic root;
    aortic isthmus; aortic bifurcation; suprasellar cistern; interpeduncular cistern; ambient cistern;
    quadrigeminal cistern; M1 segment; A1 segment; P1 segment; intervertebral foramen; neural foramen; thecal sac;
    aneurysm; hematoma; abscess; fracture; ascites; pneumothorax; pericardial effusion; atelectasis; consolidation;
    emphysema; coronary artery calcification; metastasis; lymphadenopathy; hydronephrosis; kidney stone; gallstone;
    thrombus; adrenal nodule; thyroid nodule; bone metastasis; breast tumor; prostate tumor; bladder tumor;
    ovarian cyst; meningioma; pulmonary embolism
"""

# Rows whose name is a synonym in Uberon, but of something else.
SYNONYMS_OF_OTHERS = {
    "ambient cistern": "quadrigeminal cistern",  # behind the midbrain; the ambient cisterns are beside it
    "thrombus": "blood clot",  # the substance; the lesion is a clot in a vessel
}
EVERYWHERE = {"abscess", "calcification", "hematoma", "hernia", "metastasis"}
LOCATED_BUT_NO_LESIONS = {"artery of Adamkiewicz"}


def read_table(name):
    with resource("Anatomy", f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


NAMES = {row["id"]: row["name"] for row in read_table("names")}
ADDED = {row["name"]: row for row in read_table("added")}
TERMS = read_table("terms")
CLASSES = {row["term"]: row for row in TERMS}


def items_of(text):
    return [" ".join(item.split()) for item in text.split(";")]


def relations_of(row):
    return [RELATION.fullmatch(text).groups() for text in row["parents"].split(";") if text]


def synonyms_of(row):
    return [synonym for synonym in row["synonyms"].split(";") if synonym]


def slug(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


def all_above(above, key):
    found, front = set(), {key}
    while front:
        front = set().union(*(above.get(near, set()) for near in front)) - found
        found |= front
    return found


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


@pytest.fixture(scope="module")
def stays(uberon):
    left_out = why_left_out(uberon)
    return {key: term for key, term in uberon.items() if key not in left_out}


@pytest.fixture(scope="module")
def shown(stays):
    """Names under which Uberon's terms are listed; SAT's classes have their own."""
    return {key: NAMES.get(key, term.name) for key, term in stays.items()}


@pytest.fixture(scope="module")
def synonyms(stays):
    """Whose synonyms they are, by synonym in lower case."""
    found = {}
    for key, term in stays.items():
        for synonym in (term.name, *term.synonyms):
            found.setdefault(synonym.lower(), set()).add(key)
    for row in read_table("synonyms"):
        found.setdefault(row["synonym"].lower(), set()).add(row["term"])
    return found


# The files


@pytest.mark.parametrize(
    ("table", "header"), [("names", ["id", "name"]), ("added", ["name", "parents", "paired", "synonyms"])]
)
def test_a_file_is_plain_sorted_and_unique(table, header):
    raw = resource("Anatomy", f"{table}.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert raw.decode("utf-8").splitlines()[0].split(",") == header
    rows = read_table(table)
    keys = [row[header[0]] for row in rows]
    assert keys == sorted(set(keys))
    for row in rows:
        assert None not in row
        assert all(value is not None and value == " ".join(value.split()) for value in row.values()), row
        assert not any(re.search(r" ;|; |;;|^;|;$", value) for value in row.values()), row


@pytest.mark.parametrize("names", [NAMES.values(), ADDED], ids=["names", "added"])
def test_a_name_is_written_as_in_a_list(names):
    words = {word for name in names for word in re.split(r"[ ()]", name)}
    assert "" not in words
    assert not {word for word in words if word != word.lower() and not PROPER.fullmatch(word)}


# names.csv


def test_ids_are_of_terms_that_stay_and_have_another_label(stays):
    assert not [key for key in NAMES if key not in stays]
    assert not [name for key, name in NAMES.items() if stays[key].name == name]


def test_the_names_of_sats_classes_are_not_in_the_table():
    assert not NAMES.keys() & {row["uberon"] for row in TERMS}


def test_no_two_terms_have_one_name(shown):
    classes = {row["uberon"] for row in TERMS}
    owners = {}
    for key, name in shown.items():
        if key not in classes:
            owners.setdefault(name.lower(), []).append(key)
    assert not {NAMES[key]: owners[NAMES[key].lower()] for key in NAMES if len(owners[NAMES[key].lower()]) > 1}
    of_classes = {name.lower() for row in TERMS for name in (row["term"], row["name"])}
    assert not [name for name in NAMES.values() if name.lower() in of_classes]


def test_a_name_has_the_side_of_the_label(uberon):
    others = {name for key, name in NAMES.items() if set(SIDE.findall(name)) != set(SIDE.findall(uberon[key].name))}
    assert others == {"hepatorenal recess"}  # there is one, right of the midline


def test_sides_that_follow_by_themselves_are_not_listed(uberon):
    named = {uberon[key].name for key in NAMES}
    assert not [
        uberon[key].name
        for key in NAMES
        if SIDE.search(uberon[key].name) and " ".join(SIDE.sub("", uberon[key].name).split()) in named
    ]


def test_nothing_is_shown_by_the_name_that_animals_have(shown):
    classes = {row["uberon"] for row in TERMS}
    sided = {f"{side} {name}" for side in ("left", "right") for name in ("forelimb", "hindlimb")}
    found = {name for key, name in shown.items() if key not in classes and COMPARATIVE.search(name)}
    assert found - sided == HUMAN


@pytest.mark.parametrize("pair", items_of(NAMED))
def test_known_names(uberon, pair):
    label, name = pair.split(" = ")
    (key,) = (key for key, term in uberon.items() if term.name == label)
    assert NAMES[key] == name


@pytest.mark.parametrize(
    ("limb", "digits"),
    [
        ("manual", ("thumb", "index finger", "middle finger", "ring finger", "little finger")),
        ("pedal", ("great toe", "second toe", "third toe", "fourth toe", "fifth toe")),
    ],
)
@pytest.mark.parametrize("part", ["proximal phalanx", "distal phalanx", "nail", "interphalangeal joint"])
def test_parts_of_digits_have_the_names_of_the_digits(uberon, limb, digits, part):
    keys = {term.name: key for key, term in uberon.items()}
    for number, digit in enumerate(digits, 1):
        assert NAMES[keys[f"{limb} digit {number}"]] == digit
        assert NAMES[keys[f"{part} of {limb} digit {number}"]] == f"{part} of {digit}"


# added.csv: names


def test_names_are_new(shown, synonyms):
    known = {name.lower() for name in shown.values()} | {
        name.lower() for row in TERMS for name in (row["term"], row["name"])
    }
    assert not [name for name in ADDED if name.lower() in known]
    owners = {
        name: {shown.get(key, key) for key in synonyms[name.lower()]} for name in ADDED if name.lower() in synonyms
    }
    assert owners == {name: {other} for name, other in SYNONYMS_OF_OTHERS.items()}


def test_names_stay_apart_as_ids():
    slugs = [slug(name) for name in ADDED] + sorted({slug(row["name"] or row["term"]) for row in TERMS})
    assert len(slugs) == len(set(slugs))


def test_a_synonym_names_one_structure(shown):
    names = {name.lower() for name in (*shown.values(), *ADDED)} | {row["name"].lower() for row in TERMS}
    seen = {}
    for name, row in ADDED.items():
        for synonym in synonyms_of(row):
            assert synonym.lower() not in names, (name, synonym)
            assert seen.setdefault(synonym.lower(), name) == name, (name, synonym)
        assert len({synonym.lower() for synonym in synonyms_of(row)}) == len(synonyms_of(row)), name


@pytest.mark.parametrize("wanted", items_of(WANTED))
def test_what_radiologists_ask_for_is_there(shown, synonyms, wanted):
    own = {name.lower() for row_name, row in ADDED.items() for name in (row_name, *synonyms_of(row))}
    found = own | {name.lower() for name in shown.values()} | synonyms.keys() | CLASSES.keys()
    assert wanted.lower() in found


def test_numbered_structures_are_complete():
    segments = [name for name, row in ADDED.items() if (IS_A, "UBERON:8600017") in relations_of(row)]
    assert len([name for name in segments if " right " in name]) == 10
    assert len([name for name in segments if " left " in name]) == 8
    for count, letter, artery in ((7, "C", "internal carotid"), (4, "M", "middle cerebral"), (4, "V", "vertebral")):
        names = [f"{letter}{number} segment of {artery} artery" for number in range(1, count + 1)]
        assert [name for name in ADDED if name.endswith(f" segment of {artery} artery")] == names


def test_the_discs_are_complete():
    levels = [f"C{i}" for i in range(2, 8)] + [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 6)] + ["S1"]
    names = {*NAMES.values(), *ADDED, *(row["name"] for row in TERMS)}
    discs = [f"{a}-{b} intervertebral disc" for a, b in zip(levels, levels[1:], strict=False)]
    assert not [disc for disc in discs if disc not in names]


# added.csv: relations


def test_relations_refer_to_what_there_is(stays):
    classes = {row["uberon"] for row in TERMS if not row["modifier"]}
    for name, row in ADDED.items():
        relations = relations_of(row)
        assert {kind for kind, _ in relations} & {IS_A, PART_OF, LOCATED_IN}, name
        assert len({other for _, other in relations}) == len(relations), name
        for _, other in relations:
            if UBERON.fullmatch(other):
                assert other in stays, name
                assert other not in classes, f"{name}: SAT's class is to be named"
            else:
                assert other in ADDED or other in CLASSES or other == ROOT, name


def test_nothing_is_above_itself(uberon):
    ids = {row["term"]: row["uberon"] for row in TERMS if row["uberon"] and not row["modifier"]}
    above = {key: set(term.parents) for key, term in uberon.items()}
    for row in (*TERMS, *ADDED.values()):
        own = row.get("term") or row["name"]
        for kind, other in relations_of(row):
            low, high = (other, own) if kind == CONTAINS else (own, other)
            above.setdefault(ids.get(low, low), set()).add(ids.get(high, high))
    assert not [name for name in ADDED if name in all_above(above, name)]


def test_a_lesion_is_one_and_has_a_place():
    above = {}
    for row in (*TERMS, *ADDED.values()):
        above[row.get("term") or row["name"]] = {other for kind, other in relations_of(row) if kind == IS_A}
    lesions = {name for name in ADDED if ROOT in all_above(above, name)}
    located = {name for name, row in ADDED.items() if LOCATED_IN in dict(relations_of(row))}
    assert len(lesions) > 40
    assert lesions - located == EVERYWHERE
    assert located - lesions == LOCATED_BUT_NO_LESIONS


# added.csv: sides


def test_paired_is_zero_or_one():
    assert {row["paired"] for row in ADDED.values()} == {"0", "1"}


def test_what_is_paired_says_no_side():
    assert not [name for name, row in ADDED.items() if row["paired"] == "1" and SIDE.search(name)]


def test_a_lesion_is_paired_as_its_place_is():
    paired = {row["id"] for row in read_table("paired")} | {row["uberon"] for row in TERMS if row["modifier"]}
    sided = {SIDE.sub("", term).strip() for term in CLASSES if SIDE.match(term)} - {"thyroid"}  # its sides are lobes
    for name, row in ADDED.items():
        places = [other for kind, other in relations_of(row) if kind == LOCATED_IN]
        if places and row["paired"] == "1":
            assert any(place in paired or place in sided for place in places), name
        if any(place in sided for place in places) and name not in LOCATED_BUT_NO_LESIONS:
            assert row["paired"] == "1", name


@pytest.mark.parametrize(
    ("name", "relations", "paired"),
    [
        ("medial meniscus", {(IS_A, "UBERON:0000387"), (PART_OF, "UBERON:0001485")}, "1"),
        ("superior petrosal sinus", {(IS_A, "UBERON:0017635")}, "1"),
        ("apical segment of right upper lobe", {(IS_A, "UBERON:8600017"), (PART_OF, "right lung upper lobe")}, "0"),
        ("liver segment IVa", {(PART_OF, "left medial segment of liver")}, "0"),
        ("Prussak space", {(PART_OF, "epitympanum")}, "1"),
        ("adrenal nodule", {(IS_A, "tumor"), (LOCATED_IN, "adrenal gland")}, "1"),
        ("liver metastasis", {(IS_A, "metastasis"), (IS_A, "liver tumor"), (LOCATED_IN, "liver")}, "0"),
        ("gallstone", {(IS_A, "lesion"), (LOCATED_IN, "gallbladder")}, "0"),
    ],
)
def test_known_rows(name, relations, paired):
    assert set(relations_of(ADDED[name])) == relations
    assert ADDED[name]["paired"] == paired

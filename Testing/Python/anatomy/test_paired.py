import csv
import re

import pytest

from SATSegmentLib.anatomy.sources import read_uberon
from SATSegmentLib.resources import resource

SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)

PAIRED = """
    femur; scapula; clavicle bone; patella; rib 7; radiale; distal carpal bone 4; metacarpal bone of digit 1;
    proximal phalanx of manual digit 2; metatarsal bone of digit 5; distal phalanx of pedal digit 1;
    tetrapod parietal bone; jugal bone; head of femur; neck of femur; greater trochanter;
    lateral malleolus of fibula; glenoid fossa; mandible condylar process; mastoid process of temporal bone;
    acetabular part of hip bone; maxillary sinus; zygomatic arch; internal acoustic meatus;
    hip joint; temporomandibular joint; metacarpophalangeal joint of manual digit 1; sacro-iliac joint;
    anterior cruciate ligament of knee joint; inguinal ligament; calcaneal tendon;
    psoas major muscle; biceps brachii; superior oblique extraocular muscle; sternocleidomastoid; crus of diaphragm;
    femoral artery; vertebral artery; posterior communicating artery; trunk of common carotid artery; renal vein;
    great saphenous vein; sigmoid sinus; facial nerve; cranial nerve II; brachial nerve plexus; sciatic nerve;
    trigeminal ganglion; axillary lymph node; superficial inguinal lymph node; parotid gland; lobe of thyroid gland;
    lens of camera-type eye; retina; cochlea; tympanic cavity; lateral semicircular canal; kidney; ureter;
    adrenal gland; testis; ovary; fallopian tube; seminal vesicle; lung; pleural cavity; palatine tonsil;
    arytenoid cartilage; dorsal thalamus; caudate nucleus; putamen; hippocampal formation; amygdala;
    posterior limb of internal capsule; superior temporal gyrus; central sulcus; optic radiation;
    telencephalic ventricle; middle cerebellar peduncle; cerebellar hemisphere; manus; hindlimb stylopod; knee;
    breast; cheek; manual digit 1
"""

NOT_PAIRED = {
    "midline": "aorta; celiac trunk; inferior mesenteric artery; basilar artery; anterior communicating artery; "
    "hepatic portal vein; azygos vein; anterior vena cava; superior sagittal sinus; great cerebral vein; "
    "thoracic duct; diaphragm; orbicularis oris muscle; transverse arytenoid; sternum; fused sacrum; hyoid bone; "
    "vomer; tetrapod frontal bone; pubic symphysis; sagittal suture; liver; spleen; pancreas; urinary bladder; uterus; "
    "prostate gland; larynx; trachea; tongue; nasal septum; corpus callosum; third ventricle; pons; "
    "superior hypogastric nerve plexus; pituitary gland; vertebral bone 1; spinal cord",
    "two that are no mirror images, or only one": "coronary artery; cardiac atrium; cardiac ventricle; colic artery; "
    "hepatic artery; lobe of liver; middle lobe of lung; hemiazygos vein; Virchow's lymph node",
    "a kind": "carpal bone; tarsal bone; phalanx; pes bone; artery; muscle of neck; nerve; skeletal joint; gyrus; "
    "nucleus of thalamus; extra-ocular muscle; eyelid; lymph node; manual digit; distal phalanx of digit 1; "
    "dorsal root ganglion",
    "many on a side": "intercostal artery; posterior intercostal vein; lumbar artery; digital artery; "
    "lymphatic vessel; pulmonary vein; kidney calyx; alveolus of lung",
    "not human or gone at birth": "clavotrapezius muscle; dentary; quadrate bone; M. sartorius; eminentia arcuata; "
    "tibiofibula; cardinal vein; hyaloid artery; metanephros; metacarpal fold",
    "microscopic": "retina blood vessel; layer of retina; nephron; seminiferous tubule of testis",
    "teeth, vertebrae, research parcels": "molar tooth; transverse process of atlas; Brodmann (1909) area 4; "
    "caudal middle frontal gyrus",
}


def names_of(text):
    return [" ".join(name.split()) for name in text.split(";")]


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


@pytest.fixture(scope="module")
def labels(uberon):
    return {term.name for term in uberon.values()}


@pytest.fixture(scope="module")
def rows():
    with resource("Anatomy", "paired.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["id", "name"]
        return list(reader)


@pytest.fixture(scope="module")
def names(rows):
    return {row["name"] for row in rows}


def test_the_file_is_plain():
    raw = resource("Anatomy", "paired.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert not raw.startswith(b"\xef\xbb\xbf")


def test_sorted_and_unique(rows):
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    assert len({row["name"] for row in rows}) == len(rows)


def test_every_row_is_a_term_of_uberon(rows, uberon):
    wrong = [row for row in rows if row["id"] not in uberon or uberon[row["id"]].name != row["name"]]
    assert not wrong


def test_no_name_has_a_side_already(rows):
    assert not [row["name"] for row in rows if SIDE.search(row["name"])]


def test_what_is_paired_is_in(names):
    wanted = names_of(PAIRED)
    assert len(wanted) >= 60
    assert not [name for name in wanted if name not in names]


@pytest.mark.parametrize("reason", NOT_PAIRED)
def test_what_is_not_paired_is_out(names, labels, reason):
    unwanted = names_of(NOT_PAIRED[reason])
    unknown = [name for name in unwanted if name not in labels]
    assert not unknown, "a name that Uberon does not have proves nothing"
    assert not [name for name in unwanted if name in names]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        (r"rib \d+", 12),
        (r"(proximal|distal) phalanx of (manual|pedal) digit [1-5]", 20),
        (r"middle phalanx of (manual|pedal) digit [2-5]", 8),
        (r"middle phalanx of (manual|pedal) digit 1", 0),
        (r"meta(carpal|tarsal) bone of digit [1-5]", 10),
        (r"meta(carpal|tarsal) bone of digit [6-9]", 0),
        (r"(manual|pedal) digit \d", 10),
        (r"distal carpal bone \d", 4),
        (r"distal tarsal bone \d", 3),
        (r"metatarsophalangeal joint of pedal digit \d", 5),
    ],
)
def test_numbered_structures_are_complete(names, pattern, count):
    assert len([name for name in names if re.fullmatch(pattern, name)]) == count


def test_what_the_models_tell_apart_by_side_is_in(rows, uberon):
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        sided = {row["uberon"] for row in csv.DictReader(file) if row["uberon"] and SIDE.search(row["term"])}
    unsided = {key for key in sided if not SIDE.search(uberon[key].name)}
    assert len(unsided) > 50
    assert not [uberon[key].name for key in unsided - {row["id"] for row in rows}]


def test_both_sides_of_what_uberon_itself_sides(rows, uberon):
    """Where Uberon has a side of a row as a term of its own, below it, it has the other side too."""
    known = {row["id"]: set() for row in rows}
    for term in uberon.values():
        sides = {side.lower() for side in SIDE.findall(term.name)}
        unsided = " ".join(SIDE.sub("", term.name).split())
        for parent in term.parents:
            if len(sides) == 1 and parent in known and unsided in (uberon[parent].name, *uberon[parent].synonyms):
                known[parent] |= sides
    assert len([sides for sides in known.values() if sides]) >= 40
    assert not [uberon[key].name for key, sides in known.items() if len(sides) == 1]

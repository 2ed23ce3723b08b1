import gzip
import json

import pytest

from SATSegmentLib.anatomy import KnowledgeTree, Term, Vocabulary, knowledge_tree, sat_classes
from SATSegmentLib.anatomy.groups import GROUPS, REGION, REGIONS, SYSTEM, SYSTEMS
from SATSegmentLib.anatomy.relations import ADJACENT, IS_A, LOCATED_IN, PART_OF, UPWARD
from SATSegmentLib.errors import InputError
from SATSegmentLib.resources import resource

TREE = knowledge_tree()


def key(name):
    term = TREE.named(name)
    assert term, name
    return term.id


def names(terms):
    return {term.name for term in terms}


def term(number, relations=(), side="", base="", groups=("region:thorax", "system:other")):
    return Term(number, f"term {number}", (), (), tuple(relations), side, base, groups, 0)


def test_it_has_more_terms_than_sats_own_tree():
    assert len(TREE) >= 10_500
    assert sum(term.id.startswith("UBERON:") and "/" not in term.id for term in TREE) >= 6502


def test_it_is_sound():
    assert TREE.check() == []


def test_every_term_reaches_a_region_and_a_system():
    for term in TREE:
        kinds = {group.partition(":")[0] for group in term.groups}
        assert kinds == {REGION, SYSTEM}, term


@pytest.mark.parametrize("name", sorted({name for name, _ in sat_classes()}))
def test_a_sat_class_has_its_place(name):
    term = TREE.named(name)
    assert name in term.prompts
    assert TREE.parents(term.id) or term.id.startswith("UBERON:")


def test_the_committed_classes_are_sats(shared):
    rows = [json.loads(line) for line in (shared / "spec" / "sat_classes.jsonl").read_text().splitlines()]
    assert sorted(sat_classes()) == sorted((row["name"], row["modality"]) for row in rows)


def test_sats_regions_are_the_trees():
    assert [group.name for group in REGIONS] == [
        "Brain",
        "Head and neck",
        "Thorax",
        "Abdomen",
        "Pelvis",
        "Spine",
        "Upper limb",
        "Lower limb",
        "Whole body",
    ]
    assert TREE.roots(REGION) == list(REGIONS)
    assert TREE.roots(SYSTEM) == list(SYSTEMS)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("left kidney", "region:abdomen"),
        ("left kidney", "system:urinary"),
        ("hippocampus", "region:brain"),
        ("hippocampus", "system:nervous"),
        ("aorta", "region:thorax"),
        ("aorta", "region:abdomen"),
        ("aorta", "system:cardiovascular"),
        ("femur", "region:lower-limb"),
        ("femur", "system:skeletal"),
        ("prostate", "region:pelvis"),
        ("prostate", "system:reproductive"),
        ("lumbar vertebrae 3 (l3)", "region:spine"),
        ("humerus", "region:upper-limb"),
        ("gluteus maximus", "system:muscular"),
        ("liver tumor", "system:lesions"),
        ("liver tumor", "region:abdomen"),
        ("optic nerve", "system:nervous"),
        ("parotid gland", "region:head-and-neck"),
        ("median nerve", "region:upper-limb"),
        ("popliteal artery", "region:lower-limb"),
        ("spleen", "system:lymphatic"),
    ],
)
def test_a_structure_is_where_one_looks_for_it(name, group):
    assert group in TREE[key(name)].groups


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("larynx", "region:thorax"),
        ("hippocampus", "region:head-and-neck"),
        ("liver", "region:thorax"),
        ("femur", "system:muscular"),
        ("renal artery", "system:urinary"),
        ("urinary bladder", "region:abdomen"),
    ],
)
def test_a_structure_is_not_where_nobody_looks(name, group):
    assert group not in TREE[key(name)].groups


@pytest.mark.parametrize(
    ("name", "above"),
    [
        ("left kidney", {"kidney", "abdomen"}),
        ("left rib 3", {"rib 3", "rib"}),
        ("left insula anterior long gyrus", {"insula", "cerebral hemisphere"}),
        ("liver tumor", {"tumor", "lesion", "liver"}),
        ("lumbar vertebrae 3 (l3)", {"vertebral column"}),
    ],
)
def test_ancestors_are_all_that_is_broader(name, above):
    assert above <= names(TREE.ancestors(key(name))) | {
        prompt for term in TREE.ancestors(key(name)) for prompt in term.prompts
    }


def test_ancestors_and_descendants_are_each_others_inverse():
    for name in ("left kidney", "thoracic vertebrae 3 (t3)", "right hippocampus", "liver"):
        for above in TREE.ancestors(key(name)):
            assert key(name) in {term.id for term in TREE.descendants(above.id)}


def test_children_and_parents_are_each_others_inverse():
    for term in list(TREE)[::50]:
        for kind, parent in TREE.parents(term.id):
            assert (kind, term) in TREE.children(parent.id)


def test_sides_know_each_other():
    left = [term for term in TREE if term.side == "left" and term.base]
    assert len(left) > 500
    for term in left:
        other = TREE.counterpart(term.id)
        assert other, term
        assert other.side == "right"
        assert TREE.counterpart(other.id) == term
        assert TREE.side_of(term.id, "") == TREE[term.base] == TREE.side_of(other.id, "")
        assert TREE.side_of(term.base, "left") == term
        assert (IS_A, term.base) in term.relations
    assert TREE.counterpart(key("liver")) is None


def test_unpaired_structures_have_no_sides():
    for name in ("liver", "aorta", "sternum", "spleen", "urinary bladder", "thoracic vertebrae 3 (t3)"):
        assert TREE.side_of(key(name), "left") is None


def test_a_whole_contains_its_parts():
    assert {"hilum of kidney", "anterior surface of kidney"} <= names(TREE.contains(key("kidney")))
    union = names(TREE.contains(key("portal vein and splenic vein")))
    assert len(union) == 2
    assert "splenic vein" in union


def test_lesions_are_in_their_organ():
    assert (LOCATED_IN, key("kidney")) in TREE[key("kidney tumor")].relations


def test_the_path_leads_from_the_region():
    path = TREE.path(key("left kidney"))
    assert path[0] == "Abdomen"
    assert path[-1] == "kidney"
    assert "trunk" not in path  # broader than the region
    assert TREE.path(key("left lung upper lobe"))[0] == "Thorax"
    for term in list(TREE)[::40]:
        path = TREE.path(term.id)
        assert path[0] in {group.name for group in REGIONS}
        assert len(path) == len(set(path)), term
        assert len(path) < 20


@pytest.mark.parametrize("kind", [REGION, SYSTEM])
def test_browsing_by_either_grouping_shows_every_term(kind):
    shown = set()
    for group in TREE.roots(kind):
        members = {term.id for term in TREE.members(group.id)}
        assert TREE.descendants(group.id) == TREE.members(group.id)
        in_sections = set()
        for section in TREE.sections(group):
            inside = {term.id for term in TREE.members(section)}
            in_sections |= inside
            top = TREE.top(section)
            below = {term.id for above in top for term in TREE.descendants(above.id)}
            assert inside <= below | {term.id for term in top}
        assert in_sections == members
        shown |= members
    assert shown == {term.id for term in TREE}


def test_unknown_terms_and_groups_are_refused():
    for ask in (TREE.parents, TREE.children, TREE.ancestors, TREE.descendants, TREE.path, TREE.__getitem__):
        with pytest.raises(InputError, match="no term"):
            ask("UBERON:none")
    with pytest.raises(InputError, match="no group"):
        TREE.members("region:tail")
    assert TREE.named("no such thing") is None


def test_trained_terms_of_a_group():
    vocabulary = Vocabulary(TREE, sat_classes())
    assert vocabulary.unknown == {}
    ribs = vocabulary.trained_descendants(TREE, key("rib"), "ct")
    assert {prompt for term in ribs for prompt in term.prompts} >= {"left rib 1", "right rib 12", "rib 7"}
    assert vocabulary.trained_descendants(TREE, key("rib"), "mri") == []
    thorax = vocabulary.trained_descendants(TREE, "region:thorax", "ct")
    assert {"left lung", "heart", "trachea"} <= {prompt for term in thorax for prompt in term.prompts}
    bones = vocabulary.trained_descendants(TREE, "region:thorax/system:skeletal", "ct")
    assert "left lung" not in {prompt for term in bones for prompt in term.prompts}
    assert len(vocabulary.trained_descendants(TREE, key("rib"))) == len(ribs)


def test_a_vocabulary_knows_its_models_own_words():
    vocabulary = Vocabulary(TREE, [("thyroid", "ct"), ("thyroid gland", "mri"), ("warp core", "ct")])
    thyroid = TREE.named("thyroid gland")
    assert vocabulary.modalities(thyroid) == ("ct", "mri")
    assert vocabulary.prompt(thyroid, "ct") == "thyroid"
    assert vocabulary.prompt(thyroid, "mri") == "thyroid gland"
    assert vocabulary.prompt(thyroid, "pet") in ("thyroid", "thyroid gland")
    assert vocabulary.prompt(TREE.named("liver"), "ct") == "liver"
    assert vocabulary.unknown == {"warp core": ("ct",)}


def test_a_circle_is_found():
    circle = KnowledgeTree([term("a", [(IS_A, "b")]), term("b", [(PART_OF, "a")])])
    assert circle.check() == ["a lies above itself.", "b lies above itself."]


def test_what_leads_nowhere_is_found():
    assert "does not exist" in KnowledgeTree([term("a", [(IS_A, "b")])]).check()[0]
    assert "no group" in KnowledgeTree([term("a", groups=())]).check()[0]
    assert "side of b" in KnowledgeTree([term("a", side="left", base="b")]).check()[0]


def test_neighbours_know_each_other():
    small = KnowledgeTree([term("a", [(ADJACENT, "b")]), term("b"), term("c", [(IS_A, "b")])])
    assert [other.id for other in small.adjacent("a")] == ["b"]
    assert [other.id for other in small.adjacent("b")] == ["a"]
    assert small.ancestors("a") == []  # next to is not above
    assert ADJACENT not in UPWARD


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "version"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "tree.json.gz"
    whole = resource("Anatomy", "tree.json.gz").read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:5000])
    elif damage == "text":
        path.write_bytes(b"no tree")
    elif damage == "version":
        path.write_bytes(gzip.compress(json.dumps({"format": 99}).encode()))
    with pytest.raises(InputError, match="install the extension again"):
        KnowledgeTree.read(path)


def test_groups_are_known_by_id():
    assert all(group.id == name and group.kind in (REGION, SYSTEM) for name, group in GROUPS.items())

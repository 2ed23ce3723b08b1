"""From published files, folders and a local hub to installed models, to memory, and away again.

The networks have the published layout and file names in a small size; one test takes the true size.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from Testing.Python.support import SMALL_NANO, Handler, point_at, small_mpnet

from SATSegmentLib.anatomy import sat_classes
from SATSegmentLib.errors import Cancelled, InputError, ModelError
from SATSegmentLib.models import download as download_module
from SATSegmentLib.models import find_model, list_models
from SATSegmentLib.models.download import CHUNK
from SATSegmentLib.models.folder import (
    CONFIG,
    NETWORK,
    PROMPTS,
    TERMS,
    TEXT,
    TOKENS,
    ModelFolder,
    TrainedTerm,
    read_terms,
    write_terms,
)
from SATSegmentLib.models.installing import convert, download_model, import_model
from SATSegmentLib.models.loading import load, minilm_folder
from SATSegmentLib.models.registry import data_folder, disk_use, models_folder, remove
from SATSegmentLib.network import SAT, SATConfig, config
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import TextEncoder, TextHead, WordPieceTokenizer

NANO = SATConfig.named("nano")
# As in MPNet's vocabulary, [PAD] is not entry 0.
WORDS = ["<s>", "<pad>", "</s>", "<unk>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "left", "kidney", "##s"]
VOCABULARY = "\n".join(WORDS + [f"word{i}" for i in range(64 - len(WORDS))]) + "\n"
PROMPT = "left kidneys word7"
MANIFEST = ["sat-tiny", "sat-nano", "sat-pro"]


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    monkeypatch.setitem(config._NAMED, "nano", SMALL_NANO)
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))


def published_network(network):
    """The file's content as published: prefixes, each convolution and norm twice, the optimizer's state."""
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    for name in list(state):
        state[name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1.")] = state[name]
    return {"model_state_dict": state, "optimizer_state_dict": {"state": {0: torch.ones(9)}}, "step": 7}


def published_text(encoder):
    state = {f"module.text_tower.biolord.{name}": tensor for name, tensor in encoder.tower.state_dict().items()}
    state |= {f"module.{name}": tensor for name, tensor in encoder.head.state_dict().items()}
    state["module.text_tower.biolord.embeddings.position_ids"] = torch.arange(514)[None]
    state["module.atlas_tower.weight"] = torch.ones(3)
    state["module.temperature"] = torch.ones(())
    return {"model_state_dict": state}


class Published:
    """The three files of a published model, and the modules they were made from."""

    def __init__(self, folder: Path, modalities: int = 4):
        torch.manual_seed(0)
        self.network = SAT(SMALL_NANO, deep_supervision=True).eval()
        self.encoder = small_mpnet(TextEncoder, modalities=modalities)
        self.files = [folder / name for name in ("nano.pth", "nano_text_encoder.pth", "vocab.txt")]
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(published_network(self.network), self.files[0])
        torch.save(published_text(self.encoder), self.files[1])
        self.files[2].write_text(VOCABULARY)
        self.encoder.tokenizer = WordPieceTokenizer(self.files[2])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"))


@pytest.fixture
def files(published, tmp_path):
    """Copies that a test may damage."""
    return [Path(shutil.copy(file, tmp_path)) for file in published.files]


@pytest.fixture
def nano():
    return find_model("sat-nano")


def own_folder(folder: Path, name: str = "own", seed: int = 0, text: str = "mpnet") -> Path:
    """A model in our own format."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    save_weights(SAT(SMALL_NANO), folder / NETWORK)
    save_weights(TextHead(384, 24) if text == "minilm" else TextEncoder.mpnet(), folder / TEXT)
    (folder / TOKENS).write_text(VOCABULARY)
    write_terms(folder, [TrainedTerm("liver", "ct", 12, 0.9), TrainedTerm("left kidney", "mri", 3)])
    ModelFolder(name, "For tests.", ("ct", "mri"), SMALL_NANO, text).write(folder)
    return folder


def edit(folder: Path, **changes):
    values = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**values, **changes}))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_nothing_is_installed():
    assert not models_folder().exists() or list(models_folder().iterdir()) == []


# Published files to our own format


def test_a_converted_model_gives_the_logits_and_queries_of_the_published_one(published, nano, tmp_path):
    target = tmp_path / "new" / "nano"
    convert(nano, *published.files, target)
    assert sorted(path.name for path in target.iterdir()) == sorted([CONFIG, NETWORK, TERMS, TEXT, TOKENS])
    assert [path.name for path in target.parent.iterdir()] == ["nano"]

    loaded = load(find_model(str(target)))
    assert loaded.folder.name == "sat-nano"
    assert loaded.folder.network == SMALL_NANO
    assert {(term.term, term.modality) for term in loaded.terms} == set(sat_classes())
    queries = loaded.prompts.encode([PROMPT, "kidney"], "ct")
    torch.testing.assert_close(queries, published.encoder.encode([PROMPT, "kidney"], "ct"), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(queries[0], queries[1])
    assert not torch.allclose(queries, loaded.prompts.encode([PROMPT, "kidney"], "pet"))
    image = torch.randn(1, 1, 16, 16, 8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network.eval()(image, queries), published.network(image, queries))


def test_half_precision_halves_the_files_and_is_widened_when_loaded(published, nano, tmp_path):
    convert(nano, *published.files, tmp_path / "full")
    convert(nano, *published.files, tmp_path / "half", half=True)
    for name in (NETWORK, TEXT):
        assert (tmp_path / "half" / name).stat().st_size < 0.6 * (tmp_path / "full" / name).stat().st_size
    loaded = load(find_model(str(tmp_path / "half")))
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, published.network.state_dict()[name].half().float())
    query, exact = loaded.prompts.encode([PROMPT], "mri"), published.encoder.encode([PROMPT], "mri")
    assert not torch.equal(query, exact)
    torch.testing.assert_close(query, exact, atol=2e-2, rtol=2e-2)


def test_a_text_encoder_with_a_fifth_modality_is_converted_and_loads(nano, tmp_path):
    five = Published(tmp_path / "five", modalities=5)
    convert(nano, *five.files, tmp_path / "out")
    query = load(find_model(str(tmp_path / "out"))).prompts.encode([PROMPT], "pet")
    torch.testing.assert_close(query, five.encoder.encode([PROMPT], "pet"), atol=1e-5, rtol=1e-4)


def test_the_true_size_halves_to_its_parameters_in_half_precision(published, nano, tmp_path, monkeypatch):
    monkeypatch.setitem(config._NAMED, "nano", NANO)
    torch.manual_seed(0)
    network = SAT(NANO, deep_supervision=True)
    checkpoint = tmp_path / "nano.pth"
    torch.save(published_network(network), checkpoint)
    convert(nano, checkpoint, *published.files[1:], tmp_path / "out", half=True)
    checkpoint.unlink()
    assert 0.95 < (tmp_path / "out" / NETWORK).stat().st_size / 220e6 < 1.05
    loaded = load(find_model(str(tmp_path / "out"))).network.state_dict()
    for name, tensor in network.state_dict().items():
        if not name.startswith("mid_mask_embed_proj."):
            torch.testing.assert_close(loaded[name], tensor, atol=1e-6, rtol=1e-3)


def test_a_target_that_exists_is_refused_and_left_alone(published, nano, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="out exists; remove it first"):
        convert(nano, *published.files, tmp_path / "out")
    assert contents(tmp_path) == {"out/mine.txt": b"mine"}


def test_a_target_that_cannot_be_made_is_said(published, nano, tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ModelError, match=r"out cannot be written"):
        convert(nano, *published.files, tmp_path / "file" / "out")


def test_files_that_are_no_pair_are_refused_by_both_pairs_names(files, nano, tmp_path):
    checkpoint, text_encoder, vocabulary = files
    other = text_encoder.rename(tmp_path / "text_encoder.pth")
    with pytest.raises(InputError) as error:
        convert(nano, checkpoint, other, vocabulary, tmp_path / "out")
    assert "made of nano.pth and nano_text_encoder.pth" in str(error.value)
    assert "nano.pth and text_encoder.pth were given" in str(error.value)
    with pytest.raises(
        InputError, match=r"made of SAT_Pro\.pth and text_encoder\.pth.*nano\.pth and text_encoder\.pth"
    ):
        convert(find_model("sat-pro"), checkpoint, other, vocabulary, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_that_were_not_published_are_not_converted(files, tmp_path):
    own = own_folder(tmp_path / "own")
    for name in ("sat-tiny", str(own)):
        with pytest.raises(InputError, match="no published model"):
            convert(find_model(name), *files, tmp_path / "out")


def cut(file: Path):
    file.write_bytes(file.read_bytes()[:-2000])


def empty(file: Path):
    file.write_bytes(b"")


def error_page(file: Path):
    file.write_bytes(b"<html>\n<body>502 Bad Gateway</body>\n</html>\n")


def noise(file: Path):
    file.write_bytes(bytes(range(256)) * 8)


def more_words(file: Path):
    file.write_text(VOCABULARY + "".join(f"more{i}\n" for i in range(6)))  # than the text encoder has embeddings


def other_model(file: Path):
    network = SAT(dataclasses.replace(SMALL_NANO, mask_hidden=20), deep_supervision=True)
    torch.save(published_network(network), file)


@pytest.mark.parametrize(
    ("which", "damage", "words"),
    [
        (0, cut, r"nano\.pth is no checkpoint.*damaged"),
        (0, empty, r"nano\.pth is no checkpoint"),
        (0, error_page, r"nano\.pth is no checkpoint"),
        (0, other_model, r"nano\.pth does not fit this model.*mask_embed_proj\.0\.weight \(20, 24\) instead of"),
        (0, Path.unlink, r"no file .*nano\.pth"),
        (1, cut, r"nano_text_encoder\.pth is no checkpoint.*damaged"),
        (1, other_model, r"nano_text_encoder\.pth does not fit this model.*missing: head\.modality_embed"),
        (1, Path.unlink, r"no file .*nano_text_encoder\.pth"),
        (2, empty, r"vocab\.txt"),
        (2, error_page, r"vocab\.txt"),
        (2, noise, r"vocab\.txt"),
        (2, more_words, r"vocab\.txt"),
        (2, Path.unlink, r"no file .*vocab\.txt"),
    ],
)
def test_damaged_and_missing_files_are_named_and_leave_nothing(files, nano, tmp_path, which, damage, words):
    damage(files[which])
    with pytest.raises((ModelError, InputError), match=words):
        convert(nano, *files, tmp_path / "models" / "out")
    assert not (tmp_path / "models").exists()


def test_a_disk_that_fills_up_is_said_and_leaves_nothing(published, nano, tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # bytes a file may have
    try:
        with pytest.raises(ModelError, match="out cannot be written"):
            convert(nano, *published.files, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


# Folders in our own format


def test_a_folder_survives_writing_and_reading(tmp_path):
    folder = own_folder(tmp_path / "own")
    read = ModelFolder.read(folder)
    assert (read.name, read.note, read.modalities, read.text) == ("own", "For tests.", ("ct", "mri"), "mpnet")
    assert read.network == SMALL_NANO
    assert set(read.sha256) == {NETWORK, TEXT, TOKENS, TERMS}
    assert read.sha256[NETWORK] == hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
    read.check(folder)
    assert read_terms(folder) == [TrainedTerm("liver", "ct", 12, 0.9), TrainedTerm("left kidney", "mri", 3)]
    assert not list(folder.glob(".*"))


def test_files_of_another_model_are_refused_as_not_belonging_together(tmp_path):
    own, other = own_folder(tmp_path / "own"), own_folder(tmp_path / "other", "other", seed=1)
    load(find_model(str(own)))
    shutil.copy(other / TEXT, own / TEXT)
    with pytest.raises(ModelError, match=rf"own: .*{TEXT} is damaged or belongs to another model.*must come from the"):
        load(find_model(str(own)))


@pytest.mark.parametrize("name", [NETWORK, TEXT, TOKENS, TERMS])
def test_every_named_file_must_be_there_and_be_itself(tmp_path, name):
    model = find_model(str(own_folder(tmp_path / "own")))
    with (model.folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ModelError, match=f"own: .*{name} is damaged"):
        load(model)
    (model.folder / name).unlink()
    with pytest.raises(ModelError, match=f"own: the file .*{name} is missing"):
        load(model)


@pytest.mark.parametrize("name", [NETWORK, TEXT])
def test_network_and_text_encoder_are_not_taken_without_a_hash(tmp_path, name):
    folder = own_folder(tmp_path / "own")
    hashes = dict(ModelFolder.read(folder).sha256)
    del hashes[name]
    edit(folder, sha256=hashes)
    with pytest.raises(ModelError, match=f"{name} is damaged"):
        load(find_model(str(folder)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, r"model\.json is of format 2; .* reads format 1"),
        ({"name": "../evil"}, r'"\.\./evil" has a name, or names files, that are not allowed'),
        ({"name": "a/b"}, "not allowed"),
        ({"name": ".hidden"}, "not allowed"),
        ({"name": ""}, "not allowed"),
        ({"name": "own\n"}, "not allowed"),
        ({"name": 5}, r"model\.json is damaged"),
        ({"sha256": {"../../x": "0" * 64}}, "not allowed"),
        ({"sha256": {"extra.py": "0" * 64}}, "not allowed"),
        ({"sha256": [NETWORK, TEXT]}, "own|damaged"),
        ({"network": {"colour": 1}}, "Unknown keys in a network configuration: colour"),
        ({"network": {**SMALL_NANO.to_dict(), "window": [16, 16, 9]}}, "multiple of 8 voxels"),
        ({"network": {**SMALL_NANO.to_dict(), "heads": 0}}, "heads|damaged"),
        ({"network": []}, r"model\.json is damaged"),
        ({"modalities": None}, r"model\.json is damaged"),
        ({"colour": 1}, r"model\.json is damaged.*colour"),
    ],
)
def test_a_description_that_cannot_be_right_is_refused(tmp_path, changes, words):
    folder = own_folder(tmp_path / "own")
    edit(folder, **changes)
    with pytest.raises(ModelError, match=words):
        import_model(folder)
    with pytest.raises(ModelError, match=words):
        load(find_model(str(folder)))
    assert_nothing_is_installed()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 1}', "\xff"])
def test_a_damaged_description_is_refused(tmp_path, text):
    folder = own_folder(tmp_path / "own")
    (folder / CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        ModelFolder.read(folder)


def test_a_folder_without_description_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"holds no model: there is no model\.json"):
        ModelFolder.read(tmp_path)


@pytest.mark.parametrize("text", ["{", "5", '["liver"]', '[{"word": "liver"}]'])
def test_a_damaged_list_of_terms_is_refused(tmp_path, text):
    folder = own_folder(tmp_path / "own")
    (folder / TERMS).write_text(text)
    with pytest.raises(ModelError, match=r"vocabulary\.json is damaged"):
        read_terms(folder)


# To memory


def test_a_model_that_is_not_installed_says_how_to_get_it(nano):
    with pytest.raises(ModelError, match=r"sat-nano is not installed.*models download sat-nano.*models import"):
        load(nano)


def test_terms_with_queries_need_no_text_encoder(tmp_path):
    folder = own_folder(tmp_path / "own")
    queries = torch.randn(2, 24)
    save_file({"queries": queries}, folder / PROMPTS)
    ModelFolder.read(folder).write(folder)
    loaded = load(find_model(str(folder)))
    assert torch.equal(loaded.prompts.encode(["Liver"], "ct")[0], queries[0])
    assert torch.equal(loaded.prompts.encode(["left  kidney"], "mri")[0], queries[1])
    assert loaded.prompts._encoder is None
    assert not torch.equal(loaded.prompts.encode(["liver"], "mri")[0], queries[0])
    assert loaded.prompts._encoder is not None

    save_file({"queries": queries[:1]}, folder / PROMPTS)
    ModelFolder.read(folder).write(folder)
    with pytest.raises(ModelError, match="does not belong to the vocabulary"):
        load(find_model(str(folder)))


def test_a_model_may_keep_only_the_head_of_a_packaged_transformer(tmp_path):
    folder = own_folder(tmp_path / "own", text="minilm")
    other = load(find_model(str(folder)))
    with pytest.raises(ModelError, match="trained with another version of the text encoder"):
        other.prompts.encode(["left kidney"], "ct")
    sha256 = hashlib.sha256((minilm_folder() / "model.safetensors").read_bytes()).hexdigest()
    dataclasses.replace(ModelFolder.read(folder), transformer=sha256).write(folder)
    query = load(find_model(str(folder))).prompts.encode(["left kidney"], "ct")
    encoder = TextEncoder.from_folder(minilm_folder(), 24)
    encoder.head.load_state_dict(load_file(folder / TEXT))
    torch.testing.assert_close(query, encoder.encode(["left kidney"], "ct"), atol=1e-5, rtol=1e-4)


def test_a_text_encoder_of_an_unknown_kind_is_refused_when_it_is_needed(tmp_path):
    loaded = load(find_model(str(own_folder(tmp_path / "own", text="oracle"))))
    with pytest.raises(ModelError, match='own needs a text encoder of the unknown kind "oracle"'):
        loaded.prompts.encode(["liver"], "ct")


# Files carried over by hand


def test_an_imported_folder_leaves_behind_what_it_does_not_name(tmp_path):
    folder = own_folder(tmp_path / "anything")
    before = contents(folder)
    (folder / "extra.py").write_text("print('run me')")
    (folder / "more").mkdir()
    model = import_model(folder)
    assert (model.name, model.folder, model.built_in) == ("own", models_folder() / "own", False)
    assert contents(model.folder) == before
    assert [path.name for path in models_folder().iterdir()] == ["own"]
    load(model)
    with pytest.raises(InputError, match="own is installed already; remove it first"):
        import_model(folder)
    assert contents(model.folder) == before


def test_a_damaged_folder_is_not_installed(tmp_path):
    folder = own_folder(tmp_path / "own")
    (folder / TEXT).write_bytes(b"cut")
    with pytest.raises(ModelError, match="is damaged"):
        import_model(folder)
    assert_nothing_is_installed()


def test_published_files_are_found_at_any_depth(files, nano, tmp_path):
    stick = tmp_path / "stick"
    for file, place in zip(files, ("SAT/Nano", "SAT/Nano/text", "BioLORD"), strict=True):
        (stick / place).mkdir(parents=True, exist_ok=True)
        file.rename(stick / place / file.name)
    assert not nano.installed
    model = import_model(stick)
    assert model.name == "sat-nano"
    assert model.installed
    assert nano.installed
    load(nano).prompts.encode([PROMPT], "ct")
    assert [path.name for path in models_folder().iterdir()] == ["sat-nano"]
    with pytest.raises(
        InputError, match="sat-nano is installed already; run `satsegment models remove sat-nano` first"
    ):
        import_model(stick)


def test_a_converted_folder_can_be_imported(published, nano, tmp_path):
    convert(nano, *published.files, tmp_path / "nano-half", half=True)
    assert import_model(tmp_path / "nano-half") == nano
    assert nano.installed


def test_folders_without_exactly_one_model_say_what_is_wanted(files, tmp_path):
    wanted = (
        r"sat-nano: nano\.pth, nano_text_encoder\.pth, vocab\.txt; sat-pro: SAT_Pro\.pth, text_encoder\.pth, vocab\.txt"
    )
    for name in ("SAT_Pro.pth", "text_encoder.pth"):
        (tmp_path / name).write_bytes(b"large")
    with pytest.raises(InputError, match=f"holds more than one model's files.*{wanted}"):
        import_model(tmp_path)
    for name in ("text_encoder.pth", "nano.pth"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"holds no complete model's files.*{wanted}"):
        import_model(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"holds no complete model's files.*{wanted}"):
        import_model(tmp_path / "empty")
    with pytest.raises(InputError, match="There is no folder or file"):
        import_model(tmp_path / "none")
    with pytest.raises(InputError, match="neither a folder nor the zip"):
        import_model(tmp_path / "vocab.txt")
    assert_nothing_is_installed()


def test_damaged_published_files_are_not_installed(files, tmp_path):
    cut(files[0])
    with pytest.raises(ModelError, match="damaged"):
        import_model(tmp_path)
    assert_nothing_is_installed()


def test_a_folder_with_the_name_of_the_built_in_model_is_not_installed_over_it(tmp_path):
    folder = own_folder(tmp_path / "own", name="sat-tiny")
    with pytest.raises(InputError, match="sat-tiny"):
        import_model(folder)
    assert_nothing_is_installed()


# Which there are


def test_the_users_own_models_come_after_the_manifests(tmp_path):
    assert [model.name for model in list_models()] == MANIFEST
    import_model(own_folder(tmp_path / "2", "second"))
    import_model(own_folder(tmp_path / "1", "first"))
    models = list_models()
    assert [model.name for model in models] == [*MANIFEST, "first", "second"]
    assert models[0].built_in
    assert not models[-1].built_in
    assert (models[-1].note, models[-1].modalities, models[-1].hub) == ("For tests.", ("ct", "mri"), None)
    assert find_model("second") == models[-1]


def test_an_unknown_model_is_told_which_are_known(tmp_path):
    import_model(own_folder(tmp_path / "own"))
    with pytest.raises(InputError, match=r'no model "mine"; known are sat-tiny, sat-nano, sat-pro, own, or'):
        find_model("mine")


@pytest.mark.parametrize("text", ["{", '{"format": 2}'])
def test_one_damaged_model_does_not_hide_the_others(tmp_path, text):
    (import_model(own_folder(tmp_path / "own")).folder / CONFIG).write_text(text)
    assert [model.name for model in list_models()][:3] == MANIFEST
    assert find_model("sat-tiny").built_in


def test_what_a_killed_import_leaves_is_no_model(tmp_path):
    own_folder(models_folder() / ".sat-nano.4711.part", "sat-nano")
    assert [model.name for model in list_models()] == MANIFEST
    assert not find_model("sat-nano").installed


def test_a_models_name_does_not_stand_for_another_folder_than_its_own(tmp_path):
    own_folder(models_folder() / "own", "sat-tiny")
    assert find_model("sat-tiny").built_in


# Away


def test_a_removed_model_is_gone_and_its_bytes_are_told(tmp_path):
    model = import_model(own_folder(tmp_path / "own"))
    import_model(own_folder(tmp_path / "other", "other"))
    size = sum(len(content) for content in contents(model.folder).values())
    assert remove(model) == size > 10_000
    assert [path.name for path in models_folder().iterdir()] == ["other"]
    assert not model.installed
    with pytest.raises(InputError, match="own is not installed"):
        remove(model)


def test_what_was_not_installed_here_is_not_removed(nano, tmp_path):
    with pytest.raises(InputError, match="sat-tiny came with the extension"):
        remove(find_model("sat-tiny"))
    with pytest.raises(InputError, match="sat-nano is not installed"):
        remove(nano)
    folder = own_folder(tmp_path / "own")
    before = contents(folder)
    with pytest.raises(InputError, match="delete the folder yourself"):
        remove(find_model(str(folder)))
    assert contents(folder) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_model_elsewhere_is_not_followed_to_remove_it(tmp_path):
    folder = own_folder(tmp_path / "own")
    before = contents(folder)
    models_folder().mkdir(parents=True)
    (models_folder() / "own").symlink_to(folder, target_is_directory=True)
    with pytest.raises(InputError, match="delete the folder yourself"):
        remove(find_model("own"))
    assert contents(folder) == before


def test_disk_use_of_no_folder_is_nothing(tmp_path):
    assert disk_use(tmp_path / "none") == 0


# From the hub


class HubHandler(Handler):
    def answer(self):
        hub = self.server
        name = Path(self.path).name
        body = hub.files.get(self.path.removeprefix("/storage"))
        if self.command == "GET":
            hub.fetched.append((name, self.headers.get("Range")))
        if body is None:
            return self.reply(404, {})
        if name.endswith(".pth") and not self.path.startswith("/storage"):
            told = hub.told.get(name, hashlib.sha256(body).hexdigest())
            place = {"Location": f"/storage{self.path}", "Content-Length": 0}
            return self.reply(302, {"X-Linked-Etag": f'"{told}"', "X-Linked-Size": len(body), **place})
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        git_id = hub.told.get(name, hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest())
        headers = {"ETag": f'"{git_id}"', "Content-Length": len(body) - start}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self.reply(206 if asked else 200, headers, body[start : hub.ends.get(name)])


@pytest.fixture
def hub(published, monkeypatch, tmp_path):
    """Tells SHA-256 of the large files and Git's hash of the small one, as the hub does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    places = ("zzh99/SAT/resolve/main/Nano", "zzh99/SAT/resolve/main/Nano", "FremyCompany/BioLORD-2023-C/resolve/main")
    server.files = {
        f"/{place}/{file.name}": file.read_bytes() for place, file in zip(places, published.files, strict=True)
    }
    server.fetched = []  # (file, range) of each GET, redirects included
    server.told = {}  # hashes other than the true ones
    server.ends = {}  # where a connection always breaks off
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
    point_at(server, monkeypatch, tmp_path)
    monkeypatch.setattr(download_module, "BACK_OFF", 0)
    yield server
    server.shutdown()
    server.server_close()


def downloads():
    folder = data_folder() / "downloads" / "sat-nano"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_model_is_downloaded_checked_and_installed(hub, nano, published):
    seen = {}
    download_model(nano, lambda name, done, total: seen.update({name: (done, total)}))
    sizes = [file.stat().st_size for file in published.files]
    assert seen == {file.name: (size, size) for file, size in zip(published.files, sizes, strict=True)}
    loaded = load(nano)
    assert torch.equal(loaded.network.projection_layer[0].weight, published.network.projection_layer[0].weight)
    assert (nano.folder / TOKENS).read_text() == VOCABULARY
    assert downloads() == []
    fetched = len(hub.fetched)
    with pytest.raises(InputError, match="sat-nano is installed already"):
        download_model(nano)
    assert len(hub.fetched) == fetched


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub, nano):
    hub.ends = {"nano_text_encoder.pth": CHUNK}
    with pytest.raises(ModelError, match="broke off"):
        download_model(nano)
    assert not nano.installed
    assert downloads() == ["nano.pth", "nano_text_encoder.pth.part", "nano_text_encoder.pth.part.json"]
    hub.ends, hub.fetched = {}, []
    download_model(nano)
    assert set(hub.fetched) == {("nano_text_encoder.pth", f"bytes={CHUNK}-"), ("vocab.txt", None)}
    load(nano)


def test_a_cancelled_download_goes_on_where_it_stopped(hub, nano):
    seen = {}
    with pytest.raises(Cancelled):
        download_model(
            nano,
            lambda name, done, _: seen.update({name: done}),
            cancelled=lambda: seen.get("nano_text_encoder.pth", 0) > 0,
        )
    assert not nano.installed
    hub.fetched = []
    download_model(nano)
    assert "nano.pth" not in dict(hub.fetched)
    load(nano)


@pytest.mark.parametrize(("name", "told"), [("nano.pth", "0" * 64), ("vocab.txt", "0" * 40)])
def test_a_file_with_another_hash_is_not_installed(hub, nano, name, told):
    hub.told = {name: told}
    with pytest.raises(ModelError, match=f"{name} is damaged or not the file expected"):
        download_model(nano)
    assert not nano.installed
    assert name not in downloads()
    assert not list(models_folder().glob("*"))
    hub.told = {}
    download_model(nano)
    load(nano)


def test_a_file_that_is_not_on_the_hub_is_named(hub, nano):
    del hub.files["/zzh99/SAT/resolve/main/Nano/nano_text_encoder.pth"]
    with pytest.raises(ModelError, match=r"There is no file at .*nano_text_encoder\.pth"):
        download_model(nano)
    assert not nano.installed


def test_what_has_no_source_is_not_downloaded(hub, tmp_path):
    with pytest.raises(InputError, match="nothing to download"):
        download_model(find_model("sat-tiny"))
    with pytest.raises(InputError, match="nothing to download"):
        download_model(import_model(own_folder(tmp_path / "own")))
    assert hub.fetched == []


def test_a_folder_in_the_way_is_noticed_before_the_download(hub, nano):
    nano.folder.mkdir(parents=True)
    (nano.folder / "left over").write_text("")
    with pytest.raises(InputError, match="sat-nano"):
        download_model(nano)
    assert hub.fetched == []


def test_a_data_folder_that_cannot_be_made_is_said(hub, nano, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("SATSEGMENT_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be"):
        download_model(find_model("sat-nano"))
    assert hub.fetched == []

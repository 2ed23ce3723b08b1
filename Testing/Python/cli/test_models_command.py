"""`satsegment models ...` and `satsegment info` as a user types them: what is printed where, and exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from Testing.Python.support import SMALL_NANO, Handler, point_at, small_mpnet

import SATSegmentLib
from SATSegmentLib.cli import BAD_INPUT, DONE, FAILED, main
from SATSegmentLib.models.folder import CONFIG, NETWORK, TERMS, TEXT, TOKENS, ModelFolder, TrainedTerm, write_terms
from SATSegmentLib.models.registry import models_folder
from SATSegmentLib.network import SAT, config
from SATSegmentLib.network.checkpoints import save_weights
from SATSegmentLib.network.text_encoder import TextEncoder, TextHead

VOCABULARY = "\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(59)))) + "\n"


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    monkeypatch.setitem(config._NAMED, "nano", SMALL_NANO)
    monkeypatch.setattr(TextEncoder, "mpnet", classmethod(small_mpnet))


@pytest.fixture
def own(tmp_path) -> Path:
    """A model in our own format."""
    folder = tmp_path / "own model"
    folder.mkdir()
    save_weights(SAT(SMALL_NANO), folder / NETWORK)
    save_weights(TextHead(384, 24), folder / TEXT)
    write_terms(folder, [TrainedTerm("liver", "ct", 12, 0.9), TrainedTerm("left kidney", "mri", 3)])
    ModelFolder("own", "For tests.", ("ct", "mri"), SMALL_NANO, "minilm").write(folder)
    return folder


@pytest.fixture
def published(tmp_path) -> Path:
    """A folder with the files of a published model, of small size."""
    folder = tmp_path / "published"
    folder.mkdir()
    encoder = TextEncoder.mpnet()
    text = {f"text_tower.biolord.{name}": tensor for name, tensor in encoder.tower.state_dict().items()}
    torch.save({"model_state_dict": SAT(SMALL_NANO).state_dict()}, folder / "nano.pth")
    torch.save({"model_state_dict": text | encoder.head.state_dict()}, folder / "nano_text_encoder.pth")
    (folder / "vocab.txt").write_text(VOCABULARY)
    return folder


@pytest.fixture
def run(capsys):
    """Runs a command; gives its exit code, and what it wrote to stdout and to stderr."""

    def run_command(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run_command


@pytest.fixture
def fails(run):
    """Runs a command that must fail with a code, nothing on stdout and one line on stderr, which it gives."""

    def run_command(code, *arguments):
        found, out, err = run(*arguments)
        assert (found, out) == (code, "")
        assert err.startswith("satsegment: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    return run_command


def process(*arguments):
    """The same as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(SATSegmentLib.__file__).parents[1]), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "SATSegmentLib", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def convert_arguments(published, output):
    files = ("--checkpoint", "nano.pth"), ("--text-encoder", "nano_text_encoder.pth"), ("--vocabulary", "vocab.txt")
    return [part for option, name in files for part in (option, published / name)] + ["--output", output]


# List


def test_list_shows_all_models_and_whether_they_are_here(run, own):
    run("models", "import", own)
    code, out, err = run("models", "list")
    assert (code, err) == (DONE, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["sat-tiny", "sat-nano", "sat-pro", "own"]
    assert "built in" in lines[0]
    assert re.search(r"not installed +1940 MB to download +ct, mri, pet", lines[1])
    assert re.search(r"own +installed +0\.\d MB +ct, mri +own\. For tests\.", lines[3])


def test_list_as_json(run, own):
    run("models", "import", own)
    code, out, err = run("models", "list", "--json")
    assert (code, err) == (DONE, "")
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == ["sat-tiny", "sat-nano", "sat-pro", "own"]
    assert rows["sat-nano"]["state"] == "not installed"
    assert rows["sat-nano"]["megabytes"] is None
    assert rows["sat-nano"]["download_megabytes"] == 1940
    assert rows["own"] == {
        "name": "own",
        "title": "own",
        "state": "installed",
        "modalities": ["ct", "mri"],
        "megabytes": rows["own"]["megabytes"],
        "download_megabytes": None,
        "note": "For tests.",
        "terms_of_use": None,
    }
    assert 0.05 < rows["own"]["megabytes"] < 0.5


def test_list_shows_the_terms_of_a_model(run, own):
    code, out, err = run("models", "list", "--terms", own)
    assert (code, err) == (DONE, "")
    first, second = out.splitlines()
    assert re.fullmatch(r"ct +liver +trained on +12 +Dice 0\.90", first)
    assert re.fullmatch(r"mri +left kidney +trained on +3", second)
    code, out, _ = run("models", "list", "--terms", own, "--json")
    assert code == DONE
    assert json.loads(out) == [
        {"term": "liver", "modality": "ct", "cases": 12, "dice": 0.9},
        {"term": "left kidney", "modality": "mri", "cases": 3, "dice": None},
    ]


def test_a_model_may_carry_no_terms(run, own):
    (own / TERMS).unlink()
    ModelFolder.read(own).write(own)
    code, out, _ = run("models", "list", "--terms", own)
    assert code == DONE
    assert "carries no list of terms; any text can be asked" in out
    assert run("models", "list", "--terms", own, "--json")[1] == "[]\n"


def test_list_in_a_process_of_its_own():
    done = process("models", "list", "--json")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert [row["name"] for row in json.loads(done.stdout)] == ["sat-tiny", "sat-nano", "sat-pro"]


# Unknown and damaged


def test_an_unknown_model_in_a_process_of_its_own():
    done = process("models", "verify", "sat-huge")
    assert (done.returncode, done.stdout) == (BAD_INPUT, "")
    assert done.stderr.startswith('satsegment: There is no model "sat-huge"; known are sat-tiny, sat-nano, sat-pro')
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", [("verify",), ("remove",), ("download",), ("download", "--accept-terms"), ("list", "--terms")]
)
def test_an_unknown_model_is_bad_input(fails, command):
    assert 'no model "sat-huge"; known are sat-tiny' in fails(BAD_INPUT, "models", *command, "sat-huge")


@pytest.mark.parametrize("command", [("verify",), ("remove",), ("list", "--terms")])
def test_a_damaged_description_is_a_failure(fails, own, command):
    (own / CONFIG).write_text("{")
    assert "model.json is damaged" in fails(FAILED, "models", *command, own)


def test_a_damaged_model_among_the_installed_does_not_stop_the_list_of_the_others(run, own):
    run("models", "import", own)
    (models_folder() / "own" / CONFIG).write_text("{")
    code, out, _ = run("models", "list")
    assert code == DONE
    assert out.startswith("sat-tiny")


# Verify


def test_verify_compares_every_file(run, fails, own):
    code, out, err = run("models", "verify", own)
    assert (code, out, err) == (DONE, "own: all 3 files are as they should be.\n", "")
    with (own / NETWORK).open("ab") as file:
        file.write(b"\0")
    assert "network.safetensors is damaged or belongs to another model" in fails(FAILED, "models", "verify", own)
    (own / NETWORK).unlink()
    assert "network.safetensors is missing" in fails(FAILED, "models", "verify", own)
    assert "no model" in fails(FAILED, "models", "verify", "sat-nano")


# Convert


def test_convert_writes_a_model_that_verifies(run, fails, published, tmp_path):
    code, out, err = run("models", "convert", "sat-nano", *convert_arguments(published, tmp_path / "full"))
    assert (code, err) == (DONE, "")
    assert re.fullmatch(rf"wrote {re.escape(str(tmp_path / 'full'))}, \d+ MB\n", out)
    assert run("models", "verify", tmp_path / "full")[1] == "sat-nano: all 4 files are as they should be.\n"
    assert run("models", "convert", "sat-nano", *convert_arguments(published, tmp_path / "half"), "--half")[0] == DONE
    full, half = ((tmp_path / name / NETWORK).stat().st_size for name in ("full", "half"))
    assert half < 0.6 * full
    error = fails(BAD_INPUT, "models", "convert", "sat-nano", *convert_arguments(published, tmp_path / "full"))
    assert "full exists; remove it first" in error


def test_convert_refuses_what_does_not_belong_together(fails, published, own, tmp_path):
    arguments = convert_arguments(published, tmp_path / "out")
    error = fails(BAD_INPUT, "models", "convert", "sat-pro", *arguments)
    assert "SAT_Pro.pth and text_encoder.pth" in error
    assert "nano.pth and nano_text_encoder.pth were given" in error
    assert "no published model" in fails(BAD_INPUT, "models", "convert", own, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["nano.pth", "nano_text_encoder.pth", "vocab.txt"])
def test_convert_says_which_file_is_missing_or_damaged(fails, published, tmp_path, name):
    arguments = convert_arguments(published, tmp_path / "out")
    (published / name).write_bytes(b"<html>not here</html>\n")
    assert name in fails(FAILED, "models", "convert", "sat-nano", *arguments)
    (published / name).unlink()
    assert name in fails(BAD_INPUT, "models", "convert", "sat-nano", *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published"]


# Import and remove


def test_import_and_remove(run, fails, own):
    target = models_folder() / "own"
    code, out, err = run("models", "import", own)
    assert (code, out, err) == (DONE, f"own is installed in {target}.\n", "")
    assert "own is installed already" in fails(BAD_INPUT, "models", "import", own)
    assert run("models", "verify", "own")[0] == DONE
    code, out, err = run("models", "remove", "own")
    assert (code, err) == (DONE, "")
    assert re.fullmatch(r"own is removed; \d+ MB are free again\.\n", out)
    assert not target.exists()
    assert 'no model "own"' in fails(BAD_INPUT, "models", "remove", "own")
    assert run("models", "verify", own)[0] == DONE


def test_import_of_published_files(run, fails, published, tmp_path):
    code, out, err = run("models", "import", published)
    assert (code, out, err) == (DONE, f"sat-nano is installed in {models_folder() / 'sat-nano'}.\n", "")
    assert (models_folder() / "sat-nano" / TOKENS).read_text() == VOCABULARY
    assert "sat-nano is installed already" in fails(BAD_INPUT, "models", "import", published)
    assert "sat-nano is removed" in run("models", "remove", "sat-nano")[1]
    (published / "nano.pth").write_bytes(b"cut")
    assert "nano.pth is no checkpoint" in fails(FAILED, "models", "import", published)
    (published / "nano.pth").unlink()
    assert "Wanted are, sat-nano: nano.pth," in fails(BAD_INPUT, "models", "import", published)
    assert "There is no folder" in fails(BAD_INPUT, "models", "import", tmp_path / "none")


def test_remove_refuses_what_was_not_installed_here(fails, own):
    assert "came with the extension" in fails(BAD_INPUT, "models", "remove", "sat-tiny")
    assert "sat-nano is not installed" in fails(BAD_INPUT, "models", "remove", "sat-nano")
    assert "delete the folder yourself" in fails(BAD_INPUT, "models", "remove", own)
    assert (own / NETWORK).is_file()


# Download


class FolderHandler(Handler):
    """Serves a folder's files by name, each with the hash Git knows it by."""

    def answer(self):
        self.server.asked.append(self.path)
        file = self.server.folder / Path(self.path).name
        body = file.read_bytes() if file.is_file() else b""
        git_id = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        self.reply(200 if body else 404, {"ETag": f'"{git_id}"', "Content-Length": len(body)}, body)


@pytest.fixture
def hub(published, monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FolderHandler)
    server.folder, server.asked = published, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
    point_at(server, monkeypatch, tmp_path)
    yield server
    server.shutdown()
    server.server_close()


def test_download_wants_the_terms_accepted_first(fails, hub):
    error = fails(BAD_INPUT, "models", "download", "sat-nano")
    assert "sat-nano (1940 MB) comes from https://huggingface.co/zzh99/SAT under its authors' terms of use" in error
    assert "satsegment models download sat-nano --accept-terms" in error
    assert hub.asked == []
    assert not models_folder().exists()


def test_download_installs_what_the_hub_has(run, fails, hub):
    code, out, err = run("models", "download", "sat-nano", "--accept-terms")
    assert (code, out, err) == (DONE, f"sat-nano is installed in {models_folder() / 'sat-nano'}.\n", "")
    assert run("models", "verify", "sat-nano")[0] == DONE
    assert "is installed already" in fails(BAD_INPUT, "models", "download", "sat-nano", "--accept-terms")


def test_download_that_fails_says_which_file(fails, hub):
    (hub.folder / "nano.pth").unlink()
    assert "There is no file at" in fails(FAILED, "models", "download", "sat-nano", "--accept-terms")
    assert "nothing to download" in fails(BAD_INPUT, "models", "download", "sat-tiny")


# Info, version, usage


def test_info(run, own):
    run("models", "import", own)
    code, out, err = run("info")
    assert (code, err) == (DONE, "")
    values = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert values["satsegment"] == SATSegmentLib.__version__
    assert values["torch"] == torch.__version__
    assert values["models_folder"] == str(models_folder())
    code, out, err = run("info", "--json")
    assert (code, err) == (DONE, "")
    as_json = json.loads(out)
    assert list(as_json) == list(values)
    assert as_json["gpus"] == [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    assert as_json["free_memory_gb"] > 0
    assert as_json["models_megabytes"] > 0.05


def test_info_without_any_folder(run):
    code, out, _ = run("info", "--json")
    assert code == DONE
    assert json.loads(out)["models_megabytes"] == 0
    assert not models_folder().exists()


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == DONE
    assert capsys.readouterr().out == f"satsegment {SATSegmentLib.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["models"], ["models", "rename"], ["models", "convert", "sat-nano"], ["info", "--xml"]]
)
def test_wrong_usage_is_bad_input(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == BAD_INPUT
    assert capsys.readouterr().err.startswith("usage: satsegment")

"""A worker that works: right masks, one by one, from as many images and requests as wanted."""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import shutil
import sys
import threading
import time
from http.server import ThreadingHTTPServer

import numpy as np
import psutil
import pytest
from Testing.Python.support import Handler
from Testing.Python.worker.conftest import ONE_WINDOW, PATIENCE, TERMS, predict, ready, segment, set_image, wait_until

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.worker.arrays import image_message, mask_of_result
from SATSegmentLib.worker.client import WorkerError


@pytest.fixture(scope="module")
def expected(volume):
    """What the predictor itself makes of the terms, asked in the worker's groups."""
    from SATSegmentLib.inference import Predictor
    from SATSegmentLib.models import find_model
    from SATSegmentLib.models.loading import load

    loaded = load(find_model("sat-tiny"))
    predictor = Predictor(loaded.network, loaded.prompts)
    predictor.set_image(volume, roi=ONE_WINDOW)
    return [*predictor.predict(TERMS[:1]), *predictor.predict(TERMS[1:])]


@pytest.fixture(scope="module")
def other(volume):
    """Another scan: the first, with its left on its right."""
    return Volume(np.ascontiguousarray(volume.array[::-1]), volume.affine, "ct", "mirrored")


def _assert_same(masks, expected):
    assert any(mask.voxels for mask in masks)
    for mask, result in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask.array, result.mask)


def _error(worker, *request, **keywords):
    with pytest.raises(WorkerError) as caught:
        worker.wait(worker.request(*request, **keywords), PATIENCE)
    return caught.value


def test_it_says_what_it_is(worker):
    ready(worker)
    assert worker.info["protocol"] == 1
    assert worker.info["torch"]
    assert worker.info["devices"][0]["id"] == "cpu"
    assert worker.info["devices"][0]["free_gb"] > 0
    assert worker.info["device"] in {device["id"].partition(":")[0] for device in worker.info["devices"]}


def test_masks_are_the_predictors_own(worker, volume, expected, tmp_path):
    answer = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)
    assert (answer["windows"], answer["encoded"]) == (1, 1)
    results = []
    params = {"key": answer["key"], "prompts": TERMS, "folder": str(tmp_path / "masks")}
    request = worker.request("predict", params, on_result=lambda result, binary: results.append((result, binary)))
    assert worker.wait(request, PATIENCE)["count"] == len(TERMS)
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [f"{request}-{i}.npy" for i in range(3)]
    _assert_same([mask_of_result(*result, volume.shape) for result in results], expected)
    for index, ((told, binary), result) in enumerate(zip(results, expected, strict=True)):
        assert (told["id"], told["index"], told["prompt"]) == (request, index, TERMS[index])
        assert told["voxels"] == result.region.voxels
        assert told["confidence"] == pytest.approx(result.confidence, abs=1e-6)
        assert binary is None
    assert not list((tmp_path / "masks").iterdir())  # read, they are removed


def test_results_come_one_by_one_before_the_response(worker, volume, tmp_path):
    key = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)["key"]
    terms = [
        "liver",
        "spleen",
        "aorta",
        "right lung",
        "left lung",
        "spinal cord",
        "right kidney",
        "left kidney",
        "lung",
    ]
    events = []
    request = worker.request(
        "predict",
        {"key": key, "prompts": terms, "folder": str(tmp_path)},
        on_progress=lambda stage, done, total: events.append((stage, done, total)),
        on_result=lambda result, _: events.append(result),
        on_done=lambda answer: events.append("done"),
    )
    wait_until(lambda: any(isinstance(event, dict) for event in events), worker)
    assert "done" not in events
    worker.wait(request, PATIENCE)
    assert events[-1] == "done"
    results = [event for event in events if isinstance(event, dict)]
    assert [result["prompt"] for result in results] == terms
    assert [result["seconds"] for result in results] == sorted(result["seconds"] for result in results)
    progress = [event[1:] for event in events if isinstance(event, tuple)]
    assert progress == sorted(progress)
    assert progress[-1] == (len(terms), len(terms))  # one window
    # groups of 1, 2, 4, and the rest: none is begun before the one before it is handed over
    for index, result in enumerate(results):
        before = [event[1] for event in events[: events.index(result)] if isinstance(event, tuple)]
        assert max(before) <= next(end for end in (1, 3, 7, 9) if index < end)


def test_going_back_to_an_earlier_scan_costs_neither_encoding_nor_preparing(worker, volume, other, tmp_path):
    asked = [worker.wait(set_image(worker, scan, tmp_path), PATIENCE) for scan in (volume, other, volume)]
    first, second, again = asked
    assert second["encoded"] == 1
    assert again["encoded"] == 0
    assert again["key"] == first["key"] != second["key"]
    right, left = predict(worker, second["key"], volume, tmp_path, TERMS[:2])
    mirrored, _ = predict(worker, first["key"], volume, tmp_path, TERMS[:2])  # without setting it again
    assert right.voxels and left.voxels
    assert not np.array_equal(right.array, mirrored.array)
    _, stayed = predict(worker, second["key"], volume, tmp_path, TERMS[:2])
    np.testing.assert_array_equal(stayed.array, left.array)


def test_a_remote_worker_gives_the_same_masks_through_the_stream(start, volume, expected):
    # what stands for: ssh host exec python -m SATSegmentLib.worker
    command = f"exec {shlex.quote(sys.executable)} -m SATSegmentLib.worker"
    remote = start("sh", "-c", command, remote=True)
    stages = []
    request = set_image(remote, volume, None, on_progress=lambda stage, *_: stages.append(stage))
    key = remote.wait(request, PATIENCE)["key"]
    assert list(dict.fromkeys(stages)) == ["load", "encode"]
    _assert_same(predict(remote, key, volume, None), expected)


def test_what_libraries_print_does_not_disturb(obedient, volume, expected, tmp_path):
    obedient.order("print")
    _assert_same(segment(obedient.worker, volume, tmp_path), expected)
    # printed things come on a way of their own; the child found no input to read
    for said in ("a library says", "native code says hello", "EOFError"):
        wait_until(lambda said=said: said in "\n".join(obedient.worker.log), obedient.worker)


def test_paths_and_names_in_any_script(worker, volume, expected, tmp_path):
    folder = tmp_path / "患者 Müller" / "с пробелом"
    folder.mkdir(parents=True)
    named = Volume(volume.array, volume.affine, "ct", "胸部 CT")
    _assert_same(segment(worker, named, folder), expected)


def test_which_prompts_are_free_text(worker):
    params = {"model": "sat-tiny", "prompts": ["Liver", "left  lung", "blue liver"], "modality": "CT"}
    answer = worker.wait(worker.request("encodeText", params), PATIENCE)
    assert answer == {"free_text": ["blue liver"], "missing": None}


def test_free_text_that_cannot_be_encoded_says_what_is_missing(faulty, tmp_path, volume):
    worker = faulty("lacks", "transformers")
    ask = {"model": "sat-tiny", "modality": "ct"}
    answer = worker.wait(worker.request("encodeText", {**ask, "prompts": ["liver"]}), PATIENCE)
    assert answer == {"free_text": [], "missing": None}
    answer = worker.wait(worker.request("encodeText", {**ask, "prompts": ["blue liver"]}), PATIENCE)
    assert answer["free_text"] == ["blue liver"]
    assert '"transformers" is missing' in answer["missing"]
    key = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)["key"]
    told = []
    error = _error(
        worker, "predict", {"key": key, "prompts": ["liver", "blue liver"]}, on_result=lambda *r: told.append(r)
    )
    assert error.kind == "setup"
    assert not told  # found before the work
    assert predict(worker, key, volume, tmp_path, ["liver"])[0].voxels


def test_what_is_kept_of_images_is_told_and_cleared(worker, volume, tmp_path):
    answer = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)
    assert sum(answer["kept"].values()) > 1e5
    assert worker.wait(worker.request("clearCache"), PATIENCE) == {"freed": sum(answer["kept"].values())}
    assert _error(worker, "predict", {"key": answer["key"], "prompts": ["liver"]}).kind == "gone"
    again = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)
    assert (again["key"], again["encoded"]) == (answer["key"], 1)
    assert 0 < sum(again["kept"].values()) <= sum(answer["kept"].values())


def test_models_are_listed_with_their_terms(worker):
    models = {model["name"]: model for model in worker.wait(worker.request("models"), PATIENCE)}
    assert models["sat-tiny"]["state"] == "built in"
    assert ["right lung", "ct"] in models["sat-tiny"]["terms"]
    assert models["sat-nano"]["state"] == "not installed"
    assert models["sat-nano"]["terms"] == []
    assert models["sat-nano"]["terms_of_use"].startswith("https://")


def test_a_model_is_imported_used_and_removed(worker, volume, tmp_path):
    from SATSegmentLib.models import find_model

    folder = tmp_path / "mine"
    shutil.copytree(find_model("sat-tiny").folder, folder)
    values = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**values, "name": "mine"}))
    assert worker.wait(worker.request("import", {"path": str(folder)}), PATIENCE) == {"model": "mine"}
    image, _ = image_message(volume, tmp_path / "volume.npy")
    params = {"image": image, "model": "mine", "roi": ONE_WINDOW}
    key = worker.wait(worker.request("setImage", params), PATIENCE)["key"]
    assert predict(worker, key, volume, tmp_path, ["liver"])[0].voxels
    assert worker.wait(worker.request("remove", {"model": "mine"}), PATIENCE)["freed"] > 1e6
    error = _error(worker, "predict", {"key": key, "prompts": ["liver"]})
    assert error.kind == "gone"
    assert _error(worker, "setImage", params).kind == "input"


def test_a_download_tells_its_bytes_and_can_be_cancelled(start, tmp_path):
    class Slow(Handler):
        def answer(self):
            size = 0 if self.command == "HEAD" else 1000
            self.reply(200, {"Content-Length": 10**8, "ETag": f'"{64 * "0"}"'}, bytes(size))
            with contextlib.suppress(OSError):  # until the client hangs up
                while size:
                    self.wfile.write(bytes(70_000))
                    time.sleep(0.01)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "NO_PROXY": "*"}
    downloading = start(sys.executable, "-m", "SATSegmentLib.worker", variables=address)
    told = []
    request = downloading.request(
        "download", {"model": "sat-nano"}, on_progress=lambda stage, done, total: told.append((stage, done, total))
    )
    wait_until(lambda: len(told) > 2, downloading)
    pid = downloading.info["pid"]
    downloading.cancel(request)
    with pytest.raises(WorkerError) as caught:
        downloading.wait(request, PATIENCE)
    server.shutdown()
    server.server_close()
    assert caught.value.kind == "cancelled"
    assert {stage for stage, *_ in told} == {"download"}
    assert all(0 <= done < total for _, done, total in told)
    assert 0 < told[1][1] < told[-1][1]
    (part,) = (tmp_path / "home").rglob("*.part")
    assert part.stat().st_size >= told[-1][1]  # goes on from there another time
    error = _error(downloading, "download", {"model": "sat-nano"})
    assert error.kind == "model"
    assert "cannot reach 127.0.0.1" in str(error)
    assert "not one of the models that can be downloaded" in str(_error(downloading, "download", {"model": "sat-tiny"}))
    assert downloading.info["pid"] == pid


@pytest.mark.parametrize(
    ("method", "changes", "kind", "message"),
    [
        ("setImage", {"roi": [900, 900, 900, 950, 950, 950]}, "input", "region of interest lies outside"),
        ("setImage", {"roi": [1, 2, 3]}, "input", "six numbers, not 3"),
        ("setImage", {"model": "sat-giant"}, "input", 'no model "sat-giant"'),
        ("setImage", {"model": "sat-nano"}, "model", "not installed"),
        ("setImage", {"device": "cuda:77"}, "input", "not available"),
        ("setImage", {"precision": "double"}, "input", "no precision"),
        ("setImage", {"image": {}}, "input", "described wrongly"),
        ("setImage", {"colour": "red"}, "protocol", "parameters of setImage are wrong"),
        ("predict", {"key": "no such key"}, "gone", "run again"),
        ("predict", {"prompts": ["liver", " "]}, "input", "A term is empty"),
        ("predict", {"prompts": "liver"}, "input", "Terms are a list"),
        ("predict", {"folder": "FILE/below"}, "input", "cannot be written"),
        ("encodeText", {"model": "sat-tiny", "prompts": [], "modality": "x-ray"}, "input", "no modality"),
        ("fly", {}, "protocol", "knows no fly"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_worker_goes_on(worker, volume, tmp_path, method, changes, kind, message):
    pid = ready(worker)
    image, _ = image_message(volume, tmp_path / "volume.npy")
    usual = {"setImage": {"image": image, "model": "sat-tiny", "roi": ONE_WINDOW}}
    if method == "predict":
        key = worker.wait(worker.request("setImage", usual["setImage"]), PATIENCE)["key"]
        usual["predict"] = {"key": key, "prompts": ["liver"], "folder": str(tmp_path)}
    if "folder" in changes:
        (tmp_path / "FILE").touch()
        changes = {"folder": str(tmp_path / "FILE" / "below")}
    error = _error(worker, method, {**usual.get(method, {}), **changes})
    assert error.kind == kind
    assert message in str(error)
    assert worker.state == "ready"
    assert worker.info["pid"] == pid


def test_an_array_that_is_not_the_one_announced_is_refused(worker, volume, tmp_path):
    image, _ = image_message(volume, tmp_path / "volume.npy")
    np.save(image["path"], volume.array[:-1])
    params = {"image": image, "model": "sat-tiny"}
    assert "were announced" in str(_error(worker, "setImage", params))
    (tmp_path / "volume.npy").write_bytes(b"half a file")
    assert "cannot be read" in str(_error(worker, "setImage", params))
    del image["path"]
    assert _error(worker, "setImage", params, binary=b"1234").kind == "input"
    assert _error(worker, "setImage", params).kind == "input"


@pytest.mark.skipif(not hasattr(psutil.Process, "memory_maps"), reason="this system does not tell what is mapped")
@pytest.mark.parametrize("roi", [ONE_WINDOW, [900, 900, 900, 950, 950, 950]])
def test_a_scans_file_is_let_go_with_the_answer(worker, volume, tmp_path, roi):
    process = psutil.Process(ready(worker))
    with contextlib.suppress(WorkerError):  # of the region outside
        worker.wait(set_image(worker, volume, tmp_path, roi), PATIENCE)
    assert str(tmp_path / "volume.npy") not in {mapped.path for mapped in process.memory_maps()}


def test_requests_wait_in_line(worker, volume, tmp_path):
    order = []
    first = set_image(worker, volume, tmp_path, on_done=lambda _: order.append("setImage"))
    second = worker.request("models", on_done=lambda _: order.append("models"))
    third = worker.request("fly", on_error=lambda _: order.append("fly"))
    assert worker.state in ("busy", "starting")
    with pytest.raises(WorkerError):
        worker.wait(third, PATIENCE)
    assert order == ["setImage", "models", "fly"]
    assert worker.wait(first)["key"]
    assert worker.wait(second)


def test_polling_leaves_the_rest_to_the_next_poll(worker, volume, tmp_path):
    key = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)["key"]
    called = []

    def slow(*_):
        called.append(1)
        time.sleep(0.06)  # as a view takes to show a mask

    request = worker.request("predict", {"key": key, "prompts": TERMS * 4, "folder": str(tmp_path)}, on_result=slow)
    answered, polls = [], []
    worker.request("models", on_done=answered.append)
    while not answered:
        before = len(called)
        worker.poll()
        polls.append(len(called) - before)
        time.sleep(0.001)
    assert max(polls) == 1
    assert sum(polls) == worker.wait(request)["count"] == 12


def test_an_error_in_a_callback_comes_through_and_loses_nothing(worker):
    seen = []

    def fail(_):
        seen.append("first")
        worker.poll()  # as an event loop inside a callback would
        with pytest.raises(RuntimeError, match="must not wait"):
            worker.wait(second)
        raise ZeroDivisionError

    worker.request("models", on_done=fail)
    second = worker.request("models", on_done=lambda _: seen.append("second"))
    with pytest.raises(ZeroDivisionError):
        worker.wait(second, PATIENCE)
    assert seen == ["first"]
    worker.wait(second, PATIENCE)
    assert seen == ["first", "second"]


def test_an_empty_mask_comes_through(volume):
    from SATSegmentLib.worker.arrays import pack

    told = {"prompt": "liver", "start": [0, 0, 0], "shape": [0, 0, 0]}
    mask = mask_of_result(told, bytearray(pack(np.zeros((0, 0, 0), bool))), volume.shape)
    assert (mask.voxels, mask.shape) == (0, volume.shape)


@pytest.mark.parametrize(
    ("changes", "binary", "message"),
    [
        ({"start": [120, 0, 0]}, b"\xff" * 125, "one of another scan"),
        ({}, b"\xff" * 12, "12 bytes for 1000 voxels"),
        ({"file": "nowhere.npy"}, None, "cannot be read"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(volume, changes, binary, message):
    told = {"prompt": "liver", "start": [5, 5, 5], "shape": [10, 10, 10], **changes}
    with pytest.raises(InputError, match=message):
        mask_of_result(told, binary, volume.shape)


def test_groups_grow_so_that_the_first_answer_comes_at_once():
    from SATSegmentLib.worker.session import _groups

    prompts = [str(i) for i in range(300)]
    groups = list(_groups(prompts, growing=True))
    assert [len(group) for group in groups] == [1, 2, 4, 8, 16, 32, 64, 64, 64, 45]
    assert list(itertools.chain(*groups)) == prompts
    assert list(_groups(prompts, growing=False)) == [prompts]
    assert list(_groups([], growing=True)) == list(_groups([], growing=False)) == []


def test_what_cannot_be_sent_is_refused_where_it_is_asked(worker, volume):
    with pytest.raises(TypeError, match="JSON"):
        worker.request("predict", {"key": object(), "prompts": []})
    with pytest.raises(TypeError):
        worker.request("setImage", {}, volume.array[::2])
    assert worker.wait(worker.request("models"), PATIENCE)


def test_200_requests_in_a_row_do_not_fill_the_memory(start, volume, other, tmp_path):
    # what is freed goes back to the system (glibc), or a hole left by the first image would hide what is not
    giving_back = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    worker = start(sys.executable, "-m", "SATSegmentLib.worker", variables=giving_back)
    process = psutil.Process(ready(worker))
    keys = [worker.wait(set_image(worker, scan, tmp_path), PATIENCE)["key"] for scan in (volume, other)]
    image, _ = image_message(volume, tmp_path / "volume.npy")
    requests = itertools.cycle(
        [
            ("setImage", {"image": image, "model": "sat-tiny", "roi": ONE_WINDOW}),
            ("predict", {"key": keys[0], "prompts": ["liver"], "folder": str(tmp_path)}),
            ("predict", {"key": keys[1], "prompts": ["liver"], "folder": None}),
            ("encodeText", {"model": "sat-tiny", "prompts": ["spleen"], "modality": "ct"}),
            ("predict", {"key": "no such key", "prompts": ["liver"]}),
            ("models", {}),
        ]
    )
    used = []
    for method, params in itertools.islice(requests, 200):
        request = worker.request(method, params)
        if params.get("key") == "no such key":
            with pytest.raises(WorkerError, match="run again"):
                worker.wait(request, PATIENCE)
        else:
            worker.wait(request, PATIENCE)
        used.append(process.memory_info().rss)
    assert max(used[100:]) - max(used[:100]) < 2e6, [f"{bytes / 1e6:.1f}" for bytes in used[::10]]


def test_what_was_answered_but_not_told_can_still_be_cancelled(worker, monkeypatch):
    from SATSegmentLib.worker import client

    ready(worker)
    monkeypatch.setattr(client, "_POLL_SECONDS", 0)  # as where one callback takes long: a step a poll
    told = []
    number = worker.request(
        "models", on_done=lambda _models: told.append("done"), on_error=lambda e: told.append(e.kind)
    )
    wait_until(lambda: worker._settled, worker)
    worker.cancel(number)
    wait_until(lambda: told, worker)
    assert told == ["cancelled"]

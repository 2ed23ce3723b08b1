"""Downloads against local servers that behave, and misbehave, as the hub and what lies before it do."""

import contextlib
import errno
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import socket
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from Testing.Python.support import Handler

from SATSegmentLib.errors import Cancelled, InputError, ModelError
from SATSegmentLib.models import download as module
from SATSegmentLib.models.download import CHUNK, RemoteFile, download, hub_url, inspect, sha256_of

BODY = random.Random(0).randbytes(5 * CHUNK + 123)
SHA = hashlib.sha256(BODY).hexdigest()
OTHER = hashlib.sha256(b"another file").hexdigest()
RESOLVE = "/owner/name/resolve/main/model.bin"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class RecordingHandler(Handler):
    def answer(self):
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        with contextlib.suppress(ConnectionError):  # a client that cancels hangs up
            self.server.behave(self)


class Server(ThreadingHTTPServer):
    """Records what it is asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def behave(self, handler):
        raise NotImplementedError

    def asked(self, method, header=None):
        """What was asked by a method: the paths, or the values of a header."""
        return [headers.get(header) if header else path for verb, path, headers in self.requests if verb == method]


class Hub(Server):
    """Redirects to the storage and tells size and hash of the file, as the hub does for large files."""

    def __init__(self, storage_url):
        super().__init__()
        self.location = f"{storage_url}/object"
        self.told = {"X-Linked-Etag": f'"{SHA}"', "X-Linked-Size": len(BODY), "ETag": '"redirect"'}
        self.status = 302
        self.moved = {}  # path: where it is now

    def behave(self, handler):
        if handler.path in self.moved:
            handler.reply(307, {"Location": self.moved[handler.path], "Content-Length": 7})
        elif self.status == 302:
            handler.reply(302, {"Location": self.location, "Content-Length": 11, **self.told})
        else:
            handler.reply(self.status, self.told)


class Storage(Server):
    """Serves the bytes."""

    def __init__(self):
        super().__init__()
        self.body = BODY
        self.status = 200
        self.ranges = "honoured"  # or "ignored", "refused", "refused oddly", "wrong", "untold"
        self.length_told = True
        self.compressed = False
        self.cuts = []  # after how many bytes the next answers break off
        self.stalled = threading.Event()
        self.stalls = False

    def behave(self, handler):
        if self.status != 200:
            return handler.reply(self.status)
        start, size = 0, len(self.body)
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        headers = {}
        if asked and self.ranges != "ignored":
            start = int(asked[1])
            if self.ranges == "refused" or start >= size:
                return handler.reply(416, {"Content-Range": f"bytes */{size}"})
            if self.ranges == "refused oddly":
                return handler.reply(416, {"Content-Range": f"bytes 0-9/{size}"}, b"an excuse")
            first = start
            if self.ranges == "wrong":
                first = start = 7
            headers["Content-Range"] = None if self.ranges == "untold" else f"bytes {first}-{size - 1}/{size}"
        body = self.body[start:]
        if self.compressed:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = len(body) if self.length_told else None
        if self.cuts:
            body = body[: self.cuts.pop(0)]
        handler.reply(206 if "Content-Range" in headers else 200, headers, body)
        if self.stalls:
            handler.wfile.flush()
            self.stalled.wait(5)
        return None


@pytest.fixture
def serve():
    """Runs servers until the test ends."""
    servers = []

    def run(server):
        servers.append(server)
        # A short poll, or else each shutdown waits for half a second.
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        return server

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def storage(serve):
    return serve(Storage())


@pytest.fixture
def hub(serve, storage, monkeypatch):
    hub = serve(Hub(storage.url))
    monkeypatch.setenv("HF_ENDPOINT", hub.url + "/")
    return hub


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "no.netrc"))
    monkeypatch.setattr(module, "BACK_OFF", 0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / "model.bin"


def url():
    return hub_url("owner/name", "model.bin")


def part_of(target):
    return target.with_name(target.name + ".part")


def note_of(target):
    return target.with_name(target.name + ".part.json")


def leave_part(target, content, **changes):
    """What an earlier download that stopped leaves."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part_of(target).write_bytes(content)
    note_of(target).write_text(json.dumps({"url": url(), "size": len(BODY), "hash": SHA, **changes}))


def assert_complete(target):
    assert target.read_bytes() == BODY
    assert [path.name for path in target.parent.iterdir()] == [target.name]


# Addresses and what the hub tells


def test_hub_url(monkeypatch):
    assert hub_url("owner/name", "a/b.bin") == "https://huggingface.co/owner/name/resolve/main/a/b.bin"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_url("owner/name", "b.bin", "v1") == "https://mirror.example/owner/name/resolve/v1/b.bin"


def test_inspect_reads_the_linked_headers_without_asking_the_storage(hub, storage):
    assert inspect(url()) == RemoteFile(url(), len(BODY), SHA)
    assert hub.requests[0][:2] == ("HEAD", RESOLVE)
    assert storage.requests == []


@pytest.mark.parametrize(
    ("etag", "found"),
    [(f'"{SHA.upper()}"', SHA), (f'W/"{SHA}"', SHA), (f'"{SHA[:32]}"', None), ('"' + "g" * 64 + '"', None)],
)
def test_inspect_falls_back_to_plain_headers_of_a_final_answer(hub, etag, found):
    hub.status, hub.told = 200, {"ETag": etag, "Content-Length": 17}
    assert inspect(url()) == RemoteFile(url(), 17, found)


def test_inspect_follows_redirects_on_the_same_host(hub):
    hub.moved = {RESOLVE: "/new" + RESOLVE, "/new" + RESOLVE: hub.url + "/newest"}
    assert inspect(url()) == RemoteFile(url(), len(BODY), SHA)
    assert hub.asked("HEAD") == [RESOLVE, "/new" + RESOLVE, "/newest"]


def test_inspect_does_not_follow_a_redirect_that_tells_all(hub):
    hub.location = "/cache/object"
    assert inspect(url()) == RemoteFile(url(), len(BODY), SHA)
    assert hub.asked("HEAD") == [RESOLVE]


def test_inspect_does_not_follow_to_another_host_nor_believe_the_redirect(hub, storage):
    hub.told = {"ETag": f'"{OTHER}"'}
    assert inspect(url()) == RemoteFile(url(), None, None)
    assert storage.requests == []


def test_inspect_ends_in_a_circle(hub):
    hub.moved = {RESOLVE: RESOLVE}
    with pytest.raises(ModelError, match="in a circle"):
        inspect(url())


# The usual way


def test_download(hub, storage, target):
    seen = []
    assert download(url(), target, progress=lambda *state: seen.append(state)) == SHA
    assert_complete(target)
    assert seen[0] == (0, len(BODY)) and seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen) and len(seen) > 3
    assert storage.asked("GET", "Range") == [None]
    assert storage.asked("GET", "Accept-Encoding") == ["identity"]


def test_download_with_the_hash_given(hub, target):
    hub.told = {"ETag": '"' + "0" * 40 + '"'}  # the server tells none
    assert download(url(), target, sha256=SHA.upper()) == SHA
    assert_complete(target)


def test_a_server_that_compresses_though_not_asked_to(hub, storage, target):
    storage.compressed = True
    assert download(url(), target) == SHA
    assert_complete(target)


def test_the_file_is_on_the_disk_before_it_gets_its_name(hub, target, monkeypatch):
    seen, sync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (seen.append((os.fstat(number).st_size, target.exists())), sync(number))
    )
    download(url(), target)
    assert seen == [(len(BODY), False)]


def test_an_empty_file(hub, storage, target):
    storage.body = b""
    empty = hashlib.sha256(b"").hexdigest()
    hub.told = {"X-Linked-Etag": empty, "X-Linked-Size": 0}
    assert download(url(), target) == empty
    assert target.read_bytes() == b""


def test_sha256_of(tmp_path):
    path, seen = tmp_path / "file", []
    content = bytes(3 << 20) + b"x"
    path.write_bytes(content)
    assert sha256_of(path, lambda *state: seen.append(state)) == hashlib.sha256(content).hexdigest()
    assert seen[-1] == (len(content), len(content)) and len(seen) > 1


# What is at the target already


def test_the_same_file_at_the_target_is_kept_without_network(target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    assert download("http://127.0.0.1:1/file", target, sha256=SHA) == SHA
    assert_complete(target)


def test_the_same_file_at_the_target_is_kept_after_asking_for_its_hash(hub, storage, target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    assert download(url(), target) == SHA
    assert storage.requests == [] and hub.asked("GET") == []


@pytest.mark.parametrize("given", [None, SHA])
def test_another_file_at_the_target_is_never_overwritten(hub, target, given):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(InputError, match="remove it first"):
        download(url(), target, sha256=given)
    assert target.read_bytes() == b"mine"
    assert hub.asked("GET") == []


def test_a_folder_at_the_target(hub, target):
    target.mkdir(parents=True)
    with pytest.raises(InputError, match="remove it first"):
        download(url(), target)


def test_another_file_that_appears_meanwhile_is_not_overwritten(hub, target):
    with pytest.raises(InputError, match="remove it first"):
        download(url(), target, progress=lambda *_: target.write_bytes(b"mine"))
    assert target.read_bytes() == b"mine"


def test_the_same_file_that_appears_meanwhile_is_kept(hub, target):
    assert download(url(), target, progress=lambda *_: target.write_bytes(BODY)) == SHA
    assert_complete(target)


# Resuming


def test_a_part_is_resumed(hub, storage, target):
    leave_part(target, BODY[:1000])
    seen = []
    assert download(url(), target, progress=lambda *state: seen.append(state)) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == ["bytes=1000-"]
    assert seen[0] == (1000, len(BODY))


def test_a_complete_part_is_only_checked(hub, storage, target):
    leave_part(target, BODY)
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.requests == []


@pytest.mark.parametrize("changes", [{"url": "http://127.0.0.1/other"}, {"hash": OTHER}, {"size": 5}])
def test_a_part_of_another_file_is_not_used(hub, storage, target, changes):
    leave_part(target, b"x" * 1000, **changes)
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == [None]


@pytest.mark.parametrize("note", [None, "", "{", "[]"])
def test_a_part_without_a_readable_note_is_not_used(hub, storage, target, note):
    leave_part(target, b"x" * 1000)
    note_of(target).unlink() if note is None else note_of(target).write_text(note)
    assert download(url(), target) == SHA
    assert storage.asked("GET", "Range") == [None]


def test_a_part_longer_than_the_file_is_not_used(hub, storage, target):
    leave_part(target, BODY + b"x")
    assert download(url(), target) == SHA
    assert storage.asked("GET", "Range") == [None]


def test_a_damaged_part_is_deleted(hub, target):
    leave_part(target, b"x" * 1000)
    with pytest.raises(ModelError, match=SHA):
        download(url(), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("ranges", "asked"),
    [
        ("ignored", ["bytes=1000-"]),  # the answer is the whole file, and taken as such
        ("refused", ["bytes=1000-", None]),
        ("refused oddly", ["bytes=1000-", None]),
        ("wrong", ["bytes=1000-", None]),
        ("untold", ["bytes=1000-", None]),
    ],
)
def test_a_server_that_cannot_resume_makes_it_start_over(hub, storage, target, ranges, asked):
    leave_part(target, BODY[:1000])
    storage.ranges = ranges
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == asked


def test_a_part_of_a_file_of_unknown_size(hub, storage, target):
    hub.told = {}
    leave_part(target, BODY, size=None)
    assert download(url(), target, sha256=SHA) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == [f"bytes={len(BODY)}-", None]


def test_cancelling_leaves_a_part_that_is_resumed(hub, storage, target):
    seen = []
    with pytest.raises(Cancelled):
        download(url(), target, progress=lambda done, _: seen.append(done), cancelled=lambda: len(seen) > 2)
    assert not target.exists()
    assert part_of(target).read_bytes() == BODY[: seen[-1]] and 0 < seen[-1] < len(BODY)
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == [None, f"bytes={seen[-1]}-"]


def test_cancelling_before_the_start(hub, target):
    with pytest.raises(Cancelled):
        download(url(), target, cancelled=lambda: True)
    assert hub.asked("GET") == []


def test_cancelling_while_waiting_for_a_retry(hub, storage, target, monkeypatch):
    monkeypatch.setattr(module, "BACK_OFF", 60)
    storage.cuts = [0]
    polls = []
    with pytest.raises(Cancelled):
        download(url(), target, cancelled=lambda: polls.append(1) or len(polls) > 2)  # the third is in the pause
    assert len(storage.requests) == 1
    assert part_of(target).exists()


# Connections that break


def test_cuts_are_continued_where_they_happened(hub, storage, target):
    storage.cuts = [2 * CHUNK, CHUNK, CHUNK]
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == [None, *(f"bytes={n * CHUNK}-" for n in (2, 3, 4))]


def test_retries_start_anew_after_progress(hub, storage, target):
    storage.cuts = [0] * 5 + [CHUNK] + [0] * 4 + [CHUNK]
    assert download(url(), target) == SHA
    assert len(storage.asked("GET")) == 12


def test_retries_without_progress_end(hub, storage, target):
    storage.cuts = [2 * CHUNK] + [0] * 100
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 broke off .* 0\.1 MB of 0\.3 MB.*try again"):
        download(url(), target)
    assert len(storage.asked("GET")) == 1 + module.RETRIES
    assert part_of(target).read_bytes() == BODY[: 2 * CHUNK]


def test_a_server_that_always_starts_over_comes_to_an_end(hub, storage, target):
    storage.ranges, storage.cuts = "ignored", [2 * CHUNK, CHUNK] * 50
    with pytest.raises(ModelError, match="broke off"):
        download(url(), target)
    assert len(storage.asked("GET")) == 1 + module.RETRIES


def test_retries_wait_longer_each_time(hub, storage, target, monkeypatch):
    waits = []
    monkeypatch.setattr(module, "BACK_OFF", 0.5)
    monkeypatch.setattr(module, "_pause", lambda seconds, _: waits.append(seconds))
    storage.cuts = [0] * 100
    with pytest.raises(ModelError):
        download(url(), target)
    assert waits == [0.5, 1, 2, 4, 8]


def test_a_cut_that_the_http_library_does_not_notice(hub, storage, target):
    storage.length_told, storage.cuts = False, [CHUNK]  # without a length the end looks regular
    assert download(url(), target) == SHA
    assert_complete(target)
    assert storage.asked("GET", "Range") == [None, f"bytes={CHUNK}-"]


def test_a_server_that_falls_silent(hub, storage, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.1))
    monkeypatch.setattr(module, "RETRIES", 1)
    storage.stalls, storage.cuts = True, [CHUNK] + [0] * 9
    with pytest.raises(ModelError, match="broke off"):
        download(url(), target)
    storage.stalled.set()
    assert part_of(target).read_bytes() == BODY[:CHUNK]


# Files that are not what they should be


@pytest.mark.parametrize("given", [None, SHA])
def test_another_content_is_deleted(hub, storage, target, given):
    storage.body = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(ModelError, match=f"{hashlib.sha256(storage.body).hexdigest()}, not {SHA}"):
        download(url(), target, sha256=given)
    assert list(target.parent.iterdir()) == []


def test_a_hub_that_has_another_file_than_expected_is_not_asked_for_it(hub, target):
    with pytest.raises(ModelError, match=f"{SHA}, not {OTHER}"):
        download(url(), target, sha256=OTHER)
    assert hub.asked("GET") == []


@pytest.mark.parametrize("length_told", [True, False])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_size_that_is_not_the_one_told(hub, storage, target, off, length_told):
    hub.told["X-Linked-Size"] = len(BODY) + off
    storage.length_told = length_told
    with pytest.raises(ModelError, match=f"has {len(BODY)} bytes where .* says {len(BODY) + off}"):
        download(url(), target)
    assert list(target.parent.iterdir()) == []


def test_a_body_without_end_is_not_read_to_its_end(hub, storage, target):
    storage.body, storage.length_told = BODY * 3, False
    seen = []
    with pytest.raises(ModelError, match=f"says {len(BODY)}"):
        download(url(), target, progress=lambda done, _: seen.append(done))
    assert len(BODY) < seen[-1] <= len(BODY) + CHUNK


def test_a_file_without_checksum_is_refused(hub, storage, target):
    hub.told = {"X-Linked-Etag": f'"{SHA[:32]}"', "X-Linked-Size": len(BODY)}
    with pytest.raises(ModelError, match="gives no checksum"):
        download(url(), target)
    assert storage.requests == [] and not target.parent.exists()


@pytest.mark.parametrize("given", ["", "abc", SHA[:-1] + "g"])
def test_a_hash_that_is_none(target, given):
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        download("http://127.0.0.1:1/file", target, sha256=given)


# Refusals


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "401.*terms of use at .*/owner/name and .*HF_TOKEN"),
        (403, "403.*terms of use at .*/owner/name and .*HF_TOKEN"),
        (404, "There is no file at .*404.*moved"),
        (429, "429.*try again later"),
        (503, "503.*try again later"),
        (418, "cannot be fetched.*418"),
    ],
)
@pytest.mark.parametrize("which", ["hub", "storage"])
def test_refusals(hub, storage, target, which, status, words):
    {"hub": hub, "storage": storage}[which].status = status
    with pytest.raises(ModelError, match=words):
        download(url(), target)
    assert not target.exists()


def test_the_hub_answers_401_for_a_repository_that_is_missing(hub, target):
    hub.status, hub.told = 401, {"X-Error-Code": "RepoNotFound"}
    with pytest.raises(ModelError, match=r"There is no file at .*401.*private"):
        download(url(), target)


def test_a_refusal_keeps_the_part(hub, storage, target):
    leave_part(target, BODY[:1000])
    storage.status = 503
    with pytest.raises(ModelError):
        download(url(), target)
    assert part_of(target).read_bytes() == BODY[:1000]


# The network


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_network(target):
    words = r"cannot reach 127\.0\.0\.1.*HTTPS_PROXY.*satsegment models import"
    with pytest.raises(ModelError, match=words):
        download(f"http://127.0.0.1:{closed_port()}/file", target)
    assert not target.parent.exists()


def test_a_storage_that_cannot_be_reached_is_named(hub, target, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 1)  # some systems try a closed port for seconds
    hub.location = f"http://localhost:{closed_port()}/object"
    with pytest.raises(ModelError, match=r"cannot reach localhost.*HTTPS_PROXY"):
        download(url(), target)
    assert len(hub.asked("GET")) == 2


def test_a_server_that_does_not_answer(hub, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.05))
    monkeypatch.setattr(hub, "behave", lambda _: release.wait(60))
    with pytest.raises(ModelError, match="cannot reach"):
        inspect(url())
    assert not release.is_set()  # it was the client that gave up
    release.set()


def test_an_encryption_that_fails(hub):
    with pytest.raises(ModelError, match=r"No trusted connection to 127\.0\.0\.1.*REQUESTS_CA_BUNDLE"):
        inspect(url().replace("http:", "https:"))


def test_no_address():
    with pytest.raises(ModelError, match="nowhere cannot be fetched"):
        inspect("nowhere")


class Proxy(Server):
    """Hands requests for any host to the servers that play their parts."""

    def __init__(self, hub, storage):
        super().__init__()
        self.behaviours = {"hub.test": hub.behave, "cdn.test": storage.behave}

    def behave(self, handler):
        host = handler.path.split("/")[2]
        handler.path = handler.path.partition(host)[2]
        self.behaviours[host](handler)


def test_the_proxy_variable_is_honoured(serve, hub, storage, target, monkeypatch):
    proxy = serve(Proxy(hub, storage))
    hub.location = "http://cdn.test/object"
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.test")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert download(url(), target) == SHA
    assert proxy.asked("HEAD") == [f"http://hub.test{RESOLVE}"]
    assert proxy.asked("GET") == [f"http://hub.test{RESOLVE}", "http://cdn.test/object"]
    assert hub.requests == [] and storage.requests == []


def test_a_proxy_that_is_not_there(target, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(ModelError, match=r"cannot reach hub\.test.*HTTPS_PROXY"):
        download("http://hub.test/file", target)


# The token


def test_the_token_goes_to_the_hub_alone(hub, storage, target, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", " secret\n")
    hub.moved = {RESOLVE: "/new"}
    download(url(), target)
    assert hub.asked("HEAD", "Authorization") == ["Bearer secret"] * 2
    assert hub.asked("GET", "Authorization") == ["Bearer secret"] * 2
    # The storage differs in its port only, which is enough for it to be another host.
    assert storage.asked("GET", "Authorization") == [None]


def test_the_token_does_not_go_to_a_server_that_is_not_the_hub(hub, monkeypatch):
    address = url()
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")
    inspect(address)
    assert hub.asked("HEAD", "Authorization") == [None]


def test_a_netrc_file_does_not_replace_the_token(hub, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HF_TOKEN", "secret")
    inspect(url())
    assert hub.asked("HEAD", "Authorization") == ["Bearer secret"]


def test_no_token(hub, target):
    download(url(), target)
    assert hub.asked("HEAD", "Authorization") + hub.asked("GET", "Authorization") == [None, None]


# The disk


def test_a_disk_without_space_is_noticed_before_the_download(hub, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(BODY) - 1001))
    leave_part(target, BODY[:1000])
    with pytest.raises(ModelError, match=rf"0\.3 MB must be free in {re.escape(str(target.parent))} for model\.bin"):
        download(url(), target)
    assert hub.asked("GET") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(BODY) - 1000))
    assert download(url(), target) == SHA


class FullFile:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file, room, number):
        self.file, self.room, self.number = file, room, number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise OSError(self.number, "the system's words")
        return self.file.write(content)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, r"0\.2 MB must be free in {folder} for model\.bin\. Free some space"),
        (errno.EIO, r"{folder}.model\.bin cannot be written: the system's words"),
    ],
)
def test_a_disk_that_fails_during_the_download(hub, target, monkeypatch, number, words):
    open_path = Path.open

    def open_limited(path, mode="r", *args, **kwargs):
        file = open_path(path, mode, *args, **kwargs)
        return FullFile(file, 2 * CHUNK, number) if (path.suffix, mode) == (".part", "ab") else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_limited)
        with pytest.raises(ModelError, match=words.format(folder=re.escape(str(target.parent)))):
            download(url(), target)
    assert part_of(target).read_bytes() == BODY[: 2 * CHUNK]
    assert download(url(), target) == SHA
    assert_complete(target)


def test_a_folder_that_cannot_be_made(hub, target):
    target.parent.write_text("a file in its place")
    with pytest.raises(ModelError, match=r"model\.bin cannot be written"):
        download(url(), target)


def test_a_small_file_is_checked_by_the_hash_git_knows_it_by(hub, storage, tmp_path):
    git_id = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
    hub.told = {"X-Linked-Etag": f'"{git_id}"', "X-Linked-Size": len(BODY)}
    assert inspect(url()).git_id == git_id
    assert download(url(), tmp_path / "vocab.txt") == SHA
    assert (tmp_path / "vocab.txt").read_bytes() == BODY
    hub.told["X-Linked-Etag"] = f'"{git_id[::-1]}"'
    with pytest.raises(ModelError, match="damaged"):
        download(url(), tmp_path / "other.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "vocab.txt"]

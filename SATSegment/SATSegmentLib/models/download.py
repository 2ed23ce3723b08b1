"""Files from the Hugging Face Hub: resumed where a download stopped, and checked before they are used."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from hashlib import sha256 as _new_sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..errors import Cancelled, InputError, ModelError

if TYPE_CHECKING:
    import requests

ENDPOINT = "https://huggingface.co"  # where HF_ENDPOINT names no other
TIMEOUT = (10, 60)  # seconds to connect, and between two bytes
CHUNK = 1 << 16  # bytes; small, since a connection that is cut loses the chunk it was in
RETRIES = 5  # in a row that brought nothing new
BACK_OFF = 0.5  # seconds before the first retry, doubled before each further one

_HOPS = 10
_HASH_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_ID = re.compile(r"[0-9a-f]{40}")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_BY_HAND = "files carried over by hand can be imported with `satsegment models import`"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class RemoteFile:
    """What a server tells about a file.

    Attributes:
        url: Where it was asked for.
        size: Bytes, if told.
        sha256: 64 lower-case hex digits, if told, as for all large files.
        git_id: 40 lower-case hex digits, the hash Git knows a small file by, if told.
    """

    url: str
    size: int | None
    sha256: str | None
    git_id: str | None = None


class _Interrupted(ModelError):
    """May pass when tried again."""


def hub_url(repository: str, file: str, revision: str = "main") -> str:
    """The address of a file on the hub, or on the mirror that the environment variable HF_ENDPOINT names.

    Args:
        repository: "owner/name".
        file: Path in the repository, with "/".
        revision: Branch, tag or commit.
    """
    return f"{_endpoint()}/{repository}/resolve/{revision}/{file}"


def inspect(url: str) -> RemoteFile:
    """Asks for a file's size and SHA-256 without fetching it.

    The hub tells both in the answer that redirects to its storage; the storage itself does not know the hash.

    Raises:
        ModelError: The server cannot be reached, or refuses.
    """
    at = url
    for _ in range(_HOPS):
        with _request("HEAD", at) as response:
            headers = response.headers
            if response.is_redirect:
                linked = "X-Linked-Etag" in headers or "X-Linked-Size" in headers
                onward = urljoin(at, headers["Location"])
                if not linked and urlsplit(onward).netloc == urlsplit(at).netloc:
                    at = onward
                    continue
                # A redirect's own ETag and length are not the file's.
                etag, length = headers.get("X-Linked-Etag"), headers.get("X-Linked-Size")
            else:
                _check_status(response, url)
                etag = headers.get("X-Linked-Etag", headers.get("ETag"))
                length = headers.get("X-Linked-Size", headers.get("Content-Length"))
            return RemoteFile(url, _number(length), _hash_in(etag, _SHA256), _hash_in(etag, _GIT_ID))
    raise ModelError(f"{_host(url)} redirects {url} in a circle; try again later.")


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Fetches a file, resuming what an earlier call left in `target` + ".part", and checks it.

    The environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured, and HF_TOKEN is sent to the
    hub alone. A `target` that already holds the file is kept and no byte of it is fetched.

    Args:
        url: Address, such as `hub_url` gives.
        target: File to make; its folder is made too.
        sha256: What the file must have; if None, what the server tells.
        progress: Called with the bytes there are and the bytes there will be (None if unknown).
        cancelled: Polled often; True stops the download and keeps what has arrived for a later one.

    Returns:
        The SHA-256 of the file.

    Raises:
        ModelError: The file cannot be fetched or kept, or is not the one expected.
        InputError: There is another file at `target`, or `sha256` is none.
        Cancelled: `cancelled` returned True.
    """
    target = Path(target)
    if sha256 is not None:
        sha256 = sha256.strip().lower()
        if not _SHA256.fullmatch(sha256):
            raise InputError(f'"{sha256}" is no SHA-256; 64 hexadecimal digits are needed.')
    part = _beside(target, ".part")
    remote = None
    try:
        if sha256 is not None and _is_there(target, sha256, cancelled):
            return sha256
        remote = inspect(url)
        expected = _expected_hash(remote, sha256)
        if _is_there(target, expected, cancelled):
            return sha256_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _prepare_part(part, {"url": url, "size": remote.size, "hash": expected})
        _require_space(part, remote.size)
        _fetch(remote, part, progress, cancelled)
        _verify(remote, part, expected, cancelled)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if not _is_there(target, expected, cancelled):  # made by someone else meanwhile?
            part.replace(target)
        _discard(part)
    except OSError as error:
        raise _storage_error(error, part, remote.size if remote else None) from error
    return expected if _SHA256.fullmatch(expected) else sha256_of(target)


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file.

    Args:
        path: File.
        progress: Called with the bytes read and the bytes there are.

    Returns:
        64 lower-case hex digits.
    """
    digest, done = _new_sha256(), 0
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, size)
    return digest.hexdigest()


# What servers say


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT", "").strip() or ENDPOINT).rstrip("/")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _hash_in(etag: str | None, kind: re.Pattern) -> str | None:
    text = (etag or "").removeprefix("W/").strip('"').lower()
    return text if kind.fullmatch(text) else None  # others are the storage's own hashes


def _range_of(response: requests.Response) -> tuple[int | None, int | None]:
    """(first byte, bytes of the whole file) of the answer to a GET, None where not told."""
    if response.status_code == 200:
        plain = "Content-Encoding" not in response.headers
        return 0, _number(response.headers.get("Content-Length")) if plain else None
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    return _number(match[1]) if response.status_code == 206 else None, _number(match[2])


def _request(method: str, url: str, start: int = 0) -> requests.Response:
    import requests

    # Compressed bytes could not be resumed by their place in the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return requests.request(
            method,
            url,
            headers=headers,
            auth=_token_for(url),
            timeout=TIMEOUT,
            stream=True,
            allow_redirects=method == "GET",
        )
    except requests.RequestException as error:
        raise _network_error(error, url) from error


def _token_for(url: str) -> Callable | None:
    """Adds HF_TOKEN to requests to the hub; `requests` drops it where it is redirected to another host."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token or urlsplit(url)[:2] != urlsplit(_endpoint())[:2]:
        return None

    # Given as `auth`, since `requests` overwrites a bare header by what a .netrc file holds.
    def authorize(request):
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorize


def _network_error(error: requests.RequestException, url: str) -> ModelError:
    import requests

    host = _host(error.request.url if error.request is not None else url)  # may be one redirected to
    if isinstance(error, requests.exceptions.SSLError):
        return ModelError(
            f"No trusted connection to {host} can be made. Where the network inspects encrypted traffic, set the "
            f"environment variable REQUESTS_CA_BUNDLE to the organisation's certificates; {_BY_HAND}."
        )
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return _Interrupted(
            f"This machine cannot reach {host}. Check the network; where a proxy is needed, set it in the "
            f"environment variable HTTPS_PROXY; {_BY_HAND}."
        )
    return ModelError(f"{url} cannot be fetched: {error}")


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    told = f"{_host(response.url)} answered {status}"
    # The hub hides private repositories, and answers 401 for missing ones.
    if status == 404 or response.headers.get("X-Error-Code") == "RepoNotFound":
        raise ModelError(
            f"There is no file at {url} ({told}): it was moved or removed, or is private and needs an access token "
            "in the environment variable HF_TOKEN."
        )
    if status in (401, 403):
        raise ModelError(
            f"{url} may not be fetched ({told}). Accept the terms of use at {url.partition('/resolve/')[0]} and set "
            "the environment variable HF_TOKEN to an access token of the same account; one already set lacks access."
        )
    if status == 429 or status >= 500:
        raise ModelError(f"{url} cannot be had at the moment ({told}); try again later.")
    raise ModelError(f"{url} cannot be fetched ({told} {response.reason}).")


def _expected_hash(remote: RemoteFile, wanted: str | None) -> str:
    told = remote.sha256 or remote.git_id
    if wanted is None and told is None:
        raise ModelError(
            f"{_host(remote.url)} gives no checksum for {remote.url}, so what arrives could not be trusted; "
            "name its SHA-256."
        )
    if wanted is not None and remote.sha256 not in (None, wanted):
        raise ModelError(
            f"The file at {remote.url} is another one than expected: its SHA-256 is {remote.sha256}, not {wanted}."
        )
    return wanted or told


# What is on the disk


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def _is_there(target: Path, expected: str, cancelled: Callable[[], bool] | None) -> bool:
    if not os.path.lexists(target):
        return False
    if target.is_file() and _hash_of(target, expected, cancelled) == expected:
        return True
    raise InputError(f"There is already something else at {target}; remove it first.")


def _hash_of(path: Path, like: str, cancelled: Callable[[], bool] | None) -> str:
    """The hash of a file, of the same kind as `like`."""
    if _SHA256.fullmatch(like):
        return sha256_of(path, lambda *_: _stop_if(cancelled))
    content = path.read_bytes()  # only small files are told by Git's hash
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _prepare_part(part: Path, identity: dict) -> None:
    """Leaves a part of the same file as it is, else an empty one."""
    note = _beside(part, ".json")
    try:
        same = json.loads(note.read_text("utf-8")) == identity
    except (OSError, ValueError):
        same = False
    size = identity["size"]
    if not same or (part.exists() and size is not None and part.stat().st_size > size):
        part.unlink(missing_ok=True)  # before the note that would vouch for it
        note.write_text(json.dumps(identity), "utf-8")
    part.touch()


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _beside(part, ".json").unlink(missing_ok=True)


def _require_space(part: Path, size: int | None) -> None:
    if size is None:
        return
    needed, free = size - part.stat().st_size, shutil.disk_usage(part.parent).free
    if free < needed:
        raise _space_error(part, needed, f", only {_bytes(free)} are")


def _space_error(part: Path, needed: int | None, only: str = "") -> ModelError:
    amount = "More space" if needed is None else f"{_bytes(needed)}"
    return ModelError(
        f"{amount} must be free in {part.parent} for {part.stem}{only}. Free some space, or choose another folder."
    )


def _storage_error(error: OSError, part: Path, size: int | None) -> ModelError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        have = part.stat().st_size if part.exists() else 0
        return _space_error(part, None if size is None else size - have)
    return ModelError(f"{part.parent / part.stem} cannot be written: {error.strerror or error}.")


def _verify(remote: RemoteFile, part: Path, expected: str, cancelled: Callable[[], bool] | None) -> None:
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        raise _size_error(remote, part, size)
    found = _hash_of(part, expected, cancelled)
    if found != expected:
        _discard(part)
        raise ModelError(
            f"What came from {remote.url} is damaged or not the file expected: its hash is {found}, not {expected}. "
            "It was deleted; try again."
        )


def _size_error(remote: RemoteFile, part: Path, size: int) -> ModelError:
    _discard(part)
    return ModelError(
        f"What comes from {remote.url} has {size} bytes where {_host(remote.url)} says {remote.size}. "
        "It was deleted; try again later."
    )


# The transfer


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled


def _fetch(remote: RemoteFile, part: Path, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
    """Completes the part, by as many requests as it takes."""
    furthest, retries = part.stat().st_size, 0
    if progress is not None:
        progress(furthest, remote.size)
    while remote.size is None or part.stat().st_size < remote.size:
        _stop_if(cancelled)
        try:
            _receive(remote, part, progress, cancelled)
            return
        except _Interrupted:
            # Measured by the furthest byte ever: a server that always starts over must come to an end.
            have = part.stat().st_size
            retries = 0 if have > furthest else retries
            furthest = max(have, furthest)
            if retries == RETRIES:
                raise
            _pause(BACK_OFF * 2**retries, cancelled)
            retries += 1


def _pause(seconds: float, cancelled: Callable[[], bool] | None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        _stop_if(cancelled)
        time.sleep(min(left, 0.1))


def _receive(remote: RemoteFile, part: Path, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
    """Appends what one request brings, or starts over where that is not the part's continuation."""
    import requests

    have = part.stat().st_size
    with _request("GET", remote.url, have) as response:
        if response.status_code != 416:  # the range asked for does not exist
            _check_status(response, remote.url)
        done, total = _range_of(response)
        if None not in (total, remote.size) and total != remote.size:
            raise _size_error(remote, part, total)
        host = _host(response.url)
        if done not in (0, have):
            part.write_bytes(b"")
            raise _Interrupted(f"{host} does not send the bytes of {remote.url} that are asked for; try again later.")
        end = total if remote.size is None else remote.size
        cut = None
        try:
            with part.open("ab" if done == have else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, end)
                    _stop_if(cancelled)
                    if end is not None and done > end:
                        return  # for the check of the size
        except requests.RequestException as error:
            cut = error
    if cut is not None or (end is not None and done < end):  # urllib3 1 does not notice a short answer
        of = "" if end is None else f" of {_bytes(end)}"
        raise _Interrupted(
            f"The connection to {host} broke off again and again, last after {_bytes(done)}{of}. What has arrived is "
            "kept; try again to continue from there."
        ) from cut

"""The worker with a fault built in: `python launcher.py FAULT [ARGUMENT]`."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import time
from pathlib import Path

from SATSegmentLib.worker.__main__ import main


def obey(folder: str) -> None:
    """Before each window, what the file `order` says: "hold" waits until it says something else."""
    from SATSegmentLib.network import SAT

    folder, encode = Path(folder), SAT.encode_image

    def encode_image(self, image):
        (folder / "entered").touch()
        while (order := (folder / "order").read_text()) == "hold":
            time.sleep(0.01)
        _ORDERS[order]()
        return encode(self, image)

    SAT.encode_image = encode_image


def obey_with_child(folder: str) -> None:
    """As `obey`, with a child process in a session of its own, whose number is in the file `child`."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleep, start_new_session=True, stdin=subprocess.DEVNULL)
    (Path(folder) / "child").write_text(str(child.pid))
    obey(folder)


def lacks(package: str) -> None:
    """A package is not installed."""
    sys.modules[package] = None


def speaks(number: str) -> None:
    """A worker of another version of the protocol."""
    from SATSegmentLib.worker import server

    server.PROTOCOL = int(number)


def accepts_all(number: str) -> None:
    """A worker of another version of the protocol that does not look at the client's."""
    from SATSegmentLib.worker import server

    server.Server._initialize = lambda self, parameters: {"protocol": int(number)}


def _no_memory() -> None:
    import torch

    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def _print() -> None:
    print("a library says: Content-Length: 5")
    os.write(1, b"native code says hello\n")
    subprocess.run([sys.executable, "-c", "print('a child says hello', input())"], check=False)


_ORDERS = {
    "work": lambda: None,
    "memory": _no_memory,
    "defect": lambda: 1 / 0,
    "crash": faulthandler._sigsegv,
    "print": _print,
}

if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
    main()

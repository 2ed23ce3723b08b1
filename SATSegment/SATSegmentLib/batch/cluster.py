"""Where a batch runs: workers of this machine, started and ended with it, or a Dask cluster of the user's."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory

from ..errors import InputError, SATError
from .settings import CASES_AT_ONCE

_CONNECT_SECONDS = 20
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Whatever the user's own configuration of Dask says. What Dask tells of a worker that died we tell ourselves
_OWN = {
    "distributed.scheduler.http.routes": [],  # nothing is served to a browser
    "distributed.worker.http.routes": [],
    "logging": {"distributed": "critical"},
    "distributed.scheduler.allowed-failures": 0,
    # a machine that is busy with something else is not dead
    "distributed.scheduler.worker-ttl": None,
    "distributed.comm.timeouts.connect": "10 minutes",
    "distributed.comm.timeouts.tcp": "10 minutes",
    # after which Dask ends the process that takes a dead one's place, and starts no other, where that is not ready yet
    "distributed.deploy.lost-worker-timeout": "1000 days",
    # after which the cases fail, instead of waiting for ever, where no process can be started any more
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # nothing ends a worker because it is old, or the scheduler because all are busy
    "distributed.worker.lifetime.duration": None,
    "distributed.scheduler.idle-timeout": None,
}


@contextmanager
def connected(scheduler: str, device: str) -> Iterator:
    """A Dask client of the workers that are to be used.

    Args:
        scheduler: "local" for one process a GPU of this machine, or one on its CPU; else the address of the user's
            scheduler, such as "tcp://host:8786".
        device: As of `inference.Predictor`; one that is named is used by one process.

    Raises:
        InputError: The address is none.
        SATError: There is no such scheduler, it has no workers, or this machine's cannot be started.
    """
    import dask
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # each has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler == "local":
        gpus = visible_gpus() if device in ("auto", "cuda") else []
        with dask.config.set(_OWN), local_cluster(gpus) as cluster, Client(cluster) as client:
            yield client
        return
    if "://" not in scheduler:
        raise InputError(f'--scheduler is "local" or an address such as tcp://HOST:8786, not "{scheduler}".')
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise SATError(
            f"There is no Dask scheduler at {scheduler} ({error or 'no answer'}); start one by `dask scheduler`, or "
            "correct the address."
        ) from error
    with client:
        if not client.nthreads():
            raise SATError(f"The scheduler at {scheduler} has no workers; start some by `dask worker {scheduler}`.")
        yield client


def visible_gpus() -> list[str]:
    """The CUDA devices that processes started here may use, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    named = os.environ.get(_VISIBLE)
    count = torch.cuda.device_count()
    names = named.split(",") if named else [str(number) for number in range(count)]
    return names[:count]


@contextmanager
def local_cluster(gpus: list[str]) -> Iterator:
    """Worker processes on this machine, one a GPU, or one on the CPU; they and their files are gone afterwards.

    They speak TLS with credentials made for this run: nobody else on the machine can give them work.

    Raises:
        SATError: They cannot be started.
    """
    import dask
    from distributed import Nanny, Scheduler, Security, SpecCluster

    security = Security.temporary()
    common = {
        "nthreads": CASES_AT_ONCE,
        "memory_limit": 0,  # the engine keeps within what is free by itself
        "security": security,
        "host": "127.0.0.1",
        "protocol": "tls://",
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
        "preload": "SATSegmentLib.batch.uninterrupted",
    }
    workers = {
        number: {"cls": Nanny, "options": common | ({"env": {_VISIBLE: gpu}} if gpu else {})}
        for number, gpu in enumerate(gpus or [None])
    }
    scheduler = {
        "cls": Scheduler,
        "options": {
            "security": security,
            "host": "127.0.0.1",
            "protocol": "tls://",
            "port": 0,
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
        },
    }
    place = dask.config.get("temporary-directory", None)
    with (
        TemporaryDirectory(prefix="satsegment-", dir=place, ignore_cleanup_errors=True) as scratch,
        dask.config.set({"temporary-directory": scratch}),  # workers that are killed leave their files
    ):
        try:
            cluster = SpecCluster(workers, scheduler, security=security, silence_logs=logging.CRITICAL)
        except (OSError, RuntimeError) as error:  # a process that ended before it was ready, as when memory runs out
            raise SATError(
                f"The processes that are to hold the model could not be started ({error}); free memory, then run the "
                "same command again."
            ) from error
        try:
            yield cluster
        except BaseException:
            _end_workers(cluster)
            raise
        finally:
            with suppress(Exception):  # it finds its workers gone
                cluster.close(timeout=5)


def _end_workers(cluster) -> None:
    """Ends the worker processes at once: what they work on is not wanted any more, and leaves no half file."""
    import psutil

    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with suppress(psutil.Error, AttributeError):  # it is gone already, or being started
            psutil.Process(nanny.pid).kill()


def workers_a_machine(client) -> int:
    """The most workers that share one machine.

    Raises:
        SATError: There are none any more.
    """
    machines = Counter(address.rpartition(":")[0] for address in client.nthreads())
    if not machines:
        raise SATError("The workers ended before the work began, as when memory runs out; run the same command again.")
    return max(machines.values())

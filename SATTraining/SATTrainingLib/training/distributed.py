"""The processes of a run that torchrun started, and what they agree on."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.inference.device import choose_device

_PATIENCE = timedelta(days=2)  # one process may prepare cases or validate while others wait
_PATIENCE_TO_MEET = timedelta(minutes=30)


class OtherFailed(SATError):
    """Another process of the run failed, and has told why."""

    def __init__(self) -> None:
        super().__init__("Another process of the run failed.")


class Ranks:
    """This process among those of a run; a run of one process needs no torchrun.

    Attributes:
        rank: 0 is the one that writes.
        world: How many there are.
        local_rank: Among those of this computer.
        device: Of this one.
    """

    def __init__(self, rank: int, world: int, local_rank: int, device: torch.device, group) -> None:
        self.rank = rank
        self.world = world
        self.local_rank = local_rank
        self.device = device
        self._group = group

    def sum(self, values: list[float]) -> list[float]:
        """Sums over all processes, in float64."""
        if self.world == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self._group)
        return total.tolist()

    def gather(self, value: object) -> list:
        """What each process gives, by rank; plain objects."""
        if self.world == 1:
            return [value]
        gathered = [None] * self.world
        dist.all_gather_object(gathered, value, group=self._group)
        return gathered

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that every process goes through on its own; where any fails, all do, and one says why.

        Raises:
            OtherFailed: Another one says why.
        """
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        failed = self.sum([float(error is not None and rank == self.rank) for rank in range(self.world)])
        if any(failed):
            raise error if failed.index(1) == self.rank else OtherFailed from error


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Meets the other processes, where torchrun started this one; parts from them at the end.

    Args:
        device: See `TrainingConfig.device`; with CUDA, each process of a computer takes a GPU of its own.

    Raises:
        InputError: There is no such device, or there are more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = choose_device(device)
    if chosen.type == "cuda" and world > 1:
        if local_rank >= torch.cuda.device_count():
            raise InputError(
                f"{local_rank + 1} processes are too many for {torch.cuda.device_count()} GPUs; start one for each."
            )
        chosen = torch.device("cuda", local_rank)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world == 1:
        yield Ranks(0, 1, 0, chosen, None)
        return
    store, rank, world = next(dist.rendezvous("env://", timeout=_PATIENCE_TO_MEET))
    store = _unused_part(store, rank, world)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", store=store, rank=rank, world_size=world)
    try:
        yield Ranks(rank, world, local_rank, chosen, dist.new_group(backend="gloo", timeout=_PATIENCE))
    finally:
        dist.destroy_process_group()


def _unused_part(store: dist.Store, rank: int, world: int) -> dist.Store:
    """A part of a store that no earlier process has written to.

    torchrun keeps its store when it starts processes anew, and PyTorch takes what the dead ones wrote there for the
    living ones' addresses. Here each process greets with a name of its own, and the first one tells it the part to use.
    """
    own = uuid.uuid4().hex
    if rank:
        store.set(f"greeting/{rank}", own)
        part = store.get(f"part/{own}").decode()  # waits for it
        store.add(f"met/{part}", 1)
        return dist.PrefixStore(part, store)
    answered: set[str] = set()
    deadline = time.monotonic() + _PATIENCE_TO_MEET.total_seconds()
    while store.add(f"met/{own}", 0) < world - 1:
        if time.monotonic() > deadline:
            raise SATError("The other processes of the run cannot be reached; start it again.")
        for other in range(1, world):
            if store.check([f"greeting/{other}"]):
                name = store.get(f"greeting/{other}").decode()
                if name not in answered:
                    store.set(f"part/{name}", own)
                    answered.add(name)
        time.sleep(0.02)
    return dist.PrefixStore(own, store)

"""A batch: which cases are to be done, and doing them."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from ..errors import InputError, SATError
from .cases import BatchCase
from .cluster import connected, workers_a_machine
from .kept import Result, case_folder, changed_by_hand, read_kept, remove_parts
from .settings import CASES_AT_ONCE, Settings

_MOST_DEATHS = 3  # of workers, by one case
_SHOWN = 5


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        cases: All, in their order.
        kept: What was done before, by id.
        todo: The others.
    """

    cases: Sequence[BatchCase]
    kept: dict[str, Result]
    todo: list[BatchCase]


def plan(cases: Sequence[BatchCase], settings: Settings, again: bool) -> Plan:
    """Looks at what is done already.

    Args:
        cases: All.
        settings: Of the batch; its output exists.
        again: Whether what was made of another scan or with other settings is to be done anew.

    Raises:
        InputError: There is such a case and `again` is false, or it was changed by hand, or a folder is no result.
    """
    remove_parts(settings.output)
    kept, todo, changed = {}, [], {}
    for case in cases:
        result, change = read_kept(case, settings)
        if result is not None and not change:
            kept[case.id] = result
            continue
        todo.append(case)
        if change:
            changed[case.id] = change
            if again and (by_hand := changed_by_hand(settings.output, case)):
                raise InputError(
                    f"{case_folder(settings.output, case)} would be made anew and holds what was changed by hand "
                    f"({', '.join(by_hand)}); move the folder away first."
                )
    if changed and not again:
        named = [f"{name} ({change})" for name, change in list(changed.items())[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise InputError(
            f"{settings.output} holds results that were made otherwise: {', '.join(named)}{more}. Give --again to do "
            "them anew, or choose another --output."
        )
    return Plan(cases, kept, todo)


@dataclass(frozen=True)
class Times:
    """How a run went.

    Attributes:
        seconds: From the first case's begin to the last one's end; the model was loaded before.
        network: The share of that time in which the network was at work, over all workers.
    """

    seconds: float
    network: float


def run(
    plan: Plan,
    settings: Settings,
    scheduler: str,
    ready: Callable[[list[str]], None],
    done: Callable[[Result], None],
) -> tuple[dict[str, Result], Times]:
    """Does what is to be done; a case that fails does not stop the others.

    Args:
        plan: From `plan`.
        settings: Of the batch; its output exists.
        scheduler: As of `cluster.connected`.
        ready: Called with the workers' devices once the model is loaded everywhere.
        done: Called with each result as it comes.

    Returns:
        The results of `plan.todo` by id, and the times.

    Raises:
        SATError: The workers cannot do it at all.
    """
    if scheduler == "local":
        settings = dataclasses.replace(settings, threads=_threads())
    with connected(scheduler, settings.device) as client:
        from . import worker

        settings = dataclasses.replace(settings, processes=workers_a_machine(client))
        ready(_make_ready(client, settings, plan.todo[0]))
        token = uuid4().hex
        start = time.perf_counter()
        try:
            results = _work(client, settings, plan.todo, token, done)
        except BaseException:
            _stop(client, worker.stop, token)
            raise
        seconds = time.perf_counter() - start
        network = sum(result.seconds["network"] for result in results.values() if result.seconds)
        return results, Times(seconds, network / seconds / max(1, len(client.nthreads())))


def _threads() -> int:
    """What the user's environment says, before Dask changes it; 0 where it says nothing."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else 0


def _make_ready(client, settings: Settings, case: BatchCase) -> list[str]:
    from . import worker

    try:
        return sorted(client.run(worker.ready, settings, case.image).values())
    except SATError:
        raise
    except ImportError as error:
        raise SATError(f"The workers lack a package ({error}); install SlicerSAT in their environment.") from error
    except Exception as error:  # Dask's own, such as of a worker that died
        raise SATError(
            f"The workers could not load the model ({type(error).__name__}: {error}); see their log, or free memory."
        ) from error


def _work(client, settings: Settings, cases: Sequence[BatchCase], token: str, done) -> dict[str, Result]:
    from distributed import KilledWorker, as_completed

    from .worker import segment_case

    waiting, alone = deque(cases), deque()
    deaths = dict.fromkeys((case.id for case in cases), 0)
    at_work: dict = {}
    results: dict[str, Result] = {}
    finished = as_completed(loop=client.loop)

    def submit(case: BatchCase) -> None:
        key = f"segment-{token}-{case.id}-{deaths[case.id]}"
        future = client.submit(segment_case, case, settings, token, key=key, pure=False)
        at_work[future] = case
        finished.add(future)

    while waiting or alone or at_work:
        # No more than can begin: of two cases whose worker dies one only is to blame, and it is told from the other
        # by giving each another try alone, in which it also has all the memory
        while waiting and len(at_work) < _places(client):
            submit(waiting.popleft())
        if alone and not at_work:
            submit(alone.popleft())
        future = next(finished)
        case = at_work.pop(future)
        try:
            result = future.result()
        except KilledWorker:
            deaths[case.id] += 1
            if deaths[case.id] < _MOST_DEATHS:
                alone.append(case)
                continue
            result = Result(
                case,
                error=f"It ended the process that worked on it {_MOST_DEATHS} times, as when memory runs out; use a "
                "machine with more, or leave the scan out.",
            )
        except Exception as error:
            raise SATError(
                f"The workers were lost ({type(error).__name__}: {error}); run the same command again: what is done "
                "stays."
            ) from error
        future.release()
        results[case.id] = result
        done(result)
    return results


def _places(client) -> int:
    """How many cases can be at work at once; workers may come and go."""
    return max(CASES_AT_ONCE, sum(min(CASES_AT_ONCE, threads) for threads in client.nthreads().values()))


def _stop(client, stop: Callable[[str], None], token: str) -> None:
    """Has the workers of a cluster leave what they work on."""
    with suppress(Exception):  # they may be gone
        client.run(stop, token, wait=False)

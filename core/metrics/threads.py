"""A few threads for numpy: its loops, sorts and searches release the interpreter lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

PREFIX = "flawscope-metrics"
BLOCK = 2**20
"""Elements a thread handles at once: its buffers stay in the cache."""
OFTEN = 0.5
"""Seconds after which a caller hears again how far its items are."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Told = Callable[[float], None]


def threads() -> int:
    """Threads worth using: the cores this process may run on, at most 16."""
    if hasattr(os, "sched_getaffinity"):
        return min(16, len(os.sched_getaffinity(0)))
    return min(16, os.cpu_count() or 1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix=PREFIX)


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], told: Told | None = None
) -> list[Result]:
    """`work` of every item, in order, in as many threads as there are cores.

    Called from one of these threads it works there, one item after the other: a pool whose
    threads wait for its own queue would never end.

    Args:
        told: called in this thread with the share that is done, about twice a second. What it
            raises ends the call: items not begun are dropped, those at work end by themselves.
    """
    listed = list(items)
    inside = threading.current_thread().name.startswith(PREFIX)
    if len(listed) < 2 or threads() < 2 or inside:
        results = []
        for item in listed:
            results.append(work(item))
            if told is not None:
                told(len(results) / len(listed))
        return results
    if told is None:
        return list(_pool().map(work, listed))
    return _telling([_pool().submit(work, item) for item in listed], told)


def _telling(futures: list[Future[Result]], told: Told) -> list[Result]:
    """The results of all, or the first error; `told` is called while they are waited for."""
    try:
        rest = set(futures)
        while rest:
            done, rest = wait(rest, OFTEN, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            told(1 - len(rest) / len(futures))
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def blocks(length: int) -> list[slice]:
    """Slices of about BLOCK elements, at least one a thread where there is enough to share."""
    size = min(BLOCK, max(2**14, -(-length // threads())))
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


@cache
def quiet_torch() -> None:
    """Keep torch's own threads out of these: each call would wake a team that spins beside them.

    torch's number of threads is kept apart for every thread; that of the caller stays as it is.
    """
    import torch

    before, here = torch.get_num_threads(), threading.Barrier(threads())

    def alone(_: int) -> None:
        here.wait()  # so that every thread of the pool comes by once
        torch.get_num_threads()  # the first call in a thread would undo what was set before it
        torch.set_num_threads(1)

    list(_pool().map(alone, range(threads())))
    torch.set_num_threads(before)

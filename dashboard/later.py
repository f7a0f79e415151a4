"""Work that takes longer than a page may: done in a thread, looked after by the page.

A page asks for the outcome and gets it, or None while the work goes on; everything else is shown
meanwhile. `look_after` comes back to the page when it is done. The work is a plain function of
plain values: nothing of streamlit is called in the thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Any, TypeVar

import streamlit as st

from dashboard import navigation

Result = TypeVar("Result")
KEPT = 64
"""Outcomes kept in memory, the least recently asked for go first."""
PATIENCE = 0.35
"""Seconds a page waits before it says that something is being computed."""

_pool = ThreadPoolExecutor(1, thread_name_prefix="flawscope-later")  # in the order asked for
_held: OrderedDict[Hashable, Future[Any]] = OrderedDict()
_lock = Lock()


def outcome(key: Hashable, work: Callable[[], Result], patience: float = PATIENCE) -> Result | None:
    """What `work` gives, computed once for each key; None while it is being computed.

    Raises:
        whatever `work` raised; asked again, it starts anew.
    """
    with _lock:
        future = _held.get(key)
        if future is None:
            future = _held[key] = _pool.submit(work)
        _held.move_to_end(key)
        for old in [one for one, its in _held.items() if its.done()][: max(0, len(_held) - KEPT)]:
            if old != key:
                del _held[old]
    wait([future], timeout=patience)
    if not future.done():
        return None
    try:
        found: Result = future.result()
    except BaseException:
        forget(key)
        raise
    return found


def done(key: Hashable) -> bool:
    """Whether the work of that key has ended, well or not."""
    with _lock:
        future = _held.get(key)
    return future is None or future.done()


def forget(key: Hashable) -> None:
    """Compute it anew when it is asked for again."""
    with _lock:
        _held.pop(key, None)


@st.fragment(run_every=0.7)
@navigation.safely
def look_after(keys: Sequence[Hashable]) -> None:
    """Run the page again as soon as one of these is done; draws nothing."""
    if any(done(key) for key in keys):
        st.rerun()

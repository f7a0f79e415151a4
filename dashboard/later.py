"""Work that takes longer than a page may: done in a thread, looked after by the page.

    outcome(key, work)   asked for by the page itself: the outcome, or None while it is computed;
                         `look_after` comes back to the page when it is done
    begin(key, work)     begun by a person: it tells how far it is and can be cancelled; `watch` is
                         its bar, `found` its result

The work is a plain function of plain values: nothing of streamlit is called in the thread. It goes
on when the page is left, and whoever opens the page finds it by its key. Each kind has a thread of
its own and is done in the order asked for, so that what takes minutes never stands before what a
page waits for.
"""

from __future__ import annotations

import atexit
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, TypeAlias, TypeVar

import streamlit as st

from core.console import duration
from core.errors import Cancelled, FlawscopeError, RunError
from dashboard import navigation

Result = TypeVar("Result")
Tell: TypeAlias = Callable[[float, str], None]
"""Takes the share done and what is being done; raises `Cancelled` once a person cancelled."""
KEPT = 64
"""Outcomes kept in memory, the least recently asked for go first."""
PATIENCE = 0.35
"""Seconds a page waits before it says that something is being computed."""
OFTEN = 0.5
"""Seconds between two looks at begun work."""
FAREWELL = 2.0
"""Seconds that work at hand has to end when the server stops."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far begun work is.

    Attributes:
        waiting: other work is done first.
        share: 0 to 1.
        words: what is being done.
        seconds: since it was its turn.
    """

    waiting: bool
    share: float
    words: str
    seconds: float

    @property
    def left(self) -> float | None:
        """Seconds until it ends, judged by its progress; None before that can be told."""
        if self.share < 0.03 or self.seconds < 2:
            return None
        return self.seconds * (1 - self.share) / self.share


class _Job(Future[Any]):
    """Work in the queue, at hand or done."""

    def __init__(self, work: Callable[[Tell], Any]) -> None:
        super().__init__()
        self._work: Callable[[Tell], Any] | None = work
        self._stop = Event()
        self._share, self._words = 0.0, ""
        self._began: float | None = None

    def tell(self, share: float, words: str) -> None:
        """See `Tell`."""
        if self._stop.is_set():
            raise Cancelled("This was cancelled.")
        self._share = min(1.0, max(0.0, share)) if share == share else self._share
        self._words = words

    def give_up(self) -> None:
        """Leave the queue, or end at the next word."""
        self._stop.set()
        self.cancel()

    def carry_out(self) -> None:
        """Do the work, unless it was given up; never raises."""
        work, self._work = self._work, None  # what it holds on to goes with it
        if work is None or not self.set_running_or_notify_cancel():
            return
        self._began = time.monotonic()
        try:
            self.set_result(work(self.tell))
        except BaseException as error:
            self.set_exception(error)

    @property
    def progress(self) -> Progress:
        began = self._began
        seconds = 0.0 if began is None else time.monotonic() - began
        return Progress(began is None, self._share, self._words, seconds)


class _Line:
    """Jobs in the order they came, done in a thread that does not keep the server from stopping."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._name, self._thread = name, Thread()

    def add(self, job: _Job) -> None:
        """Do it when those before it are done; `_lock` is held."""
        self._jobs.put(job)
        if not self._thread.is_alive():
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            self._jobs.get().carry_out()


_asked, _begun = _Line("flawscope-asked"), _Line("flawscope-begun")
_held: OrderedDict[Hashable, _Job] = OrderedDict()
_lock = Lock()


@atexit.register
def _end() -> None:
    """When the server stops, work at hand ends at its next word; nothing waits for the rest."""
    with _lock:
        jobs = list(_held.values())
    for job in jobs:
        job.give_up()
    wait([job for job in jobs if job.running()], FAREWELL)


# -- what a page asks for -------------------------------------------------------------------------


def outcome(key: Hashable, work: Callable[[], Result], patience: float = PATIENCE) -> Result | None:
    """What `work` gives, computed once for each key; None while it is being computed.

    Raises:
        whatever `work` raised; asked again, it starts anew.
    """
    with _lock:
        job = _held.get(key) or _hold(key, _Job(lambda tell: work()), _asked)
        _held.move_to_end(key)  # the most recently asked for
    wait([job], timeout=patience)
    if not job.done():
        return None
    try:
        found: Result = job.result()
    except BaseException:
        forget(key)
        raise
    return found


def done(key: Hashable) -> bool:
    """Whether the work of that key has ended, well or not."""
    with _lock:
        job = _held.get(key)
    return job is None or job.done()


def forget(key: Hashable) -> None:
    """Compute it anew when it is asked for again."""
    with _lock:
        _held.pop(key, None)


def _hold(key: Hashable, job: _Job, line: _Line) -> _Job:
    """Put it in line and keep it, and let old outcomes go; `_lock` is held."""
    ended = [one for one, its in _held.items() if its.done()]
    for old in ended[: max(0, len(ended) - KEPT + 1)]:
        del _held[old]
    _held[key] = job
    line.add(job)
    return job


@st.fragment(run_every=0.7)
@navigation.safely
def look_after(keys: Sequence[Hashable]) -> None:
    """Run the page again as soon as one of these is done; draws nothing."""
    if any(done(key) for key in keys):
        st.rerun()


# -- what a person begins -------------------------------------------------------------------------


def begin(key: Hashable, work: Callable[[Tell], Result]) -> None:
    """Begin work unless it is under way; what came of it before is forgotten.

    Args:
        key: the same for everybody who means the same work.
        work: calls what it is given a few times a second, and leaves nothing half-written when
            that raises.
    """
    with _lock:
        job = _held.get(key)
        if job is None or job.done():
            _hold(key, _Job(lambda tell: _guarded(work, tell)), _begun)


def _guarded(work: Callable[[Tell], Result], tell: Tell) -> Result:
    """The work; what goes wrong in it is logged, and becomes a sentence."""
    try:
        return work(tell)
    except Cancelled:
        raise
    except FlawscopeError as error:
        navigation.log.warning("work beside the page: %s", error)
        raise
    except Exception as error:
        where = navigation.logged("work beside the page")
        raise RunError(f"Something went wrong; the log has the details. {where}") from error


def progress(key: Hashable) -> Progress | None:
    """How far begun work is; None when it is not under way."""
    with _lock:
        job = _held.get(key)
    return None if job is None or job.done() else job.progress


def cancel(key: Hashable) -> None:
    """Give begun work up: a waiting one leaves the line, one at hand ends when it next tells how
    far it is. Its key is free at once."""
    with _lock:
        job = _held.get(key)
        if job is not None and not job.done():
            del _held[key]
            job.give_up()


def found(key: Hashable) -> Any:
    """The result of begun work; None when there is none (yet).

    Raises:
        FlawscopeError: it failed; says so until it is begun again.
    """
    with _lock:
        job = _held.get(key)
        if job is None or not job.done():
            return None
        _held.move_to_end(key)
    return job.result()


@st.fragment(run_every=OFTEN)
@navigation.safely
def watch(key: Hashable, name: str) -> None:
    """A bar, what is being done, and a button that cancels it; the page runs again at the end.

    Args:
        name: of the widgets, unique on the page.
    """
    at = progress(key)
    if at is None:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key=f"{name}-bar"):
        st.progress(at.share, told(at))
        st.button("Cancel", key=f"{name}-cancel", on_click=cancel, args=(key,))


def told(at: Progress) -> str:
    """What a bar says."""
    if at.waiting:
        return "Waiting for other work to end …"
    words = at.words or "beginning"
    left = "" if at.left is None or at.left < 1 else f" · about {duration(at.left)} left"
    return f"{words[:1].upper()}{words[1:]} …{left}"

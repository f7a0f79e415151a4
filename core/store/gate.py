"""Keeps readers and the writer of one DuckDB file apart within a process.

DuckDB refuses a read-only connection beside a writing one of the same process; the dashboard has
a thread for every open page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StoreError


class Gate:
    """Many readers or one writer within this process; a waiting writer goes first."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def reading(self, deadline: float) -> Iterator[None]:
        with self._change:
            self._wait(lambda: not self._writing and not self._writers_waiting, deadline)
            self._readers += 1
        try:
            yield
        finally:
            with self._change:
                self._readers -= 1
                self._change.notify_all()

    @contextmanager
    def writing(self, deadline: float) -> Iterator[None]:
        with self._change:
            self._writers_waiting += 1
            try:
                self._wait(lambda: not self._writing and not self._readers, deadline)
                self._writing = True
            finally:
                self._writers_waiting -= 1
                self._change.notify_all()
        try:
            yield
        finally:
            with self._change:
                self._writing = False
                self._change.notify_all()

    def _wait(self, free: Callable[[], bool], deadline: float) -> None:
        if not self._change.wait_for(free, timeout=max(0.0, deadline - time.monotonic())):
            raise StoreError(
                "The store is busy with another query of this process; try again in a moment."
            )


_gates: dict[Path, Gate] = {}


def gate_of(file: Path) -> Gate:
    """The one gate of a file in this process."""
    return _gates.setdefault(file, Gate())

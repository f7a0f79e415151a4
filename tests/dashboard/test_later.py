"""Work done beside the page: once, awaited or not, errors told and tried again."""

from __future__ import annotations

import threading

import pytest

from core.errors import UsageError
from dashboard import later


def test_quick_work_is_there_at_once_and_done_once() -> None:
    calls: list[int] = []

    def work() -> int:
        calls.append(1)
        return 7

    assert later.outcome(("quick",), work, 5.0) == 7
    assert later.outcome(("quick",), work, 0.0) == 7 and len(calls) == 1
    later.forget(("quick",))
    assert later.outcome(("quick",), work, 5.0) == 7 and len(calls) == 2


def test_slow_work_is_not_waited_for() -> None:
    go = threading.Event()
    assert later.outcome(("slow",), lambda: go.wait(10), 0.01) is None
    assert not later.done(("slow",))
    go.set()
    assert later.outcome(("slow",), lambda: False, 5.0) is True
    assert later.done(("slow",))


def test_what_goes_wrong_is_told_and_tried_again() -> None:
    def fails() -> int:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        later.outcome(("bad",), fails, 5.0)
    assert later.outcome(("bad",), lambda: 3, 5.0) == 3


def test_old_outcomes_go_and_running_ones_stay() -> None:
    go = threading.Event()
    for i in range(later.KEPT + 10):
        later.outcome(("many", i), lambda i=i: i, 5.0)  # type: ignore[misc]
    assert later.outcome(("waits",), lambda: go.wait(10), 0.0) is None
    later.outcome(("one more",), lambda: 1, 0.0)
    assert len(later._held) <= later.KEPT + 1
    assert ("waits",) in later._held and ("many", 0) not in later._held
    go.set()
    assert later.outcome(("waits",), lambda: False, 5.0) is True

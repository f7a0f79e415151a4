"""Items worked off in threads, and a caller that hears of it and may leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from core.metrics import threads
from core.metrics.threads import in_threads

EITHER = pytest.mark.parametrize("cores", [1, 4])


def told_to(heard: list[float]) -> Callable[[float], None]:
    def told(share: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard.append(share)

    return told


@EITHER
def test_results_stand_in_order_and_the_share_rises_to_one(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "threads", lambda: cores)
    monkeypatch.setattr(threads, "OFTEN", 0.01)
    heard: list[float] = []

    def work(item: int) -> int:
        time.sleep(0.03 - 0.003 * item)  # the last ones end first
        return item * item

    assert in_threads(work, range(9), told_to(heard)) == [n * n for n in range(9)]
    assert heard == sorted(heard) and heard[-1] == 1.0 and len(heard) > 3


@EITHER
def test_a_caller_may_leave_and_what_was_not_begun_is_dropped(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "threads", lambda: cores)
    monkeypatch.setattr(threads, "OFTEN", 0.02)
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.05)

    def told(share: float) -> None:
        raise KeyboardInterrupt

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(400), told)
    assert time.monotonic() - before < 1.0
    at_once = len(begun)
    time.sleep(0.15)
    assert len(begun) <= at_once + 16 and len(begun) < 100, "those at work end, no others begin"


@EITHER
def test_an_error_of_an_item_is_the_callers(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: cores)

    def work(item: int) -> int:
        return 1 // (item - 2)

    with pytest.raises(ZeroDivisionError):
        in_threads(work, range(5), lambda share: None)

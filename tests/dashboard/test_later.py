"""Work done beside the page: once, awaited or not, errors told and tried again."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest
from visiting import text

from core.errors import Cancelled, RunError, UsageError
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import later

ROOT = Path(__file__).parents[2]


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


class Gate:
    """Work that tells how far it is and goes on when the test says so."""

    def __init__(self) -> None:
        self.at_work, self.go, self.left = (threading.Event() for _ in range(3))
        self.heard: list[Exception] = []

    def __call__(self, tell: later.Tell) -> str:
        try:
            while not self.go.is_set():
                tell(0.25, "17 of 68 looked at")
                self.at_work.set()
                time.sleep(0.01)
        except Cancelled as error:
            self.heard.append(error)
            raise
        finally:
            self.left.set()
        return "ready"


@pytest.fixture
def gate() -> Iterator[Callable[[], Gate]]:
    """Makes gates, and opens them all in the end."""
    made: list[Gate] = []

    def make() -> Gate:
        made.append(Gate())
        return made[-1]

    yield make
    for one in made:
        one.go.set()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    later._held.clear()


def ended(key: str) -> None:
    """Wait for begun work."""
    wait([later._held[key]], 10)
    assert later.progress(key) is None


class TestBegun:
    def test_it_tells_how_far_it_is_and_what_came_out(self, gate: Callable[[], Gate]) -> None:
        work, key = gate(), uuid4().hex
        assert later.progress(key) is None and later.found(key) is None
        later.begin(key, work)
        assert work.at_work.wait(5)
        at = later.progress(key)
        assert at is not None and not at.waiting and later.found(key) is None
        assert (at.share, at.words) == (0.25, "17 of 68 looked at")
        work.go.set()
        ended(key)
        assert [later.found(key) for _ in range(2)] == ["ready"] * 2, "it stays"

    def test_work_under_way_is_not_begun_again(self, gate: Callable[[], Gate]) -> None:
        first, second, key = gate(), gate(), uuid4().hex
        later.begin(key, first)
        later.begin(key, second)
        first.go.set()
        ended(key)
        assert not second.at_work.is_set()
        later.begin(key, second)
        assert second.at_work.wait(5) and later.found(key) is None, "what was found before is gone"

    def test_cancelled_it_ends_at_its_next_word_and_may_be_begun_again(
        self, gate: Callable[[], Gate]
    ) -> None:
        work, again, key = gate(), gate(), uuid4().hex
        later.begin(key, work)
        assert work.at_work.wait(5)
        later.cancel(key)
        assert later.progress(key) is None and later.found(key) is None, "at once"
        later.begin(key, again)
        assert work.left.wait(5) and len(work.heard) == 1
        again.go.set()
        ended(key)
        assert later.found(key) == "ready"
        later.cancel(key)
        assert later.found(key) == "ready", "what is done cannot be cancelled"

    def test_what_waits_says_so_and_leaves_the_line_at_once(self, gate: Callable[[], Gate]) -> None:
        works, keys = [gate() for _ in range(3)], [uuid4().hex for _ in range(3)]
        for key, work in zip(keys, works, strict=True):
            later.begin(key, work)
        assert works[0].at_work.wait(5)
        at = later.progress(keys[1])
        assert at is not None and at.waiting and at.seconds == 0.0
        later.cancel(keys[1])
        assert later.progress(keys[1]) is None
        assert later.progress(keys[0]) is not None, "the one at hand goes on"
        works[0].go.set()
        assert works[2].at_work.wait(5) and not works[1].left.is_set()
        assert later.found(keys[0]) == "ready"

    def test_a_page_does_not_wait_for_it(self, gate: Callable[[], Gate]) -> None:
        work = gate()
        later.begin(uuid4().hex, work)
        assert work.at_work.wait(5) and later.outcome(uuid4().hex, lambda: 3, 5.0) == 3

    def test_a_failure_is_a_sentence_until_it_is_begun_again(self) -> None:
        key = uuid4().hex

        def fails(tell: later.Tell) -> None:
            raise UsageError("Nothing is left; take some marks back.")

        later.begin(key, fails)
        ended(key)
        for _ in range(2):
            with pytest.raises(UsageError, match="take some marks back"):
                later.found(key)
        later.begin(key, lambda tell: 5)
        ended(key)
        assert later.found(key) == 5

    def test_what_nobody_foresaw_is_in_the_log_and_a_sentence(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        key = uuid4().hex
        with caplog.at_level(logging.INFO, "flawscope.dashboard"):
            later.begin(key, lambda tell: 1 // 0)
            ended(key)
        with pytest.raises(RunError, match="Something went wrong; the log has the det") as raised:
            later.found(key)
        assert "ZeroDivisionError" in caplog.text and "Traceback" in caplog.text
        reference = str(raised.value).split("Look for ")[1].split(" in ")[0]
        assert reference in caplog.text and "ZeroDivision" not in str(raised.value)

    def test_shares_out_of_range_do_no_harm(self) -> None:
        key, seen = uuid4().hex, []

        def works(tell: later.Tell) -> None:
            for share in (-1.0, 0.5, float("nan"), 7.0):
                tell(share, "")
                at = later.progress(key)
                seen.append(at and at.share)

        later.begin(key, works)
        ended(key)
        assert seen == [0.0, 0.5, 0.5, 1.0]

    def test_words_of_the_bar(self) -> None:
        for waiting, share, words, seconds, said in [
            (False, 0.0, "", 9.0, "Beginning …"),
            (False, 0.5, "maps: 3 of 6", 1.0, "Maps: 3 of 6 …"),
            (False, 0.25, "maps", 4.0, "Maps … · about 12 s left"),
            (False, 0.99, "maps", 9.0, "Maps …"),
            (True, 0.0, "", 0.0, "Waiting for other work to end …"),
        ]:
            assert later.told(later.Progress(waiting, share, words, seconds)) == said


def page(key: str) -> None:
    import streamlit as st

    from dashboard import later

    st.title(str(later.found(key)))
    if later.progress(key) is not None:
        later.watch(key, "it")


def bar(test: AppTest) -> str:
    (one,) = test.get("progress")
    return str(one.proto.text)


class TestBar:
    def test_bar_and_cancel(self, gate: Callable[[], Gate]) -> None:
        work, key = gate(), uuid4().hex
        later.begin(key, work)
        assert work.at_work.wait(5)
        test = AppTest.from_function(page, kwargs={"key": key}).run()
        assert bar(test) == "17 of 68 looked at …" and not test.exception
        test.button(key="it-cancel").click().run()
        assert not test.get("progress") and not test.button and work.left.wait(5)

    def test_two_see_the_same_work_and_its_end(self, gate: Callable[[], Gate]) -> None:
        work, key = gate(), uuid4().hex
        later.begin(key, work)
        assert work.at_work.wait(5)
        tests = [AppTest.from_function(page, kwargs={"key": key}).run() for _ in range(2)]
        assert [bar(test) for test in tests] == ["17 of 68 looked at …"] * 2
        work.go.set()
        ended(key)
        for test in tests:
            test.run()
            assert "ready" in text(test) and not test.get("progress")


SERVED = """
import sys, threading, time
from dashboard import later
def works(tell):
    for n in range(6000):
        tell(n / 6000, "at it")
        time.sleep(0.01)
later.begin("key", works)
threading.Thread(target=later.outcome, args=("asked", lambda: time.sleep(60)), daemon=True).start()
while not later.progress("key").words:
    time.sleep(0.01)
try:
    print("at work", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopping", flush=True)
"""


def test_work_at_hand_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), ENVIRONMENT_VARIABLE: str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVED], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None and server.stdout.readline() == "at work\n"
        before = time.monotonic()
        server.send_signal(signal.SIGINT)
        out, errors = server.communicate(timeout=20)
    finally:
        server.kill()
    assert time.monotonic() - before < 10 and server.returncode == 0
    assert out == "stopping\n" and "Traceback" not in errors

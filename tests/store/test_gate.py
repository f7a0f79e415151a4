"""Readers together, a writer alone, and a waiting writer before new readers."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from core.errors import StoreError
from core.store.gate import Gate, gate_of


def soon() -> float:
    return time.monotonic() + 0.05


def test_readers_share_and_exclude_the_writer() -> None:
    gate = Gate()
    with (
        gate.reading(soon()),
        gate.reading(soon()),
        pytest.raises(StoreError, match="busy"),
        gate.writing(soon()),
    ):
        pass
    with gate.writing(soon()):
        with pytest.raises(StoreError), gate.reading(soon()):
            pass
        with pytest.raises(StoreError), gate.writing(soon()):
            pass
    with gate.reading(soon()):
        pass


def test_a_waiting_writer_goes_before_new_readers() -> None:
    gate = Gate()
    order: list[str] = []
    waiting = threading.Event()

    def write() -> None:
        waiting.set()
        with gate.writing(time.monotonic() + 5):
            order.append("writer")

    def read() -> None:
        with gate.reading(time.monotonic() + 5):
            order.append("reader")

    with gate.reading(soon()):
        writer = threading.Thread(target=write)
        writer.start()
        waiting.wait(5)
        while not gate._writers_waiting:
            time.sleep(0.001)
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(0.05)
        assert order == []
    writer.join(5)
    reader.join(5)
    assert order == ["writer", "reader"]


def test_one_gate_a_file() -> None:
    assert gate_of(Path("/a")) is gate_of(Path("/a"))
    assert gate_of(Path("/a")) is not gate_of(Path("/b"))

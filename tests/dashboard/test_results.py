"""The edition that caches are keyed by: looked up rarely, but never stale after a write."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import results


def test_a_look_begun_before_a_write_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    looking, written = Event(), Event()
    now = [1]

    def edition(workspace: Workspace) -> int:
        before = now[0]
        looking.set()
        written.wait(5)
        return before

    monkeypatch.setattr(results, "edition", edition)
    slow = Thread(target=results.source)
    slow.start()
    assert looking.wait(5)
    now[0] = 2
    results.noticed()
    written.set()
    slow.join()
    assert results.source().version == 2

"""A process that keeps one run's model ready and tries images as they come.

It reads requests, one JSON object a line, and answers each with one line; results go into files of
the trial's folder, and the answer names them:

    {"do": "try", "trial": ID}                  -> {"did": "try", "trial": ID, "state": "done",
                                                    "results": PATH, "error": null}
    {"do": "compare", "trial": ID, "row": N}    -> {"did": "compare", "trial": ID, "row": N,
                                                    "state": "done", "results": PATH, ...}

A line {"ready": true} comes once the run is loaded; {"error": sentence} instead when it cannot be.
How far a trial is stands in its status file. The process ends when its input closes, and by itself
when nothing came for a while.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import liveness
from core.engine import neighbour_patches, reload, trial
from core.errors import FlawscopeError, UsageError
from core.trials import Trial
from core.workspace import Workspace, write_json

IDLE_SECONDS = 300.0
REPORT_SECONDS = 0.2
LONGEST_LINE = 100_000

log = logging.getLogger(__name__)


def serve(
    workspace: Workspace, run_id: str, given: int, answers: int, idle_seconds: float = IDLE_SECONDS
) -> int:
    """Answer requests until the input closes or nothing came for `idle_seconds`.

    Args:
        given, answers: file descriptors to read requests from and to write answers to.

    Returns:
        Exit status: 0, or 1 when the run cannot be tried at all.
    """
    trial.be_modest(workspace)
    try:
        loaded = reload.load(workspace, run_id)
    except Exception as error:
        log.exception("the run cannot be loaded")
        _answer(answers, {"error": _sentence(error)})
        _refuse_all(workspace, given, answers, _sentence(error))
        return 1
    _answer(answers, {"ready": True, "run_id": loaded.run.run_id, "device": str(loaded.device)})
    for request in _requests(given, idle_seconds):
        trial.be_modest(workspace)
        _answer(answers, _carry_out(loaded, workspace, request))
    return 0


def _refuse_all(workspace: Workspace, given: int, answers: int, sentence: str) -> None:
    """Tell what already waits why it cannot be done."""
    for request in _requests(given, 0.5):
        with contextlib.suppress(FlawscopeError, OSError, KeyError):
            Trial.open(workspace, str(request["trial"])).update(state="failed", error=sentence)
        _answer(answers, request | {"state": "failed", "error": sentence})


def _carry_out(loaded: reload.Loaded, workspace: Workspace, request: dict[str, Any]) -> Any:
    """One request; the answer's line. Whatever goes wrong becomes a sentence."""
    answer: dict[str, Any] = {"did": request.get("do"), "error": None}
    answer |= {name: request[name] for name in ("trial", "row") if name in request}
    try:
        asked = Trial.open(workspace, str(request.get("trial")))
        if request.get("do") == "try":
            asked.update(process=liveness.identity())
            trial.carry_out(loaded, asked)
            answer |= {"state": asked.status().state, "results": str(asked.path / Trial.RESULTS)}
        elif request.get("do") == "compare":
            path = asked.spot_file(int(request["row"]))
            _compare(loaded, workspace, asked, int(request["row"]))
            answer |= {"state": "done", "results": str(path)}
        else:
            raise UsageError(f"A request said {request.get('do')!r}; expected try or compare.")
    except Exception as error:
        log.exception("%s failed", request)
        answer |= {"state": "failed", "error": _sentence(error)}
    return answer


def _compare(loaded: reload.Loaded, workspace: Workspace, asked: Trial, row: int) -> None:
    """Compare the hottest spot of one image; progress and outcome stand in its file."""
    path, process = asked.spot_file(row), liveness.identity()
    told = 0.0

    def report(share: float, message: str) -> None:
        nonlocal told
        if time.monotonic() - told > REPORT_SECONDS:
            told = time.monotonic()
            state = {"state": "working", "share": share, "message": message, "process": process}
            _write(asked, path, state)

    report(0.0, "loading the model")
    try:
        request = asked.request()
        name = request.class_name or (loaded.classes[0] if len(loaded.classes) == 1 else None)
        if name is None:
            raise UsageError("Choose a class: the spot is compared with its normal images.")
        found = neighbour_patches.compare(
            loaded, workspace, asked.image(row), request.images[row].name, asked.maps()[row],
            name, report,
        )  # fmt: skip
    except Exception as error:
        _write(asked, path, {"state": "failed", "error": _sentence(error)})
        raise
    _write(asked, path, {"state": "done", **found.record()})


def _write(asked: Trial, path: Path, value: dict[str, Any]) -> None:
    """Write a spot's file, unless the trial was removed meanwhile."""
    if (asked.path / Trial.REQUEST).exists():
        write_json(path, value)


def _sentence(error: Exception) -> str:
    if isinstance(error, FlawscopeError):
        return str(error)
    return (
        f"Something unforeseen went wrong ({type(error).__name__}); logs/try.log in the workspace "
        "has the details."
    )


def _answer(descriptor: int, value: dict[str, Any]) -> None:
    line = json.dumps(value, ensure_ascii=False) + "\n"
    with contextlib.suppress(BrokenPipeError):  # who asked is gone; the results stand in files
        os.write(descriptor, line.encode())


def _requests(descriptor: int, idle_seconds: float) -> Iterator[dict[str, Any]]:
    """Lines as they come; ends at the end of input, or when idle."""
    held = b""
    with selectors.DefaultSelector() as ready:
        ready.register(descriptor, selectors.EVENT_READ)
        while ready.select(idle_seconds):
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *lines, held = (held + data)[-LONGEST_LINE:].split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    request = json.loads(line)
                    if isinstance(request, dict):
                        yield request

"""The examination: facts, then every check; stored, so that pages show the last one at once.

<workspace>/cache/doctor/
  facts/<root>.parquet              see `facts_cache`
  last/<name and size>.json         which of the following is the last of a data set at a size
  <name, content and size>/         examination.json, facts.parquet
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.base import Dataset
from core.data.doctor.base import CHECKS, Examination, Finding, Patient
from core.data.doctor.facts import collect
from core.data.prepare_fill import Report
from core.data.prepare_hashes import Hashes, fingerprint
from core.workspace import Workspace, now, write_atomically, write_json

_ORDER = {"error": 0, "warning": 1, "note": 2}
_LOOKING = 0.9
"""Share of the time that looking at images takes, as progress is told."""
VERSION = 1


def examine(
    dataset: Dataset, workspace: Workspace, size: int = 256, tell: Report | None = None
) -> Examination:
    """Look at every image and mask, and run every check.

    Args:
        dataset: as it was opened, edits applied.
        size: side in pixels that a run would use.
        tell: called with the fraction done and a message; what it raises ends the examination.
    """
    from core.data.counts import differences

    began = time.monotonic()

    def told(fraction: float, message: str) -> None:
        if tell is not None:
            tell(_LOOKING * fraction, message)

    facts = collect(dataset, workspace, told)
    patient = Patient(dataset, facts, size)
    findings: list[Finding] = []
    checks = list(CHECKS.items())
    for number, (id, check) in enumerate(checks):
        if tell is not None:
            tell(_LOOKING + (1 - _LOOKING) * number / len(checks), f"check {id}")
        findings += check(patient)
    findings.sort(key=lambda found: (_ORDER[found.severity], -found.count))
    examination = Examination(
        dataset=dataset.name,
        size=size,
        findings=tuple(findings),
        facts=facts.drop(columns="grey"),
        differences=tuple(differences(dataset)),
        at=now(),
        seconds=time.monotonic() - began,
        fingerprint=_fingerprint(dataset, workspace, facts),
    )
    _store(examination, workspace)
    return examination


def last(workspace: Workspace, dataset_name: str, size: int) -> Examination | None:
    """The last examination of a data set at a size; None when there is none. Opens no image.

    Whether the data set is still as it was then is for `core.data.catalogue.fingerprint` to say.
    """
    try:
        pointed = _pointed(_pointer(workspace, dataset_name, size))
        if pointed is None:
            return None
        folder = _home(workspace) / pointed
        stored = json.loads((folder / "examination.json").read_bytes())
        facts = pq.read_table(folder / "facts.parquet").to_pandas()
        if stored.pop("version") != VERSION:
            return None
        findings = tuple(_finding(values) for values in stored.pop("findings"))
        differences = tuple(stored.pop("differences"))
        return Examination(findings=findings, facts=facts, differences=differences, **stored)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None  # never examined, or the cache was cleared or torn


def _fingerprint(dataset: Dataset, workspace: Workspace, facts: pd.DataFrame) -> str:
    """`core.data.catalogue.fingerprint`, from the hashes that looking at the images made."""
    known = {key: digest for key, digest in facts["sha256"].items() if digest}
    hashes = Hashes(dataset.root, workspace)
    masks = {mask for sample in dataset.samples for mask in sample.masks}
    known |= {mask: digest for mask in masks if (digest := hashes.last_known(mask)) is not None}
    return fingerprint(dataset.samples, {str(key): value for key, value in known.items()})


def _store(examination: Examination, workspace: Workspace) -> None:
    what = [examination.dataset, examination.fingerprint, examination.size]
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    folder = _home(workspace) / name
    table = pa.Table.from_pandas(examination.facts)
    write_atomically(
        folder / "facts.parquet", lambda out: pq.write_table(table, out, compression="zstd")
    )
    stored: dict[str, Any] = {
        "version": VERSION,
        "dataset": examination.dataset,
        "size": examination.size,
        "findings": [asdict(found) for found in examination.findings],
        "differences": list(examination.differences),
        "at": examination.at,
        "seconds": examination.seconds,
        "fingerprint": examination.fingerprint,
    }
    write_json(folder / "examination.json", stored)
    pointer = _pointer(workspace, examination.dataset, examination.size)
    before = _pointed(pointer)
    write_json(pointer, {"folder": name})
    if before is not None and before != name:  # of what the data set was before
        shutil.rmtree(_home(workspace) / before, ignore_errors=True)


def _home(workspace: Workspace) -> Path:
    return workspace.root / "cache" / "doctor"


def _pointer(workspace: Workspace, dataset_name: str, size: int) -> Path:
    name = hashlib.sha256(json.dumps([dataset_name, size]).encode()).hexdigest()[:32]
    return _home(workspace) / "last" / f"{name}.json"


def _pointed(pointer: Path) -> str | None:
    try:
        name = json.loads(pointer.read_bytes())["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) and name.isalnum() else None


def _finding(values: dict[str, Any]) -> Finding:
    lists = {
        "keys": tuple(values["keys"]),
        "groups": tuple(map(tuple, values["groups"])),
        "fix_keys": tuple(values["fix_keys"]),
    }
    return Finding(**(values | lists))

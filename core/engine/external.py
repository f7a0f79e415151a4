"""Scores anomaly maps that another tool made, and stores them like a trained run's.

Maps are brought to the run's size (bilinear, as `core.maps` does it) and judged against the same
truth by the same metrics as the maps of a method of this project. An image's score is the highest
value of its map at that size, unless scores are given. The run directory appears complete or not
at all; one map at a time is in memory, and the metrics' own records.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from core import maps as map_rules
from core.config import RunConfig
from core.data.base import Dataset
from core.data.external_maps import Maps, check_sides, open_maps
from core.data.image_names import ImageNames, read_scores
from core.data.map_files import BadMap, Map, together
from core.data.prepared import Prepared, prepare
from core.engine.device import machine, memory_guard
from core.engine.external_request import Request, common_size, open_truth, run_config
from core.engine.prediction import Predicted, Rows
from core.engine.resolve import dataset_record, of_classes, versions
from core.engine.scoring import Scoring
from core.engine.tables import sample_table
from core.errors import DataError, RunError
from core.runs import RunDirectory
from core.workspace import Workspace, now

BATCH = 16
CPU = torch.device("cpu")

Report = Callable[[float, str], None]
Scores = npt.NDArray[np.float64]


def evaluate(
    workspace: Workspace,
    request: Request,
    report: Report = lambda fraction, message: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> RunDirectory:
    """Check, score and store; on any error nothing is stored.

    Args:
        report: called with the fraction done and a message.
        tell: called with sentences worth knowing: what was recognised, how maps were matched.

    Raises:
        UsageError: a wrong argument.
        DataError: maps or scores that do not fit the test images or cannot be read.
        RunError: the disk is full, or memory ran out.
    """
    whole = open_truth(request, workspace)
    dataset = of_classes(whole, request.classes)
    tell(f"{whole.name}: {whole.recognised}")
    names = ImageNames(whole, request.classes)
    maps = open_maps(request.maps, names)
    if maps.note:
        tell(maps.note)
    given = read_scores(request.scores, names) if request.scores else None
    shapes = maps.shapes(key for key in names.keys if key in maps.keys)
    size = common_size(shapes.values()) if request.size is None else request.size
    config = run_config(request, workspace, whole, size)
    clock = _Clock()
    with clock.phase("prepare"):
        prepared = prepare(dataset, config.size, workspace, report=lambda f, m: report(0.4 * f, m))
    rows = _test_rows(prepared, dataset)
    keys = [prepared.samples[row].key for row in rows]
    originals = {
        key: _pair(prepared.original_sizes[row]) for key, row in zip(keys, rows, strict=True)
    }
    check_sides(maps, shapes, originals)
    scores = None if given is None else np.array([given[key] for key in keys])
    lower = f"--size (now {config.size})"
    with memory_guard("measuring maps", lower), _whole_run(workspace, config) as run:
        _describe(run, prepared, dataset, maps)
        _fill(run, _Evidence(prepared, rows, keys, maps, scores), clock, report)
    return run


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Test images and what is said of them, in the order of `rows`."""

    prepared: Prepared
    rows: Rows
    keys: list[str]
    maps: Maps
    scores: Scores | None


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.began = now()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)


@contextmanager
def _whole_run(workspace: Workspace, config: RunConfig) -> Iterator[RunDirectory]:
    """A new run to fill; it appears among the others when the block ends well, else not at all."""
    aside = Path(tempfile.mkdtemp(prefix=".evaluate-", dir=workspace.runs))
    try:
        run = RunDirectory.create(Workspace(aside), config)
        yield run
        shown = workspace.runs / run.run_id
        run.path = run.path.rename(shown)
    except OSError as error:
        raise RunError(
            f"The run cannot be stored below {workspace.runs} ({error.strerror or error}); free "
            "some space there or choose another workspace."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _test_rows(prepared: Prepared, dataset: Dataset) -> Rows:
    """Test images class by class, as a run of the unified setting orders them."""
    parts = [prepared.rows(split="test", class_name=name) for name in dataset.classes]
    rows = np.concatenate(parts).astype(np.intp)
    if not len(rows):
        raise DataError(f"No test image of {dataset.name} can be used; see the data set's page.")
    return rows


def _pair(size: npt.NDArray[np.int64]) -> tuple[int, int]:
    return int(size[0]), int(size[1])


def _describe(run: RunDirectory, prepared: Prepared, dataset: Dataset, maps: Maps) -> None:
    """What a trained run's directory says of its data, machine and versions; no weights."""
    record = run.record()
    resolved = {
        "dataset": dataset_record(dataset, prepared.fingerprint),
        "backbone": None,
        "method_config": record.config.method_config,
        "epochs": None,
        "batch_size": None,
        "device": record.config.device,
        "machine": machine(CPU),
        "versions": versions(),
    }
    run.write_record(replace(record, resolved=resolved))
    run.write_table(RunDirectory.SAMPLES, sample_table(prepared))
    for problem in prepared.problems:
        run.event("problem", severity=problem.severity, key=problem.key, message=problem.message)
    if maps.note:
        run.event("problem", severity="note", key=RunDirectory.MAPS, message=maps.note)


def _fill(run: RunDirectory, evidence: _Evidence, clock: _Clock, report: Report) -> None:
    """Maps, cases, metrics, curves and the status of the run."""
    config, count = run.record().config, len(evidence.rows)
    scoring = Scoring(run, evidence.prepared, count, config.seed)
    with (
        clock.phase("read maps"),
        run.writing_maps((count, config.size, config.size)) as stored,
    ):
        done = 0
        for batch in _batches(evidence, config.size):
            stored[done : done + len(batch.rows)] = scoring.take(batch)
            done += len(batch.rows)
            report(0.4 + 0.5 * done / count, f"map {done} of {count}")
    report(0.9, "computing metrics")
    with clock.phase("evaluate"):
        scoring.finish()
    for phase, seconds in clock.seconds.items():
        run.event("phase_done", phase=phase, seconds=seconds)
    run.event("ended", state="succeeded", error=None)
    facts = {"seconds": round(sum(clock.seconds.values()), 3), "images": count}
    run.update_status(
        state="succeeded",
        phase="done",
        progress=1.0,
        started_at=clock.began,
        finished_at=now(),
        facts=facts,
    )


def _batches(evidence: _Evidence, size: int) -> Iterator[Predicted]:
    """Maps at the run's size with their scores.

    Raises:
        DataError: some cannot be read; names the first and counts the rest of all.
    """
    faults: list[BadMap] = []
    for start in range(0, len(evidence.rows), BATCH):
        some = slice(start, start + BATCH)
        final = []
        for key in evidence.keys[some]:
            try:
                final.append(_resized(evidence.maps.read(key), size))
            except BadMap as fault:
                faults.append(fault)
        if faults:
            continue  # nothing will be stored; the rest is read to count what is wrong
        maps_BHW = torch.stack(final)
        highest_B = map_rules.image_scores(maps_BHW, "max").numpy()
        given = evidence.scores
        yield Predicted(
            rows=evidence.rows[some],
            maps_BHW=maps_BHW.numpy(),
            scores_B=highest_B if given is None else given[some],
            ader_scores_B=highest_B,
            latency_ms=math.nan,
        )
    if faults:
        raise together(faults)


def _resized(map_HW: Map, size: int) -> torch.Tensor:
    return map_rules.upsample(torch.from_numpy(map_HW)[None], size, align_corners=False)[0]

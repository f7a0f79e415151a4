"""A stored run tries images it has never seen, on the way its own test images went.

The checkpoint is loaded into the method as the run built it, files are decoded and resized as
prepared data is, and batches of the run's own size pass through the same prediction: a test image
of the run tried again gets its stored score and map (to the bit in the same batches on the same
device, else to 1e-5). The data set is not needed; it may be gone.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from core.data.images import decode, squash
from core.engine.reload import Loaded
from core.engine.scoring import HALF_MAX
from core.errors import DataError, FlawscopeError
from core.methods.base import Method
from core.runs import all_runs
from core.trials import Request, Trial
from core.workspace import Workspace, write_atomically

THUMBNAIL_SIDE = 96
Report = Callable[[int, int], None]

SCHEMA = pa.schema([
    ("row", pa.int32()), ("name", pa.string()), ("score", pa.float64()),
    ("threshold", pa.float64()), ("verdict", pa.string()),
    ("class_name", pa.string()), ("seconds", pa.float64()), ("error", pa.string()),
    ("width", pa.int32()), ("height", pa.int32()), ("kind", pa.string()), ("peak", pa.float64()),
    ("thumbnail", pa.binary()),
])  # fmt: skip
"""Columns of results.parquet. verdict: one of `core.cuts`, "not judged" (no threshold is known) or
"not read" (see `error`); seconds:
decoding, resizing and predicting; kind: what was unusual about the file ("16-bit grey"); peak: the
highest map value; thumbnail: a WebP."""


def be_modest(workspace: Workspace) -> int:
    """Leave the processor to a training that is at work; the number of threads taken."""
    busy = any(run.status().state == "running" for run in all_runs(workspace)[-20:])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = 1 if busy else min(8, cores or 1)
    torch.set_num_threads(threads)
    return threads


def carry_out(loaded: Loaded, trial: Trial, report: Report | None = None) -> None:
    """Try a trial's images and write its results; its status says how that went.

    Files that cannot be read get a row with a sentence. A request to cancel is heeded between
    batches; what is done by then is kept.
    """
    request = trial.request()
    total = len(request.images)
    trial.update(state="working", total=total, done=0, message="loading the model", error=None)
    try:
        method = loaded.model(_class(request, loaded))
        trial.update(message="", note=loaded.note)
        state = _work(loaded, method, trial, request, report)
    except FlawscopeError as error:
        trial.update(state="failed", error=str(error), message="")
        raise
    except Exception as error:
        sentence = (
            f"Something unforeseen stopped the trial ({type(error).__name__}); the log has the "
            "details, and the images are kept."
        )
        trial.update(state="failed", error=sentence, message="")
        raise
    verdicts = trial.results()["verdict"].to_pylist()
    trial.update(
        state=state, message="", read=len(verdicts) - verdicts.count("not read"),
        anomalous=verdicts.count("anomalous"),
    )  # fmt: skip


def _class(request: Request, loaded: Loaded) -> str | None:
    if request.class_name is None and len(loaded.classes) == 1:
        return loaded.classes[0]
    return request.class_name


def _work(
    loaded: Loaded, method: Method, trial: Trial, request: Request, report: Report | None
) -> str:
    """Batch by batch; the state it ended in."""
    size, total = loaded.config.size, len(request.images)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    aside = trial.path / f".{Trial.MAPS}.part"
    maps = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=(total, size, size))
    state = "done"
    for start in range(0, total, loaded.batch_size):
        if trial.cancelled():
            state = "cancelled"
            break
        some = range(start, min(start + loaded.batch_size, total))
        _batch(loaded, method, trial, request, some, columns, maps)
        trial.update(done=some.stop)
        if report is not None:
            report(some.stop, total)
    maps.flush()
    del maps
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(aside, trial.path / Trial.MAPS)
    table = pa.table(columns, schema=SCHEMA)
    write_atomically(trial.path / Trial.RESULTS, lambda out: pq.write_table(table, out))
    return state


def _batch(
    loaded: Loaded, method: Method, trial: Trial, request: Request, rows: range,
    columns: dict[str, list[Any]], maps: npt.NDArray[np.float16],
) -> None:  # fmt: skip
    """Decode, predict and file some images."""
    read: list[tuple[int, npt.NDArray[np.uint8]]] = []
    for row in rows:
        began = time.monotonic()
        facts: dict[str, Any] = {"error": None, "width": None, "height": None, "kind": ""}
        facts["thumbnail"] = None
        try:
            path = trial.path / Trial.IMAGES / request.images[row].file
            picture = decode(path, request.images[row].name)
            facts["width"], facts["height"] = picture.image.size
            facts["kind"] = picture.kind
            read.append((row, squash(picture.image, loaded.config.size)))
            seconds = time.monotonic() - began
            facts["thumbnail"] = _thumbnail(picture.image)
        except DataError as error:
            facts["error"] = str(error)
            seconds = time.monotonic() - began
        columns["row"].append(row)
        columns["name"].append(request.images[row].name)
        columns["class_name"].append(_class(request, loaded))
        columns["seconds"].append(seconds)
        for name, value in facts.items():
            columns[name].append(value)
        columns["threshold"].append(request.cut.value if request.cut else None)
        for name in ("score", "peak"):
            columns[name].append(None)
        columns["verdict"].append("not read")
    if not read:
        return
    images_NCHW = np.stack([image for _, image in read])
    for batch in loaded.predicted(method, images_NCHW):
        for place, at in enumerate(batch.rows):
            row, score = read[int(at)][0], float(batch.scores_B[place])
            map_HW = np.clip(batch.maps_BHW[place], -HALF_MAX, HALF_MAX)
            maps[row] = map_HW
            columns["score"][row] = score
            columns["peak"][row] = float(map_HW.max())
            columns["seconds"][row] += batch.latency_ms / 1000
            columns["verdict"][row] = request.cut.verdict(score) if request.cut else "not judged"


def _thumbnail(image: Image.Image) -> bytes:
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=75, method=2)
    return buffer.getvalue()


def milliseconds(results: pa.Table) -> float | None:
    """Mean time of an image that was read; None when none was."""
    rows = zip(results["seconds"].to_pylist(), results["score"].to_pylist(), strict=True)
    times = [seconds for seconds, score in rows if score is not None]
    return 1000 * math.fsum(times) / len(times) if times else None

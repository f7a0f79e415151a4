"""From predicted batches to a run's tables: cases, metrics, curves, regions, summaries.

Every run passes here, trained or made elsewhere. Metrics look at the float32 maps as they are
predicted; objects, whose threshold is known only then, at the stored float16 ones.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.prepared import Prepared
from core.engine import tables
from core.engine.prediction import Predicted, publish_cases, truth_facts
from core.metrics.accumulate import Accumulator, Evaluation, grade_for
from core.runs import RunDirectory

HALF_MAX = float(np.finfo(np.float16).max)
SECOND_LOOK = 32  # maps read at once


class Scoring:
    """Files the cases of one run as they are predicted, and evaluates them.

    Args:
        run: where tables go.
        prepared: the truth.
        images: number of test images that will come.
        seed: of the resampling behind intervals.
    """

    def __init__(self, run: RunDirectory, prepared: Prepared, images: int, seed: int) -> None:
        self._run, self._prepared, self._seed = run, prepared, seed
        self._accumulator = Accumulator(grade_for(images * prepared.size**2))
        self._columns: dict[str, list[Any]] = defaultdict(list)
        self._held_out: dict[str, list[float]] = defaultdict(list)
        self._cut = False

    def take(self, batch: Predicted) -> npt.NDArray[np.float32]:
        """File a batch of test images; returns its maps as they can be stored."""
        samples = [self._prepared.samples[row] for row in batch.rows]
        regions_BHW = self._prepared.regions(batch.rows)
        known = self._prepared.has_mask[batch.rows]
        columns = self._columns
        columns["sample"] += list(batch.rows)
        columns["score"] += [float(score) for score in batch.scores_B]
        columns["latency_ms"] += [batch.latency_ms] * len(samples)
        columns["has_mask"] += [bool(mask) for mask in known]
        for column, values in truth_facts(self._prepared, batch, regions_BHW).items():
            columns[column] += values
        names = np.array([sample.class_name for sample in samples])
        for name in sorted(set(names)):
            mine = np.flatnonzero(names == name)
            where: Any = slice(None) if len(mine) == len(names) else mine  # a view of the whole
            self._accumulator.update(
                class_name=str(name),
                maps_BHW=batch.maps_BHW[where],
                regions_BHW=regions_BHW[where],
                scores_B=batch.scores_B[where],
                labels_B=[samples[i].label for i in mine],
                has_mask_B=known[where],
                anomaly_types_B=[samples[i].anomaly_type for i in mine],
                specimens_B=[samples[i].specimen for i in mine],
                keys_B=[samples[i].key for i in mine],
                ader_scores_B=batch.ader_scores_B[where],
            )
        return self._storable(batch.maps_BHW)

    def hold_out(self, batch: Predicted) -> None:
        """File the scores of held-out normal images."""
        for row, score in zip(batch.rows, batch.scores_B, strict=True):
            self._held_out[self._prepared.samples[row].class_name].append(float(score))

    def _storable(self, maps_BHW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Maps within what float16 holds; an event says once when that cut some."""
        if float(np.abs(maps_BHW).max()) <= HALF_MAX:
            return maps_BHW
        if not self._cut:
            self._cut = True
            sentence = (
                f"Map values beyond {HALF_MAX:.0f} are stored as {HALF_MAX:.0f}; metrics use all."
            )
            self._run.event("problem", severity="note", key=RunDirectory.MAPS, message=sentence)
        return np.clip(maps_BHW, -HALF_MAX, HALF_MAX)

    def finish(self) -> Evaluation:
        """Evaluate and write the tables; maps.npy must be complete."""
        self._look_again()
        evaluation = self._accumulator.compute(seed=self._seed, held_out=self._held_out)
        run, cases = self._run, publish_cases(self._prepared, self._columns)
        run.write_table(RunDirectory.CASES, tables.case_table(cases, evaluation))
        run.write_table(RunDirectory.REGIONS, tables.region_table(evaluation))
        run.write_table(RunDirectory.SUMMARIES, tables.summary_table(evaluation))
        run.write_table(RunDirectory.CURVES, tables.curve_table(evaluation, self._held_out))
        run.write_table(RunDirectory.METRICS, tables.metric_table(evaluation))
        return evaluation

    def _look_again(self) -> None:
        """Find the objects of every class that has a threshold; not in maps that were cut."""
        if self._cut:
            return
        thresholds = self._accumulator.thresholds()
        rows = np.array(self._columns["sample"], dtype=np.intp)
        names = np.array([self._prepared.samples[row].class_name for row in rows])
        known = self._prepared.has_mask[rows] if len(rows) else np.zeros(0, bool)
        maps = self._run.maps()
        for name, threshold in thresholds.items():
            (places,) = np.nonzero((names == name) & known)
            for start in range(0, len(places), SECOND_LOOK):
                some = places[start : start + SECOND_LOOK]
                self._accumulator.update_objects(
                    name,
                    threshold,
                    np.asarray(maps[some], dtype=np.float32),
                    self._prepared.regions(rows[some]),
                    [self._prepared.samples[row].key for row in rows[some]],
                )

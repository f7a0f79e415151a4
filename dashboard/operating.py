"""The Threshold page's logic: which cases are counted, where thresholds come from, what they cost.

Pure functions of arrays and frames beside a few cached readers; what is measured comes from
`core.metrics.operating`, `in_use` and `conformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.metrics import conformal, in_use, operating
from core.metrics.conformal import Promise, Realised
from core.metrics.in_use import Costs
from core.metrics.operating import OperatingPoint, Table
from core.store import read
from core.thresholds import ALL_CLASSES, Chosen, Origin
from core.thresholds import in_use as in_use_of
from dashboard.casework import ALL
from dashboard.results import Source

IMAGE, SPECIMEN = "image", "specimen"
ORACLE, HELD_OUT, CHOSEN, HAND = "oracle", "held-out", "chosen", "hand"
CHEAPEST = "cheapest"
RULES = {
    CHOSEN: "chosen", HELD_OUT: "held out", ORACLE: "oracle, best F1",
    CHEAPEST: "oracle, cheapest", HAND: "set by hand",
}  # fmt: skip
MARKED = {
    CHOSEN: "chosen", HELD_OUT: "held out", ORACLE: "oracle, best F1",
    CHEAPEST: "oracle, lowest cost",
}  # fmt: skip
"""What the lines in the chart are called."""
ALPHAS = {
    "0.01": "at most 1 %", "0.02": "at most 2 %", "0.05": "at most 5 %", "0.1": "at most 10 %",
    "0.2": "at most 20 %",
}  # fmt: skip
ALPHA = "0.05"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The cases a threshold is judged by.

    Attributes:
        class_name: a class, or "all": one threshold for all of them.
        unit: "image" or "specimen", what is counted.
        scores_N, labels_N: of what is counted; 1 = anomalous.
        heldout_M: scores of held-out normal images; empty where nothing was held out.
        normals_K: scores of single normal test images, whatever is counted.
        images: how many test images stand behind them.
        left_out: test images without a finite score.
    """

    run_id: str
    class_name: str
    unit: str
    scores_N: npt.NDArray[np.float64]
    labels_N: npt.NDArray[np.int64]
    heldout_M: npt.NDArray[np.float64]
    normals_K: npt.NDArray[np.float64]
    images: int
    left_out: int

    @property
    def saved_as(self) -> str:
        """The class as a chosen threshold names it."""
        return ALL_CLASSES if self.class_name == ALL else self.class_name

    def point(self, low: float, high: float | None = None) -> OperatingPoint:
        return operating.operating_point(self.scores_N, self.labels_N, low, high)

    def table(self, also: Sequence[float] = (), most: int | None = None) -> Table:
        return operating.operating_table(self.scores_N, self.labels_N, also, most)


class Prices(NamedTuple):
    """What the cheapest threshold depends on."""

    prevalence: float
    costs: Costs


@dataclass(frozen=True, slots=True)
class Mark:
    """A threshold with its origin; `upper` with a review band, `chosen` what a person kept."""

    rule: str
    low: float
    upper: float | None = None
    chosen: Chosen | None = None
    promise: Promise | None = None

    @property
    def origin(self) -> Origin:
        """How its value was found, as a chosen threshold files it."""
        if self.chosen is not None:
            return self.chosen.origin
        rules: dict[str, Origin] = {
            ORACLE: "oracle", CHEAPEST: "oracle", HELD_OUT: "held-out",
        }  # fmt: skip
        return rules.get(self.rule, "hand")


@st.cache_data(show_spinner=False, max_entries=16)
def scored(source: Source, run_id: str) -> pd.DataFrame:
    """class_name, label, score and specimen of a run's cases."""
    return read.cases(source.workspace, run_id)[["class_name", "label", "score", "specimen"]]


@st.cache_data(show_spinner=False, max_entries=16)
def heldout(source: Source, run_id: str) -> pd.DataFrame:
    """class_name and x, the score, of a run's held-out normal images; empty without any."""
    return read.curves(source.workspace, (run_id,), "heldout_scores")[["class_name", "x"]]


def has_specimens(cases: pd.DataFrame) -> bool:
    """Whether several images show one part or patient."""
    known = cases.dropna(subset=["specimen"])
    return bool(known.duplicated(["class_name", "specimen"]).any())


def scene(
    run_id: str, cases: pd.DataFrame, held: pd.DataFrame, class_name: str = ALL, unit: str = IMAGE
) -> Scene:
    """The cases of one class, or of all classes together.

    Args:
        cases, held: frames of `scored` and `heldout`.
    """
    if class_name != ALL:
        cases = cases[cases["class_name"] == class_name]
        held = held[held["class_name"] == class_name]
    finite = cases[np.isfinite(cases["score"].to_numpy(float))]
    scores = finite["score"].to_numpy(float)
    labels = finite["label"].to_numpy(np.int64)
    normals = scores[labels == 0]
    if unit == SPECIMEN:
        names = zip(finite["class_name"], finite["specimen"], strict=True)
        groups = [None if pd.isna(one) else (name, one) for name, one in names]
        scores, labels = operating.by_specimen(scores, labels, groups)
    kept = held["x"].to_numpy(float)
    return Scene(
        run_id, class_name, unit, scores, labels, kept[np.isfinite(kept)], normals,
        len(finite), len(cases) - len(finite),
    )  # fmt: skip


def marks(
    seen: Scene, kept: Sequence[Chosen], alpha: float, prices: Prices | None = None
) -> dict[str, Mark]:
    """Thresholds there are, by rule: chosen, held-out, oracle, cheapest, as far as each exists.

    Args:
        kept: what people chose for the run.
        alpha: the false-alarm rate that held-out images are asked to promise.
        prices: without them nothing is the cheapest.
    """
    found: dict[str, Mark] = {}
    one = in_use_of(kept, seen.saved_as)
    if one is not None:
        found[CHOSEN] = Mark(CHOSEN, one.value, one.upper, one)
    promised = conformal.promise(seen.heldout_M, alpha) if len(seen.heldout_M) else None
    if promised is not None:
        found[HELD_OUT] = Mark(HELD_OUT, promised.threshold, promise=promised)
    table = seen.table()
    best = operating.best_f1_threshold(table)
    if best is not None:
        found[ORACLE] = Mark(ORACLE, best)
    least = None if prices is None else in_use.cheapest_threshold(table, *prices)
    if least is not None:
        found[CHEAPEST] = Mark(CHEAPEST, least)
    return found


def realised(seen: Scene, promised: Promise) -> Realised:
    """False alarms among single normal test images at a held-out threshold."""
    images = seen.normals_K
    at = operating.operating_point(images, np.zeros(len(images)), promised.threshold)
    share = at.false_alarm_rate
    return conformal.realised(promised, share.hits, share.count)


@dataclass(frozen=True, slots=True)
class ClassCost:
    """What one threshold for all costs a class; own and common are counted on its cases.

    Attributes:
        dearer: by how much 1,000 items cost more with the common one, at the prices given; None
            without prices, or without cases of both kinds.
    """

    class_name: str
    own: Mark
    at_own: OperatingPoint
    at_common: OperatingPoint
    dearer: float | None = None

    @property
    def more_misses(self) -> int:
        return self.at_common.missed - self.at_own.missed

    @property
    def more_alarms(self) -> int:
        return self.at_common.alarms - self.at_own.alarms


@dataclass(frozen=True, slots=True)
class OneForAll:
    """A common threshold against one a class.

    Attributes:
        rule: how each class's own is found: "oracle", "cheapest" or "held-out".
        common: the one shown, or the one the same rule finds on all classes together.
        without: classes the rule gives no threshold for.
    """

    run_id: str
    rule: str
    common: Mark
    classes: tuple[ClassCost, ...]
    without: tuple[str, ...]

    @property
    def more_misses(self) -> int:
        return sum(one.more_misses for one in self.classes)

    @property
    def more_alarms(self) -> int:
        return sum(one.more_alarms for one in self.classes)

    @property
    def same_rule(self) -> bool:
        """Whether the common one is found by the rule that finds each class's own."""
        return self.common.rule == self.rule


def one_for_all(
    seen: Scene, cases: pd.DataFrame, held: pd.DataFrame, now: Mark, alpha: float,
    prices: Prices | None = None,
) -> OneForAll | None:  # fmt: skip
    """What one threshold costs each class; None with fewer than two classes, or no common one.

    Where all classes are shown together it is the threshold shown, also one set by hand. Each
    class's own is found by the rule of the one shown, else by that of best F1.

    Args:
        cases, held: of all classes of the run.
    """
    run_id, unit = seen.run_id, seen.unit
    names = sorted(map(str, cases["class_name"].unique()))
    rule = now.rule if now.rule in (HELD_OUT, CHEAPEST) else ORACLE
    together = scene(run_id, cases, held, ALL, unit)
    common = now if seen.class_name == ALL else marks(together, (), alpha, prices).get(rule)
    if len(names) < 2 or common is None:
        return None
    found, without = [], []
    for name in names:
        mine = scene(run_id, cases, held, name, unit)
        own = marks(mine, (), alpha, prices).get(rule)
        if own is None:
            without.append(name)
            continue
        at_own, at_common = mine.point(own.low), mine.point(common.low, common.upper)
        more = None if prices is None else in_use.extra_cost(at_common, at_own, *prices)
        found.append(ClassCost(name, own, at_own, at_common, more))
    return OneForAll(run_id, rule, common, tuple(found), tuple(without)) if found else None


def chart_data(seen: Scene, now: Mark, all_marks: Mapping[str, Mark]) -> dict[str, Any]:
    """Histogram, table and marks as the chart in the browser gets them."""
    lines = [one.low for one in all_marks.values()]
    also = [now.low, *lines] + ([] if now.upper is None else [now.upper])
    table = seen.table(also, operating.MOST)
    bars = operating.score_histogram(seen.scores_N, seen.labels_N, 60, also)
    return {
        "id": f"{seen.run_id}/{seen.class_name}/{seen.unit}",
        "edges": bars.edges.tolist(),
        "normal": bars.normal.tolist(),
        "anomalous": bars.anomalous.tolist(),
        "thresholds": table.thresholds_T.tolist(),
        "found": table.found_T.tolist(),
        "alarms": table.alarms_T.tolist(),
        "total": [table.normal, table.anomalous],
        "low": now.low,
        "high": now.upper,
        "marks": [[MARKED[rule], one.low] for rule, one in all_marks.items()],
    }

"""Cases as people look at them: found, missed, false alarm; sorted so that the worst come first.

Pure functions of pandas frames and arrays. A case is called anomalous when its score is >= the
threshold of its class. Frames:
    cases: one row a case of one run (columns of the store's table cases).
    judged: cases plus threshold, oracle (bool), outcome, error, margin.
    joined: one row a key over several runs: the case's own facts, and for every run the columns
        "score:<run>", "outcome:<run>", "row:<run>"; plus wrong, error, margin, off_target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

Outcome = Literal["found", "missed", "false alarm", "passed", "not judged"]
WRONG = ("missed", "false alarm")
SHOWS = ("missed first", "false alarms", "near the threshold", "worst localised", "all")
SHOW_HELP = (
    "**missed first**: missed anomalies, the most normal-looking first, then false alarms, then "
    "the rest. **false alarms**: good images called anomalous. **near the threshold**: closest "
    "calls first. **worst localised**: anomalies whose hottest point lies off the defect. "
    "**all**: in the order of the file names."
)
ALL = "all"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a class's images are split; `oracle` = chosen on the test set itself."""

    value: float
    oracle: bool
    note: str = ""

    @property
    def name(self) -> str:
        return "oracle threshold" if self.oracle else "held-out threshold"


def thresholds(metrics: pd.DataFrame, level: str = "image") -> dict[str, Threshold]:
    """Threshold of each class from one run's metric rows: held-out where there is one."""
    found: dict[str, Threshold] = {}
    for metric, oracle in (
        (f"{level}_f1max_threshold", True),
        (f"{level}_threshold_heldout", False),
    ):
        rows = metrics[(metrics["metric"] == metric) & metrics["value"].notna()]
        for _, row in rows.iterrows():
            note = row["note"] if isinstance(row["note"], str) else ""
            found[str(row["class_name"])] = Threshold(float(row["value"]), oracle, note)
    return found


def judge(cases: pd.DataFrame, of_class: Mapping[str, Threshold]) -> pd.DataFrame:
    """Each case against the threshold of its class.

    Returns:
        `cases` with
        threshold, oracle: of its class; NaN and False when the class has none.
        outcome: an `Outcome`.
        error: how wrong in ranks, free of any scale: for an anomalous case the share of its
            class's normal cases that score as high or higher; for a normal one the share of
            anomalous cases that score as low or lower. 0.5 when there is none to compare with.
        margin: (score - threshold) in standard deviations of the class's normal scores.
    """
    judged = cases.copy()
    names = judged["class_name"].astype(str)
    judged["threshold"] = [of_class[n].value if n in of_class else np.nan for n in names]
    judged["oracle"] = [of_class[n].oracle if n in of_class else False for n in names]
    high = judged["score"] >= judged["threshold"]
    bad = judged["label"] == 1
    judged["outcome"] = np.select(
        [judged["threshold"].isna(), bad & high, bad, high],
        ["not judged", "found", "missed", "false alarm"],
        "passed",
    )
    judged["error"] = 0.5
    judged["margin"] = np.nan
    for _, index in judged.groupby("class_name").groups.items():
        mine = judged.loc[index]
        judged.loc[index, "error"] = _rank_error(mine)
        spread = float(mine.loc[mine["label"] == 0, "score"].std(ddof=0))
        scale = spread if np.isfinite(spread) and spread > 0 else 1.0
        judged.loc[index, "margin"] = (mine["score"] - mine["threshold"]) / scale
    return judged


def _rank_error(mine: pd.DataFrame) -> npt.NDArray[np.float64]:
    score = mine["score"].to_numpy(float)
    bad = mine["label"].to_numpy() == 1
    normal, anomalous = np.sort(score[~bad]), np.sort(score[bad])
    error = np.full(len(mine), 0.5)
    if len(normal):
        hotter = len(normal) - np.searchsorted(normal, score[bad], side="left")
        error[bad] = hotter / len(normal)
    if len(anomalous):
        error[~bad] = np.searchsorted(anomalous, score[~bad], side="right") / len(anomalous)
    return error


FACTS = ["key", "class_name", "label", "anomaly_type", "specimen", "has_mask", "area_px", "regions"]


def join(judged: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Judged cases of one or more runs, one row a key that all of them scored.

    wrong = number of runs that judge it wrongly; error and margin = mean over runs;
    off_target = number of runs whose peak lies off the defect.
    """
    runs = list(judged)
    table = judged[runs[0]][FACTS]
    for run in runs:
        mine = judged[run][["key", "row", "score", "outcome", "error", "margin", "peak_in_truth"]]
        mine = mine.rename(
            columns={name: f"{name}:{run}" for name in mine.columns if name != "key"}
        )
        table = table.merge(mine, on="key", how="inner")
    outcomes = table[[f"outcome:{run}" for run in runs]]
    on_peak = table[[f"peak_in_truth:{run}" for run in runs]]
    return table.assign(
        wrong=outcomes.isin(WRONG).sum(axis=1),
        error=table[[f"error:{run}" for run in runs]].mean(axis=1),
        margin=table[[f"margin:{run}" for run in runs]].mean(axis=1),
        closest=table[[f"margin:{run}" for run in runs]].abs().min(axis=1),
        off_target=on_peak.eq(False).sum(axis=1),
    )


def select(
    table: pd.DataFrame, show: str, class_name: str = ALL, anomaly_type: str = ALL
) -> pd.DataFrame:
    """Joined cases filtered and sorted by error, as `show` says; see SHOW_HELP."""
    found = table
    if class_name != ALL:
        found = found[found["class_name"] == class_name]
    if anomaly_type != ALL:
        found = found[found["anomaly_type"] == anomaly_type]
    bad = found["label"] == 1
    if show == "false alarms":
        found = found[~bad & (found["wrong"] > 0)]
        order, rising = ["wrong", "error", "margin", "key"], [False, False, False, True]
    elif show == "near the threshold":
        found = found[found["closest"].notna()]
        order, rising = ["closest", "key"], [True, True]
    elif show == "worst localised":
        found = found[bad & found["has_mask"]]
        order, rising = ["off_target", "margin", "key"], [False, False, True]
    elif show == "all":
        order, rising = ["key"], [True]
    else:
        group = np.select([bad & (found["wrong"] > 0), found["wrong"] > 0], [0, 1], 2)
        found = found.assign(group=group)
        order, rising = ["group", "wrong", "error", "key"], [True, False, False, True]
    return found.sort_values(order, ascending=rising, kind="stable").reset_index(drop=True)


def counts(judged: pd.DataFrame) -> dict[str, int]:
    """How many cases are found, missed, false alarms, passed, not judged."""
    seen = judged["outcome"].value_counts()
    names = ("found", "missed", "false alarm", "passed", "not judged")
    return {name: int(seen.get(name, 0)) for name in names}


def by_type(judged: pd.DataFrame) -> pd.DataFrame:
    """Recall of each anomaly type: class_name, anomaly_type, cases, found, recall, low, high.

    low, high: 95 % Wilson score interval (Wilson, JASA 1927).
    """
    bad = judged[(judged["label"] == 1) & (judged["outcome"] != "not judged")]
    rows = []
    for (name, kind), mine in bad.groupby(["class_name", "anomaly_type"], sort=True):
        hits = int((mine["outcome"] == "found").sum())
        low, high = wilson(hits, len(mine))
        rows.append((name, kind, len(mine), hits, hits / len(mine), low, high))
    columns = ["class_name", "anomaly_type", "cases", "found", "recall", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share; (0, 1) for nothing counted."""
    if count == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    share = hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def split_by_two(table: pd.DataFrame, a: str, b: str) -> dict[str, pd.DataFrame]:
    """Anomalous cases two runs judge: both, only_a, only_b, neither; the clearest first."""
    bad = table[table["label"] == 1]
    by_a, by_b = bad[f"outcome:{a}"] == "found", bad[f"outcome:{b}"] == "found"
    judged = (bad[f"outcome:{a}"] != "not judged") & (bad[f"outcome:{b}"] != "not judged")
    gap = bad[f"margin:{a}"] - bad[f"margin:{b}"]
    bad = bad.assign(gap=gap)
    parts = {
        "both": bad[judged & by_a & by_b],
        "only_a": bad[judged & by_a & ~by_b].sort_values("gap", ascending=False),
        "only_b": bad[judged & ~by_a & by_b].sort_values("gap"),
        "neither": bad[judged & ~by_a & ~by_b].sort_values("error", ascending=False),
    }
    return {name: part.reset_index(drop=True) for name, part in parts.items()}


@dataclass(frozen=True, slots=True)
class Region:
    """One true region: its size, the map's peak in it, the share of it above the threshold."""

    area_px: int
    peak: float
    covered: float | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How a map above a threshold meets the truth; None where there is no threshold or truth."""

    regions: tuple[Region, ...]
    iou: float | None
    peak: float
    peak_on_defect: bool | None
    area_share: float


def overlap(
    map_HW: npt.NDArray[Any], truth_HW: npt.NDArray[np.bool_] | None, threshold: float | None
) -> Overlap:
    """Facts of one map beside its truth, both of one size; regions are 8-connected."""
    values = np.asarray(map_HW, dtype=np.float32)
    peak = float(values.max())
    if truth_HW is None or not truth_HW.any():
        return Overlap((), None, peak, None, 0.0)
    labels, count = ndimage.label(truth_HW, structure=np.ones((3, 3)))
    above = None if threshold is None else values >= threshold
    regions = []
    for number in range(1, count + 1):
        inside = labels == number
        covered = None if above is None else float(above[inside].mean())
        regions.append(Region(int(inside.sum()), float(values[inside].max()), covered))
    regions.sort(key=lambda region: region.area_px, reverse=True)
    iou = None
    if above is not None:
        iou = float((above & truth_HW).sum() / (above | truth_HW).sum())
    on_defect = bool(truth_HW[np.unravel_index(int(values.argmax()), values.shape)])
    return Overlap(tuple(regions), iou, peak, on_defect, float(truth_HW.mean()))


def share_hotter(tail_x: Sequence[float], tail_y: Sequence[float], value: float) -> float | None:
    """Share of normal pixels with a map value >= `value`, read off a tail table.

    Interpolated in the logarithm of the share. None without a table; 0.0 above its last value,
    where no normal pixel was seen.
    """
    x, y = np.asarray(tail_x, float), np.asarray(tail_y, float)
    keep = y > 0
    x, y = x[keep], y[keep]
    if not len(x):
        return None
    order = np.lexsort((-y, x))
    x, y = x[order], y[order]
    if value > x[-1]:
        return 0.0
    return float(np.exp(np.interp(value, x, np.log(y))))

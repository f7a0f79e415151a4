"""From runs and their metric rows to a table of entries, and what can be told apart in it.

An entry is one method with one set of settings; its seeds are collapsed. Everything here is a
pure function of pandas frames.

Frames:
    runs: one row a run (columns of the store's table runs).
    metrics: run_id, class_name, metric, value, ci_low, ci_high, note, bound_low, bound_high; of
        one convention.
    entries: entry, label, method, title, setting, protocol, size, run_ids, seeds,
        images_per_second, peak_memory_bytes, train_seconds, pretrained, ...
    values: entry, class_name, metric, value, low, high, spread, seeds, note, bound_low, bound_high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from core.types import MEAN

DISTINGUISHING = ("setting", "protocol", "size", "backbone", "epochs")
"""What may tell two entries of one method apart, in the order labels name it."""
EVERYWHERE = ("setting", "protocol", "size")
"""What every label names as soon as the table mixes it."""

RANK_HELP = (
    "The best and the worst place this entry can have, judged by 95 % intervals: an entry is "
    "surely better than another only when its whole interval lies above the other's. "
    "Overlapping intervals leave the order open, so one place can be shared by several entries. "
    "This is careful: a paired test may tell more apart."
)
INTERVAL_HELP = (
    "95 % interval by bootstrap over test images. With several seeds the value is their mean, and "
    "the interval reaches from the lowest lower end to the highest upper end of any seed."
)


class Interval(NamedTuple):
    """A value with the ends of its 95 % interval; the ends may be unknown (None)."""

    value: float
    low: float | None = None
    high: float | None = None


def surely_better(a: Interval, b: Interval) -> bool:
    """Whether a's whole interval lies above b's; unknown ends never tell anything."""
    return a.low is not None and b.high is not None and a.low > b.high


def rank_ranges(intervals: Sequence[Interval | None]) -> list[tuple[int, int] | None]:
    """(best, worst) place of each; None where there is no value.

    best = 1 + number of entries surely better; worst = count - number surely worse.
    """
    known = [interval for interval in intervals if interval is not None]
    ranges: list[tuple[int, int] | None] = []
    for mine in intervals:
        if mine is None:
            ranges.append(None)
            continue
        above = sum(surely_better(other, mine) for other in known)
        below = sum(surely_better(mine, other) for other in known)
        ranges.append((1 + above, len(known) - below))
    return ranges


def rank_text(places: tuple[int, int] | None) -> str:
    """ "2", "1 to 3" or an en dash."""
    if places is None:
        return "–"
    best, worst = places
    return str(best) if best == worst else f"{best} to {worst}"


def number(value: object) -> float | None:
    """A finite float, or None for None, NaN and NA."""
    if value is None or value is pd.NA:
        return None
    found = float(value)  # type: ignore[arg-type]
    return found if math.isfinite(found) else None


def interval(row: Mapping[str, object] | pd.Series) -> Interval | None:
    """The interval in columns value, low, high; None when there is no value."""
    value = number(row["value"])
    return None if value is None else Interval(value, number(row["low"]), number(row["high"]))


def entries(runs: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Runs collapsed over seeds, labelled so that no two labels are equal.

    Of several runs of one configuration and seed only the newest counts. Runs on another
    fingerprint make an entry of their own even under an equal configuration.
    """
    if runs.empty:
        return pd.DataFrame()
    newest = runs.sort_values("created_at").drop_duplicates(["group_id", "seed"], keep="last")
    rows = []
    for group_id, mine in newest.groupby("group_id", sort=False):
        last = mine.iloc[-1]
        method = str(last["method"])
        rows.append(
            {"entry": str(group_id), "title": titles.get(method, method), "method": method}
            | {name: last[name] for name in DISTINGUISHING}
            | {
                "run_ids": list(mine["run_id"]),
                "run_id": str(last["run_id"]),
                "seeds": sorted(int(seed) for seed in mine["seed"]),
                "pretrained": last["pretrained"],
                "images_per_second": number(mine["images_per_second"].mean()),
                "peak_memory_bytes": number(mine["peak_memory_bytes"].max()),
                "train_seconds": number(mine["train_seconds"].mean()),
            }
        )
    found = pd.DataFrame(rows)
    found["label"] = _labels(found)
    return found


def _labels(found: pd.DataFrame) -> list[str]:
    """The method's title, and what distinguishes its entries; what the table mixes, always."""
    labels = []
    for _, row in found.iterrows():
        same = found[found["method"] == row["method"]]
        differing = [
            name
            for name in DISTINGUISHING
            if (found if name in EVERYWHERE else same)[name].nunique(dropna=False) > 1
        ]
        parts = [row["title"], *[_part(name, row[name]) for name in differing]]
        labels.append(", ".join(parts))
    twice = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label}, settings {entry[:4]}" if label in twice else label
        for label, entry in zip(labels, found["entry"], strict=True)
    ]


def _part(name: str, value: object) -> str:
    if number_or_text := {"size": f"{value} px", "epochs": f"{value} epochs"}.get(name):
        return number_or_text if not pd.isna(value) else "default epochs"  # type: ignore[call-overload]
    return str(value)


def values(found: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Metric rows by entry, over seeds: mean, hull of the intervals, standard deviation.

    Bounds are those of the mean, an exact value being its own; NaN where all seeds are exact.
    """
    columns = [
        "entry", "class_name", "metric", "value", "low", "high", "spread", "seeds", "note",
        "bound_low", "bound_high",
    ]  # fmt: skip
    if found.empty or metrics.empty:
        return pd.DataFrame(columns=columns)
    of_run = {run: row["entry"] for _, row in found.iterrows() for run in row["run_ids"]}
    mine = metrics[metrics["run_id"].isin(list(of_run))].copy()
    mine["entry"] = mine["run_id"].map(of_run)
    streamed = mine.groupby(["entry", "class_name", "metric"])["bound_low"].transform("count") > 0
    for end in ("bound_low", "bound_high"):
        mine[end] = mine[end].fillna(mine["value"]).where(streamed)
    grouped = mine.groupby(["entry", "class_name", "metric"], sort=False).agg(
        value=("value", "mean"),
        low=("ci_low", "min"),
        high=("ci_high", "max"),
        spread=("value", "std"),
        seeds=("value", "count"),
        note=("note", "first"),
        bound_low=("bound_low", "mean"),
        bound_high=("bound_high", "mean"),
    )
    return grouped.reset_index()[columns]


def intervals_of(
    table: pd.DataFrame, metric: str, class_name: str = MEAN
) -> dict[str, Interval | None]:
    """Interval of each entry for one metric of one class."""
    mine = table[(table["metric"] == metric) & (table["class_name"] == class_name)]
    return {str(row["entry"]): interval(row) for _, row in mine.iterrows()}


def classes_of(table: pd.DataFrame) -> list[str]:
    """Class names of a values frame, sorted, without the mean."""
    return sorted(set(table["class_name"]) - {MEAN})


def worst_class(table: pd.DataFrame, entry: str, metric: str) -> tuple[str, float] | None:
    """The class in which an entry does worst by a metric; None when it has no value anywhere."""
    mine = table[
        (table["entry"] == entry) & (table["metric"] == metric) & (table["class_name"] != MEAN)
    ].dropna(subset=["value"])
    if mine.empty:
        return None
    row = mine.sort_values("value", kind="stable").iloc[0]
    return str(row["class_name"]), float(row["value"])


def ordered(found: pd.DataFrame, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Entries by falling mean of a metric, those without a value last, with column `rank`."""
    by_entry = intervals_of(table, metric)
    listed = [by_entry.get(entry) for entry in found["entry"]]
    sorted_frame = found.assign(
        rank=pd.Series(rank_ranges(listed), index=found.index, dtype=object),
        _value=[-math.inf if one is None else one.value for one in listed],
    ).sort_values("_value", ascending=False, kind="stable")
    return sorted_frame.drop(columns="_value").reset_index(drop=True)

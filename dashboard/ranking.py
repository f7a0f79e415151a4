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
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.metrics.rank_groups import Place, Spread, places
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


@dataclass(frozen=True, slots=True)
class Paired:
    """Entries compared on the same draws of the same images.

    Attributes:
        differs: (entry, other) in both orders: whether they are told apart.
        spreads: of each compared entry.
        left_out: entries that could not be compared so, and why.
        resamples: how often the images were drawn.
    """

    differs: Mapping[tuple[str, str], bool]
    spreads: Mapping[str, Spread]
    left_out: Mapping[str, str] = field(default_factory=dict)
    resamples: int = 0

    @property
    def any(self) -> bool:
        """Whether at least two entries were compared."""
        return bool(self.differs)


UNPAIRED = Paired({}, {})


def told_apart(
    a: str, b: str, intervals: Mapping[str, Interval | None], paired: Paired = UNPAIRED
) -> bool:
    """Whether two entries differ: by the paired test where there is one, else by intervals."""
    found = paired.differs.get((a, b))
    if found is not None:
        return found
    one, two = intervals.get(a), intervals.get(b)
    if one is None or two is None:
        return False
    return surely_better(one, two) or surely_better(two, one)


def surely_better(a: Interval, b: Interval) -> bool:
    """Whether a's whole interval lies above b's; unknown ends never tell anything."""
    return a.low is not None and b.high is not None and a.low > b.high


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
    found["label"], found["short"] = _labels(found)
    return found


def mixed(found: pd.DataFrame) -> list[str]:
    """Which of setting, protocol and size the entries differ in."""
    return [name for name in EVERYWHERE if found[name].nunique(dropna=False) > 1]


def _labels(found: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The method's title, and what distinguishes its entries; what the table mixes, always.

    The second list leaves out what `mixed` names: a table has columns for it.
    """
    everywhere = mixed(found)
    own = [name for name in DISTINGUISHING if name not in EVERYWHERE]
    differing = {
        method: [name for name in own if same[name].nunique(dropna=False) > 1]
        for method, same in found.groupby("method", sort=False)
    }
    labels: list[list[str]] = []
    shorts: list[list[str]] = []
    for row in found.to_dict("records"):
        parts = [_part(name, row[name]) for name in everywhere]
        more = [_part(name, row[name]) for name in differing[row["method"]]]
        labels.append([row["title"], *parts, *more])
        shorts.append([row["title"], *more])
    twice = [label for i, label in enumerate(labels) if label in labels[:i] + labels[i + 1 :]]
    for i, entry in enumerate(found["entry"]):
        if labels[i] in twice:
            shorts[i] = [*shorts[i], f"settings {entry[:4]}"]
            labels[i] = [*labels[i], f"settings {entry[:4]}"]
    return [named(*label) for label in labels], [named(*short) for short in shorts]


def named(title: str, *parts: str) -> str:
    """ "RD (unified, 128 px)": a list of such names still reads."""
    return f"{title} ({', '.join(parts)})" if parts else title


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
    return _intervals(mine)


def intervals_by_class(table: pd.DataFrame, metric: str) -> dict[str, dict[str, Interval | None]]:
    """{class: {entry: interval}} of one metric, classes by name, without the mean."""
    mine = table[(table["metric"] == metric) & (table["class_name"] != MEAN)]
    return {str(name): _intervals(rows) for name, rows in mine.groupby("class_name")}


def _intervals(rows: pd.DataFrame) -> dict[str, Interval | None]:
    found: dict[str, Interval | None] = {}
    columns = (rows[name].tolist() for name in ("entry", "value", "low", "high"))
    for entry, value, low, high in zip(*columns, strict=True):
        known = number(value)
        found[str(entry)] = None if known is None else Interval(known, number(low), number(high))
    return found


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


def ordered(
    found: pd.DataFrame, table: pd.DataFrame, metric: str, paired: Paired = UNPAIRED
) -> pd.DataFrame:
    """Entries by falling mean of a metric, those without a value last.

    Adds the columns `rank` ((best, worst) or None), `letters` and `level_with` (entries it cannot
    be told apart from, best first).
    """
    by_entry = intervals_of(table, metric)
    means = [by_entry.get(entry) for entry in found["entry"]]
    order = sorted(
        range(len(found)),
        key=lambda i: math.inf if (one := means[i]) is None else -one.value,
    )
    placed = found.iloc[order].reset_index(drop=True)
    known = [str(e) for e in placed["entry"] if by_entry.get(str(e)) is not None]
    its = _places(known, by_entry, paired)
    placed["rank"] = pd.Series(
        [(its[e].best, its[e].worst) if e in its else None for e in placed["entry"]], dtype=object
    )
    placed["letters"] = [its[e].letters if e in its else "" for e in placed["entry"]]
    placed["level_with"] = pd.Series(
        [tuple(known[j] for j in its[e].level_with) if e in its else () for e in placed["entry"]],
        dtype=object,
    )
    return placed


def _places(
    known: Sequence[str], intervals: Mapping[str, Interval | None], paired: Paired
) -> dict[str, Place]:
    values = [one.value for entry in known if (one := intervals[entry]) is not None]
    differs = np.array(
        [[a != b and told_apart(a, b, intervals, paired) for b in known] for a in known], bool
    ).reshape(len(known), len(known))
    return dict(zip(known, places(values, differs), strict=True))

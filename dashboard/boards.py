"""What the Leaderboard and Compare pages show: runs that may stand in one table, and its rows.

Only runs on the same content share a table: equal fingerprints mean equal images, labels and
classes, whatever the protocol and the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.config import external_name
from core.console import duration
from dashboard import ranking
from dashboard.findings import listed, many

ANY = "any"
FEW_COLUMNS = ("image_auroc", "pixel_auroc", "pixel_aupro", "mad")


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: the value, a smaller line below it, a hover text."""

    text: str
    below: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the board."""

    run_id: str
    method: str
    label: str
    chips: tuple[str, ...]
    rank: str
    cells: tuple[Cell, ...]


def board_key(runs: pd.DataFrame) -> pd.Series:
    """Equal for runs that may share a table: the fingerprint of the data they were made on."""
    return runs["fingerprint"].astype(str)


def data_options(runs: pd.DataFrame) -> dict[str, str]:
    """{fingerprint: what people call it}, the newest first; labels are never equal."""
    labels: dict[str, str] = {}
    for key, mine in runs.groupby("fingerprint", sort=False):
        newest = mine.iloc[0]
        everything = max(
            (len(c) for c in runs.loc[runs["dataset"] == newest["dataset"], "classes"]), default=0
        )
        names = list(newest["classes"])
        part = "" if len(names) == everything else f": {', '.join(map(str, names))}"
        labels[str(key)] = f"{newest['dataset']}{part}"
    said = list(labels.values())
    for key, label in list(labels.items()):
        if said.count(label) > 1:
            day = runs.loc[runs["fingerprint"] == key, "created_at"].max()
            labels[key] = f"{label}, as of {day:%d %b %Y %H:%M}"
    return labels


def choices(runs: pd.DataFrame, column: str) -> list[str]:
    """The values a filter offers, as text; ANY first when there are several."""
    values = sorted({str(value) for value in runs[column]}, key=lambda v: (len(v), v))
    return [ANY, *values] if len(values) > 1 else values


def narrow(runs: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Runs whose columns have these values as text; ANY lets everything through."""
    for column, value in wanted.items():
        if value != ANY:
            runs = runs[runs[column].astype(str) == value]
    return runs


def seconds(count: float | None) -> str:
    """Seconds as people say them."""
    return "–" if count is None else duration(count)


def memory(size: float | None) -> str:
    """Bytes in GB."""
    return "–" if size is None else f"{size / 1e9:.1f} GB"


def speed(rate: float | None) -> str:
    """Images a second."""
    return "–" if rate is None else f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def metric_cell(
    row: Mapping[str, object] | pd.Series | None, missing: str = "not computed", digits: int = 3
) -> Cell:
    """Value with its interval below; on hover its note and bound, or why there is no value.

    Args:
        missing: why a value of which the run has no row is not there.
    """
    if row is None:
        return Cell("–", "", missing)
    one = ranking.interval(row)
    note = row["note"] if isinstance(row["note"], str) else ""
    if one is None:
        return Cell("–", "", note or "cannot be computed")
    below = ""
    if one.low is not None and one.high is not None:
        below = f"{one.low:.{digits}f} to {one.high:.{digits}f}"
    notes = [note] if note else []
    spread = ranking.number(row.get("spread"))
    seeds = ranking.number(row.get("seeds")) or 1
    if spread is not None and seeds > 1:
        notes.append(f"mean of {int(seeds)} seeds, standard deviation {spread:.3f}")
    low, high = (ranking.number(row.get(end)) for end in ("bound_low", "bound_high"))
    if low is not None and high is not None:
        notes.append(streamed(low, high))
    return Cell(f"{one.value:.{digits}f}", below, "; ".join(notes))


def by_place(rows: pd.DataFrame, *keys: str) -> dict[tuple[str, ...], pd.Series]:
    """Metric rows by the text of these columns; ci_low and ci_high are called low and high."""
    renamed = rows.rename(columns={"ci_low": "low", "ci_high": "high"})
    return {tuple(str(row[key]) for key in keys): row for _, row in renamed.iterrows()}


def streamed(low: float, high: float) -> str:
    """ "streamed: surely between 0.8612 and 0.8613", with as many digits as tell the ends apart."""
    digits = next((d for d in range(3, 10) if f"{low:.{d}f}" != f"{high:.{d}f}"), 3)
    return f"streamed: surely between {low:.{digits}f} and {high:.{digits}f}"


def lines(
    entries: pd.DataFrame,
    values: pd.DataFrame,
    metrics: Sequence[str],
    rank_by: str,
    missing: str = "not computed",
) -> list[Line]:
    """Rows of the board from ordered entries; cells follow `headings`.

    Without a single interval there are no ranks.
    """
    chips = lead_chips(entries, values, rank_by)
    mean_rows = values[values["class_name"] == "mean"]
    means = {(str(row["entry"]), str(row["metric"])): row for _, row in mean_rows.iterrows()}
    ranked = bool(mean_rows.loc[mean_rows["metric"] == rank_by, "low"].notna().any())
    found = []
    for _, entry in entries.iterrows():
        key = str(entry["entry"])
        cells = [metric_cell(means.get((key, metric)), missing) for metric in metrics]
        worst = ranking.worst_class(values, key, rank_by)
        cells += [
            Cell("–") if worst is None else Cell(f"{worst[1]:.2f}", worst[0].replace("_", " ")),
            Cell(speed(ranking.number(entry["images_per_second"]))),
            Cell(memory(ranking.number(entry["peak_memory_bytes"]))),
            Cell(seconds(ranking.number(entry["train_seconds"]))),
        ]
        extra = [f"{len(entry['seeds'])} seeds"] if len(entry["seeds"]) > 1 else []
        extra += ["random weights"] if entry["pretrained"] is False else []
        extra += ["made elsewhere"] if external_name(str(entry["method"])) else []
        found.append(
            Line(
                run_id=str(entry["run_id"]),
                method=str(entry["method"]),
                label=str(entry["label"]),
                chips=(*chips.get(key, ()), *extra),
                rank=ranking.rank_text(entry["rank"] if ranked else None),
                cells=tuple(cells),
            )
        )
    return found


def lacking(entries: pd.DataFrame, values: pd.DataFrame) -> list[str]:
    """Labels of entries without a single row among the values."""
    return list(entries.loc[~entries["entry"].isin(values["entry"]), "label"])


def headings(titles: Mapping[str, str], metrics: Sequence[str]) -> list[str]:
    """Column titles that belong to the cells of `lines`."""
    named = [titles.get(metric, metric) for metric in metrics]
    return [*named, "Worst class", "Images/s", "Memory", "Trained in"]


def lead_chips(
    entries: pd.DataFrame, values: pd.DataFrame, rank_by: str
) -> dict[str, tuple[str, ...]]:
    """On the first entry: which others its interval overlaps."""
    if len(entries) < 2:
        return {}
    means = ranking.intervals_of(values, rank_by)
    first = entries.iloc[0]
    best = means.get(str(first["entry"]))
    if best is None or best.low is None:
        return {}
    rivals = []
    for _, other in entries.iloc[1:].iterrows():
        its = means.get(str(other["entry"]))
        if its is not None and not ranking.surely_better(best, its):
            rivals.append(str(other["label"]))
    if not rivals:
        return {}
    names = listed(rivals) if len(rivals) < 3 else many(len(rivals), "other")
    return {str(first["entry"]): (f"interval overlaps {names}",)}


def grid(entries: pd.DataFrame, values: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Entries down (labels), classes across, one metric's values; NaN where there is none."""
    mine = values[(values["metric"] == metric) & (values["class_name"] != "mean")]
    wide = mine.pivot(index="entry", columns="class_name", values="value").astype(float)
    return wide.reindex(entries["entry"]).set_axis(list(entries["label"]), axis=0)


def speed_frame(entries: pd.DataFrame, values: pd.DataFrame, metric: str) -> pd.DataFrame:
    """method, label, images_per_second, value, low, high: entries that have both figures."""
    means = values[(values["metric"] == metric) & (values["class_name"] == "mean")]
    frame = entries.merge(means[["entry", "value", "low", "high"]], on="entry")
    columns = ["method", "label", "images_per_second", "value", "low", "high"]
    return frame[columns].dropna(subset=["value", "images_per_second"]).reset_index(drop=True)

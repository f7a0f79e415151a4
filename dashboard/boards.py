"""What the Leaderboard and Compare pages show: runs that may stand in one table, and its rows.

Only runs on the same content share a table: equal fingerprints mean equal images, labels and
classes, whatever the protocol and the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from core.config import external_name
from core.console import duration
from dashboard import ranking

ANY = "any"
ANY_WORDS = {ANY: "all"}
EVERY = "all"
"""Chosen instead of one data set: the board over all of them."""
FEW_COLUMNS = ("image_auroc", "pixel_auroc", "pixel_aupro", "mad")


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: the value, a smaller line below it, a hover text."""

    text: str
    below: str = ""
    help: str = ""
    sort: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the board.

    Attributes:
        href: where the row leads.
        label: unique on the board.
        name: what its first cell says; what the board mixes stands in `facts`.
        rank: places ("1 to 3").
        letters: of the groups that cannot be told apart.
        published: a row of a paper, never ranked.
    """

    run_id: str
    method: str
    label: str
    chips: tuple[str, ...]
    rank: str
    cells: tuple[Cell, ...]
    name: str = ""
    href: str = ""
    facts: tuple[str, ...] = ()
    letters: str = ""
    rank_help: str = ""
    value: float | None = None
    published: bool = False


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


def alike(runs: pd.DataFrame) -> str:
    """ "All unified, benchmark, 256 px.": what the runs have in common, for a caption."""
    same = [
        fact(name, runs[name].iloc[0])
        for name in ranking.EVERYWHERE
        if len(runs) and runs[name].nunique(dropna=False) == 1
    ]
    return f"All {', '.join(same)}." if same else ""


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
    return Cell(f"{one.value:.{digits}f}", below, "; ".join(notes), one.value)


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
    facts: Sequence[str] = (),
    helps: Mapping[str, str] | None = None,
) -> list[Line]:
    """Rows of the board from ordered entries; cells follow `headings`.

    Without a single interval there are no ranks.

    Args:
        facts: columns of the entries that the board has a column for.
        helps: {entry: what stands behind its place}.
    """
    mean_rows = values[(values["class_name"] == "mean") & values["metric"].isin(set(metrics))]
    means = {(str(row["entry"]), str(row["metric"])): row for _, row in mean_rows.iterrows()}
    ranked = any(one is not None and one.low is not None for one in
                 ranking.intervals_of(values, rank_by).values())  # fmt: skip
    by_class = values[values["metric"] == rank_by]
    found = []
    for _, entry in entries.iterrows():
        key = str(entry["entry"])
        cells = [metric_cell(means.get((key, metric)), missing) for metric in metrics]
        places = entry["rank"] if ranked else None
        label = str(entry["label"])
        found.append(
            Line(
                run_id=str(entry["run_id"]),
                method=str(entry["method"]),
                label=label,
                chips=_chips(entry),
                rank=ranking.rank_text(places),
                cells=(*cells, *_further(entry, ranking.worst_class(by_class, key, rank_by))),
                name=str(entry.get("short", label)) if facts else label,
                href=f"run?run={entry['run_id']}",
                facts=tuple(fact(name, entry[name]) for name in facts),
                letters=str(entry["letters"]) if places else "",
                rank_help=(helps or {}).get(key, "") if places else "",
                value=cells[list(metrics).index(rank_by)].sort if rank_by in metrics else None,
            )
        )
    return found


def _chips(entry: pd.Series) -> tuple[str, ...]:
    seeds = len(entry["seeds"])
    said = [f"{seeds} seeds"] if seeds > 1 else []
    said += ["not pretrained"] if entry["pretrained"] is False else []
    said += ["made elsewhere"] if external_name(str(entry["method"])) else []
    return tuple(said)


def _further(entry: pd.Series, worst: tuple[str, float] | None) -> tuple[Cell, ...]:
    """Worst class, speed, memory, training time."""
    rate, size, spent = (ranking.number(entry[name]) for name in COSTS)
    return (
        Cell("–")
        if worst is None
        else Cell(f"{worst[1]:.2f}", worst[0].replace("_", " "), sort=worst[1]),
        Cell(speed(rate), sort=rate),
        Cell(memory(size), sort=None if size is None else size / 1e9),
        Cell(seconds(spent), sort=spent),
    )


COSTS = ("images_per_second", "peak_memory_bytes", "train_seconds")


def fact(name: str, value: object) -> str:
    """What a column says of an entry: "unified", "256 px"."""
    return f"{value} px" if name == "size" else str(value).replace("_", " ")


def lacking(entries: pd.DataFrame, values: pd.DataFrame) -> list[str]:
    """Labels of entries without a single row among the values."""
    return list(entries.loc[~entries["entry"].isin(values["entry"]), "label"])


def headings(titles: Mapping[str, str], metrics: Sequence[str]) -> list[str]:
    """Column titles that belong to the cells of `lines`."""
    named = [titles.get(metric, metric) for metric in metrics]
    return [*named, "Worst class", "Images/s", "Memory", "Trained in"]


def grid(entries: pd.DataFrame, values: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Entries down (labels), classes across, one metric's values; NaN where there is none."""
    mine = values[(values["metric"] == metric) & (values["class_name"] != "mean")]
    wide = mine.pivot(index="entry", columns="class_name", values="value").astype(float)
    return wide.reindex(entries["entry"]).set_axis(list(entries["label"]), axis=0)


def cost_frame(
    entries: pd.DataFrame, values: pd.DataFrame, metric: str, cost: str = COSTS[0]
) -> pd.DataFrame:
    """method, label, cost, value, low, high: entries that have both figures.

    Args:
        cost: one of `COSTS`.
    """
    means = values[(values["metric"] == metric) & (values["class_name"] == "mean")]
    frame = entries.merge(means[["entry", "value", "low", "high"]], on="entry")
    frame = frame.rename(columns={cost: "cost"})
    frame["cost"] = frame["cost"].astype(float)
    columns = ["method", "label", "cost", "value", "low", "high"]
    return frame[columns].dropna(subset=["value", "cost"]).reset_index(drop=True)

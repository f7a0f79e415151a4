"""Published rows: beside a board of the same data set, and the table of all of them.

Published rows are never ranked: nothing is known of their images one by one. They stand beside ours
only where both are counted alike (as ADer counts) and the data set is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from core.metrics.conventions import ADER, Convention
from core.reference import ader
from core.reference.ader import Published
from dashboard.boards import Cell, Line
from dashboard.findings import many
from dashboard.state import pick

HIDDEN = "hidden"
WORDS = {HIDDEN: "hidden", "100": "beside, 100 epochs", "300": "beside, 300 epochs"}
EVERY = "all"
FACTS = {"setting": "unified", "protocol": "benchmark", "size": f"{ader.SIZE} px"}
"""How the published runs were made: one model for all classes, on all normal images."""
NOT_MEAN = "mAD is not the mean of its seven parts, which is {:.1f}"


def same_data(runs: pd.DataFrame) -> ader.Match:
    """The published data set a board's runs were made on, or why there is none."""
    if runs.empty:
        return ader.Match("", "no run is shown")
    newest = runs.iloc[0]
    root = newest["data_root"]
    folder = Path(str(root)).name if isinstance(root, str) else ""
    return ader.match([str(newest["dataset"]), folder], [str(c) for c in newest["classes"]])


def choose(runs: pd.DataFrame, way: Convention) -> int | None:
    """The picker of the filters row, kept in the URL as `published`: epochs of the rows to show.

    None when they are hidden, and where none can stand beside these runs (no picker then).
    """
    if way != ADER or not same_data(runs).dataset:
        return None
    chosen = pick("published", list(WORDS), label="Published", words=WORDS)
    return None if chosen == HIDDEN else int(chosen)


def beside(
    dataset: str, epochs: int, metrics: Sequence[str], rank_by: str, sizes: Sequence[int],
    facts: Sequence[str] = (),
) -> list[Line]:  # fmt: skip
    """The published rows of a data set as lines of its board.

    Args:
        metrics: of the board's columns.
        sizes: of the runs on the board, pixels.
        facts: which of setting, protocol and size the board has columns for.
    """
    found = []
    for row in ader.published():
        if (row.dataset, row.epochs) != (dataset, epochs):
            continue
        chips = [row.source]
        if set(sizes) != {ader.SIZE} and "size" not in facts:
            chips.append(f"at {ader.SIZE} px")
        if row.no_target:
            chips.append("no target")
        cells = [_cell(row, metric) for metric in metrics]
        found.append(
            Line(
                run_id=f"published-{row.method}-{row.epochs}",
                method=row.method,
                label=row.title,
                name=row.title,
                chips=tuple(chips),
                rank="–",
                rank_help="Published rows are not ranked: nothing is known of single images.",
                cells=(*cells, *[Cell("–", "", "not published")] * 4),
                href=f"published?data={row.dataset.replace(' ', '+')}&epochs={row.epochs}",
                facts=tuple(FACTS[name] for name in facts),
                value=row.values[rank_by],
                published=True,
            )
        )
    return found


def _cell(row: Published, metric: str) -> Cell:
    value = row.values[metric]
    parts = [row.no_target] if row.no_target else [row.caution] if row.caution else []
    if metric == "mad" and not row.consistent:
        parts.insert(0, NOT_MEAN.format(100 * row.mean_of_parts) + " %")
    return Cell(f"{value:.3f}", "", "; ".join(parts), value)


def merged(lines: Sequence[Line], others: Sequence[Line]) -> list[Line]:
    """Both by falling value, ours first where they are equal; those without a value last."""

    def place(line: Line) -> tuple[bool, float, bool]:
        return line.value is None, -(line.value or 0.0), line.published

    return sorted([*lines, *others], key=place) if others else list(lines)


def rows(data: str, epochs: str) -> list[Published]:
    """The rows a page shows; `EVERY` lets all through."""
    return [
        row
        for row in ader.published()
        if data in (EVERY, row.dataset) and epochs in (EVERY, str(row.epochs))
    ]


def finding(shown: Sequence[Published], titles: Mapping[str, str]) -> str:
    """How many rows there are, which can serve as targets, and which are not consistent.

    Args:
        titles: of the methods that can be trained here.
    """
    targets = [row for row in shown if not row.no_target]
    odd = [row for row in shown if not row.consistent]
    sets = len({row.dataset for row in shown})
    said = (
        f"**ADer published {many(len(shown), 'result')} on {many(sets, 'data set')}; "
        f"{len(targets)} can serve as targets.**"
    )
    if odd:
        names = sorted({f"{row.title} at {row.epochs} epochs" for row in odd})
        rows_ = "row" if len(odd) == 1 else "rows"
        said += (
            f" In {len(odd)} {rows_} ({', '.join(names)}) the printed mAD is not the mean of its "
            "seven parts."
        )
    trained = sorted({titles[row.method] for row in targets if row.method in titles})
    if trained:
        said += f" Of the methods that can be trained here, {', '.join(trained)} have targets."
    return said


def marks(row: Published) -> tuple[str, ...]:
    """The chips of a row, beside where it comes from."""
    found = ["no target"] if row.no_target else []
    return (*found, *([] if row.consistent else ["mAD inconsistent"]))


def remark(row: Published) -> str:
    """What to know of a row, in a sentence; "" when there is nothing."""
    parts = []
    if not row.consistent:
        parts.append(NOT_MEAN.format(100 * row.mean_of_parts))
    if row.no_target:
        parts.append(f"no target: {row.no_target}")
    elif row.caution:
        parts.append(row.caution)
    return _sentence("; ".join(parts))


def remarks(shown: Sequence[Published]) -> dict[str, str]:
    """What to know of the shown methods, those that are no targets first: {title: sentence}."""
    found: dict[str, str] = {}
    for row in sorted(shown, key=lambda row: not row.no_target):
        if row.no_target:
            of_all = row.no_target in ader.NO_TARGET.values()
            title = row.title if of_all else f"{row.title}, {row.epochs} epochs"
            found.setdefault(title, f"No target: {row.no_target}.")
        elif row.caution:
            found.setdefault(row.title, "Mind: " + row.caution + ".")
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""

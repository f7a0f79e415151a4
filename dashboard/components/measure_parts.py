"""Parts of the Run page: kinds of flaw, and the measures beyond the nine."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import combinations

import pandas as pd
import streamlit as st

from core.metrics.base import AT_ORACLE
from core.types import MEAN
from dashboard import casework, measures, results
from dashboard.boards import Cell
from dashboard.components import cards, grids
from dashboard.measures import Measure
from dashboard.results import Source

STYLE = """<style>
.us-measure{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 18px;padding:9px 0;
 border-bottom:1px solid var(--fs-line);font-size:14px;line-height:1.45}
.us-measure:last-child{border-bottom:0}
.us-measure p{margin:0;font-size:12.5px!important;color:var(--fs-dim)}
.us-measure h4{margin:0;padding:0;font-size:14px;font-weight:600;letter-spacing:0}
.us-measure h4[title]{cursor:help}
.us-measure .fs-chip{margin:0 0 0 4px;font-weight:400}
.us-figure{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
</style>"""

KINDS_HELP = (
    "Found: at the threshold of the class. Image AUROC and AU-PRO compare this kind of flaw alone "
    "with the good images of its class, so they need no threshold. 95 % intervals below; few "
    "pictures of a kind make them wide."
)
MORE_HELP = (
    "Counted exactly, like the table by class. Most look at one threshold, chosen on these same "
    "images (oracle), so expect less in use. Point at a name for its definition."
)


def by_kind(source: Source, run_id: str, judged: pd.DataFrame) -> None:
    """Each kind of flaw: how much of it is found, and how well it is told from good images."""
    kinds = measures.kinds(casework.by_type(judged), results.type_metrics(source, run_id))
    if not kinds:
        return
    titles = [results.qualities()[id].title for id in measures.OF_KIND]
    oracle = "oracle" if judged["oracle"].any() else "held-out"
    st.subheader("By kind of flaw, exact", help=f"{KINDS_HELP} Thresholds here: {oracle}.")
    rows = [
        [
            Cell(_words(kind.anomaly_type), _words(kind.class_name)),
            kind.found,
            kind.share,
            *kind.cells,
        ]
        for kind in kinds
    ]
    headings = ["Kind of flaw", "Found", f"Share found ({oracle})", *titles]
    grids.show(f'<div class="us-tight">{grids.plain_html(headings, rows)}</div>')


def more(run_id: str, rows: pd.DataFrame, classes: Sequence[str]) -> None:
    """The further measures of one class, or of the mean over classes, by level.

    Args:
        rows: exact metric rows of the run.
    """
    st.subheader("More measures, exact", help=MORE_HELP)
    levels = results.further()
    known = {metric.id for metrics in levels.values() for metric in metrics}
    if not known & set(rows["metric"]):
        st.caption("This run was stored before further measures were kept; run it again for them.")
        return
    names = [MEAN, *classes] if len(classes) > 1 else list(classes)
    name = grids.pick_class(names, key=f"measures-{run_id}")
    shown = {level: measures.measures(rows, name, metrics) for level, metrics in levels.items()}
    for side, column in zip(_sides(shown), st.columns(2), strict=True):
        for level in side:
            with column.container(border=True, key=f"card-more-{level}"):
                st.subheader(measures.LEVELS[level])
                st.html(STYLE + "".join(map(_measure, shown[level])))


def _sides(shown: dict[str, list[Measure]]) -> tuple[list[str], list[str]]:
    """Levels in their order, in two columns of about the same length."""
    levels = [level for level in measures.LEVELS if shown.get(level)]
    total = sum(len(shown[level]) for level in levels)
    choices = [c for size in range(1, len(levels) + 1) for c in combinations(levels, size)]

    def uneven(left: tuple[str, ...]) -> tuple[int, bool]:
        return abs(2 * sum(len(shown[level]) for level in left) - total), levels[0] not in left

    left = min(choices, key=uneven) if choices else ()
    return list(left), [level for level in levels if level not in left]


def _measure(one: Measure) -> str:
    marks = cards.chip("lower is better") if one.lower_is_better else ""
    if one.oracle:
        hover = escape(f"{AT_ORACLE}, which was chosen on these same images", quote=True)
        marks += f'<span title="{hover}">{cards.chip("oracle")}</span>'
    remark = f"<p>{escape(one.remark)}</p>" if one.remark else ""
    below = f'<span class="fs-below">{escape(one.cell.below)}</span>' if one.cell.below else ""
    hover = f' title="{escape(one.cell.help, quote=True)}"' if one.cell.help else ""
    return (
        f'<div class="us-measure"><div><h4 title="{escape(one.definition, quote=True)}">'
        f"{escape(one.title)} {marks}</h4><p>{escape(one.summary)}</p>{remark}</div>"
        f'<div class="us-figure"{hover}>{escape(one.cell.text)}{below}</div></div>'
    )


def _words(name: str) -> str:
    return name.replace("_", " ")

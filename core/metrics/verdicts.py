"""What a paired comparison lets one say, in one place for pages and the command line.

A difference counts as one when its p-value, corrected for the number of classes (Holm), is below
5 %; its direction is that of the metric. Anything else is left open, however far apart the values
look: the test images do not tell.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from core.metrics.base import METRICS
from core.metrics.compare import DifferenceRow

ALPHA = 0.05
Verdict: TypeAlias = Literal["a", "b", "open", "untested"]

HELP = (
    "Both runs are judged on the same images, drawn again and again together, so that what is "
    "hard for both cancels out. The interval is where the difference lies with 95 % certainty. "
    "p: how often a difference at least this large would come up by the luck of the draw if there "
    "were none. Over several classes p is corrected (Holm), so that twenty classes do not yield a "
    "finding by chance; a difference counts when it stays below 0.05. An interval just clear of "
    "zero can therefore still leave the order open."
)


def verdict(row: DifferenceRow) -> Verdict:
    """Which run is better by this row: "a", "b", "open" (cannot be told apart) or "untested"."""
    if row.p_corrected is None:
        return "untested"
    if row.p_corrected >= ALPHA or row.difference == 0:
        return "open"
    lower_wins = METRICS.get(row.metric).higher_is_better is False
    return "a" if (row.difference > 0) != lower_wins else "b"


def p_text(p: float | None) -> str:
    """ "0.032", "< 0.001", or an en dash where nothing was tested."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"

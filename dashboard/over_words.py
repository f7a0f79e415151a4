"""What the Leaderboard says of methods over several data sets, or over the classes of one."""

from __future__ import annotations

import numpy as np

from core.metrics.friedman import FEWEST_BLOCKS, FEWEST_METHODS
from core.metrics.verdicts import ALPHA, p_text
from dashboard.over_sets import Contest
from dashboard.phrases import listed, many, plain, word

CLASS_BLOCKS = (
    "Classes of one data set share its cameras, its parts and its annotators: they are not "
    "independent data sets, and what holds over them may not hold elsewhere."
)


DIAGRAM_HELP = (
    "Each method stands at its mean rank, 1 being best. Methods joined by a bar lie within the "
    "critical difference (Nemenyi): these blocks do not tell them apart. Demsar, JMLR 7, 2006."
)


def finding(found: Contest, title: str, what: str = "data set") -> str:
    """Who has the best mean rank and what that is worth.

    Args:
        title: of the metric.
        what: what a block is.
    """
    ranked = found.ranked
    if ranked is None:
        return f"**No method has {title} on these {what}s**; choose another metric or setting."
    methods, blocks = len(found.inside), len(found.used)
    if methods == 1:
        only = plain(found.labels[found.inside[0]])
        return f"**Only {only} has results here**; a comparison needs another method."
    order = np.argsort(ranked.mean_K, kind="stable")
    best = float(ranked.mean_K[order[0]])
    tied = [k for k in order if ranked.mean_K[k] - best < 1e-9]
    who = listed([plain(found.labels[found.inside[int(k)]]) for k in tied[:4]])
    over = f"over {word(blocks)} {what}{'' if blocks == 1 else 'es' if what == 'class' else 's'}"
    has = "have" if len(tied) > 1 else "has"
    lead = f"{who} {has} the best mean rank by {title} {over}, {best:.2f} of {methods}"
    if ranked.tests is None:
        lacking = []
        if methods < FEWEST_METHODS:
            lacking.append(f"{FEWEST_METHODS} methods")
        if blocks < FEWEST_BLOCKS:
            lacking.append(f"{FEWEST_BLOCKS} {what}{'es' if what == 'class' else 's'}")
        return (
            f"**{lead}**, but that says little yet: a test of mean ranks needs at least "
            f"{' and '.join(lacking)}."
        )
    tests = ranked.tests
    if tests.p >= ALPHA:
        return (
            f"**No method is better on the whole**: {lead}, and the ranks differ no more than by "
            f"chance (Friedman, p = {p_text(tests.p)})."
        )
    close = _close(found, int(order[0]))
    if not close:
        return f"**{lead}, better than every other** by the critical difference."
    if len(close) == methods - 1:
        return (
            f"**{lead}**; the methods differ (Friedman, p {_p(tests.p)}), but by the critical "
            "difference none can be told apart from it."
        )
    names = listed([plain(found.labels[i]) for i in close[:4]])
    if len(close) > 4:
        names = many(len(close), "other")
    return f"**{lead}**; by the critical difference {names} cannot be told apart from it."


def _p(p: float) -> str:
    said = p_text(p)
    return said if said.startswith("<") else f"= {said}"


def _close(found: Contest, k: int) -> list[int]:
    """Contestants within the critical difference of the k-th ranked one, best first."""
    ranked = found.ranked
    assert ranked is not None and ranked.tests is not None
    gap = np.abs(ranked.mean_K - ranked.mean_K[k])
    near = [j for j in range(len(gap)) if j != k and gap[j] <= ranked.tests.critical]
    return [found.inside[j] for j in sorted(near, key=lambda j: ranked.mean_K[j])]


def strict(found: Contest) -> str:
    """Which pairs differ by signed ranks, the stricter statement; "" without tests."""
    ranked = found.ranked
    if ranked is None or ranked.tests is None:
        return ""
    p_KK = ranked.tests.signed_KK
    count = len(found.inside)
    said = []
    for a in np.argsort(ranked.mean_K, kind="stable"):
        worse = [
            plain(found.labels[found.inside[b]])
            for b in range(count)
            if p_KK[a, b] < ALPHA and ranked.mean_K[a] < ranked.mean_K[b]
        ]
        if worse:
            names = listed(worse) if len(worse) < 5 else many(len(worse), "method")
            said.append(f"{plain(found.labels[found.inside[int(a)]])} beats {names}")
    pairs = many(count * (count - 1) // 2, "pair")
    if not said:
        return (
            f"Pair by pair (Wilcoxon's signed ranks, corrected for {pairs} by Holm) no two differ."
        )
    return (
        f"Pair by pair (Wilcoxon's signed ranks, corrected for {pairs} by Holm): "
        + "; ".join(said[:6])
        + ("." if len(said) <= 6 else "; and more.")
    )


def left_out(found: Contest, what: str = "data set") -> str:
    """Contestants and blocks with gaps, which the ranks leave out; "" without any."""
    several = "classes" if what == "class" else f"{what}s"
    parts = []
    who = [plain(found.labels[i]) for i in range(len(found.labels)) if i not in found.inside]
    where = [plain(found.blocks[i]) for i in range(len(found.blocks)) if i not in found.used]
    if who:
        parts.append(f"{listed(who[:5]) if len(who) < 6 else many(len(who), 'method')}")
    if where:
        parts.append(f"{listed(where[:5]) if len(where) < 6 else f'{len(where)} {several}'}")
    if not parts:
        return ""
    return f"Ranks need every method on every {what}; left out for gaps: {' and '.join(parts)}."

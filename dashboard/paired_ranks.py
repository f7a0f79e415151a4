"""Paired ranks of a board: all its entries on the same draws of the same images.

The draws of a run are computed once and kept in the workspace (`core.replicates`); that takes a few
seconds a run, so it is done in a thread while the page shows places by intervals. Several seeds of
an entry count by their mean, draw by draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core import replicates
from core.errors import FlawscopeError
from core.metrics.compare import RESAMPLES
from core.metrics.rank_groups import adjusted_p, spreads
from core.metrics.threads import PREFIX, threads
from core.metrics.verdicts import ALPHA
from core.replicates import Replicates
from core.runs import RunDirectory
from core.workspace import Workspace
from dashboard import later, navigation, ranking
from dashboard.findings import listed, plain
from dashboard.ranking import UNPAIRED, Paired
from dashboard.results import Source

PAIRED_HELP = (
    "The best and the worst place this entry can have. All entries are judged on the same images, "
    "drawn again and again together, so that what is hard for all cancels out. An entry is better "
    "than another when their difference stays clear of zero after a correction for the number of "
    "pairs (step-down maximum, 5 % over all pairs together). Several seeds count by their mean."
)
NO_SUMMARIES = "it was stored before what this metric needs of single images was kept"
OTHER_IMAGES = "it was judged on other images, labels or specimens"
STILL = "no draw of its images can differ from another"
_AT_ONCE = 0.6
"""Seconds a page waits when everything is already kept."""

_pool = ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix=f"{PREFIX}-replicates")
"""A run a thread, its classes one after the other; a core is left to the pages."""

Groups = tuple[tuple[str, tuple[str, ...]], ...]
"""(entry, its runs) of a board."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known now.

    Attributes:
        paired: None while the draws are being computed.
        key: of the work that goes on, for `look_after`.
        done, total: runs whose draws are kept, and all of the board.
    """

    paired: Paired | None
    key: Hashable = None
    done: int = 0
    total: int = 0


def groups(entries: pd.DataFrame) -> Groups:
    """The runs of each entry of `ranking.entries`."""
    return tuple(
        (str(entry), tuple(map(str, runs)))
        for entry, runs in zip(entries["entry"], entries["run_ids"], strict=True)
    )


def look(source: Source, entries: pd.DataFrame, metric: str) -> Look:
    """The paired ranks of a board by one metric, or how far their computation is."""
    mine = groups(entries) if len(entries) else ()
    if len(mine) < 2:
        return Look(UNPAIRED)
    done, total = progress(source.root, mine, metric)
    key = ("paired ranks", source, tuple(sorted(mine)), metric)
    patience = _AT_ONCE if done == total else 0.05
    found = later.outcome(key, lambda: compute(source.root, mine, metric), patience)
    return Look(found, key, done, total)


def known(source: Source, entries: pd.DataFrame, metric: str) -> Paired:
    """The paired ranks if all draws are kept already, else `UNPAIRED`; starts no work."""
    mine = groups(entries) if len(entries) else ()
    done, total = progress(source.root, mine, metric)
    if len(mine) < 2 or done < total:
        return UNPAIRED
    return look(source, entries, metric).paired or UNPAIRED


def progress(root: str, mine: Groups, metric: str) -> tuple[int, int]:
    """How many runs have their draws kept, of how many."""
    workspace = Workspace(Path(root))
    runs = [RunDirectory(workspace.runs / run) for _, its in mine for run in its]
    return sum(replicates.are_stored(workspace, run, metric) for run in runs), len(runs)


def compute(root: str, mine: Groups, metric: str) -> Paired:
    """Who differs from whom, and how places move; reads and keeps files, draws nothing."""
    workspace = Workspace(Path(root))

    def replicated(run: str) -> Replicates | FlawscopeError:
        try:
            return replicates.kept_replicates(workspace, RunDirectory(workspace.runs / run), metric)
        except FlawscopeError as error:
            return error

    runs = [run for _, its in mine for run in its]
    of_run = dict(zip(runs, _pool.map(replicated, runs), strict=True))
    drawn: dict[str, list[Replicates]] = {}
    left_out: dict[str, str] = {}
    for entry, its in mine:
        drawn[entry] = [one for run in its if isinstance(one := of_run[run], Replicates)]
        if len(drawn[entry]) < len(its):
            del drawn[entry]
            left_out[entry] = next(str(e) for run in its if isinstance(e := of_run[run], Exception))
    chosen = _comparable(drawn, left_out)
    if len(chosen) < 2:
        return Paired({}, {}, left_out, RESAMPLES)
    means = {entry: [one.mean() for one in its] for entry, its in chosen.items()}
    names = list(means)
    values_E = [float(np.mean([value for value, _ in means[entry]])) for entry in names]
    draws_ER = np.array([np.mean([its for _, its in means[entry]], axis=0) for entry in names])
    p_EE = adjusted_p(values_E, draws_ER)
    return Paired(
        differs={
            (a, b): bool(p_EE[i, j] < ALPHA)
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i != j
        },
        spreads=dict(zip(names, spreads(draws_ER), strict=True)),
        left_out=left_out,
        resamples=RESAMPLES,
    )


def _comparable(
    drawn: Mapping[str, list[Replicates]], left_out: dict[str, str]
) -> dict[str, list[Replicates]]:
    """Entries on the same images and classes; why the others are not goes into `left_out`."""
    kinds = Counter(
        (one.truth, one.classes) for its in drawn.values() for one in its if one.classes
    )
    if not kinds:
        return {}
    common = kinds.most_common(1)[0][0]
    found = {}
    for entry, its in drawn.items():
        if any(not one.classes for one in its):
            left_out[entry] = NO_SUMMARIES
        elif any((one.truth, one.classes) != common for one in its):
            left_out[entry] = OTHER_IMAGES
        elif not all(one.varies for one in its):
            left_out[entry] = STILL
        else:
            found[entry] = its
    return found


@st.fragment(run_every=1.0)
@navigation.safely
def wait_for(seen: Look, root: str, mine: Groups, metric: str) -> None:
    """How far the computation is; the page runs again when it ends."""
    if later.done(seen.key):
        st.rerun()
    done, total = progress(root, mine, metric)
    st.progress(
        done / max(1, total),
        text=f"Pairing the runs picture by picture: {done} of {total} done. Until then places "
        "follow from intervals, which tell fewer entries apart.",
    )


def note(paired: Paired, labels: Mapping[str, str]) -> str:
    """What to say of entries that could not be paired; "" when all were, or none was asked."""
    missing = [entry for entry in paired.left_out if entry in labels]
    if not missing:
        return ""
    reasons = Counter(paired.left_out[entry] for entry in missing)
    parts = []
    for reason in reasons:
        names = [labels[entry] for entry in missing if paired.left_out[entry] == reason]
        parts.append(f"{listed([plain(name) for name in names])}: {reason.rstrip('.')}")
    return "Compared by intervals alone, which tell fewer entries apart: " + "; ".join(parts) + "."


def rank_help(entry: str, row: pd.Series, paired: Paired, labels: Mapping[str, str]) -> str:
    """What stands behind a place, for its cell."""
    if row["rank"] is None:
        return ""
    parts = []
    spread = paired.spreads.get(entry)
    if spread is not None:
        places = ranking.rank_text((spread.low, spread.high))
        first = f"{spread.first:.0%}".replace("%", " %")
        parts.append(f"Drawn anew, it stands at {places} in 95 % of the draws, first in {first}.")
    level = [labels[other] for other in row["level_with"] if other in labels]
    if level:
        parts.append("Cannot be told apart from " + ", ".join(level) + ".")
    return " ".join(parts)

"""What the Compare page shows: cases by who finds them, differences, settings, blends, all pairs.

Frames are those of `dashboard.casework` (joined) and, for differences, `DIFFERENCES`: the fields of
`core.metrics.compare.DifferenceRow`, and verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from core.comparison import IMAGE_METRICS, Scope, kept_comparison, kept_matrix
from core.metrics import changes, ensemble
from core.metrics.compare import DifferenceRow
from core.metrics.verdicts import verdict
from core.runs import RunDirectory
from core.types import MEAN
from dashboard import casefile, later, queries, results
from dashboard.casework import ALL
from dashboard.results import Source

DIFFERENCES = [*(field.name for field in fields(DifferenceRow)), "verdict"]
Side = Literal["only_a", "only_b", "alarm_a", "alarm_b"]
SIDES: tuple[Side, ...] = ("only_a", "only_b", "alarm_a", "alarm_b")
QUADRANTS = ("both", "only_a", "only_b", "neither")
SMALL = 1500
"""Cases up to which a page waits for what it compares."""
MOST_RUNS = 12
BULK = 400
"""Cases on which both runs agree that are drawn at most, of either truth and call."""

Result = TypeVar("Result")


# -- runs -----------------------------------------------------------------------------------------


def comparable(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that share their data with another one."""
    if runs.empty:
        return runs
    return runs[runs.groupby("fingerprint")["run_id"].transform("size") > 1].reset_index(drop=True)


@st.cache_data(show_spinner=False, max_entries=8)
def labels(source: Source) -> dict[str, str]:
    """{run: label}, telling runs on the same data apart; runs that cannot be compared are left
    out."""
    runs = comparable(results.runs(source))
    titles = queries.method_titles()
    found: dict[str, str] = {}
    for _, mine in runs.groupby("fingerprint", sort=False):
        found |= casefile.run_labels(mine, titles)
    return {str(run): found[str(run)] for run in runs["run_id"]}


@st.cache_data(show_spinner=False, max_entries=64)
def labels_of_two(source: Source, a: str, b: str) -> dict[str, str]:
    """Labels that tell just these two apart: shorter than those that tell all runs apart."""
    both = results.runs(source).set_index("run_id", drop=False).loc[[a, b]]
    return casefile.run_labels(both, queries.method_titles())


def beside(runs: pd.DataFrame, run: str) -> list[str]:
    """The other runs on the data of `run`: other methods first, then newest first."""
    mine = runs.loc[runs["run_id"] == run].iloc[0]
    same = runs[(runs["fingerprint"] == mine["fingerprint"]) & (runs["run_id"] != run)]
    order = (same["method"] == mine["method"]).sort_values(kind="stable").index
    return [str(one) for one in same.loc[order, "run_id"]]


def scope_of(metric: str) -> Scope:
    """What has to be compared for a metric."""
    return "images" if metric in IMAGE_METRICS else "all"


# -- what takes its time --------------------------------------------------------------------------


class Pending:
    """What a page waits for; it goes on with the rest meanwhile."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def ask(self, key: Hashable, work: Callable[[], Result], small: bool = False) -> Result | None:
        """The outcome, or None while it is computed; `small`: it is worth waiting for.

        What comes after something awaited is not waited for at all.
        """
        patience = 60.0 if small else 0.0 if self.keys else later.PATIENCE
        found = later.outcome(key, work, patience)
        if found is None:
            self.keys.append(key)
        return found


def paired(
    source: Source, a: str, b: str, scope: Scope, pending: Pending, small: bool
) -> pd.DataFrame | None:
    """A minus B by class and for the mean; DIFFERENCES. None while it is computed.

    Raises:
        UsageError, RunError: the runs cannot be compared; says why.
    """

    def work() -> pd.DataFrame:
        one, two = (RunDirectory.open(source.workspace, run) for run in (a, b))
        return differences(kept_comparison(source.workspace, one, two, scope))

    return pending.ask((source, "paired", a, b, scope), work, small)


def differences(rows: Sequence[DifferenceRow]) -> pd.DataFrame:
    """Rows as a frame, with the verdict on each."""
    listed = [{**asdict(row), "verdict": verdict(row)} for row in rows]
    return pd.DataFrame(listed, columns=DIFFERENCES)


def matrix(
    source: Source, runs: Sequence[str], metric: str, pending: Pending, small: bool
) -> dict[tuple[str, str], pd.Series] | None:
    """Every pair of runs by the mean of a metric; (a, b) and (b, a) both."""

    def work() -> dict[tuple[str, str], pd.Series]:
        opened = [RunDirectory.open(source.workspace, run) for run in runs]
        rows = kept_matrix(source.workspace, opened, metric)
        return both_ways(rows)

    return pending.ask((source, "matrix", tuple(runs), metric), work, small)


def both_ways(rows: Mapping[tuple[str, str], DifferenceRow]) -> dict[tuple[str, str], pd.Series]:
    """Each pair seen from either run."""
    from core.comparison import mirrored

    found = {}
    for (a, b), row in rows.items():
        for pair, one in (((a, b), row), ((b, a), mirrored(row))):
            found[pair] = differences([one]).iloc[0]
    return found


def ceiling(
    source: Source, a: str, b: str, metric: str, pending: Pending
) -> ensemble.Ceiling | Literal["none"] | None:
    """The best the two could give together; "none" where no class allows it, None = not yet."""
    table = results.joined(source, (a, b))
    classes = scored(table, a, b)

    def work() -> ensemble.Ceiling | Literal["none"]:
        return ensemble.ceiling(classes, metric) or "none"

    return pending.ask((source, "ceiling", a, b, metric), work, len(table) <= SMALL)


def scored(table: pd.DataFrame, a: str, b: str) -> list[ensemble.Scored]:
    """The joined cases, by class, as blends are made of."""
    found = []
    for name, mine in table.groupby("class_name", sort=True):
        specimens = [None if pd.isna(one) else str(one) for one in mine["specimen"]]
        found.append(
            ensemble.Scored(
                str(name), mine[f"score:{a}"].to_numpy(float), mine[f"score:{b}"].to_numpy(float),
                mine["label"].to_numpy(np.int64), tuple(specimens),
            )
        )  # fmt: skip
    return found


# -- cases ----------------------------------------------------------------------------------------


def called(table: pd.DataFrame, a: str, b: str, class_name: str = ALL) -> pd.DataFrame:
    """Cases that both runs judge, with alarm_a and alarm_b: whether each calls it anomalous."""
    if class_name != ALL:
        table = table[table["class_name"] == class_name]
    outcomes = table[f"outcome:{a}"], table[f"outcome:{b}"]
    judged = (outcomes[0] != "not judged") & (outcomes[1] != "not judged")
    alarms = ("found", "false alarm")
    return table.assign(alarm_a=outcomes[0].isin(alarms), alarm_b=outcomes[1].isin(alarms))[judged]


def quadrants(cases: pd.DataFrame) -> dict[int, dict[str, int]]:
    """{label: {both, only_a, only_b, neither}}: how many cases each run calls anomalous."""
    found: dict[int, dict[str, int]] = {}
    for label in (0, 1):
        mine = cases[cases["label"] == label]
        a, b = mine["alarm_a"], mine["alarm_b"]
        parts = (a & b, a & ~b, b & ~a, ~a & ~b)
        found[label] = {name: int(part.sum()) for name, part in zip(QUADRANTS, parts, strict=True)}
    return found


def sides(cases: pd.DataFrame, a: str, b: str) -> dict[str, pd.DataFrame]:
    """Cases on which the runs differ, the clearest first: anomalous ones that only one finds
    (only_a, only_b), normal ones that only one raises an alarm on (alarm_a, alarm_b)."""
    bad, in_a, in_b = cases["label"] == 1, cases["alarm_a"], cases["alarm_b"]
    cases = cases.assign(gap=cases[f"margin:{a}"] - cases[f"margin:{b}"])
    parts = {
        "only_a": cases[bad & in_a & ~in_b].sort_values("gap", ascending=False, kind="stable"),
        "only_b": cases[bad & in_b & ~in_a].sort_values("gap", kind="stable"),
        "alarm_a": cases[~bad & in_a & ~in_b].sort_values("gap", ascending=False, kind="stable"),
        "alarm_b": cases[~bad & in_b & ~in_a].sort_values("gap", kind="stable"),
    }
    return {name: part.reset_index(drop=True) for name, part in parts.items()}


def changed(cases: pd.DataFrame, label: int, by: str = "class_name") -> list[changes.Change]:
    """Counts and McNemar's test of the cases of one truth, by class or kind of flaw; those with
    most changes first."""
    mine = cases[cases["label"] == label]
    found = changes.changes(
        [str(name) for name in mine[by]], mine["alarm_a"], mine["alarm_b"],
        [None if pd.isna(one) else str(one) for one in mine["specimen"]],
    )  # fmt: skip
    return sorted(found, key=lambda one: (-(one.only_a + one.only_b), one.group))


def united(cases: pd.DataFrame) -> changes.Union:
    """What an alarm of either run gives, over all classes."""
    return changes.union(cases["label"], cases["alarm_a"], cases["alarm_b"])


def thinned(cases: pd.DataFrame, bulk: int = BULK) -> tuple[pd.DataFrame, int]:
    """Cases to draw, and how many were left out: of those on which both runs agree every n-th, so
    that at most `bulk` of either truth and call stay. Cases that change sides are all drawn."""
    agree = cases["alarm_a"] == cases["alarm_b"]
    keep = ~agree
    for label in (0, 1):
        for call in (False, True):
            alike = agree & (cases["label"] == label) & (cases["alarm_a"] == call)
            places = np.flatnonzero(alike)
            step = -(-len(places) // bulk) if len(places) else 1
            keep.iloc[places[::step]] = True
    return cases[keep], int((~keep).sum())


# -- one model for all classes, or one a class ----------------------------------------------------


def setting_pairs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that differ in their setting: separate, unified (run ids), method, protocol, size, seed.

    Of one method, protocol, size and backbone the newest pair with equal seeds, else the newest of
    either; one row each, in the order of the runs.
    """
    rows = []
    for keys, mine in runs.groupby(["method", "protocol", "size", "backbone"], sort=False,
                                   dropna=False):  # fmt: skip
        apart, together = (mine[mine["setting"] == one] for one in ("separate", "unified"))
        if apart.empty or together.empty:
            continue
        equal = [seed for seed in apart["seed"] if seed in set(together["seed"])]
        one = apart[apart["seed"] == equal[0]].iloc[0] if equal else apart.iloc[0]
        two = together[together["seed"] == equal[0]].iloc[0] if equal else together.iloc[0]
        rows.append((one["run_id"], two["run_id"], *keys[:3], int(one["seed"]) if equal else -1))
    return pd.DataFrame(rows, columns=["separate", "unified", "method", "protocol", "size", "seed"])


def pair_labels(pairs: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """{separate run: label}: the method, and protocol or size where they tell two pairs apart."""
    found = {}
    for _, row in pairs.iterrows():
        parts = [titles.get(str(row["method"]), str(row["method"]))]
        for name, said in (("protocol", row["protocol"]), ("size", f"{row['size']} px")):
            if pairs[name].nunique() > 1:
                parts.append(str(said))
        found[str(row["separate"])] = ", ".join(parts)
    return found


# -- all pairs ------------------------------------------------------------------------------------


def entrants(runs: pd.DataFrame, means: Mapping[str, tuple[float, str]]) -> tuple[list[str], int]:
    """At most MOST_RUNS runs by falling mean, and how many were left out.

    Of several runs of one configuration and seed the newest stands for all.
    """
    newest = runs.drop_duplicates(["group_id", "seed"], keep="first")
    listed = [str(run) for run in newest["run_id"] if str(run) in means]
    listed.sort(key=lambda run: -means[run][0])
    return listed[:MOST_RUNS], max(0, len(listed) - MOST_RUNS)


def of_metric(table: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.Series | None]:
    """Rows of classes by falling size of the difference, and the row of their mean."""
    mine = table[table["metric"] == metric]
    mean = mine[mine["class_name"] == MEAN]
    classes = mine[mine["class_name"] != MEAN]
    order = classes["difference"].abs().sort_values(ascending=False, kind="stable").index
    return classes.loc[order].reset_index(drop=True), None if mean.empty else mean.iloc[0]

"""Cases as people look at them: found, missed, false alarm; sorted so that the worst come first.

Pure functions of pandas frames; what is measured comes from `core.metrics.cases`. A case is
called anomalous when its score is >= the threshold of its class. Frames:
    cases: one row a case of one run (columns of the store's table cases).
    judged: cases plus threshold, oracle (bool), kind, outcome, error, margin.
    joined: one row a key over several runs: the case's own facts, and for every run the columns
        "score:<run>", "outcome:<run>", "row:<run>"; plus wrong, error, margin, off_target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.metrics import cases as measures
from core.thresholds import Chosen, in_use
from core.types import MEAN

Outcome = Literal["found", "missed", "false alarm", "passed", "not judged"]
WRONG = ("missed", "false alarm")
SHOWS = ("missed first", "false alarms", "near the threshold", "worst localised", "all")
SHOW_HELP = (
    "**missed first**: missed anomalies, the most normal-looking first, then false alarms, then "
    "the rest. **false alarms**: good images called anomalous. **near the threshold**: closest "
    "calls first. **worst localised**: anomalies whose hottest point lies off the defect. "
    "**all**: in the order of the file names."
)
ALL = "all"


Kind = Literal["chosen", "held-out", "oracle"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a class's images are split.

    Attributes:
        value: an image is called anomalous when its score is >= this.
        oracle: found by a rule on the test set itself.
        chosen: the name a person gave it; "" when nobody chose it.
        upper: with a review band, people look again from `value` to here; None: no band.
    """

    value: float
    oracle: bool
    note: str = ""
    chosen: str = ""
    upper: float | None = None

    @property
    def kind(self) -> Kind:
        return "chosen" if self.chosen else "oracle" if self.oracle else "held-out"

    @property
    def name(self) -> str:
        if self.chosen:
            return f"chosen threshold “{self.chosen}”{' (oracle)' if self.oracle else ''}"
        return "oracle threshold" if self.oracle else "held-out threshold"

    @property
    def band(self) -> tuple[float, float] | None:
        """The scores between which people look again."""
        return None if self.upper is None else (self.value, self.upper)


def thresholds(
    metrics: pd.DataFrame, level: str = "image", chosen: Iterable[Chosen] = ()
) -> dict[str, Threshold]:
    """Threshold of each class: a chosen one, else held-out where there is one, else the oracle.

    Args:
        metrics: one run's metric rows.
        chosen: what people chose for this run.
    """
    found: dict[str, Threshold] = {}
    for metric, oracle in (
        (f"{level}_f1max_threshold", True),
        (f"{level}_threshold_heldout", False),
    ):
        rows = metrics[(metrics["metric"] == metric) & metrics["value"].notna()]
        for _, row in rows.iterrows():
            note = row["note"] if isinstance(row["note"], str) else ""
            found[str(row["class_name"])] = Threshold(float(row["value"]), oracle, note)
    kept = list(chosen)
    named = {str(name) for name in metrics["class_name"] if name != MEAN} if kept else set()
    for name in sorted(named):
        one = in_use(kept, name, level)
        if one is not None:
            note = f"chosen by {one.author}, {one.chosen_at[:10]}"
            found[name] = Threshold(one.value, one.origin == "oracle", note, one.name, one.upper)
    return found


def judge(cases: pd.DataFrame, of_class: Mapping[str, Threshold]) -> pd.DataFrame:
    """Each case against the threshold of its class.

    Returns:
        `cases` with
        threshold, oracle: of its class; NaN and False when the class has none.
        kind: of that threshold ("chosen", "held-out", "oracle"); "" when the class has none.
        outcome: an `Outcome`.
        error: how wrong in ranks within its class; see `core.metrics.cases.rank_errors`.
        margin: distance from the threshold; see `core.metrics.cases.margins`.
    """
    judged = cases.copy()
    codes, names = pd.factorize(judged["class_name"].astype(str))
    known = [of_class.get(str(name)) for name in names]
    judged["threshold"] = _taken([np.nan if one is None else one.value for one in known], codes)
    judged["oracle"] = _taken([one is not None and one.oracle for one in known], codes)
    judged["kind"] = _taken(["" if one is None else one.kind for one in known], codes)
    high = judged["score"] >= judged["threshold"]
    bad = judged["label"] == 1
    judged["outcome"] = np.select(
        [judged["threshold"].isna(), bad & high, bad, high],
        ["not judged", "found", "missed", "false alarm"],
        "passed",
    )
    judged["error"] = 0.5
    judged["margin"] = np.nan
    for _, index in judged.groupby("class_name").groups.items():
        mine = judged.loc[index]
        scored = mine["score"], mine["label"]
        judged.loc[index, "error"] = measures.rank_errors(*scored)
        judged.loc[index, "margin"] = measures.margins(*scored, mine["threshold"])
    return judged


def _taken(of_class: list[Any], codes: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """One value a case, from one value a class."""
    return np.asarray(of_class or [None])[codes]


FACTS = ["key", "class_name", "label", "anomaly_type", "specimen", "has_mask", "area_px", "regions"]


def join(judged: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Judged cases of one or more runs, one row a key that all of them scored.

    wrong = number of runs that judge it wrongly; error and margin = mean over runs;
    off_target = number of runs whose peak lies off the defect.
    """
    runs = list(judged)
    table = judged[runs[0]][FACTS]
    for run in runs:
        mine = judged[run][["key", "row", "score", "outcome", "error", "margin", "peak_in_truth"]]
        mine = mine.rename(
            columns={name: f"{name}:{run}" for name in mine.columns if name != "key"}
        )
        table = table.merge(mine, on="key", how="inner")
    outcomes = table[[f"outcome:{run}" for run in runs]]
    on_peak = table[[f"peak_in_truth:{run}" for run in runs]]
    return table.assign(
        wrong=outcomes.isin(WRONG).sum(axis=1),
        error=table[[f"error:{run}" for run in runs]].mean(axis=1),
        margin=table[[f"margin:{run}" for run in runs]].mean(axis=1),
        closest=table[[f"margin:{run}" for run in runs]].abs().min(axis=1),
        off_target=on_peak.eq(False).sum(axis=1),
    )


def select(
    table: pd.DataFrame, show: str, class_name: str = ALL, anomaly_type: str = ALL
) -> pd.DataFrame:
    """Joined cases filtered and sorted by error, as `show` says; see SHOW_HELP."""
    found = table
    if class_name != ALL:
        found = found[found["class_name"] == class_name]
    if anomaly_type != ALL:
        found = found[found["anomaly_type"] == anomaly_type]
    bad = found["label"] == 1
    if show == "false alarms":
        found = found[~bad & (found["wrong"] > 0)]
        order, rising = ["wrong", "error", "margin", "key"], [False, False, False, True]
    elif show == "near the threshold":
        found = found[found["closest"].notna()]
        order, rising = ["closest", "key"], [True, True]
    elif show == "worst localised":
        found = found[bad & found["has_mask"]]
        order, rising = ["off_target", "margin", "key"], [False, False, True]
    elif show == "all":
        order, rising = ["key"], [True]
    else:
        group = np.select([bad & (found["wrong"] > 0), found["wrong"] > 0], [0, 1], 2)
        found = found.assign(group=group)
        order, rising = ["group", "wrong", "error", "key"], [True, False, False, True]
    return found.sort_values(order, ascending=rising, kind="stable").reset_index(drop=True)


def counts(judged: pd.DataFrame) -> dict[str, int]:
    """How many cases are found, missed, false alarms, passed, not judged."""
    seen = judged["outcome"].value_counts()
    names = ("found", "missed", "false alarm", "passed", "not judged")
    return {name: int(seen.get(name, 0)) for name in names}


def by_type(judged: pd.DataFrame) -> pd.DataFrame:
    """Recall of each anomaly type: class_name, anomaly_type, cases, found, share, low, high.

    low, high: see `core.metrics.cases.recall`.
    """
    bad = judged[(judged["label"] == 1) & (judged["outcome"] != "not judged")]
    rows = []
    for (name, kind), mine in bad.groupby(["class_name", "anomaly_type"], sort=True):
        hits = measures.recall(int((mine["outcome"] == "found").sum()), len(mine))
        rows.append((name, kind, hits.cases, hits.found, hits.share, hits.low, hits.high))
    columns = ["class_name", "anomaly_type", "cases", "found", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def split_by_two(table: pd.DataFrame, a: str, b: str) -> dict[str, pd.DataFrame]:
    """Anomalous cases two runs judge: both, only_a, only_b, neither; the clearest first."""
    bad = table[table["label"] == 1]
    by_a, by_b = bad[f"outcome:{a}"] == "found", bad[f"outcome:{b}"] == "found"
    judged = (bad[f"outcome:{a}"] != "not judged") & (bad[f"outcome:{b}"] != "not judged")
    gap = bad[f"margin:{a}"] - bad[f"margin:{b}"]
    bad = bad.assign(gap=gap)
    parts = {
        "both": bad[judged & by_a & by_b],
        "only_a": bad[judged & by_a & ~by_b].sort_values("gap", ascending=False),
        "only_b": bad[judged & ~by_a & by_b].sort_values("gap"),
        "neither": bad[judged & ~by_a & ~by_b].sort_values("error", ascending=False),
    }
    return {name: part.reset_index(drop=True) for name, part in parts.items()}

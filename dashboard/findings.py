"""The sentence a page opens with: computed from the store, true, in plain words.

Each function returns Markdown whose first statement is bold. Names that come from data sets are
escaped, so that a folder's name can neither format nor link anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from core.types import MEAN
from dashboard import words
from dashboard.casework import Threshold
from dashboard.leading import CHANCE as CHANCE
from dashboard.leading import leaderboard as leaderboard
from dashboard.phrases import SPECIAL as SPECIAL
from dashboard.phrases import WORDS as WORDS
from dashboard.phrases import figure as figure
from dashboard.phrases import listed as listed
from dashboard.phrases import many as many
from dashboard.phrases import plain as plain
from dashboard.phrases import word as word
from dashboard.words import GENERAL, Vocabulary


def run(
    title: str,
    counts: Mapping[str, int],
    values: pd.DataFrame,
    oracle: bool,
    auroc_title: str = "image AUROC",
    chosen: bool = False,
) -> str:
    """What one run finds and misses, its best and its weakest class.

    Args:
        counts: of `casework.counts` over all classes.
        values: class_name, metric, value, ci_low, ci_high of this run, by one convention.
        oracle: whether any threshold was chosen on the test set.
        auroc_title: what image AUROC is called by that convention.
        chosen: whether people chose any of the thresholds.
    """
    bad = counts["found"] + counts["missed"]
    good = counts["passed"] + counts["false alarm"]
    parts = []
    if bad + good == 0:
        parts.append(f"**{plain(title)} has scores, but no threshold to judge them by.**")
    else:
        spoken = words.current()
        alarms = many(counts["false alarm"], spoken.alarm, spoken.alarms)
        parts.append(
            f"**{plain(title)} finds {counts['found']} of {_bad(bad)} "
            f"and raises {alarms} on {_good(good)}**"
            f" at {_at(oracle, chosen)}{', so expect less in use' if oracle else ''}."
        )
    auroc = values[(values["metric"] == "image_auroc") & (values["class_name"] != MEAN)]
    auroc = auroc.dropna(subset=["value"])
    if len(auroc) > 1:
        by_value = auroc.sort_values("value")
        low, top = by_value.iloc[0], by_value.iloc[-1]
        if top["value"] > low["value"]:
            unsure = pd.notna(low["ci_low"]) and low["ci_low"] <= CHANCE
            tail = ", not surely better than chance" if unsure else ""
            parts.append(
                f"It orders {plain(top['class_name'])} best ({auroc_title} {top['value']:.2f}) and "
                f"{plain(low['class_name'])} worst ({low['value']:.2f}{tail})."
            )
    return " ".join(parts)


def verdict(outcomes: Mapping[str, str]) -> str:
    """ "Missed by RD, found by PatchCore" from {label: outcome}; one run: "Missed by RD"."""
    phrases = {
        "found": "found by", "missed": "missed by",
        "false alarm": f"{words.current().alarm} of",
        "passed": "passed by", "not judged": "not judged for",
    }  # fmt: skip
    order = ("missed", "false alarm", "found", "passed", "not judged")
    parts = []
    for outcome in order:
        names = [label for label, its in outcomes.items() if its == outcome]
        if names:
            parts.append(f"{phrases[outcome]} {listed(names)}")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def inspect(label: str, counts: Mapping[str, int], where: str, threshold: Threshold | None) -> str:
    """What the first run misses among the cases shown; `where` = "" or a class or type."""
    bad = counts["found"] + counts["missed"]
    good = counts["passed"] + counts["false alarm"]
    place = f" of {plain(where)}" if where else ""
    if threshold is None:
        return f"**No threshold is known{place}**, so nothing is judged; the pictures still show."
    at = threshold.name if threshold.chosen else _at(threshold.oracle, False)
    at = f"the {plain(at)}" if threshold.chosen else at
    spoken = words.current()
    misses = "misses none" if counts["missed"] == 0 else f"misses {counts['missed']}"
    alarms = (
        f"no {spoken.alarm}"
        if counts["false alarm"] == 0
        else many(counts["false alarm"], spoken.alarm, spoken.alarms)
    )
    return (
        f"**{plain(label)} {misses} of {_bad(bad)}{place}** and raises "
        f"{alarms} on {_good(good)}, at {at}."
    )


def _at(oracle: bool, chosen: bool) -> str:
    """Where the thresholds of a run come from, after "at"."""
    if chosen:
        return "chosen thresholds" + (", some of them oracle thresholds" if oracle else "")
    if oracle:
        return "oracle thresholds, chosen on these same images"
    return "thresholds from held-out good images"


def _bad(count: int) -> str:
    """ "194 defective parts", in the chosen words."""
    spoken = words.current()
    return many(count, f"{spoken.bad} {spoken.item}", f"{spoken.bad} {spoken.items}")


def _good(count: int) -> str:
    """ "97 good parts", in the chosen words."""
    spoken = words.current()
    return many(count, f"{spoken.good} {spoken.item}", f"{spoken.good} {spoken.items}")


def compare(
    a: str,
    b: str,
    sizes: Mapping[str, int],
    title: str,
    mean: pd.Series | None,
    say: Vocabulary = GENERAL,
) -> str:
    """Which cases change sides between two runs, and which run is better by one metric.

    Args:
        a, b: labels of the runs.
        sizes: number of anomalous cases in both, only_a, only_b, neither.
        title: of the metric.
        mean: its row of a paired comparison for the mean over classes; None when there is none.
        say: the words people chose.
    """
    a, b = plain(a), plain(b)
    total = sum(sizes.values())
    one, several = f"{say.bad} {say.item}", f"{say.bad} {say.items}"
    if total == 0:
        first = f"**{a} and {b} share no {one} that both judge.**"
    else:
        only_a, only_b = (_those(sizes[side], one, several) for side in ("only_a", "only_b"))
        first = (
            f"**{a} finds {only_a} that {b} misses; {b} finds "
            f"{only_b} that {a} misses.** Of {many(total, one, several)} "
            f"both find {sizes['both']} and both miss {sizes['neither']}."
        )
    return f"{first} {difference(a, b, title, mean)}"


def difference(a: str, b: str, title: str, mean: pd.Series | None) -> str:
    """The paired result in a sentence; `a` and `b` are harmless already. Arguments: `compare`."""
    if mean is None or mean["verdict"] == "untested":
        return f"By {title} nothing is stored that would tell them apart."
    said = f"{mean['a']:.3f} against {mean['b']:.3f}, a difference of {mean['difference']:+.3f}"
    if pd.notna(mean["low"]) and pd.notna(mean["high"]):
        said += f" (95 % interval {mean['low']:+.3f} to {mean['high']:+.3f})"
    if mean["verdict"] == "open":
        return f"By {title} they cannot be told apart: {said}."
    better, worse = (a, b) if mean["verdict"] == "a" else (b, a)
    return f"By {title} {better} is better than {worse}: {said}."


def _those(count: int, one: str, several: str) -> str:
    return "none" if count == 0 else many(count, one, several)

"""The sentence a page opens with: computed from the store, true, in plain words.

Each function returns Markdown whose first statement is bold. Names that come from data sets are
escaped, so that a folder's name can neither format nor link anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from core.types import MEAN
from dashboard import words
from dashboard.casework import Threshold
from dashboard.ranking import Interval, classes_of, intervals_of, surely_better

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
CHANCE = 0.5
SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&:])")


def plain(name: str) -> str:
    """A name as people read it: underscores as spaces, Markdown made harmless."""
    return SPECIAL.sub(r"\\\1", str(name).replace("_", " ").strip())


def many(count: int, one: str, several: str | None = None) -> str:
    """ "1 case", "3 cases"."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def word(count: int) -> str:
    """Small numbers as words."""
    return WORDS[count] if 0 <= count < len(WORDS) else str(count)


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def figure(one: Interval) -> str:
    """ "0.812 (0.781 to 0.840)"."""
    if one.low is None or one.high is None:
        return f"{one.value:.3f}"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def leaderboard(entries: pd.DataFrame, values: pd.DataFrame, metric: str, title: str) -> str:
    """Who leads, by what right, and where nobody beats chance.

    Args:
        entries, values: frames of `dashboard.ranking`.
        metric, title: what is ranked by.
    """
    labels = dict(zip(entries["entry"], entries["label"].map(plain), strict=True))
    means = {entry: one for entry, one in intervals_of(values, metric).items() if entry in labels}
    known = {entry: one for entry, one in means.items() if one is not None}
    if not known:
        return f"**{title} cannot be computed for any of these runs**; choose another metric."
    best = max(known, key=lambda entry: known[entry].value)
    if len(known) == 1:
        first = f"**Only {labels[best]} has a result here**: {title} {figure(known[best])}."
        return " ".join([first, *_chance(values, list(labels))])
    first = _lead(known, labels, best, title)
    return " ".join([first, _class_leads(values, metric, labels), *_chance(values, list(labels))])


def _lead(known: Mapping[str, Interval], labels: Mapping[str, str], best: str, title: str) -> str:
    rivals = [e for e in known if e != best and not surely_better(known[best], known[e])]
    rivals.sort(key=lambda entry: known[entry].value, reverse=True)
    if all(one.low is None for one in known.values()):
        return (
            f"**{labels[best]} has the highest {title}, {known[best].value:.3f}**; without "
            "intervals, whether it really leads is left open."
        )
    if not rivals:
        return f"**{labels[best]} leads** with {title} {figure(known[best])}; no interval overlaps."
    if len(rivals) == len(known) - 1:
        names = listed([labels[best], *[labels[entry] for entry in rivals]])
        if len(known) > 4:
            names = f"The {word(len(known))} entries"
        return (
            f"**{names} cannot be told apart** by {title}: the intervals overlap "
            f"({labels[best]} is nominally first, {known[best].value:.3f})."
        )
    names = listed([labels[entry] for entry in rivals])
    return (
        f"**{labels[best]} is nominally first** with {title} {figure(known[best])}, "
        f"but its interval overlaps that of {names}."
    )


def _class_leads(values: pd.DataFrame, metric: str, labels: Mapping[str, str]) -> str:
    """Who has the highest value on how many classes; ties belong to nobody."""
    wins: dict[str, int] = {}
    names = classes_of(values)
    if len(names) < 2:
        return ""
    for name in names:
        mine = intervals_of(values, metric, name)
        known = {e: one.value for e, one in mine.items() if one is not None and e in labels}
        top = [entry for entry, value in known.items() if value == max(known.values())]
        if len(top) == 1 and len(known) > 1:
            wins[top[0]] = wins.get(top[0], 0) + 1
    if not wins:
        return ""
    best = max(wins, key=lambda entry: wins[entry])
    if list(wins.values()).count(wins[best]) > 1:
        return ""
    return (
        f"{labels[best]} has the highest value on {word(wins[best])} of {word(len(names))} classes."
    )


def _chance(values: pd.DataFrame, entries: Sequence[str]) -> list[str]:
    """Classes on which no entry's image AUROC is surely above chance."""
    hopeless = []
    for name in classes_of(values):
        mine = intervals_of(values, "image_auroc", name)
        known = [mine[entry] for entry in entries if mine.get(entry) is not None]
        lows = [one.low for one in known if one is not None]
        if lows and all(low is not None and low <= CHANCE for low in lows):
            hopeless.append(plain(name))
    if not hopeless:
        return []
    subject = "the method is not" if len(entries) == 1 else "no method is"
    return [f"On {listed(hopeless)} {subject} surely better than chance."]


def run(
    title: str,
    counts: Mapping[str, int],
    values: pd.DataFrame,
    oracle: bool,
    auroc_title: str = "image AUROC",
) -> str:
    """What one run finds and misses, its best and its weakest class.

    Args:
        counts: of `casework.counts` over all classes.
        values: class_name, metric, value, ci_low, ci_high of this run, by one convention.
        oracle: whether any threshold was chosen on the test set.
        auroc_title: what image AUROC is called by that convention.
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
            + (
                " at thresholds chosen on these same images (oracle), so expect less in use."
                if oracle
                else " at thresholds from held-out good images."
            )
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
    at = (
        "oracle thresholds, chosen on these same images"
        if threshold.oracle
        else ("thresholds from held-out good images")
    )
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


def _bad(count: int) -> str:
    """ "194 defective parts", in the chosen words."""
    spoken = words.current()
    return many(count, f"{spoken.bad} {spoken.item}", f"{spoken.bad} {spoken.items}")


def _good(count: int) -> str:
    """ "97 good parts", in the chosen words."""
    spoken = words.current()
    return many(count, f"{spoken.good} {spoken.item}", f"{spoken.good} {spoken.items}")


def compare(a: str, b: str, sizes: Mapping[str, int], title: str, mean: pd.Series | None) -> str:
    """Which cases change sides between two runs, and which run is better by one metric.

    Args:
        a, b: labels of the runs.
        sizes: number of anomalous cases in both, only_a, only_b, neither.
        title: of the metric.
        mean: its row of `results.paired` for the mean over classes; None when there is none.
    """
    a, b = plain(a), plain(b)
    total = sum(sizes.values())
    if total == 0:
        first = f"**{a} and {b} share no anomalous image that both judge.**"
    else:
        first = (
            f"**{a} finds {_those(sizes['only_a'])} that {b} misses; {b} finds "
            f"{_those(sizes['only_b'])} that {a} misses.** Of {many(total, 'anomalous image')} "
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


def _those(count: int) -> str:
    return "none" if count == 0 else many(count, "anomalous image")

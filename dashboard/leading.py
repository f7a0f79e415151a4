"""The sentence the Leaderboard opens with: who leads, by what right, where nobody beats chance.

Markdown whose first statement is bold; see `dashboard.findings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboard.phrases import figure, listed, plain, word
from dashboard.ranking import (
    UNPAIRED,
    Interval,
    Paired,
    classes_of,
    intervals_by_class,
    intervals_of,
    told_apart,
)

CHANCE = 0.5


def leaderboard(
    entries: pd.DataFrame,
    values: pd.DataFrame,
    metric: str,
    title: str,
    paired: Paired = UNPAIRED,
) -> str:
    """Who leads, by what right, and where nobody beats chance.

    Args:
        entries, values: frames of `dashboard.ranking`.
        metric, title: what is ranked by.
        paired: entries compared on the same draws; the others are compared by intervals.
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
    first = (
        _paired_lead(known, labels, title, paired)
        if paired.any
        else _lead(known, labels, best, title)
    )
    return " ".join([first, _class_leads(values, metric, labels), *_chance(values, list(labels))])


def _lead(known: Mapping[str, Interval], labels: Mapping[str, str], best: str, title: str) -> str:
    rivals = [e for e in known if e != best and not told_apart(best, e, known)]
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


MOST_NAMES = 4
"""More entries than these are counted, not named."""


def _paired_lead(
    known: Mapping[str, Interval], labels: Mapping[str, str], title: str, paired: Paired
) -> str:
    order = sorted(known, key=lambda entry: known[entry].value, reverse=True)
    best, rest = order[0], order[1:]
    level = [e for e in rest if not told_apart(best, e, known, paired)]
    value = figure(known[best])
    if not level:
        said = f"**{labels[best]} leads by {title}**, {value}, surely ahead of "
        said += "the other." if len(rest) == 1 else f"all {word(len(rest))} others."
        follow = [e for e in rest[1:] if not told_apart(rest[0], e, known, paired)]
        if follow:
            names = _named([rest[0], *follow], labels)
            said += f" {names[:1].upper()}{names[1:]} cannot be told apart."
        return said
    if len(level) == len(rest):
        names = _named(order, labels)
        return (
            f"**{names[:1].upper()}{names[1:]} cannot be told apart** by {title} on these images "
            f"({labels[best]} is nominally first, {value})."
        )
    return (
        f"**{labels[best]} is nominally first by {title}**, {value}, but cannot be told apart "
        f"from {_named(level, labels)} on these images; "
        f"{_behind([e for e in rest if e not in level], labels)} surely behind it."
    )


def _named(entries: Sequence[str], labels: Mapping[str, str]) -> str:
    if len(entries) > MOST_NAMES:
        return f"{word(len(entries))} entries"
    return listed([labels[entry] for entry in entries])


def _behind(entries: Sequence[str], labels: Mapping[str, str]) -> str:
    return f"{_named(entries, labels)} {'is' if len(entries) == 1 else 'are'}"


def _class_leads(values: pd.DataFrame, metric: str, labels: Mapping[str, str]) -> str:
    """Who has the highest value on how many classes; ties belong to nobody."""
    wins: dict[str, int] = {}
    names = classes_of(values)
    if len(names) < 2:
        return ""
    for mine in intervals_by_class(values, metric).values():
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
    for name, mine in intervals_by_class(values, "image_auroc").items():
        known = [mine[entry] for entry in entries if mine.get(entry) is not None]
        lows = [one.low for one in known if one is not None]
        if lows and all(low is not None and low <= CHANCE for low in lows):
            hopeless.append(plain(name))
    if not hopeless:
        return []
    subject = "the method is not" if len(entries) == 1 else "no method is"
    return [f"On {listed(hopeless)} {subject} surely better than chance."]

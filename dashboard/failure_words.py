"""What the Failures page calls its rankings, counts, sizes and distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboard import failures
from dashboard.casework import ALL
from dashboard.failures import Choice, Extra
from dashboard.words import Vocabulary


def show_words(words: Vocabulary, labels: Mapping[str, str]) -> dict[str, str]:
    """What the rankings are called; those over several runs only where there are several."""
    found = {
        "missed": words.missed, "false alarms": words.alarms, "near": "closest to the threshold",
        "localised": "worst localised", "regions": "missed regions",
    }  # fmt: skip
    if len(labels) > 1:
        found["none"] = "found by none"
        found |= {
            f"{failures.ONLY}{run}": f"found only by {label}" for run, label in labels.items()
        }
    return found | {"marked": "marked", "disputed": "disputed", "all": f"all {words.items}"}


def help_text(words: Vocabulary) -> str:
    """What each ranking lists, and in which order."""
    return (
        f"Of the first run: **{words.missed}**, the most normal-looking first; "
        f"**{words.alarms}**, the most anomalous-looking first; **closest to the threshold**; "
        f"**worst localised**: hottest point off the {words.flaw} first, then by AUPIMO; "
        f"**missed regions**: a {words.flaw} that no pixel above the pixel threshold touches "
        "(oracle), the largest first. "
        "Of all chosen runs: **found by none**, **found only by** one. "
        "**marked** and **disputed**: by reviewers, the newest mark first."
    )


def told(count: int, population: pd.DataFrame, choice: Choice, words: Vocabulary) -> str:
    """ "23 of 194 anomalous images, the most normal-looking first"."""
    of = len(failures.eligible(population, choice.show))
    what = words.items if of != 1 else words.item
    if choice.show == "false alarms":
        what = f"{words.good} {what}"
    elif len(failures.eligible(population, choice.show)) < len(population):
        what = f"{words.bad} {what}"
    order = {
        "missed": "the most normal-looking first", "none": "the most normal-looking first",
        "false alarms": "the most anomalous-looking first",
        "near": "the closest first", "localised": f"hottest point off the {words.flaw} first",
        "regions": "the largest missed region first", "marked": "the newest mark first",
        "disputed": "the newest mark first", "all": "by name",
    }.get(choice.show, "the clearest first")  # fmt: skip
    if count == 0:
        return f"0 of {of:,} {what}"
    grouped = "" if choice.group == "nothing" else f"by {choice.group}, "
    return f"{count:,} of {of:,} {what}; {grouped}{order}"


def nothing(choice: Choice, extra: Extra, words: Vocabulary) -> str:
    """Why a list is empty, and what could be done."""
    if choice.show == "regions" and extra.regions is None:
        return (
            "This run was stored without a table of regions: it is older than that table, or none "
            "of its classes has masks."
        )
    if choice.show in ("marked", "disputed") and not extra.marked:
        return "Nobody has marked a case of this data set yet; cases are marked on Inspect."
    if choice.type != ALL or choice.size != ALL or choice.scores is not None:
        return f"No {words.item} fits these filters; widen type, size or score."
    if choice.show == "localised":
        return f"No {words.bad} {words.item} of this run has a mask, so no place can be judged."
    return {
        "missed": f"No {words.miss} at these thresholds.",
        "false alarms": f"No {words.alarm} at these thresholds.",
        "regions": f"No {words.flaw} is missed altogether.",
        "none": f"Every {words.bad} {words.item} is found by at least one of these runs.",
        "near": "No threshold is known, so nothing is near it.",
        "disputed": "No label and no mask is disputed.",
    }.get(choice.show, f"No such {words.item} among these runs.")


def share_text(share: float) -> str:
    """A share as percent with two digits that count: "0.31 %", "12 %"."""
    percent = 100 * share
    if percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


DISTANCES: Sequence[tuple[float, str]] = ((0.1, "at"), (0.5, "just"), (2.0, ""), (5.0, "well"))
"""Standard deviations of the normal scores up to which a distance has that word."""


def distance(margin: float | None) -> str:
    """How far a score lies from its threshold, in words; "" when that is not known."""
    if margin is None:
        return ""
    side = "above" if margin >= 0 else "below"
    for limit, word in DISTANCES:
        if abs(margin) < limit:
            return "at the threshold" if word == "at" else f"{word} {side} the threshold".strip()
    return f"far {side} the threshold"

"""What the Failures page says first: how much is missed, and of which kind it is missed most.

A kind or size is named only when the counts bear it out: when it fails more often than all others
by Fisher's exact test, corrected for how many kinds were looked at (`core.metrics.enrichment`).
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from core.metrics.enrichment import Enriched, enriched
from dashboard import failures
from dashboard.casework import ALL
from dashboard.failure_words import share_text
from dashboard.findings import plain
from dashboard.words import Vocabulary, counted

OTHER_SIZES = {"small": "larger ones", "medium": "others", "large": "smaller ones"}


ENOUGH = 5
"""Misses from which it is worth saying that no kind stands out."""


class Named(NamedTuple):
    """A group that surely fails more often than the rest."""

    name: str
    test: Enriched


def sentence(table: pd.DataFrame, run: str, label: str, class_name: str, words: Vocabulary) -> str:
    """The finding of a run on the cases of a class, or of all classes.

    Args:
        table: of `failures.pool`, of that class or of all.
        run, label: what the finding speaks of, and how it is called.
        class_name: of `table`, or ALL.
    """
    outcome = table[f"outcome:{run}"]
    if table.empty or (outcome == "not judged").all():
        return (
            f"**No threshold is known for {plain(label)} here**, so nothing is judged; the "
            f"{words.items} still show, ordered by their scores."
        )
    judged = table[outcome != "not judged"]
    bad, good = judged[judged["label"] == 1], judged[judged["label"] == 0]
    misses = int((bad[f"outcome:{run}"] == "missed").sum())
    alarms = int((good[f"outcome:{run}"] == "false alarm").sum())
    place = "" if class_name == ALL else f" of {plain(class_name)}"
    first = (
        f"**{plain(label)} has {_none(misses, words.miss, words.misses)} among "
        f"{counted(len(bad), f'{words.bad} {words.item}', f'{words.bad} {words.items}')}{place}, "
        f"and {_none(alarms, words.alarm, words.alarms)} among "
        f"{counted(len(good), f'{words.good} one', f'{words.good} ones')}**"
    )
    return " ".join([f"{first}, {_at(table, run)}.", *most_missed(bad, run, class_name, words)])


def _none(count: int, one: str, several: str) -> str:
    return f"no {one}" if count == 0 else counted(count, one, several)


def _at(table: pd.DataFrame, run: str) -> str:
    """Where the thresholds come from."""
    oracle = table[f"oracle:{run}"]
    if oracle.all():
        return "at oracle thresholds, chosen on these same images"
    return "at thresholds from held-out good images" if not oracle.any() else (
        "at thresholds of which some are oracle"
    )  # fmt: skip


def most_missed(bad: pd.DataFrame, run: str, class_name: str, words: Vocabulary) -> list[str]:
    """Sentences on the kind and the size that are missed most; none where nothing was missed.

    Args:
        bad: judged anomalous cases.
    """
    missed = bad[f"outcome:{run}"] == "missed"
    if not missed.any() or missed.all():
        return []
    whole = class_name == ALL and bad["class_name"].nunique() > 1
    kinds = bad["class_name" if whole else "anomaly_type"].astype(str)
    kind = worst(missed, kinds)
    edges = None if whole else failures.size_edges(bad)  # sizes differ between classes anyway
    size = None
    if edges is not None:
        masked = bad["share"].notna()
        size = worst(missed[masked], failures.size_of(bad[masked], edges))
    told = []
    if kind is not None:
        rest = "the other classes" if whole else "the other kinds"
        told.append(
            f"{_first_up(plain(kind.name))} is missed more often than {rest}: {_against(kind)}."
        )
    if size is not None and edges is not None:
        told.append(
            f"{_first_up(words.flaws)} {size_words(size.name, edges)} are missed more often than "
            f"{OTHER_SIZES[size.name]}: {_against(size)}."
        )
        if kind is not None:
            told += _together(bad[missed], kind, size, edges)
    if told:
        return told
    if kinds.nunique() > 1 and missed.sum() >= ENOUGH:
        if whole:
            return [f"No class surely has a larger share of {words.misses} than the others."]
        return [f"No kind or size of {words.flaw} is surely missed more often than the others."]
    return []


def _together(
    missed: pd.DataFrame, kind: Named, size: Named, edges: tuple[float, float]
) -> list[str]:
    """Whether most of what is missed is of that kind and size both."""
    both = (missed["anomaly_type"] == kind.name) & (failures.size_of(missed, edges) == size.name)
    count = int(both.sum())
    if 2 * count <= len(missed):
        return []
    return [
        f"Most of what it misses, {count} of {len(missed)}, is {plain(kind.name)} "
        f"{size_words(size.name, edges)}."
    ]


def worst(missed: pd.Series, names: pd.Series) -> Named | None:
    """The group that most surely is missed more often than all others; None when none is."""
    counts = missed.groupby(names.to_numpy()).agg(["sum", "size"])
    tests = enriched([int(n) for n in counts["sum"]], [int(n) for n in counts["size"]])
    sure = [
        Named(str(name), test)
        for name, test in zip(counts.index, tests, strict=True)
        if test.surely
    ]
    return min(sure, key=lambda one: (one.test.p, one.name), default=None)


def _against(named: Named) -> str:
    """ "12 of 28 against 11 of 166"."""
    test = named.test
    return f"{test.hits} of {test.count} against {test.rest_hits} of {test.rest_count}"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def size_words(size: str, edges: tuple[float, float]) -> str:
    """ "under 0.2 % of the image"."""
    low, high = (share_text(edge) for edge in edges)
    if size == "small":
        return f"under {low} of the image"
    return f"of {low} to {high} of the image" if size == "medium" else f"over {high} of the image"

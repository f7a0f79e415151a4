"""What a report says in words: its title, its finding, shares and settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.judging import Point
from core.metrics.compare import DifferenceRow
from core.metrics.operating import OperatingPoint, Share
from core.metrics.rank_groups import Place
from core.metrics.verdicts import verdict
from core.report.gather import RANKED, Gathered, Part
from core.types import MEAN
from core.vocabulary import Vocabulary

CHANCE = 0.5


def plain(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def share(one: Share) -> str:
    """ "11 of 194 (5.7 %, 3.2 % to 9.9 %)"; an en dash of none."""
    if one.value is None:
        return "–"
    low, high = one.interval
    told = f"{one.hits} of {one.count} ({one.value:.1%}, {low:.1%} to {high:.1%})"
    return told.replace("%", " %")


def moment(at: str) -> str:
    """ "25 November 2026, 06:31 UTC" of an ISO time; what is no such time stays as it is."""
    try:
        when = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return at
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def signed(difference: float) -> str:
    """ "+0.130", "−0.021"; "0.000" without a sign where it rounds to nothing."""
    told = f"{difference:+.3f}".replace("-", "−")
    return "0.000" if told[1:] == "0.000" else told


def memory(count: float) -> str:
    """ "3.0 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def place(one: Place) -> str:
    """ "1", or "1 to 2" where the images do not tell."""
    return str(one.best) if one.best == one.worst else f"{one.best} to {one.worst}"


def by_class(rows: Sequence[DifferenceRow], first: str, second: str) -> str:
    """In which classes which run is better by image AUROC; "" with one class."""
    mine = [row for row in rows if row.class_name != MEAN and row.metric == RANKED]
    if len(mine) < 2:
        return ""
    words = {
        "a": f"{first} is better on", "b": f"{second} is better on",
        "open": "they cannot be told apart on", "untested": "nothing could be tested on",
    }  # fmt: skip
    said = []
    for kind, start in words.items():
        names = [plain(row.class_name) for row in mine if verdict(row) == kind]
        if names:
            said.append(f"{start} {listed(names)}")
    return f"Class by class, by image AUROC: {'; '.join(said)}."


def title(gathered: Gathered) -> str:
    """ "PatchCore and RD on real3"."""
    return f"{listed([part.label for part in gathered.parts])} on {plain(gathered.data_name)}"


def finding(gathered: Gathered, say: Vocabulary) -> list[str]:
    """One to three sentences: who leads, what the leading run finds and misses, where it is at
    chance."""
    found = [*_lead(gathered), _counts(gathered.parts[0], say)]
    weak = at_chance(gathered)
    if weak:
        who = "no run is" if len(gathered.parts) > 1 else "it is not"
        found.append(
            f"On {listed([plain(name) for name in weak])} {who} surely better than chance."
        )
    return [sentence for sentence in found if sentence]


def counts(name: str, point: OperatingPoint, say: Vocabulary) -> str:
    """What a threshold does to one class, in a sentence."""
    said = []
    if point.anomalous:
        said.append(f"{point.missed} of {point.anomalous:,} {say.bad} {say.items} {say.missed}")
    if point.normal:
        said.append(f"{point.alarms} of {point.normal:,} {say.good} {say.items} flagged")
    again = point.found_again + point.alarms_again
    if point.banded:
        said.append(f"{again} to {say.review}")
    return f"{plain(name)}: {', '.join(said)}."


def _lead(gathered: Gathered) -> list[str]:
    """How the first run stands to each other one, from the paired comparison."""
    first, said = gathered.parts[0].label, []
    for label, rows in gathered.compared.items():
        row = next((r for r in rows if r.class_name == MEAN and r.metric == RANKED), None)
        if row is None:
            continue
        values = f"{row.a:.3f} against {row.b:.3f}"
        words = {
            "a": f"{first} is better than {label} by image AUROC, {values}.",
            "b": f"{label} is better than {first} by image AUROC, {values}.",
            "open": f"{first} and {label} cannot be told apart by image AUROC, {values}.",
            "untested": f"Nothing is stored that would tell {first} and {label} apart.",
        }
        said.append(words[verdict(row)])
    return said


def _counts(part: Part, say: Vocabulary) -> str:
    points = [counts for _, counts in part.cuts.values()]
    if not points:
        return f"{part.label} has scores, but no threshold to judge them by."
    missed, bad = sum(p.missed for p in points), sum(p.anomalous for p in points)
    alarms, good = sum(p.alarms for p in points), sum(p.normal for p in points)
    again = sum(p.found_again + p.alarms_again for p in points)
    looked = f" and leaves {again} to {say.review}" if any(p.banded for p in points) else ""
    return (
        f"{part.label} misses {missed} of {bad:,} {say.bad} {say.items} and flags {alarms} of "
        f"{good:,} {say.good} {say.items}{looked}, {_at([cut for cut, _ in part.cuts.values()])}."
    )


def _at(cuts: Sequence[Point]) -> str:
    """Where thresholds come from, and what that means for their use."""
    if all(cut.oracle for cut in cuts):
        return "at thresholds chosen on these same images (oracle), so expect less in use"
    if any(cut.oracle for cut in cuts):
        return "at thresholds of which some are oracle, chosen on these same images"
    if all(cut.kind == "held-out" for cut in cuts):
        return "at thresholds from held-out normal images, not chosen on these"
    return "at thresholds people chose; if they judged by these same images, expect less in use"


def at_chance(gathered: Gathered) -> list[str]:
    """Classes on which no run's image AUROC lies surely above chance."""
    weak = []
    for name in gathered.classes:
        lows = [part.metrics.get(name, {}).get(RANKED) for part in gathered.parts]
        known = [one.low for one in lows if one is not None and one.value is not None]
        if known and all(low is not None and low <= CHANCE for low in known):
            weak.append(name)
    return weak


def value(one: Any) -> str:
    """A setting as people read it."""
    if isinstance(one, bool):
        return "yes" if one else "no"
    if isinstance(one, float):
        return f"{one:.6g}"
    if isinstance(one, list | tuple):
        return ", ".join(map(str, one))
    if isinstance(one, dict):
        return ", ".join(f"{key} {inner}" for key, inner in one.items())
    return str(one)

"""What a report says in words: its title, its finding, shares and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.metrics.operating import Share
from core.metrics.verdicts import verdict
from core.report.gather import Gathered, Part
from core.types import MEAN
from core.vocabulary import Vocabulary

RANKED = "image_auroc"
CHANCE = 0.5


def plain(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def share(one: Share) -> str:
    """ "11 of 194 (5.7 %, 3.2 to 9.9 %)"."""
    low, high = one.interval
    value = one.value or 0.0
    return f"{one.hits} of {one.count} ({value:.1%}, {low:.1%} to {high:.1%})".replace("%", " %")


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
    oracle = any(cut.oracle for cut, _ in part.cuts.values())
    at = "at thresholds chosen on these same images (oracle), so expect less in use"
    held = "at thresholds that were not chosen on these images"
    return (
        f"{part.label} misses {missed} of {bad:,} {say.bad} {say.items} and flags {alarms} of "
        f"{good:,} {say.good} {say.items}, {at if oracle else held}."
    )


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

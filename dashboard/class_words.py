"""The sentences of the By class page: computed, true, in the words people chose.

Names that come from data sets are escaped by `findings.plain`. Functions return the little Markdown
that `cards.inline` understands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.metrics.seeds import SeedSpread, Sources
from core.metrics.size_curve import SizeCurve
from dashboard.findings import CHANCE, figure, listed, many, plain, word
from dashboard.ranking import Interval, surely_better
from dashboard.words import Vocabulary

NAMED = 4
"""More classes than this are counted, not named."""
CLEAR = 1.5
"""One standard deviation is called clearly larger than another from this ratio on."""


def finding(
    labels: Sequence[str],
    values: Mapping[str, Mapping[str, Interval]],
    auroc: Mapping[str, Interval],
    title: str,
    say: Vocabulary,
) -> str:
    """Where the first run is good, where it is no better than chance, where the runs differ.

    Args:
        labels: of the chosen runs, the first first.
        values: {label: {class: value}} of the metric `title`.
        auroc: {class: image AUROC} of the first run.
    """
    first = labels[0]
    parts = [_best_and_worst(first, values[first], title), _chance(auroc, say)]
    if len(labels) > 1:
        parts.append(_differ(labels, values, title))
    return " ".join(part for part in parts if part)


def _best_and_worst(label: str, mine: Mapping[str, Interval], title: str) -> str:
    if not mine:
        return (
            f"**{title} cannot be computed for any class of {plain(label)}**; choose another one."
        )
    ordered = sorted(mine, key=lambda name: mine[name].value, reverse=True)
    best, worst = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return (
            f"**{plain(label)} has one class with a value, {plain(best)}**: {title} "
            f"{figure(mine[best])}."
        )
    if mine[best].value == mine[worst].value:
        return (
            f"**{plain(label)} is equally good on all classes** by {title}: {figure(mine[best])}."
        )
    told = (
        f"**{plain(label)} is best on {plain(best)}, {title} {figure(mine[best])}, and weakest on "
        f"{plain(worst)}, {figure(mine[worst])}.**"
    )
    if _known(mine[best], mine[worst]) and not surely_better(mine[best], mine[worst]):
        told += " These intervals overlap, so the order of the two is open."
    return told


def _chance(auroc: Mapping[str, Interval], say: Vocabulary) -> str:
    """Classes in which good and bad images are told apart no better than by chance."""
    if not auroc:
        return ""
    unsure = [
        n for n, one in auroc.items() if (one.value if one.low is None else one.low) <= CHANCE
    ]
    of = f"{say.bad} from {say.good} {say.items}"
    if not unsure:
        where = "every class" if len(auroc) > 1 else "it"
        sure = "surely " if all(one.low is not None for one in auroc.values()) else ""
        return f"On {where} it tells {of} {sure}better than chance."
    if len(unsure) == len(auroc) > 1:
        return f"On no class does it tell {of} surely better than chance."
    names = _names(unsure, len(auroc))
    return f"On {names} it does not tell {of} surely better than chance."


def _differ(labels: Sequence[str], values: Mapping[str, Mapping[str, Interval]], title: str) -> str:
    """The classes on which some interval lies wholly above another, the widest gap named."""
    shared = [n for n in values[labels[0]] if all(n in values[label] for label in labels)]
    apart: dict[str, tuple[float, str, str]] = {}
    known = False
    for name in shared:
        ranked = sorted(labels, key=lambda label: values[label][name].value, reverse=True)
        best, worst = ranked[0], ranked[-1]
        a, b = values[best][name], values[worst][name]
        known = known or _known(a, b)
        if surely_better(a, b):
            apart[name] = (a.value - b.value, best, worst)
    if not shared:
        return "The chosen runs share no class with a value."
    if not known:
        return "Without intervals, whether the chosen runs differ is left open."
    if not apart:
        return f"On no class do their intervals of {title} lie apart."
    most = max(apart, key=lambda name: apart[name][0])
    _, best, worst = apart[most]
    told = (
        f"{plain(best)} {values[best][most].value:.3f} against {plain(worst)} "
        f"{values[worst][most].value:.3f}"
    )
    if len(apart) == 1:
        return f"The chosen runs surely differ on {plain(most)}: {told}."
    where = "every class" if len(apart) == len(shared) else _names(list(apart), len(shared))
    return f"The chosen runs surely differ on {where}, most on {plain(most)}: {told}."


def _known(a: Interval, b: Interval) -> bool:
    return a.low is not None and b.high is not None


def _names(names: Sequence[str], of: int) -> str:
    if len(names) > NAMED:
        return f"{word(len(names))} of {word(of)} classes"
    return listed([plain(name) for name in names])


# -- size and contrast --------------------------------------------------------------------------


def amount(value: float | None, unit: str) -> str:
    """ "85 px", "0.13 %", "contrast 1.8"."""
    if value is None:
        return "–"
    if unit == "contrast":
        return f"contrast {value:.2g}"
    if unit == "share":
        return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"
    return f"{value:,.0f} px" if value >= 10 else f"{value:.2g} px"


def reached(curve: SizeCurve, unit: str, side: int | None, say: Vocabulary) -> str:
    """From which size (or contrast) on nine in ten flaws are found, in a sentence.

    Args:
        side: the run's size, to say pixels of its maps as a share of the image, too.
    """
    counted = many(curve.regions, say.flaw, say.flaws)
    grows = "more contrast" if unit == "contrast" else "size"
    if curve.outcome == "few":
        return f"{counted[:1].upper()}{counted[1:]} are too few, or too alike, for a curve."
    if curve.outcome in ("all", "none"):
        which = "Every one" if curve.outcome == "all" else "Not one"
        return f"{which} of {counted} is found."
    if curve.outcome == "everywhere":
        return f"More than nine in ten of {counted} are found at every {_noun(unit)} seen here."
    if curve.outcome == "falling":
        return (
            f"{grows.capitalize()} does not help: of {counted} {curve.found} are found, the larger "
            "values no more often than the smaller."
        )
    ends = f"{amount(curve.smallest, unit)} to {amount(curve.largest, unit)}"
    if curve.outcome == "never":
        return (
            f"**Never reaches nine in ten** within what was seen ({ends}): {curve.found} of "
            f"{counted} are found, at the far end {curve.share_G[-1]:.0%}."
        )
    at = amount(curve.reach, unit)
    if unit == "px" and side and curve.reach is not None:
        at += f" = {amount(100 * curve.reach / side**2, 'share')} of the image"
    low = (
        amount(curve.reach_low, unit) if curve.reach_low is not None else "below the smallest seen"
    )
    high = amount(curve.reach_high, unit) if curve.reach_high is not None else "beyond the largest"
    told = f"**Nine in ten {say.flaws} are found from {at} on** (95 % interval {low} to {high})"
    if curve.beyond is not None:
        told += f"; counted, {curve.beyond.found} of {curve.beyond.cases} from there on"
    if curve.doubtful:
        return f"{told}. That is surely fewer than nine in ten, so this curve does not fit here."
    return f"{told}."


def _noun(unit: str) -> str:
    return "contrast" if unit == "contrast" else "size"


# -- seeds --------------------------------------------------------------------------------------


def seeds(label: str, count: int, found: Sources | None, title: str) -> str:
    """Whether the seed or the class moves the value more.

    Args:
        found: of the classes that all seeds have a value of; None with fewer than two.
    """
    if count < 2:
        return f"**{plain(label)} has one seed only**, so how much chance is in it is not known."
    head = f"Over {word(count)} seeds of {plain(label)}"
    if found is None:
        return f"**{head}**: with one class alone, seeds cannot be weighed against classes."
    seed, name = f"{found.seeds:.3f}", f"{found.classes:.3f}"
    said = f"the seed moves {title} by {seed} (standard deviation), the class by {name}"
    if found.classes > CLEAR * found.seeds:
        return f"**{head}, classes matter more than seeds**: {said}."
    if found.seeds > CLEAR * found.classes:
        return f"**{head}, seeds matter more than classes**: {said}. Do not trust a single one."
    return f"**{head}, seeds and classes matter about alike**: {said}."


def seed_help(one: SeedSpread) -> str:
    """ "mean 0.812, 0.790 to 0.834, standard deviation 0.018"."""
    deviation = "" if one.deviation is None else f", standard deviation {one.deviation:.3f}"
    return f"mean {one.mean:.3f}, {one.low:.3f} to {one.high:.3f}{deviation}"

"""The Threshold page's sentences: computed, true, in the vocabulary people chose.

`say` is that vocabulary. Names that come from people or data sets are made harmless here.
"""

from __future__ import annotations

from core.metrics.conformal import Promise, Realised
from core.metrics.in_use import Day, Estimate
from core.metrics.operating import OperatingPoint, Share
from dashboard import chosen, words
from dashboard.casework import ALL
from dashboard.findings import plain
from dashboard.operating import (
    CHEAPEST,
    CHOSEN,
    HAND,
    HELD_OUT,
    ORACLE,
    SPECIMEN,
    Mark,
    OneForAll,
    Scene,
)
from dashboard.words import Vocabulary

NO_HELD_OUT = (
    "Nothing was held out in this run, so no threshold comes with a promise. Train it with the "
    "[deployment protocol](new_run): a tenth of the good training images is then kept aside, and "
    "the threshold comes from them alone."
)


def no_promise(held: bool, deployed: bool) -> str:
    """Why there is no held-out threshold.

    Args:
        held: the run has held-out scores, of other classes.
        deployed: it was made with the deployment protocol.
    """
    if held:
        return "Nothing was held out of this class."
    if deployed:
        return (
            "This run held images out, but their scores are not kept with it, so what they promise "
            "cannot be worked out here."
        )
    return NO_HELD_OUT


def percent(share: float) -> str:
    """ "5.7 %", "0.03 %", "100 %"."""
    value = 100 * share
    digits = 0 if value in (0, 100) else 1 if 1 <= value < 99 else 2
    return f"{value:.{digits}f} %"


def ends(share: Share) -> str:
    """ "3.2 to 9.9 %"."""
    low, high = share.interval
    return f"{percent(low)[:-2]} to {percent(high)}"


def amount(value: float) -> str:
    """A number of items as people say it: "142", "3.4", "0.06", "1,250"."""
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 0.1 or value == 0 else f"{value:.1g}"


def items(seen: Scene, say: Vocabulary, count: int = 2) -> str:
    """What is counted; specimens are called so in the general vocabulary alone."""
    if seen.unit == SPECIMEN and say.id == "general":
        return "specimen" if count == 1 else "specimens"
    return say.item if count == 1 else say.items


def finding(label: str, seen: Scene, now: Mark, say: Vocabulary) -> str:
    """What the threshold does to the cases shown."""
    point = seen.point(now.low, now.upper)
    parts = [f"**{_where(now, say)} {_called(label)} {_does(point, seen, say)}**{_origin(now)}"]
    if point.banded:
        parts.append(_between(point, seen, say))
    if seen.left_out:
        parts.append(f"{seen.left_out} without a score are left out.")
    return " ".join(parts)


def _between(point: OperatingPoint, seen: Scene, say: Vocabulary) -> str:
    again = point.found_again + point.alarms_again
    if not again:
        return f"No {items(seen, say, 1)} lies between the two thresholds."
    are = f"{again:,} {items(seen, say, again)} {'is' if again == 1 else 'are'}"
    return (
        f"Between the two thresholds {are} looked at again by a person, {point.found_again:,} of "
        f"them {say.bad}; right decisions are assumed."
    )


def _called(label: str) -> str:
    """ "PatchCore, unified, seed 1" as "PatchCore (unified, seed 1)"."""
    first, *rest = label.split(", ")
    return plain(f"{first} ({', '.join(rest)})" if rest else first)


def _where(now: Mark, say: Vocabulary) -> str:
    one = "these thresholds" if now.upper is not None else "this threshold"
    if now.rule == ORACLE:
        return "At the oracle threshold"
    if now.rule == CHEAPEST:
        return "At the oracle threshold of lowest cost"
    if now.rule == HELD_OUT:
        return f"At the threshold from held-out {say.good} images"
    if now.rule == CHOSEN and now.chosen is not None:
        return f"At the threshold “{plain(now.chosen.name)}”"
    return f"At {one}"


def _origin(now: Mark) -> str:
    if now.chosen is not None:
        when = f", chosen by {plain(now.chosen.author)} on {chosen.when(now.chosen)[:11]}"
        oracle = ", an oracle threshold: found on these same images, so expect less in use"
        return f"{when}{oracle if now.origin == 'oracle' else ''}."
    if now.rule in (ORACLE, CHEAPEST):
        return ", chosen on these same images, so expect less in use."
    if now.rule == HAND:
        return "; set by hand with these images in sight, so expect somewhat less in use."
    return "."


def _does(point: OperatingPoint, seen: Scene, say: Vocabulary) -> str:
    parts = []
    if point.anomalous:
        name = f"{say.bad} {items(seen, say, point.anomalous)}"
        parts.append(f"misses {_of(point.miss_rate)} {name} {_told(point.miss_rate)}")
    if point.normal:
        name = f"{say.good} ones" if parts else f"{say.good} {items(seen, say, point.normal)}"
        rate = point.false_alarm_rate
        parts.append(f"{say.reject}s {_of(rate)} {name} {_told(rate)}")
    if not point.anomalous:
        parts.append(f"there is no {say.bad} one to miss")
    if not point.normal:
        parts.append(f"there is no {say.good} one for a {say.alarm}")
    return " and ".join(parts)


def _of(share: Share) -> str:
    return f"{'none' if share.hits == 0 else f'{share.hits:,}'} of {share.count:,}"


def _told(share: Share) -> str:
    return f"({percent(share.value or 0.0)}, {ends(share)})"


def counted(seen: Scene, say: Vocabulary) -> str:
    """What one count stands for."""
    total = len(seen.scores_N)
    if seen.unit == SPECIMEN:
        return (
            f"Counted by {'specimen' if say.id == 'general' else say.item}: {total:,} of them from "
            f"{seen.images:,} images, each by the highest score of its images."
        )
    of = "all classes together" if seen.class_name == ALL else "this class"
    alone = "" if say.item == "image" else f", each taken for one {say.item}"
    return f"Counted by image: {total:,} test {'image' if total == 1 else 'images'} of {of}{alone}."


def day(plan: Day, banded: bool, say: Vocabulary) -> str:
    """What a day brings: "Of 5,000 parts a day 142 are rejected, 260 looked at again: ..."."""
    rejected = f"{amount(plan.flagged)} are {done(say)}"
    if banded:
        work = (
            f"{rejected} and {amount(plan.reviewed)} looked at again: {_hours(plan.review_hours)}"
        )
    else:
        work = f"{rejected}; to look at each of them again takes {_hours(plan.flagged_hours)}"
    misses = _expected(plan.misses, say.miss, say.misses)
    alarms = _expected(plan.alarms, say.alarm, say.alarms)
    return f"Of {plan.items:,.0f} {say.items} a day {work}. Expect {misses} and {alarms} a day."


def done(say: Vocabulary) -> str:
    """ "flagged", "rejected", "referred"."""
    return {"flag": "flagged", "refer": "referred"}.get(say.reject, f"{say.reject}ed")


def _hours(hours: float) -> str:
    if hours == 0:
        return "no time"
    if hours < 1:
        return f"{max(1, round(hours * 60))} minutes"
    return f"{hours:.1f} hours"


def _expected(one: Estimate, name: str, several: str) -> str:
    value = one.value or 0.0
    noun = name if amount(value) == "1" else several
    return f"{amount(value)} {noun} ({amount(one.low)} to {amount(one.high)})"


def promised(one: Promise, real: Realised, seen: Scene, say: Vocabulary) -> str:
    """What held-out images promise, and whether the test images kept to it."""
    normals = words.counted(
        one.normals, f"held-out {say.good} image", f"held-out {say.good} images"
    )
    wanted = f"{100 * one.wanted:g} %"
    if one.kept:
        first = f"**{normals} promise at most {wanted} {say.alarms}.**"
    else:
        first = (
            f"**Few normals: no guarantee below {percent(one.floor)}.** {normals} cannot promise "
            f"{wanted}; the threshold lies just above the highest of their scores."
        )
    parts = [first, _verdict(real, say)]
    if seen.unit == SPECIMEN:
        parts.append("It is a promise for single images, not for the highest of several.")
    if seen.class_name == ALL:
        parts.append(
            "It holds for all classes together, mixed as they were held out, not for each of them."
        )
    return " ".join(parts)


def _verdict(real: Realised, say: Vocabulary) -> str:
    share = real.share
    if not share.count:
        return f"There is no {say.good} test image to hold it against."
    images = words.counted(share.count, f"{say.good} test image", f"{say.good} test images")
    seen = f"{share.hits:,} of {images}, where chance allows "
    seen += f"{real.expected_low:,} to {real.expected_high:,}"
    if real.verdict == "more":
        return f"**The promise fails here: {seen}.** The test images differ from those held out."
    if real.verdict == "fewer":
        return f"There are fewer {say.alarms} than promised: {seen}."
    return f"The test images keep to it: {seen}."


def own_rule(found: OneForAll, say: Vocabulary) -> str:
    """How each class's own threshold is found."""
    return {
        HELD_OUT: f"from its held-out {say.good} images",
        CHEAPEST: "the oracle of lowest cost",
    }.get(found.rule, "the oracle of best F1")


def one_for_all(found: OneForAll, say: Vocabulary) -> str:
    """What one threshold for all classes costs, and who pays."""
    misses = _more(found.more_misses, say.miss, say.misses)
    alarms = _more(found.more_alarms, say.alarm, say.alarms)
    if found.same_rule:
        text = f"**One threshold for all classes brings {misses} and {alarms}**"
        text += " than one for each, both by the same rule."
    else:
        text = f"**The one threshold above brings {misses} and {alarms}**"
        text += f" than one for each class, {own_rule(found, say)}."
    return f"{text} {_payers(found, say)}".rstrip()


def _payers(found: OneForAll, say: Vocabulary) -> str:
    """The class, or the classes, that one threshold costs most, at the costs typed."""
    paid = {one.class_name: one.dearer or 0.0 for one in found.classes}
    most = max(paid.values())
    if most < 5e-4:
        return ""
    names = [name for name, cost in paid.items() if cost > most * (1 - 1e-9)]
    told = f"{amount(most)} more for 1,000 {say.items}, at the costs given above"
    if len(names) > 1:
        rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"It costs {', '.join(plain(name) for name in names[:3])}{rest} most: {told}."
    (worst,) = (one for one in found.classes if one.class_name == names[0])
    return (
        f"It costs {plain(worst.class_name)} most: {told} "
        f"({_more(worst.more_misses, say.miss, say.misses)} and "
        f"{_more(worst.more_alarms, say.alarm, say.alarms)} here)."
    )


def _more(count: int, one: str, several: str) -> str:
    if count == 0:
        return f"no more {several}"
    return (
        f"{abs(count):,} {'more' if count > 0 else 'fewer'} {one if abs(count) == 1 else several}"
    )

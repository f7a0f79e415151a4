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
from dashboard.operating import CHOSEN, HELD_OUT, ORACLE, SPECIMEN, Mark, OneForAll, Scene
from dashboard.words import Vocabulary

NO_HELD_OUT = (
    "Nothing was held out in this run, so no threshold comes with a promise. Train it with the "
    "[deployment protocol](new_run): a tenth of the good training images is then kept aside, and "
    "the threshold comes from them alone."
)


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
        again = point.found_again + point.alarms_again
        parts.append(
            f"Between the two thresholds {again:,} {'is' if again == 1 else 'are'} looked at again "
            f"by a person, {point.found_again} of them {say.bad}; right decisions are assumed."
        )
    if seen.left_out:
        parts.append(f"{seen.left_out} without a score are left out.")
    return " ".join(parts)


def _called(label: str) -> str:
    """ "PatchCore, unified, seed 1" as "PatchCore (unified, seed 1)"."""
    first, *rest = label.split(", ")
    return plain(f"{first} ({', '.join(rest)})" if rest else first)


def _where(now: Mark, say: Vocabulary) -> str:
    one = "these thresholds" if now.upper is not None else "this threshold"
    if now.rule == ORACLE:
        return "At the oracle threshold"
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
    if now.rule == ORACLE:
        return ", chosen on these same images, so expect less in use."
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
    return f"Counted by image: {total:,} test images of {of}, one image for one {say.item}."


def day(plan: Day, banded: bool, say: Vocabulary) -> str:
    """What a day brings: "Of 5,000 parts a day 142 are rejected, 260 looked at again: ..."."""
    rejected = f"{amount(plan.flagged)} are {_done(say)}"
    if banded:
        work = (
            f"{rejected} and {amount(plan.reviewed)} looked at again: {_hours(plan.review_hours)}"
        )
    else:
        work = f"{rejected}; to look at each of them again takes {_hours(plan.flagged_hours)}"
    misses = _expected(plan.misses, say.miss, say.misses)
    alarms = _expected(plan.alarms, say.alarm, say.alarms)
    return f"Of {plan.items:,.0f} {say.items} a day {work}. Expect {misses} and {alarms} a day."


def _done(say: Vocabulary) -> str:
    return {"flag": "flagged", "refer": "referred"}.get(say.reject, f"{say.reject}ed")


def _hours(hours: float) -> str:
    if 0 < hours < 1:
        return f"{max(1, round(hours * 60))} minutes"
    return f"{hours:.1f} hours"


def _expected(one: Estimate, name: str, several: str) -> str:
    value = one.value or 0.0
    noun = name if amount(value) == "1" else several
    return f"{amount(value)} {noun} ({amount(one.low)} to {amount(one.high)})"


def promised(one: Promise, real: Realised | None, seen: Scene, say: Vocabulary) -> str:
    """What held-out images promise, and what the test images showed."""
    normals = words.counted(
        one.normals, f"held-out {say.good} image", f"held-out {say.good} images"
    )
    if one.kept:
        first = f"**{normals} promise at most {100 * one.wanted:g} % {say.alarms}**"
        first += f" ({percent(one.promised)} on average)."
    else:
        first = (
            f"**Few normals: no guarantee below {percent(one.floor)}.** {normals} cannot promise "
            f"{100 * one.wanted:g} %; the threshold lies just above the highest of their scores."
        )
    parts = [first, f"With so few of them the true rate may be {percent(one.low)} to "
             f"{percent(one.high)} (95 % of draws)."]  # fmt: skip
    if real is not None and real.share.count:
        share = real.share
        verdicts = {
            "as promised": "as promised: chance alone gives",
            "more": "more than promised: chance alone gives",
            "fewer": "fewer than promised: chance alone gives",
        }
        parts.append(
            f"**Realised: {share.hits:,} of {share.count:,} {say.good} test "
            f"{items(seen, say, share.count)}, {percent(share.value or 0.0)}** ({ends(share)}), "
            f"{verdicts[real.verdict]} {real.expected_low} to {real.expected_high}."
        )
        if real.verdict == "more":
            parts.append("The test images differ from those held out, so the promise fails here.")
    if seen.unit == SPECIMEN:
        parts.append("The promise is one for single images, not for the highest of several.")
    if seen.class_name == ALL:
        parts.append("It holds for all classes taken together, not for each of them.")
    return " ".join(parts)


def one_for_all(found: OneForAll, say: Vocabulary) -> str:
    """What one threshold for all classes costs."""
    rule = "the oracle rule" if found.rule == ORACLE else "the held-out rule"
    misses = _more(found.more_misses, say.miss, say.misses)
    alarms = _more(found.more_alarms, say.alarm, say.alarms)
    worst = max(found.classes, key=lambda one: one.more_misses + one.more_alarms)
    text = f"**One threshold for all classes costs {misses} and {alarms}**, both by {rule}."
    if worst.more_misses + worst.more_alarms > 0:
        text += (
            f" Most of it falls on {plain(worst.class_name)}: "
            f"{_more(worst.more_misses, say.miss, say.misses)} and "
            f"{_more(worst.more_alarms, say.alarm, say.alarms)}."
        )
    return text


def _more(count: int, one: str, several: str) -> str:
    if count == 0:
        return f"no more {several}"
    return (
        f"{abs(count):,} {'more' if count > 0 else 'fewer'} {one if abs(count) == 1 else several}"
    )

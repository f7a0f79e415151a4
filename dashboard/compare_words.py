"""The sentences the Compare page opens its views with: computed, true, plain; see `findings`.

Labels of runs and names of classes come as they are and are made harmless here. `say` is the
vocabulary that people chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from core.metrics.changes import Change, Union
from core.metrics.ensemble import Ceiling, Gain
from core.metrics.verdicts import ALPHA, p_text
from dashboard import words
from dashboard.findings import compare, difference, listed, plain, word
from dashboard.ranking import number
from dashboard.words import Vocabulary

TOLD = ("a", "b")
WAIT = "Being computed: {what}. It takes its time once and is kept afterwards."


def bad(count: int, say: Vocabulary) -> str:
    """ "6 anomalous images"."""
    return words.counted(count, f"{say.bad} {say.item}", f"{say.bad} {say.items}")


def good(count: int, say: Vocabulary) -> str:
    """ "6 normal images"."""
    return words.counted(count, f"{say.good} {say.item}", f"{say.good} {say.items}")


def alarms(count: int, say: Vocabulary) -> str:
    """ "2 false alarms", "no false alarm"."""
    return f"no {say.alarm}" if count == 0 else words.counted(count, say.alarm, say.alarms)


def oracle_note(oracle: Sequence[str]) -> str:
    """What is added where thresholds were chosen on the test set; "" where none was."""
    if not oracle:
        return ""
    whose = "Both use" if len(oracle) > 1 else f"{plain(oracle[0])} uses"
    noun = "oracle thresholds" if len(oracle) > 1 else "an oracle threshold"
    return f" {whose} {noun}, chosen on these same images."


def changing(
    a: str, b: str, counts: Mapping[str, int], tests: Sequence[Change], say: Vocabulary
) -> str:
    """Which cases change sides, and where that is more than chance.

    Args:
        counts: of only_a, only_b, alarm_a, alarm_b.
        tests: of the anomalous cases by class.
    """
    a, b = plain(a), plain(b)
    if not any(counts.values()):
        return f"**{a} and {b} call every {say.item} alike**; no case changes sides."
    first = (
        f"**{a} finds {_some(bad(counts['only_a'], say), counts['only_a'])} that {b} misses; "
        f"{b} finds {_some(bad(counts['only_b'], say), counts['only_b'])} that {a} misses.** "
        f"On {say.good} {say.items} {a} alone raises {alarms(counts['alarm_a'], say)}, "
        f"{b} alone {alarms(counts['alarm_b'], say)}."
    )
    return f"{first} {_tested(a, b, tests)}"


def counted(a: str, b: str, sizes: Mapping[str, int], title: str, say: Vocabulary) -> str:
    """`findings.compare` while the metric's difference is still being computed."""
    said = compare(a, b, sizes, title, None, say)
    end = f"By {title} nothing is stored that would tell them apart."
    return said.removesuffix(end) + f"The difference by {title} is being computed."


def _some(said: str, count: int) -> str:
    return "none" if count == 0 else said


def _tested(a: str, b: str, tests: Sequence[Change]) -> str:
    sure = [one for one in tests if one.p_corrected is not None and one.p_corrected < ALPHA]
    known = [one for one in tests if one.p is not None]
    if not known:
        return "Whether that is more than chance was not tested: several images show one specimen."
    if not sure:
        where = "" if len(known) == 1 else " of any class"
        return f"By McNemar's test the changes{where} could be chance."
    for_a = [plain(one.group) for one in sure if one.only_a > one.only_b]
    for_b = [plain(one.group) for one in sure if one.only_b > one.only_a]
    parts = [
        f"{who} finds more on {listed(names[:4])}{_more(names, 4)}"
        for who, names in ((a, for_a), (b, for_b))
        if names
    ]
    return f"By McNemar's test it is more than chance that {' and that '.join(parts)}."


def _more(names: Sequence[str], most: int) -> str:
    return f" and {len(names) - most} more" if len(names) > most else ""


def by_class(a: str, b: str, classes: pd.DataFrame, title: str, mean: pd.Series | None) -> str:
    """On how many classes which run is better.

    Args:
        classes, mean: of `comparing.of_metric`.
    """
    a, b = plain(a), plain(b)
    if classes.empty:
        return f"**By {title} no class can be compared**; choose another metric."
    total = len(classes)
    wins = {who: int((classes["verdict"] == who).sum()) for who in TOLD}
    rest = total - sum(wins.values())
    if total == 1:
        return f"**{plain(classes.iloc[0]['class_name'])}.** " + difference(
            a, b, title, classes.iloc[0]
        )
    if rest == total:
        first = f"**By {title} {a} and {b} cannot be told apart on any of {word(total)} classes.**"
    else:
        parts = [
            f"{name} is better on {word(wins[who])}"
            for who, name in (("a", a), ("b", b))
            if wins[who]
        ]
        left = "" if rest == 0 else f"; on {word(rest)} they cannot be told apart"
        first = f"**By {title}, of {word(total)} classes {' and '.join(parts)}{left}.**"
    top = classes.iloc[0]
    largest = f"The largest difference is on {plain(top['class_name'])}: {signed(top)}."
    whole = "" if mean is None else f" Over all classes: {signed(mean)}."
    return f"{first} {largest}{whole}"


def signed(row: pd.Series) -> str:
    """ "+0.120 (95 % interval +0.030 to +0.210)"."""
    said = f"{row['difference']:+z.3f}"
    low, high = number(row["low"]), number(row["high"])
    return (
        said
        if low is None or high is None
        else f"{said} (95 % interval {low:+z.3f} to {high:+z.3f})"
    )


def setting(label: str, classes: pd.DataFrame, title: str, mean: pd.Series | None) -> str:
    """What one model for all classes costs a method; differences are separate minus unified."""
    name = plain(label)
    if mean is None:
        return f"**By {title} nothing is stored that would tell the two settings apart.**"
    loses = [plain(one) for one in classes.loc[classes["verdict"] == "a", "class_name"]]
    wins = [plain(one) for one in classes.loc[classes["verdict"] == "b", "class_name"]]
    figures = f"{mean['a']:.3f} with a model a class, {mean['b']:.3f} with one for all"
    verdict = str(mean["verdict"])
    if verdict == "a":
        first = f"**One model for all classes costs {name} {title}** ({figures})"
    elif verdict == "b":
        first = f"**One model for all classes is better for {name}** by {title} ({figures})"
    elif verdict == "open":
        first = (
            f"**By {title} one model for all classes costs {name} nothing that can be told apart** "
            f"({figures})"
        )
    else:
        first = f"**For {name} the difference could not be tested** ({figures})"
    told = []
    if loses:
        told.append(f"it loses on {listed(loses[:4])}{_more(loses, 4)}")
    if wins:
        told.append(f"it gains on {listed(wins[:4])}{_more(wins, 4)}")
    end = f"; {' and '.join(told)}." if told else "; no single class differs for certain."
    return first + end


def together(a: str, b: str, found: Ceiling, either: Union, title: str, say: Vocabulary) -> str:
    """What two runs could give together, and how far that is an oracle's word."""
    a, b = plain(a), plain(b)
    best = found.best
    better = a if best.a >= best.b else b
    alone = max(best.a, best.b)
    if best.gain <= 0:
        first = (
            f"**No blend of {a} and {b} reaches a higher {title} than {better} alone "
            f"({alone:.3f})**, even with the weight chosen on these same images (oracle)."
        )
    else:
        first = (
            f"**At best a blend of {a} and {b} reaches {title} {best.value:.3f}, "
            f"{best.gain:.3f} above {better} alone** (oracle ceiling: the weight, "
            f"{100 * (best.weight or 0):.0f} % {a}, was chosen on these same images). "
            f"{_corrected(best)}"
        )
    ranks = found.ranks
    second = f" With ranks simply averaged, nothing chosen: {ranks.value:.3f} ({gain(ranks)})."
    return f"{first}{second}\n\n{_either(a, b, either, say)}"


def _corrected(best: Gain) -> str:
    if best.corrected is None or best.low is None or best.high is None:
        return "Too few images to correct for that choice."
    sure = "a gain that stays" if best.low > 0 else "no gain that is certain"
    return f"Corrected for that choice: {gain(best)}, {sure}."


def gain(one: Gain) -> str:
    """ "+0.012, 95 % interval -0.004 to +0.028"."""
    at = one.corrected if one.corrected is not None else one.gain
    if one.low is None or one.high is None:
        return f"{at:+z.3f}"
    return f"{at:+z.3f}, 95 % interval {one.low:+z.3f} to {one.high:+z.3f}"


def _either(a: str, b: str, either: Union, say: Vocabulary) -> str:
    if either.anomalous + either.normal == 0:
        return "Without thresholds, alarms cannot be joined."
    found, raised = either.found, either.alarms
    more = found[2] - max(found[:2])
    than = "no more than one of them finds alone" if more == 0 else f"{more} more than either alone"
    return (
        f"If an alarm of either counts, {found[2]} of {bad(either.anomalous, say)} are found, "
        f"{than}, with {alarms(raised[2], say)} on {good(either.normal, say)} "
        f"instead of {raised[0]} ({a}) or {raised[1]} ({b})."
    )


def all_pairs(
    labels: Mapping[str, str], rows: Mapping[tuple[str, str], pd.Series], order: Sequence[str],
    title: str,
) -> str:  # fmt: skip
    """Who is surely better than how many others, and how many pairs stay open."""
    if not rows:
        return f"**By {title} no two runs can be compared**; choose another metric."
    pairs = {frozenset(pair): row for pair, row in rows.items()}
    total = len(pairs)
    open_ = sum(row["verdict"] not in TOLD for row in pairs.values())
    beaten = {
        run: sum(rows[run, other]["verdict"] == "a" for other in order if (run, other) in rows)
        for run in order
    }
    best = max(order, key=lambda run: beaten[run])
    if open_ == total:
        first = f"**By {title} no two of {len(order)} runs can be told apart.**"
    else:
        others = len(order) - 1
        whom = (
            "every other run"
            if beaten[best] == others
            else f"{word(beaten[best])} of the other {word(others)}"
        )
        first = f"**By {title} {plain(labels[best])} is surely better than {whom}.**"
    noun = "pair" if total == 1 else "pairs"
    return f"{first} Of {total} {noun} {word(open_)} cannot be told apart."


def p_words(one: Change) -> str:
    """The corrected p of a group, or a dash with its reason beside it."""
    return p_text(one.p_corrected)

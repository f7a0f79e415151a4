"""Parts of the Threshold page: the point itself, what is promised, one threshold for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.metrics import in_use
from core.metrics.conformal import Promise, Realised
from core.metrics.in_use import Estimate
from core.metrics.operating import OperatingPoint, Share
from dashboard import operating, operating_url, operating_words, results
from dashboard.boards import Cell
from dashboard.casework import ALL
from dashboard.components import cards, grids, operating_use
from dashboard.components.threshold_chart import threshold_chart
from dashboard.findings import plain
from dashboard.operating import HELD_OUT, Mark, OneForAll, Scene
from dashboard.operating_words import percent
from dashboard.results import Source
from dashboard.words import Vocabulary

STYLE = """<style>
.op-matrix{border-collapse:separate;border-spacing:6px;width:100%;font-size:14px;table-layout:fixed}
.op-matrix caption{text-align:left;color:var(--fs-dim);font-size:12.5px;padding:0 6px 2px}
.op-matrix th{font-size:12.5px;font-weight:600;color:var(--fs-dim);text-align:left;padding:4px 2px;
 border:0;vertical-align:bottom}
.op-matrix th[scope=row]{width:22%;vertical-align:middle}
.op-matrix td{border:1px solid var(--fs-line);border-left:4px solid var(--op,var(--fs-line-strong));
 border-radius:8px;padding:8px 10px;font-variant-numeric:tabular-nums;line-height:1.3}
.op-matrix td b{display:block;font-size:20px;font-weight:600}
.op-matrix td span{display:block;font-size:12.5px;color:var(--fs-dim)}
.op-found{--op:var(--fs-found)}.op-missed{--op:var(--fs-missed)}.op-alarm{--op:var(--fs-alarm)}
.op-matrix .op-again{--op:var(--fs-dim);border-left-style:dashed}
@media (max-width:640px){.op-matrix{border-spacing:3px}.op-matrix td{padding:6px 6px}
 .op-matrix td b{font-size:16px}}
</style>"""
SENSITIVITY = "Share of the {bad} ones that do not pass: flagged, or looked at again."
SPECIFICITY = "Share of the {good} ones that are not flagged: passed, or looked at again."
VALUES = (
    "By Bayes' rule from sensitivity and specificity, at the {share} given below, which is taken "
    "as known. Interval: MOVER-R from both Wilson intervals (Newcombe 2016)."
)
DEARER = "Expected cost with one for all less that with its own, at the figures given above."
AVERAGE = "Over draws of the held-out images; never above what was asked for, where kept."
DRAWS = "95 % of draws of the held-out images give a threshold whose rate lies between these."


def point(
    source: Source, label: str, seen: Scene, marks: Mapping[str, Mark], now: Mark, say: Vocabulary
) -> None:
    """The finding, the chart to drag in, the counts, the rates, and what they mean in use."""
    key = operating_url.key_of(seen)
    cards.finding(operating_words.finding(label, seen, now, say))
    threshold_chart(
        operating.chart_data(seen, now, marks), say,
        lambda low, upper: operating_url.keep(key, low, upper),
    )  # fmt: skip
    st.caption(f"{operating_words.counted(seen, say)} {_elsewhere(source, seen)}")
    counts = st.container(key="op-counts")
    st.subheader("In use", anchor=False)
    given = operating_use.form(say)
    at = seen.point(now.low, now.upper)
    with counts:
        left, right = st.columns(2)
        with left.container(border=True, key="card-op-matrix"):
            matrix(at, seen, say)
        with right:
            rates(at, given.prevalence, say)
    operating_use.usage(seen, at, marks.get(operating.CHEAPEST), now, say, given)


def _elsewhere(source: Source, seen: Scene) -> str:
    """What the other pages judge this class by."""
    found = results.thresholds(source, seen.run_id).get(seen.class_name)
    if found is None:
        return ""
    return f"Other pages judge this class by its {plain(found.name)}, {found.value:.4g}."


def matrix(point: OperatingPoint, seen: Scene, say: Vocabulary) -> None:
    """Truth down, decision across; counts and shares of each kind."""
    names = operating_words.items(seen, say)
    flagged = operating_words.done(say).capitalize()
    heads = ["Passed", "Looked at again", flagged] if point.banded else ["Passed", flagged]
    rows = (
        (say.bad, point.anomalous, (
            (point.missed, say.missed.capitalize(), "missed"),
            (point.found_again, f"{say.bad.capitalize()}, looked at again", "again"),
            (point.found, "Found", "found"),
        )),
        (say.good, point.normal, (
            (point.passed, "Rightly passed", ""),
            (point.alarms_again, f"{say.good.capitalize()}, looked at again", "again"),
            (point.alarms, say.alarm.capitalize(), "alarm"),
        )),
    )  # fmt: skip
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = ""
    for kind, total, cells in rows:
        shown = cells if point.banded else (cells[0], cells[2])
        body += f'<tr><th scope="row">{escape(f"{kind} {names}")}<br>{total:,}</th>'
        body += "".join(_matrix_cell(*cell, total) for cell in shown) + "</tr>"
    grids.show(
        STYLE, '<table class="op-matrix"><caption>Truth down, decision across</caption>'
        f'<thead><tr><td style="border:0"></td>{head}</tr></thead><tbody>{body}</tbody></table>',
    )  # fmt: skip


def _matrix_cell(count: int, word: str, kind: str, total: int) -> str:
    share = f", {percent(count / total)}".replace(" %", "\N{NO-BREAK SPACE}%") if total else ""
    return (
        f'<td class="op-{kind}"><b>{count:,}</b><span>{escape(word)}{escape(share)}</span></td>'
        if kind
        else f"<td><b>{count:,}</b><span>{escape(word)}{escape(share)}</span></td>"
    )


def rates(point: OperatingPoint, prevalence: float, say: Vocabulary) -> None:
    """Sensitivity, specificity, false-alarm rate, PPV and NPV with intervals."""
    ppv, npv = in_use.predictive_values(point, prevalence)
    at = f"where {100 * prevalence:g} % are {say.bad}"
    helps = {"good": say.good, "bad": say.bad, "share": say.share}
    rows = [
        [Cell("Sensitivity", help=SENSITIVITY.format(**helps)), *_share(point.sensitivity)],
        [Cell("Specificity", help=SPECIFICITY.format(**helps)), *_share(point.specificity)],
        [Cell("False-alarm rate", help="One minus specificity."), *_share(point.false_alarm_rate)],
        [Cell("PPV", at, VALUES.format(**helps)), *_estimate(ppv)],
        [Cell("NPV", at, VALUES.format(**helps)), *_estimate(npv)],
    ]
    table = grids.plain_html(["Rate", "Value", "Counted", "95 % interval"], rows)
    grids.show(f'<div class="us-tight">{table}</div>')


def _share(share: Share) -> list[Cell]:
    if share.value is None:
        return [Cell("–"), Cell("none"), Cell("")]
    return [
        Cell(percent(share.value)),
        Cell("", f"{share.hits:,} of {share.count:,}"),
        Cell("", operating_words.ends(share)),
    ]


def _estimate(one: Estimate) -> list[Cell]:
    if one.value is None:
        return [Cell("–", help="Nothing is decided so."), Cell(""), Cell("")]
    ends = f"{percent(one.low)[:-2]} to {percent(one.high)}"
    return [Cell(percent(one.value)), Cell("", "computed"), Cell("", ends)]


def promise(seen: Scene, marks: Mapping[str, Mark], say: Vocabulary, nothing: str) -> None:
    """What held-out good images promise, and what the test images showed.

    Args:
        nothing: what to say where no held-out score is known; see `operating_words.no_promise`.
    """
    st.subheader("Promised and realised", anchor=False)
    one = marks.get(operating.HELD_OUT)
    if one is None or one.promise is None:
        st.html(f'<p class="us-line">{cards.inline(nothing)}</p>')
        return
    real = operating.realised(seen, one.promise)
    cards.note(f"Threshold {one.low:.4g}", operating_words.promised(one.promise, real, seen, say))
    promise_table(one.promise, real, say)


def promise_table(one: Promise, real: Realised, say: Vocabulary) -> None:
    """Promised and realised false-alarm rate, each with its interval."""
    share = real.share
    ends = f"{percent(one.low)[:-2]} to {percent(one.high)}"
    within = "" if one.kept else f"asked for {100 * one.wanted:g} %"
    rows = [
        [Cell("Promised on average", within, AVERAGE), Cell(percent(one.promised)),
         Cell("", f"from {one.normals:,} held out"), Cell("", ends, DRAWS)],
        [Cell(f"Realised on {say.good} test images"), *_share(share)],
    ]  # fmt: skip
    heads = ["False-alarm rate", "Value", "Counted", "95 % interval"]
    grids.show(f'<div class="us-tight">{grids.plain_html(heads, rows)}</div>')


def classes(found: OneForAll | None, say: Vocabulary) -> None:
    """The section about one threshold for all; nothing for a run of one class."""
    if found is None:
        return
    st.subheader("One for all, or one per class", anchor=False)
    st.html(f'<p class="us-line">{cards.inline(operating_words.one_for_all(found, say))}</p>')
    one_for_all(found, say)


def one_for_all(found: OneForAll, say: Vocabulary) -> None:
    """Each class with its own threshold and with the common one."""
    word = "held out" if found.rule == HELD_OUT else "oracle"
    run = found.run_id
    misses, alarms = say.misses.capitalize(), say.alarms.capitalize()
    heads = [
        "Class", f"Own threshold ({word})", f"{misses}, own", f"{alarms}, own",
        f"{misses}, one for all", f"{alarms}, one for all", "What the one costs",
    ]  # fmt: skip
    rows: list[Sequence[Cell | str]] = []
    for one in found.classes:
        own, common = one.at_own, one.at_common
        rows.append([
            _link(run, one.class_name), Cell(f"{one.own.low:.4g}"),
            _count(own.missed, own.anomalous), _count(own.alarms, own.normal),
            _count(common.missed, common.anomalous), _count(common.alarms, common.normal),
            Cell(_cost(one.more_misses, one.more_alarms, say), _dearer(one.dearer, say), DEARER),
        ])  # fmt: skip
    total = [sum(getattr(getattr(one, at), what) for one in found.classes)
             for at in ("at_own", "at_common") for what in ("missed", "alarms")]  # fmt: skip
    rows.append([
        _link(run, ALL), Cell(_value(found.common), "one for all"),
        *(Cell(f"{value:,}") for value in total),
        Cell(_cost(found.more_misses, found.more_alarms, say)),
    ])  # fmt: skip
    grids.show(f'<div class="us-tight">{grids.plain_html(heads, rows)}</div>')
    if found.without:
        names = ", ".join(name.replace("_", " ") for name in found.without)
        st.caption(f"Left out, because this rule gives them no threshold: {names}.")


def _link(run: str, class_name: str) -> str:
    name = "All classes" if class_name == ALL else class_name.replace("_", " ")
    href = f"operating?{urlencode({'run': run, 'class': class_name})}"
    return f'<a href="{escape(href, quote=True)}" target="_self">{escape(name)}</a>'


def _value(one: Mark) -> str:
    return f"{one.low:.4g}" if one.upper is None else f"{one.low:.4g} to {one.upper:.4g}"


def _count(part: int, whole: int) -> Cell:
    return Cell(f"{part:,}", f"of {whole:,}")


def _cost(misses: int, alarms: int, say: Vocabulary) -> str:
    if not misses and not alarms:
        return "nothing"
    parts = ((misses, say.misses), (alarms, say.alarms))
    return ", ".join(f"{_signed(count)} {name}" for count, name in parts if count)


def _dearer(cost: float | None, say: Vocabulary) -> str:
    """ "+85 for 1,000 parts"."""
    if cost is None or abs(cost) < 5e-4:
        return ""
    return f"{'+' if cost > 0 else '−'}{operating_words.amount(abs(cost))} for 1,000 {say.items}"


def _signed(count: int) -> str:
    return f"{count:+,}".replace("-", "−")

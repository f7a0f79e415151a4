"""What the Threshold page keeps in the address: a threshold set by hand, and typed numbers.

Like `dashboard.state`: the address says what is shown, a followed link wins over what the session
holds, and what was typed outlives a visit to another page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from core.metrics import operating
from core.metrics.in_use import Costs
from dashboard import state
from dashboard.operating import HAND, Mark, Prices, Scene

_SEEN = "op-address-"
_HELD = "op-by-hand"
"""Session key: {(run, class, unit): (low, upper or None)}."""
Key = tuple[str, str, str]
Pair = tuple[float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number people type.

    Attributes:
        name: query parameter.
        start, low, high, step: value at first, limits, and what an arrow adds.
    """

    name: str
    start: float
    low: float
    high: float
    step: float
    form: str = "%g"


FIGURES = {
    one.name: one
    for one in (
        Figure(name="p", start=1.0, low=0.001, high=99.0, step=0.5),
        Figure(name="miss", start=100.0, low=0.0, high=1e9, step=10.0),
        Figure(name="alarm", start=5.0, low=0.0, high=1e9, step=1.0),
        Figure(name="again", start=1.0, low=0.0, high=1e9, step=0.5),
        Figure(name="day", start=1000.0, low=1.0, high=1e9, step=500.0),
        Figure(name="sec", start=30.0, low=0.0, high=86_400.0, step=5.0),
    )
}


def figure(name: str, label: str, help: str) -> float:
    """Ask for one of FIGURES; the address names it when it is not the usual one."""
    one = FIGURES[name]
    given(name)
    value = st.number_input(
        label, one.low, one.high, step=one.step, format=one.form, help=help, width=168,
        key=state.kept(f"op-{name}", one.start),
    )  # fmt: skip
    _write(name, "" if value == one.start else f"{value:.12g}")
    return float(value)


def given(name: str) -> float:
    """What is typed for one of FIGURES, before it is asked for; a followed link wins."""
    one, key, told = FIGURES[name], f"op-{name}", st.query_params.get(name)
    asked = _number(told)
    if asked is not None and told != st.session_state.get(_SEEN + name):
        st.session_state[key] = min(one.high, max(one.low, asked))
    return float(st.session_state.get(key, one.start))


def prices() -> Prices:
    """The prevalence and the costs typed."""
    costs = Costs(miss=given("miss"), alarm=given("alarm"), review=given("again"))
    return Prices(given("p") / 100, costs)


def followed() -> None:
    """A link that names a threshold but not where it comes from means one set by hand."""
    told = st.query_params.get("t")
    if told and told != st.session_state.get(_SEEN + "t") and "from" not in st.query_params:
        st.query_params["from"] = HAND


def key_of(seen: Scene) -> Key:
    """What a threshold set by hand belongs to."""
    return seen.run_id, seen.class_name, seen.unit


def now(seen: Scene, marks: Mapping[str, Mark], rule: str) -> Mark:
    """The threshold shown: that of the rule, or the one set by hand, which the address says.

    Before anything is set by hand it starts from the first of `marks`, else above every score.
    """
    pair = by_hand(key_of(seen))
    if rule != HAND:
        tell(None)
        return marks[rule]
    if pair is None:
        first = next(iter(marks.values()), None)
        top = operating.above(float(seen.scores_N.max()))
        pair = (top, None) if first is None else (first.low, first.upper)
    tell(pair)
    return Mark(HAND, *pair)


def by_hand(key: Key) -> Pair | None:
    """The threshold set by hand for a run, class and unit; None when none was.

    The address is listened to only where it says something new.
    """
    held: dict[Key, Pair] = st.session_state.setdefault(_HELD, {})
    told, upper = st.query_params.get("t"), st.query_params.get("hi")
    new = told != st.session_state.get(_SEEN + "t") or upper != st.session_state.get(_SEEN + "hi")
    low, high = _number(told), _number(upper)
    if low is not None and new:
        held[key] = (low, high if high is not None and high > low else None)
    return held.get(key)


def keep(key: Key, low: float, upper: float | None) -> None:
    """Remember a threshold set by hand, and that it is the one shown; for callbacks."""
    if not math.isfinite(low):
        return
    held: dict[Key, Pair] = st.session_state.setdefault(_HELD, {})
    held[key] = (low, upper if upper is not None and upper > low else None)
    st.session_state["from"] = HAND


def tell(pair: Pair | None) -> None:
    """Let the address say the threshold set by hand; None: none is."""
    low, upper = pair if pair is not None else (None, None)
    _write("t", "" if low is None else repr(low))
    _write("hi", "" if upper is None else repr(upper))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _write(name: str, text: str) -> None:
    if (st.query_params.get(name) or "") != text:
        if text:
            st.query_params[name] = text
        else:
            del st.query_params[name]
    st.session_state[_SEEN + name] = text or None

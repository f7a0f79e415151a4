"""What all views of the Compare page share: which view, which two runs, what is awaited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import compare_words, comparing, queries, results, state, words
from dashboard.casework import ALL
from dashboard.comparing import Pending
from dashboard.results import Source
from dashboard.words import Vocabulary

VIEW = "view"
VIEWS = {
    "pair": "A against B", "changes": "Cases that change sides", "classes": "Class by class",
    "setting": "One model or many", "together": "Both together", "matrix": "All pairs",
    "saved": "Saved",
}  # fmt: skip
LONG = {"setting": "One model for all classes or many", "matrix": "All pairs of runs"}
"""Names to start from when a view of a whole data set is saved."""
STYLE = """<style>
.cmp-four{display:grid;grid-template-columns:1fr 1fr;gap:8px}
.stHtml a.cmp-part,.stHtml div.cmp-part{display:block;padding:10px 12px;border:1px solid
 var(--fs-line);border-radius:10px;background:var(--fs-sunk);color:inherit;text-decoration:none;
 font-size:14px;line-height:1.4;min-width:0}
.stHtml a.cmp-part:hover,.stHtml a.cmp-part:focus-visible{border-color:var(--fs-accent)}
.cmp-part b{display:block;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
.cmp-part small{display:block;color:var(--fs-dim);font-size:12.5px;overflow-wrap:anywhere}
.cmp-wait{display:flex;gap:12px;align-items:center;padding:14px 0;font-size:14px;
 color:var(--fs-dim)}
.cmp-wait i{flex:none;width:18px;height:18px;border-radius:50%;
 border:2px solid var(--fs-line-strong);border-top-color:var(--fs-accent);
 animation:cmp-turn 1s linear infinite}
@keyframes cmp-turn{to{transform:rotate(1turn)}}
@media (prefers-reduced-motion:reduce){.cmp-wait i{animation:none}}
.cmp-verdict{display:inline-block;min-width:30px;padding:2px 7px;border-radius:6px;font-weight:600;
 text-align:center;font-variant-numeric:tabular-nums}
.cmp-a{background:var(--fs-accent-soft);color:var(--fs-accent)}
.cmp-b{background:var(--fs-bad-soft);color:var(--fs-bad)}
.cmp-open{color:var(--fs-dim);font-weight:400}
.cmp-grid .fs-table th,.cmp-grid .fs-table td{padding:5px 7px;text-align:center}
.cmp-grid .fs-table th.fs-left,.cmp-grid .fs-table td.fs-left{text-align:left}
:is(.cmp-grid,.cmp-named) .fs-table a,.cmp-links a{color:var(--fs-accent);text-decoration:none}
:is(.cmp-grid,.cmp-named,.cmp-links) a:is(:hover,:focus-visible){text-decoration:underline}
.cmp-links{font-size:14px;display:flex;flex-wrap:wrap;gap:4px 18px}
.st-key-cmp-views{overflow-x:auto}
</style>"""


@dataclass(frozen=True)
class Scene:
    """Two runs as a view shows them.

    Attributes:
        labels: of A and of B, in this order.
        metric, title: what is compared.
        small: few enough cases to wait for the comparison.
        say: the words people chose.
        class_name: which class's cases are shown, or ALL.
    """

    source: Source
    a: str
    b: str
    labels: Mapping[str, str]
    metric: str
    title: str
    small: bool
    say: Vocabulary
    class_name: str = ALL
    pending: Pending = field(default_factory=Pending)

    @property
    def label_a(self) -> str:
        return self.labels[self.a]

    @property
    def label_b(self) -> str:
        return self.labels[self.b]

    def paired(self, metric: str | None = None) -> pd.DataFrame | None:
        """Differences that hold `metric`, or all nine; None while they are computed."""
        scope = "all" if metric is None else comparing.scope_of(metric)
        return comparing.paired(self.source, self.a, self.b, scope, self.pending, self.small)

    def oracle(self) -> list[str]:
        """Labels of the runs that have a threshold chosen on the test set."""
        return [
            label
            for run, label in self.labels.items()
            if any(one.oracle for one in results.thresholds(self.source, run).values())
        ]

    def href(self, **query: str) -> str:
        """This page with these two runs."""
        return "compare?" + urlencode({"a": self.a, "b": self.b, "by": self.metric} | query)


def pick_view() -> str:
    """The view, kept in the address; buttons in a row."""
    seen = f"fs-address-{VIEW}"
    asked = st.query_params.get(VIEW, "pair")
    if st.session_state.get(seen) != asked and asked in VIEWS:  # a link was followed
        st.session_state[VIEW] = asked
    st.session_state.setdefault(VIEW, "pair")
    with st.container(key="cmp-views"):
        pressed = st.segmented_control(
            "View", list(VIEWS), key=VIEW, required=True, format_func=lambda one: VIEWS[one],
            label_visibility="collapsed",
        )  # fmt: skip
    chosen = pressed or "pair"
    if chosen == "pair" and VIEW in st.query_params:
        del st.query_params[VIEW]
    elif chosen != "pair" and st.query_params.get(VIEW) != chosen:
        st.query_params[VIEW] = chosen
    st.session_state[seen] = chosen
    return chosen


def pick_two(source: Source, runs: pd.DataFrame, metric_options: Mapping[str, str]) -> Scene:
    """Run A, run B on the same data, and the metric; inside the row of filters."""
    labels = comparing.labels(source)
    listed = list(labels)
    several = runs["fingerprint"].nunique() > 1
    data = dict(zip(runs["run_id"], runs["dataset"], strict=True))
    said = {run: f"{label} · {data[run]}" if several else label for run, label in labels.items()}
    first = queries.leading(runs) if st.query_params.get("a") not in labels else None
    a = state.pick("a", listed, label="A", words=said, default=first, always=True)
    b = state.pick("b", comparing.beside(runs, a), label="B", words=labels, always=True)
    metric = pick_metric(metric_options)
    small = len(results.judged(source, a)) <= comparing.SMALL
    two = comparing.labels_of_two(source, a, b)
    return Scene(source, a, b, two, metric, metric_options[metric], small, words.current())


def pick_class(scene: Scene) -> Scene:
    """The scene with the class that people chose."""
    table = results.joined(scene.source, (scene.a, scene.b))
    classes = sorted(map(str, table["class_name"].unique()))
    if len(classes) < 2:
        return scene
    return replace(scene, class_name=state.pick("class", [ALL, *classes], label="Class"))


def pick_metric(options: Mapping[str, str]) -> str:
    """What is compared."""
    return state.pick("by", list(options), label="Metric", words=options)


def waiting(what: str) -> None:
    """Where something will be that is still computed."""
    said = escape(compare_words.WAIT.format(what=what))
    st.html(f'{STYLE}<div class="cmp-wait" role="status"><i></i><span>{said}</span></div>')


def show(*parts: str) -> None:
    """HTML with the style of these views."""
    st.html(STYLE + "".join(parts))


def verdict_mark(verdict: str, help: str = "", names: tuple[str, str] = ("A", "B")) -> str:
    """The better one's name, "=" or a dash on its ground, as HTML."""
    known = {"a": (names[0], "a"), "b": (names[1], "b"), "open": ("=", "open")}
    letter, tone = known.get(verdict, ("–", "open"))
    title = f' title="{escape(help, quote=True)}"' if help else ""
    return f'<span class="cmp-verdict cmp-{tone}"{title}>{letter}</span>'

"""Parts of the By class page: flaws by size and contrast, and spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd
import streamlit as st

from core.errors import FlawscopeError
from core.metrics.seeds import seed_spread, sources
from dashboard import (
    by_class,
    class_charts,
    class_words,
    flaw_sizes,
    navigation,
    results,
    state,
)
from dashboard.by_class import Look
from dashboard.casework import ALL
from dashboard.components import cards, grids
from dashboard.flaw_sizes import Asked
from dashboard.results import Source
from dashboard.words import Vocabulary


@st.fragment
@navigation.safely
def by_size(source: Source, runs: Sequence[Look], name: str | None, say: Vocabulary) -> None:
    """Share of flaws found against size or contrast, for every chosen run.

    Args:
        name: the class whose flaws are shown; None: all classes together.
    """
    stored = {run.run_id: by_class.regions(source, run.run_id) for run in runs}
    shown = [run for run in runs if len(_of(stored[run.run_id], name))]
    if not shown:
        st.caption(
            f"No single {say.flaws} are stored here: this has no masks, or the run was stored "
            "before they were kept; run it again for them."
        )
        return
    sizes = {flaw_sizes.made_on(source, run.run_id).size for run in shown}
    units = flaw_sizes.units_of(sizes, _sides_known(source, shown[0], stored[shown[0].run_id]))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bc-size"):
        unit = state.pick("against", units, label="Against", words=flaw_sizes.UNITS,
                          help=flaw_sizes.UNIT_HELP)  # fmt: skip
        level = state.pick("level", list(flaw_sizes.LEVELS), label="Where", words=flaw_sizes.LEVELS,
                           help=flaw_sizes.LEVEL_HELP)  # fmt: skip
        amount = state.pick("amount", list(flaw_sizes.AMOUNTS), label="Reached by",
                            words=flaw_sizes.AMOUNTS, help=flaw_sizes.AMOUNT_HELP)  # fmt: skip
    if unit == "contrast" and not _measured(source, shown):
        return
    asked = Asked(ALL if name is None else name, unit, level, amount)
    fits = {run.run_id: flaw_sizes.curve(source, run.run_id, asked) for run in shown}
    bins = {run.run_id: flaw_sizes.bins(source, run.run_id, asked) for run in shown}
    side = sizes.pop() if len(sizes) == 1 else None
    for run in shown:
        sentence = class_words.reached(fits[run.run_id], unit, side, say)
        dot = f'<span class="fs-dot" style="background:{escape(run.colour)}"></span>'
        st.html(f'<p class="bc-line">{dot}{escape(run.label)}: {cards.inline(sentence)}</p>')
    title = flaw_sizes.UNITS[unit] if unit == "contrast" else flaw_sizes.UNITS[unit][6:]
    title = title.capitalize() if unit == "contrast" else f"size of the {say.flaw}, {title}"
    figure = class_charts.by_size(shown, fits, bins, unit, title, say)
    st.plotly_chart(figure, key="bc-size-plot", config=grids.PLOT)
    _about(source, runs, shown, stored, asked, say)


def _of(found: pd.DataFrame, name: str | None) -> pd.DataFrame:
    return found if name is None else found[found["class_name"] == name]


def _sides_known(source: Source, run: Look, found: pd.DataFrame) -> bool:
    """Whether the original size of the first flawed image is known; all are, or none."""
    facts = results.sample_facts(source, flaw_sizes.made_on(source, run.run_id).fingerprint)
    one = facts.get(str(found["key"].iloc[0]), {})
    return bool(one.get("width")) and one.get("width") == one.get("width")


def _about(
    source: Source, runs: Sequence[Look], shown: Sequence[Look], stored: dict[str, pd.DataFrame],
    asked: Asked, say: Vocabulary,
) -> None:  # fmt: skip
    """How to read it, and what is left out."""
    said = [
        f"Dots: counted among {say.flaws} of neighbouring values, with Wilson's 95 % interval. "
        "Line: fitted (logistic, Firth's penalty), its band from resampled images. Regions of one "
        "image are not independent, which the dots' intervals do not know."
    ]
    if asked.level == flaw_sizes.F1:
        said.append("The level was chosen on these same images (oracle): expect less in use.")
    lacking = [run.label for run in runs if run not in shown]
    if lacking:
        said.append(f"Nothing stored for {', '.join(lacking)}.")
    name = None if asked.class_name == ALL else asked.class_name
    whole = len(_of(stored[shown[0].run_id], name))
    left_out = whole - len(flaw_sizes.flaws(source, shown[0].run_id, asked))
    if left_out:
        said.append(
            f"{left_out} of {whole} are left out: they fill their image, or their image or mask "
            "has changed or gone since the run."
        )
    st.caption(" ".join(said))


def _measured(source: Source, runs: Sequence[Look]) -> bool:
    """Whether the contrast of every run's flaws is known; measures what is not, and says so."""
    for run in runs:
        made = flaw_sizes.made_on(source, run.run_id)
        if flaw_sizes.contrasts(source, made.fingerprint, made.size) is not None:
            continue
        try:
            _measure(source, run)
        except FlawscopeError as error:
            st.caption(str(error))
            return False
    return True


def _measure(source: Source, run: Look) -> None:
    bar = st.progress(0.0, "Measuring the contrast of every flaw; once for this data set …")

    def report(share: float, what: str) -> None:
        bar.progress(min(1.0, share), what)

    try:
        flaw_sizes.measure_contrast(source, run.run_id, report)
    finally:
        bar.empty()


@st.fragment
@navigation.safely
def over_seeds(
    source: Source, runs: Sequence[Look], classes: Sequence[str], by: str, say: Vocabulary
) -> None:
    """Each seed of the chosen runs by class, and whether seeds or classes matter more."""
    ended = results.runs(source)
    title = results.qualities()[by].title
    listed, values, spreads, seen = [], {}, {}, set()
    for run in runs:
        group = by_class.siblings(ended, run.run_id)
        if group["group_id"].iloc[0] in seen:  # another seed of a run that is shown already
            continue
        seen.add(group["group_id"].iloc[0])
        run = run._replace(label=by_class.without_seed(run.label))
        found = None
        if len(group) > 1:
            metrics = results.metrics(source, tuple(group["run_id"]))
            table = by_class.seed_values(metrics, group, classes, by)
            found = sources(table.to_numpy())
            listed.append(run)
            values[run.run_id] = table
            spreads[run.run_id] = [seed_spread(row) for row in table.to_numpy()]
        sentence = class_words.seeds(run.label, len(group), found, title)
        dot = f'<span class="fs-dot" style="background:{escape(run.colour)}"></span>'
        st.html(f'<p class="bc-line">{dot}{cards.inline(sentence)}</p>')
    if listed:
        figure = class_charts.over_seeds(listed, values, spreads, title)
        st.plotly_chart(figure, key="bc-seeds-plot", config=grids.PLOT)
        st.caption("A dot is a seed, the bar their mean, the line reaches from lowest to highest.")
    if len(listed) < len(seen):
        lone = ended[ended["run_id"] == runs[0].run_id].iloc[0]
        st.page_link(
            navigation.page("new_run"), label="Start more seeds", icon=":material/add:",
            query_params={"data": str(lone["dataset"]), "method": str(lone["method"])},
        )  # fmt: skip

"""Choose data sets, methods and seeds; see how many runs that makes and how long they take."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import actions, estimates, navigation, plans, queries, state
from dashboard.components import cards, pieces, run_cautions, run_plan

TITLE = "New run"
GROUP = "Prepare"
ORDER = 40
ICON = ":material/play_circle:"
URL = "new_run"


def render() -> None:
    pieces.styles()
    pieces.title(TITLE)
    methods = {entry["id"]: entry for entry in queries.methods()}
    data = {look.name: look for look in queries.data_sets() if look.made or look.name == "demo"}
    top = st.container()
    left, right = st.columns([5, 3], gap="medium")
    with left:
        plan, wrong = choose(data, methods)
    if not plan.data or not plan.methods:
        with top:
            cards.finding(
                "**Choose at least one data set and one method.** Everything else has a default "
                "that suits a first look."
            )
        return
    with right, st.container(border=True, key="plan"):
        words = summary(plan, wrong, data, methods)
    with top:
        cards.finding(words)


def choose(
    data: dict[str, queries.DataLook], methods: dict[str, dict[str, Any]]
) -> tuple[plans.Plan, list[str]]:
    """The form; what was chosen, and what is wrong with it."""
    titles = {id: entry["title"] for id, entry in methods.items()}
    with st.container(border=True, key="what"):
        names = state.pick_many(
            "data", list(data), label="Data sets", words={name: name for name in data},
            help="Registered data sets; add your own on the Data sets page.",
            key="new:data", labelled=True,
        )  # fmt: skip
        chosen = state.pick_many(
            "method", list(methods), label="Methods", words=titles,
            help="Each is trained and judged on every chosen data set.",
            key="new:method", labelled=True,
        )  # fmt: skip
        classes = run_plan.classes([data[name] for name in names])
        basics = run_plan.basics()
        backbones = run_plan.backbones([methods[id] for id in chosen])
    settings: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for id in chosen:
        with st.expander(f"Settings of {titles[id]}"):
            preset = str(basics["preset"])
            settings[id], complaints = run_plan.settings(methods[id], preset)
            wrong += [f"{titles[id]}: {sentence}" for sentence in complaints]
    plan = plans.Plan(
        data=list(names), methods=list(chosen), classes=classes, settings=settings,
        backbones=backbones, **basics,
    )  # fmt: skip
    return plan, wrong


def summary(
    plan: plans.Plan,
    wrong: list[str],
    data: dict[str, queries.DataLook],
    methods: dict[str, dict[str, Any]],
) -> str:
    """What will run and how long it takes, with the button; returns it in one sentence."""
    configs = plans.configs(plan, methods)
    machine = estimates.this_machine()
    done = [(look.record, look.status) for look in queries.runs()]
    measured = st.session_state.setdefault("measured", {})
    found = [
        plans.estimate(c, data[c.data], methods[c.method], done, machine, measured) for c in configs
    ]
    low, high, unknown = plans.total(found)
    run_plan.lines(configs, found, {id: entry["title"] for id, entry in methods.items()})
    run_cautions.show([data[name] for name in plan.data])
    for sentence in wrong:
        st.caption(f":red[{sentence}]")
    label = f"Queue {len(configs)} run{'s' * (len(configs) != 1)}"
    if st.button(label, type="primary", width="stretch", disabled=bool(wrong), key="queue"):
        try:
            actions.submit(configs)
        except actions.Refused as error:
            st.error(str(error))
            st.stop()
        st.switch_page(navigation.page("jobs"))
    if unknown and st.button(
        "Measure the time", width="stretch", disabled=bool(wrong), key="measure",
        help="Tries a few training steps on the real pictures, about half a minute a method.",
    ):  # fmt: skip
        with st.spinner("Trying a few steps of each method …"):
            measure_rest(configs, found, measured)
    return run_plan.headline(len(configs), low, high, unknown)


def measure_rest(configs: list[Any], found: list[Any], measured: dict[str, Any]) -> None:
    """Measure every kind of run whose time is not known."""
    try:
        for config, known in zip(configs, found, strict=True):
            if known is None and plans.kind(config) not in measured:
                measured[plans.kind(config)] = actions.measure(config)
    except actions.Refused as error:
        st.error(str(error))
        return
    st.rerun()

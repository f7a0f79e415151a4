"""What a person chose or typed outlives a visit to another page; a link always wins."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from dashboard import state

    state.carry()
    with state.filters("Title"):
        page = st.session_state.get("page", "one")
        if page == "one":
            state.pick("run", ["a", "b", "c"], label="Run")
            state.pick_many("with", ["x", "y", "z"], label="Beside", key="mine")
            st.text_input("Typed", key=state.kept("typed", "start"))
            st.selectbox("Of", [1, 2], key=state.kept("of", 1, (1, 2)))
            st.text_input("Forgotten", key="forgotten")


def opened(**query: str) -> AppTest:
    test = AppTest.from_function(script, default_timeout=20)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def away_and_back(test: AppTest, **query: str) -> AppTest:
    """Leave the page through the sidebar, which empties the address, and return."""
    test.session_state["page"] = "two"
    for name in ("run", "with"):
        test.query_params.pop(name, None)
    test.run()
    test.session_state["page"] = "one"
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def test_choices_and_typed_text_are_kept() -> None:
    test = opened()
    test.selectbox(key="run").set_value("b")
    test.multiselect(key="mine").set_value(["z", "x"])
    test.text_input(key="typed").set_value("half a sentence")
    test.text_input(key="forgotten").set_value("gone")
    test.selectbox(key="of").set_value(2)
    test.run()
    away_and_back(test)
    assert test.selectbox(key="run").value == "b"
    assert test.multiselect(key="mine").value == ["z", "x"]
    assert test.text_input(key="typed").value == "half a sentence"
    assert test.selectbox(key="of").value == 2
    assert test.text_input(key="forgotten").value == "", "only what asks for it is kept"
    assert test.query_params["run"] == "b" and not test.exception


def test_a_link_wins_over_what_was_kept() -> None:
    test = opened(run="c")
    assert test.selectbox(key="run").value == "c"
    away_and_back(test, run="a", **{"with": "y"})
    assert test.selectbox(key="run").value == "a"
    assert test.multiselect(key="mine").value == ["y"]


def test_a_kept_value_that_is_no_option_any_more_falls_back() -> None:
    test = opened()
    test.selectbox(key="of").set_value(2).run()
    test.session_state["page"] = "two"
    test.run()
    test.session_state["of"], test.session_state["page"] = 7, "one"
    assert test.run().selectbox(key="of").value == 1

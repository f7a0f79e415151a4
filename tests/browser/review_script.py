"""The review panel alone, on the first cases of the newest run; run by test_review.py.

The address says which case (`case`, a number) and who looks (`who`).
"""

from __future__ import annotations

import streamlit as st

from core.store import read
from dashboard import header, results, state
from dashboard.components.review import review_panel

st.set_page_config(layout="wide")
state.carry()
if st.query_params.get("who"):
    st.session_state.setdefault(header.AUTHOR, st.query_params["who"])
    st.text_input("You", key=header.AUTHOR)
source = results.source()
run_id = str(results.runs(source)["run_id"].iloc[0])
cases = read.cases(source.workspace, run_id)
cases = cases[cases["label"] == 1].reset_index(drop=True)
at = int(st.query_params.get("case", "0"))


def _go(to: int) -> None:
    st.query_params["case"] = str(to)


st.title(f"Case {at}")
st.button("Other case", on_click=_go, args=(at ^ 1,))
review_panel(source, run_id, cases.iloc[at])

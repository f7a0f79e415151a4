"""The entry: `streamlit run dashboard/app.py`, from any working directory."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# streamlit puts dashboard/ on the path; `import core` and `import dashboard` need the root.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p not in (str(HERE), str(HERE.parent)))]

import streamlit as st  # noqa: E402

from dashboard import header, navigation, state, theme, tour  # noqa: E402

st.set_page_config(
    page_title="Flawscope", page_icon=str(HERE / "static" / "icon.svg"), layout="wide"
)
navigation.start_log()
state.carry()
theme.apply()
page = st.navigation(navigation.build(), expanded=True)
header.render()
tour.render(page.url_path)
page.run()

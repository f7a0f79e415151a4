"""One page as the dashboard runs it; its file stem stands in the session state. Run by AppTest."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[2]))

from dashboard import navigation

st.navigation(navigation.build())
importlib.import_module(f"pages.{st.session_state['stem']}").render()

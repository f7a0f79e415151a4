"""Flawscope's engine room: data, methods, metrics, runs and the store. Never imports streamlit."""

__version__ = "0.1.0"

"""The dashboard: what pages are made of; `app.py` is the entry."""

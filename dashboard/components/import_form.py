"""The form of an importer, made from its settings: what to decide in view, the rest folded.

A setting's label is the beginning of its description. Where the source says what can be chosen
(folders, columns of a table), it is chosen from that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data.importing.base import IMPORTERS
from core.data.importing.splits import Splits
from dashboard.adding import Form, Way
from dashboard.components.settings_form import Setting, check, settings_of
from dashboard.state import kept

FIRST = {
    "folder": ("normal", "others"),
    "table": ("image", "label", "normal", "class_column", "anomaly_type", "split", "mask"),
}
"""What each importer shows unfolded; of others the first three."""
COLUMNS = (
    "image", "label", "class_column", "split", "mask", "anomaly_type", "specimen", "time",
)  # fmt: skip
"""Settings of a table that name a column."""
_LABEL = 64


def settings(way: Way, form: Form, key: str) -> tuple[dict[str, Any], list[str]]:
    """Draw the widgets; returns every setting, and what is wrong."""
    found = settings_of(IMPORTERS.get(way.importer).options.model_json_schema())
    names = [one.name for one in found]
    first = FIRST.get(way.importer, tuple(names[:3]))
    values, wrong = dict(form.suggested), list[str]()
    shown = [one for one in found if one.name in first and _applies(one, way, form, values)]
    for one in shown:
        _one(one, way, form, values, wrong, key)
    rest = [one for one in found if one.name not in first]
    if rest:
        with st.expander("More settings"):
            for one in rest:
                _one(one, way, form, values, wrong, key)
    return values, wrong


def _applies(one: Setting, way: Way, form: Form, values: dict[str, Any]) -> bool:
    """Whether the source gives anything to decide here."""
    if way.importer == "folder" and one.name in ("normal", "others", "classes"):
        return bool(form.folders)
    return True


def _one(
    one: Setting, way: Way, form: Form, values: dict[str, Any], wrong: list[str], key: str
) -> None:
    value = values.get(one.name)
    if way.importer == "table" and one.name == "normal":
        offered: Sequence[str] | None = (form.columns or {}).get(values.get("label") or "", ())
        if not values.get("label"):
            return
        # what is chosen belongs to the column, so another column starts anew
        key = f"{key}:{values['label']}"
    else:
        offered = _offered(one, way, form)
    came = _widget(one, value, offered, f"{key}:{one.name}")
    complaint = check(one, came)
    if complaint:
        wrong.append(complaint)
        st.caption(f":red[{complaint}]")
    values[one.name] = came


def _offered(one: Setting, way: Way, form: Form) -> Sequence[str] | None:
    """What can be chosen for a setting; None: anything."""
    if way.importer == "folder" and one.name == "normal":
        return form.folders
    if way.importer == "table" and one.name in COLUMNS:
        return ("", *(form.columns or {}))
    return None


def _widget(one: Setting, value: Any, offered: Sequence[str] | None, key: str) -> Any:
    label, help = said(one)
    if one.kind == "list":
        return _several(label, help, value, offered, key)
    if offered is not None:
        options = list(offered)
        start = value if value in options else options[0]
        return st.selectbox(
            label, options, key=kept(key, start, options), help=help,
            format_func=lambda name: name or "none",
        )  # fmt: skip
    if one.kind == "choice":
        named: list[Any] = [*([None] if one.optional else []), *one.choices]
        start = value if value in named else named[0]
        return st.selectbox(
            label, named, key=kept(key, start, named), help=help,
            format_func=lambda name: choice(one, name),
        )  # fmt: skip
    if one.kind == "yes or no":
        return st.toggle(label, key=kept(key, bool(value)), help=help)
    if one.kind in ("whole number", "number"):
        whole = one.kind == "whole number"
        start = None if value is None else (int(value) if whole else float(value))
        low, high = (
            None if bound is None else (int(bound) if whole else float(bound))
            for bound in (one.low, one.high)
        )
        return st.number_input(
            label, low, high, None, 1 if whole else None, key=kept(key, start), help=help,
            placeholder="automatic",
        )  # fmt: skip
    text = st.text_input(label, key=kept(key, "" if value is None else str(value)), help=help)
    return text if text or not one.optional else None


def _several(
    label: str, help: str | None, value: Any, offered: Sequence[str] | None, key: str
) -> list[str]:
    """Several words: chosen from what is there, else written with commas."""
    held = [str(word) for word in value or ()]
    if offered:
        start = [word for word in offered if word.lower() in {w.lower() for w in held}]
        return list(st.multiselect(label, list(offered), key=kept(key, start), help=help))
    text = st.text_input(label, key=kept(key, ", ".join(held)), help=help)
    return [word.strip() for word in text.split(",") if word.strip()]


def choice(one: Setting, value: Any) -> str:
    """What a choice is called: as the description explains it ("good: every image is normal")."""
    if value is None:
        return "automatic"
    explained = re.search(rf"(?:^|[;:.] ?){re.escape(str(value))}: ([^;]+)", one.help)
    words = str(value).replace("_", " ")
    return f"{words}: {explained[1].strip()}" if explained else words


def said(one: Setting) -> tuple[str, str | None]:
    """Label and help of a setting: the beginning of its description, and all of it."""
    text = one.help.strip()
    begin = re.split(r"[;:(]", text, maxsplit=1)[0].strip()
    telling = " " in begin and len(begin) <= _LABEL
    label = begin[:1].upper() + begin[1:] if telling else one.label
    whole = text[:1].upper() + text[1:]
    return label, (f"{whole.rstrip('.')}." if whole and whole != label else None)


def splits(key: str) -> Splits:
    """How splits are drawn; shown where the source gives none."""
    share = st.slider(
        "Good images kept for testing", 5, 80, step=5, format="%d %%", key=kept(f"{key}:share", 30),
        help="The rest is what methods learn from. Images with defects are only ever tested.",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        held = st.slider(
            "Good images kept for thresholds", 0, 40, step=5, format="%d %%",
            key=kept(f"{key}:held", 0),
            help="Nobody learns from them; a run that is meant for use takes its thresholds from "
            "them. At 0 %, each such run sets a tenth aside for itself.",
        )  # fmt: skip
        seed = st.number_input(
            "Draw", 0, 1_000_000, step=1, key=kept(f"{key}:seed", 0), width=116,
            help="Another number draws other images for testing; the same number draws the same.",
        )  # fmt: skip
    return Splits(test_share=share / 100, calibration_share=held / 100, seed=int(seed))

"""A form for a method's settings, built from the JSON schema of its typed config.

One widget a field: its kind, bounds, choices and default come from the schema, its help from the
description. Only what a person changed is returned, so that a run records what was chosen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from dashboard.state import kept

Kind = Literal["choice", "yes or no", "whole number", "number", "text", "list"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a config, as a form needs it.

    Attributes:
        low, high: inclusive bounds; exclusive ones are moved inside by `nudge` of `number_widget`.
        optional: None may be chosen (left empty).
        choices: of a "choice".
    """

    name: str
    kind: Kind
    default: Any
    help: str = ""
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    optional: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def label(self) -> str:
        words = self.name.replace("_", " ")
        return words[:1].upper() + words[1:]

    @property
    def bounds(self) -> str:
        """ "0.001 to 1", "above 0", "" """
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{'above' if self.open_low else 'at least'} {self.low:g}"
        if self.high is not None:
            return f"{'below' if self.open_high else 'at most'} {self.high:g}"
        return ""


def settings_of(schema: Mapping[str, Any]) -> list[Setting]:
    """The fields of a pydantic JSON schema, in their order."""
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    return [
        _setting(name, _resolved(field, definitions), name in required)
        for name, field in schema.get("properties", {}).items()
    ]


def defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Every field's default."""
    return {setting.name: setting.default for setting in settings_of(schema)}


def _resolved(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """`field` with references and "or null" taken apart; the latter sets `nullable`."""
    found = dict(field)
    for part in found.pop("allOf", ()):
        found = _resolved(part, definitions) | found
    if "$ref" in found:
        target = definitions[found.pop("$ref").rsplit("/", 1)[-1]]
        found = {**_resolved(target, definitions), **found}
    options = found.pop("anyOf", None)
    if options:
        kept = [_resolved(one, definitions) for one in options if one.get("type") != "null"]
        found["nullable"] = len(kept) < len(options)
        found = {**(kept[0] if len(kept) == 1 else {}), **found}
    return found


def _setting(name: str, field: dict[str, Any], required: bool) -> Setting:
    kinds: dict[Any, Kind] = {
        "boolean": "yes or no", "integer": "whole number", "number": "number", "array": "list",
    }  # fmt: skip
    choices = tuple(field.get("enum", ())) or ((field["const"],) if "const" in field else ())
    low, high = field.get("minimum"), field.get("maximum")
    open_low, open_high = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    return Setting(
        name=name,
        kind="choice" if choices else kinds.get(field.get("type"), "text"),
        default=None if required else field.get("default"),
        help=field.get("description", ""),
        low=open_low if low is None else low,
        high=open_high if high is None else high,
        open_low=low is None and open_low is not None,
        open_high=high is None and open_high is not None,
        optional=bool(field.get("nullable")),
        choices=choices,
    )


def settings_form(schema: Mapping[str, Any], key: str) -> tuple[dict[str, Any], list[str]]:
    """Draw the widgets, three a row; returns what was changed, and what is wrong."""
    changed: dict[str, Any] = {}
    wrong: list[str] = []
    settings = settings_of(schema)
    if not settings:
        st.caption("This method has nothing to set.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for setting in settings:
            value = _widget(setting, f"{key}:{setting.name}")
            complaint = check(setting, value)
            if complaint:
                wrong.append(complaint)
            elif setting.kind == "list":
                value = value if not isinstance(value, str) else parsed_list(value)
            if not complaint and value != setting.default:
                changed[setting.name] = value
    for sentence in wrong:
        st.caption(f":red[{sentence}]")
    return changed, wrong


def parsed_list(text: str) -> list[Any]:
    """ "1, 2.5, max" -> [1, 2.5, "max"]; raises nothing."""
    return [_plain(part.strip()) for part in text.strip("[]() ").split(",") if part.strip()]


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def check(setting: Setting, value: Any) -> str:
    """What is wrong with a value, one sentence; "" when nothing is."""
    if value is None:
        if setting.optional or setting.default is None:
            return ""
        return f"{setting.label} is empty; its default is {setting.default}."
    if setting.kind in ("whole number", "number"):
        low = setting.low is not None and (
            value < setting.low or (setting.open_low and value <= setting.low)
        )
        high = setting.high is not None and (
            value > setting.high or (setting.open_high and value >= setting.high)
        )
        if low or high:
            return f"{setting.label} came as {value:g}; expected {setting.bounds}."
    return ""


def _widget(setting: Setting, key: str) -> Any:
    help = " ".join(part for part in (_sentence(setting.help), _range(setting)) if part) or None
    if setting.kind == "choice":
        options = [*([None] if setting.optional else []), *setting.choices]
        start = options.index(setting.default) if setting.default in options else 0
        return st.selectbox(
            setting.label, options, key=kept(key, options[start], options), help=help, width=200,
            format_func=lambda value: "automatic" if value is None else str(value),
        )  # fmt: skip
    if setting.kind == "yes or no":
        key = kept(key, bool(setting.default))
        return st.toggle(setting.label, key=key, help=help, width=200)
    if setting.kind == "whole number":
        return _whole_number(setting, key, help)
    if setting.kind == "number":
        return _number(setting, key, help)
    shown = setting.default
    if setting.kind == "list" and shown is not None:
        shown = ", ".join(map(str, shown))
    text = st.text_input(setting.label, key=kept(key, shown or ""), help=help, width=200)
    if setting.kind == "list":
        return setting.default if text == (shown or "") else text
    return (text or None) if setting.default is None else text


def _whole_number(setting: Setting, key: str, help: str | None) -> int | None:
    low, high = (None if bound is None else int(bound) for bound in (setting.low, setting.high))
    value = st.number_input(
        setting.label, low, high, None, 1, key=kept(key, setting.default), help=help, width=200,
        placeholder="automatic",
    )  # fmt: skip
    return None if value is None else int(value)


def _number(setting: Setting, key: str, help: str | None) -> float | None:
    default: float | None = None if setting.default is None else float(setting.default)
    low, high = (None if bound is None else float(bound) for bound in (setting.low, setting.high))
    size = abs(default) if default else 1.0
    step = float(f"{size / 10:.0e}")
    form = "%g" if size >= 1e-3 else "%.2e"
    return st.number_input(
        setting.label, low, high, None, step, form, key=kept(key, default), help=help, width=200,
        placeholder="automatic",
    )  # fmt: skip


def _sentence(text: str) -> str:
    text = text.strip()
    return (
        text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
        if text
        else ""
    )


def _range(setting: Setting) -> str:
    default = "automatic" if setting.default is None else setting.default
    if isinstance(default, bool):
        default = "yes" if default else "no"
    allowed = f", {setting.bounds}" if setting.bounds else ""
    return f"Default {default}{allowed}."

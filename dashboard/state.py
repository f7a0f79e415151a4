"""Filters that live in the address bar: every view has a URL that restores it.

A filter is a compact picker; its query parameter holds the option itself. (Streamlit's own
`bind="query-params"` writes what the option is called, so a link would break with its label.)
What the address asks for and the options do not hold is dropped, so that an old link opens the
page with its default instead of failing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st

_SEEN = "fs-address-"
"""Session key that holds what the address said at the last look, by parameter."""
_KEPT = "fs-kept"
"""Session key of the keys whose values outlive a visit to another page."""


def carry() -> None:
    """Keep what was chosen and typed although its page is left; app.py calls it first.

    Streamlit forgets the value of a widget that a run of the script does not draw.
    """
    for key in st.session_state.get(_KEPT, ()):
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def kept(key: str, start: Any = None, options: Collection[Any] | None = None) -> str:
    """`key`, for a widget whose value `carry` keeps; the widget itself is given no default.

    Args:
        start: the value at first, and whenever the held one is not among `options`.
    """
    keys: set[str] = st.session_state.setdefault(_KEPT, set())
    keys.add(key)
    held = st.session_state.get(key)
    if key not in st.session_state or (options is not None and held not in options):
        st.session_state[key] = start
    return key


@contextmanager
def filters(title: str) -> Iterator[None]:
    """The page's title and, in the same row, the pickers made inside the block."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="fs-filters"):
        st.title(title, width="content", anchor=False)
        yield


def pick(
    name: str,
    options: Sequence[str],
    *,
    label: str,
    words: Mapping[str, str] | None = None,
    help: str | None = None,
    default: str | None = None,
    always: bool = False,
) -> str:
    """One of `options`, kept in the URL as `name`.

    Args:
        name: query parameter and session key.
        options: what can be chosen, not empty; the first one is the default.
        label: what is chosen; stands before the value.
        words: how options are written where people read them.
        always: the URL names the default too; for options that come and go, such as runs.

    Raises:
        ValueError: there is no option.
    """
    if not options:
        raise ValueError(f"Filter {name!r} has no option to choose from.")
    first = default if default is not None and default in options else options[0]
    asked = st.query_params.get(name)
    held = st.session_state.get(name)
    if asked in options and [asked] != _seen(name):  # a link was followed
        held = asked
    st.session_state[name] = held if held in options else first
    chosen = st.selectbox(
        label, options, key=kept(name),
        format_func=lambda option: spoken(label, option, words), label_visibility="collapsed",
        help=help, width=_width(label, options, words),
    )  # fmt: skip
    chosen = chosen if chosen in options else first
    _write(name, [] if chosen == first and not always else [chosen])
    return chosen


def pick_many(
    name: str,
    options: Sequence[str],
    *,
    label: str,
    words: Mapping[str, str] | None = None,
    most: int | None = None,
    help: str | None = None,
    key: str | None = None,
    labelled: bool = False,
) -> tuple[str, ...]:
    """Any of `options`, at most `most`, kept in the URL as repeated `name`; () when none.

    Args:
        key: session key, `name` when not given.
        labelled: the label stands above, in full width, instead of inside.
    """
    if not options:
        return ()
    key = key or name
    asked = [one for one in st.query_params.get_all(name) if one in options]
    held = st.session_state.get(key)
    if held is None or (asked and asked != _seen(name)):
        held = asked
    st.session_state[key] = [one for one in held if one in options][:most]
    chosen = st.multiselect(
        label, options, key=kept(key), max_selections=most,
        placeholder="Choose" if labelled else label,
        format_func=lambda option: (words or {}).get(option, option.replace("_", " ")),
        label_visibility="visible" if labelled else "collapsed", help=help,
        width="stretch" if labelled else _width(label, options, words),
    )  # fmt: skip
    found = tuple(one for one in chosen if one in options)[:most]
    _write(name, list(found))
    return found


def spoken(label: str, option: str, words: Mapping[str, str] | None = None) -> str:
    """ "Class magnetic tile": what a picker shows of an option."""
    return f"{label}: {(words or {}).get(option, option.replace('_', ' '))}"


def _write(name: str, values: list[str]) -> None:
    """Let the address say `values`, and remember it, so that a followed link is noticed."""
    if st.query_params.get_all(name) != values:
        if values:
            st.query_params[name] = values
        else:
            del st.query_params[name]
    st.session_state[_SEEN + name] = values


def _seen(name: str) -> list[str] | None:
    found: list[str] | None = st.session_state.get(_SEEN + name)
    return found


def _width(label: str, options: Sequence[str], words: Mapping[str, str] | None) -> int:
    """Pixels that hold the longest option, within reason."""
    longest = max(len(spoken(label, option, words)) for option in options)
    return min(280, max(110, 48 + round(longest * 6.5)))

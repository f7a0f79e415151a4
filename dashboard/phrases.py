"""Small phrases that every sentence is made of: names made harmless, counts, lists, figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.data.layout import SOURCE
from dashboard.ranking import Interval

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&:])")


def plain(name: str) -> str:
    """A name as people read it: underscores as spaces, Markdown made harmless."""
    return SPECIAL.sub(r"\\\1", str(name).replace("_", " ").strip())


def image_name(key: str, parts: int = 2) -> str:
    """The end of a key that people read: folder and name without suffix; 0: all of its parts.

    What leads to the images of an imported data set says nothing and is left out.
    """
    names = key.removeprefix(f"{SOURCE}/").rsplit(".", 1)[0].split("/")
    return "/".join(names[-parts:])


def many(count: int, one: str, several: str | None = None) -> str:
    """ "1 case", "3 cases"."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def word(count: int) -> str:
    """Small numbers as words."""
    return WORDS[count] if 0 <= count < len(WORDS) else str(count)


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def figure(one: Interval) -> str:
    """ "0.812 (0.781 to 0.840)"."""
    if one.low is None or one.high is None:
        return f"{one.value:.3f}"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"

"""Where Real-IAD's lists of samples are: sets of <class>.json, and the images they speak of.

Nested (realiad_jsons/realiad_jsons_sv/<class>.json), directly in the root
(realiad_jsons_sv/<class>.json), or one set beside the classes (<class>.json, <class>/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.data.layout import Tree, below
from core.data.reading import can_name_class, head

LISTS = "realiad_jsons"
FIVE_VIEWS = "five_views"
BESIDE = "beside_classes"

_SIGNS = (b'"anomaly_class"', b'"normal_class"')
_RESOLUTIONS = ("1024", "512", "256", "raw")


@dataclass(frozen=True, slots=True)
class Lists:
    """One set of lists with the images it speaks of.

    Attributes:
        place: key of the folder of <class>.json.
        images: key of the folder of <class>/.
        about: what it is, a sentence.
        noisy: anomalies in training are meant to be there.
    """

    place: str
    images: str
    about: str
    noisy: bool = False


def sets_of(tree: Tree) -> dict[str, Lists]:
    """Sets of lists by id, the five views first, and with several sizes of images one of each."""
    homes = [f"realiad_{size}" for size in _RESOLUTIONS if tree.has_folder(f"realiad_{size}")]
    found: dict[str, Lists] = {}
    if homes:
        for place, suffix in _places(tree):
            for home in homes:
                size = home.removeprefix("realiad_")
                id, about, noisy = _named(suffix)
                if len(homes) > 1:
                    id, about = f"{id} {size}", f"{about.rstrip('.')}; images in {home}."
                found.setdefault(id, Lists(place, home, about, noisy))
    elif listed(tree, ""):
        found[BESIDE] = Lists("", "", "lists of all five views beside the classes.")
    return dict(sorted(found.items(), key=lambda pair: _rank(pair[0])))


def _places(tree: Tree) -> Iterator[tuple[str, str]]:
    """Key of each folder of lists, and what its name says beyond `realiad_jsons`."""
    outer = [name for name in tree.listing().folders if name.startswith(LISTS)]
    inner = [below(LISTS, name) for name in tree.listing(LISTS).folders]
    for place in (*inner, *outer):
        name = place.rpartition("/")[2]
        if name.startswith(LISTS) and listed(tree, place):
            yield place, name.removeprefix(LISTS).lstrip("_")


def listed(tree: Tree, place: str) -> list[str]:
    """Classes with a list in a folder, if its first list looks like one."""
    names = [name for name in tree.listing(place).files if name.endswith(".json")]
    if place == "":  # ADer's place, where other files may lie
        folders = set(tree.listing().folders)
        names = [name for name in names if name.removesuffix(".json") in folders]
    names = [name for name in names if can_name_class(name.removesuffix(".json"))]
    if not names:
        return []
    start = head(tree.root / below(place, names[0]))
    return [name.removesuffix(".json") for name in names] if any(s in start for s in _SIGNS) else []


def _named(suffix: str) -> tuple[str, str, bool]:
    """Id, sentence and whether training is meant to hold anomalies."""
    if suffix == "":
        return FIVE_VIEWS, "lists of all five views.", False
    if suffix == "sv":
        return "single_view", "lists of the first view only (C1).", False
    if suffix.startswith("fuiad"):
        level = suffix.removeprefix("fuiad").strip("_")
        share = f"{float(level):.0%}" if re.fullmatch(r"[01]\.\d+", level) else "a part"
        about = f"training contaminated on purpose: {share} of its images are of flawed parts."
        return f"fuiad_{level}", about, float(level) > 0 if share != "a part" else True
    return suffix, f"lists in a folder named {LISTS}_{suffix}.", False


def _rank(id: str) -> tuple[int, str, int]:
    name, _, size = id.partition(" ")
    order = (FIVE_VIEWS, "single_view")
    place = order.index(name) if name in order else len(order)
    return place, name, _RESOLUTIONS.index(size) if size in _RESOLUTIONS else 0

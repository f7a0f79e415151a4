"""The Browse page: images of a data set, filtered and sorted, and what can be said of them.

Pure functions of pandas frames, quick for 100,000 images. A table has one row a sample in the
order of the data set, with the columns

    key, class_name, anomaly_type, split, label, masks (number of files), specimen, view
    given       the split before people's edits; `split` is the one that counts
    excluded    whether an edit leaves the image out
    found       the key in lower case, which the text filter looks through

and, once the doctor has examined the data set, those of `FACTS`; NaN where it knows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.base import Dataset
from core.data.doctor.base import Examination, Finding
from core.data.edits import Edit, concerns
from core.types import Split
from dashboard.casework import ALL

PAGE = 60
Places = npt.NDArray[np.intp]
"""Positions of rows in a table."""
FACTS = ("width", "height", "brightness", "sharpness", "area_share")
SPLITS: tuple[Split, ...] = ("train", "test", "calibration")
IN_USE, EVERY, EXCLUDED, MOVED = "in use", "all", "excluded", "moved"
STATES = (IN_USE, EVERY, EXCLUDED, MOVED)
NO_AREA = "unknown"
SIZES = {"under 0.1 %": (0.0, 1e-3), "0.1 to 1 %": (1e-3, 1e-2), "1 to 10 %": (1e-2, 0.1),
         "over 10 %": (0.1, np.inf)}  # fmt: skip
"""Share of the image that is marked: from (exclusive for the first) and below."""
FILED = "as filed"
ORDERS: dict[str, tuple[str, bool]] = {
    "name": ("found", True),
    "largest flaw first": ("area_share", False),
    "smallest flaw first": ("area_share", True),
    "darkest first": ("brightness", True),
    "brightest first": ("brightness", False),
    "least sharp first": ("sharpness", True),
    "largest image first": ("pixels", False),
}
"""What to sort by: a column, and whether it rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the page was asked for; each filter may be `ALL`.

    Attributes:
        size: one of `SIZES`, or `NO_AREA` for flaws without a usable mask.
        finding: an id of `finding_ids`.
        state: one of `STATES`.
        text: what the name has to contain, in any case.
        order: `FILED` or one of `ORDERS`.
    """

    data: str
    class_name: str = ALL
    split: str = ALL
    type: str = ALL
    size: str = ALL
    finding: str = ALL
    state: str = IN_USE
    text: str = ""
    order: str = FILED


# -- tables ---------------------------------------------------------------------------------------


def table_of(dataset: Dataset) -> pd.DataFrame:
    """One row a sample, as it was brought in."""
    samples = dataset.samples
    found = pd.DataFrame(
        {
            "key": pd.array([s.key for s in samples], dtype="str"),
            "class_name": pd.Categorical([s.class_name for s in samples]),
            "anomaly_type": pd.Categorical([s.anomaly_type for s in samples]),
            "split": pd.Categorical([s.split for s in samples], SPLITS),
            "label": np.fromiter((s.label for s in samples), np.int8, len(samples)),
            "masks": np.fromiter((len(s.masks) for s in samples), np.int32, len(samples)),
            "specimen": pd.Categorical([s.specimen for s in samples]),
            "view": pd.Categorical([s.view for s in samples]),
        }
    )
    return found.assign(
        given=found["split"], excluded=False, found=found["key"].str.lower()
    )  # fmt: skip


def edited(table: pd.DataFrame, edits: Sequence[Edit]) -> pd.DataFrame:
    """The table as people left it: the last edit of an image counts, see `core.data.edits`."""
    fate = {key: edit for edit in edits for key in edit.keys}
    if not fate:
        return table
    excluded = np.zeros(len(table), bool)
    split = table["given"].to_numpy(dtype=object).copy()
    labels = table["label"].to_numpy()
    for place, key in enumerate(table["key"]):
        one = fate.get(key)
        if one is None or not concerns(one, int(labels[place])):
            continue
        excluded[place] = one.action == "exclude"
        split[place] = one.split or split[place]
    return table.assign(excluded=excluded, split=pd.Categorical(split, SPLITS))


def with_facts(table: pd.DataFrame, examination: Examination | None) -> pd.DataFrame:
    """The table with what the doctor knows of every image."""
    if examination is None:
        return table
    facts = examination.facts
    if "key" in facts:
        facts = facts.set_index("key")
    facts = facts[[name for name in FACTS if name in facts]]
    facts = facts[~facts.index.duplicated()].reindex(pd.Index(table["key"]))
    found = pd.concat([table, facts.set_axis(table.index)], axis=1)
    if {"width", "height"} <= {*found}:
        found["pixels"] = found["width"] * found["height"]
    return found


def finding_ids(examination: Examination | None) -> dict[str, Finding]:
    """{id that an address can hold: finding}; the next examination gives the same ids."""
    found: dict[str, Finding] = {}
    for one in examination.findings if examination else ():
        base = f"{one.check}-{one.severity}"
        id, n = base, 1
        while id in found:
            n += 1
            id = f"{base}-{n}"
        found[id] = one
    return found


# -- filters --------------------------------------------------------------------------------------


def select(table: pd.DataFrame, choice: Choice, finding: Finding | None = None) -> Places:
    """The rows that a choice asks for, in its order; a finding's own images come worst first."""
    keep = _in_state(table, choice.state)
    for column, wanted in (
        ("class_name", choice.class_name), ("split", choice.split), ("anomaly_type", choice.type),
    ):  # fmt: skip
        if wanted != ALL:
            keep &= (table[column] == wanted).to_numpy(dtype=bool)
    if choice.size != ALL and "area_share" in table:
        keep &= _of_size(table, choice.size)
    if choice.text:
        sought = table["found"].str.contains(choice.text.lower(), regex=False)
        keep &= sought.to_numpy(dtype=bool)
    places: Places = np.flatnonzero(keep)
    if finding is not None:
        rank = {key: n for n, key in enumerate(finding_order(finding))}
        ranks = np.array([rank.get(key, -1) for key in table["key"].iloc[places]], int)
        places = places[ranks >= 0][np.argsort(ranks[ranks >= 0], kind="stable")]
    return _sorted(table, places, choice.order)


def finding_order(finding: Finding) -> list[str]:
    """Keys of a finding, those of a group together."""
    grouped = [key for group in finding.groups for key in group]
    return list(dict.fromkeys([*grouped, *finding.keys]))


def open_keys(table: pd.DataFrame, finding: Finding) -> list[str]:
    """The images a finding's action is for that are not yet as it would leave them."""
    mine = table[table["key"].isin(set(finding.fix_keys))]
    done = mine["excluded"]
    if finding.action == "move":
        done = done | (mine["split"] == finding.split)
    left = set(mine["key"][~done])
    return [key for key in finding.fix_keys if key in left]


def orders(table: pd.DataFrame) -> list[str]:
    """What this table can be sorted by."""
    return [FILED, *(name for name, (column, _) in ORDERS.items() if column in table)]


def _in_state(table: pd.DataFrame, state: str) -> npt.NDArray[np.bool_]:
    excluded = table["excluded"].to_numpy(dtype=bool)
    if state == EVERY:
        return np.ones(len(table), bool)
    if state == EXCLUDED:
        return excluded.copy()
    if state == MOVED:
        changed = table["split"].to_numpy(dtype=object) != table["given"].to_numpy(dtype=object)
        return np.asarray(changed & ~excluded, dtype=bool)
    return ~excluded


def _of_size(table: pd.DataFrame, size: str) -> npt.NDArray[np.bool_]:
    share = table["area_share"].to_numpy(dtype=float)
    marked = share > 0
    if size not in SIZES:
        return np.asarray((table["label"].to_numpy() == 1) & ~marked, dtype=bool)
    low, high = SIZES[size]
    return np.asarray(marked & (share >= low) & (share < high), dtype=bool)


def _sorted(table: pd.DataFrame, places: Places, order: str) -> Places:
    column, rising = ORDERS.get(order, ("", True))
    if column not in table:
        return places
    values = table[column].iloc[places]
    if column == "area_share":
        values = values.where(values > 0)  # images without a flaw stay last
    ranked = values.reset_index(drop=True).sort_values(
        ascending=rising, kind="stable", na_position="last"
    )
    ordered: Places = places[ranked.index.to_numpy()]
    return ordered

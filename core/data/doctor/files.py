"""Checks of single files: unreadable ones, and sizes and modes unlike the rest of their class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.words import are, counted, have, listed
from core.data.images import read_image
from core.data.layout import inside
from core.errors import DataError

ALIKE = 0.9
"""Share of a class that has to be alike for the rest to be outliers."""
FEWEST = 10
"""Images a class needs for that."""
LOOKED_AT, COLOURLESS = 100, 6
"""Images whose colours are looked at, and levels between channels that count as none."""
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")


@check("unreadable")
def unreadable(patient: Patient) -> Iterator[Finding]:
    """Files that are truncated, no images, of an unknown range of values, or gone."""
    wrong = patient.facts[patient.facts["error"] != ""]
    if not len(wrong):
        return
    keys = tuple(map(str, wrong.index))
    yield Finding(
        check="unreadable",
        severity="error",
        title=f"{counted(len(keys), 'image')} cannot be read",
        keys=keys,
        detail=str(wrong["error"].iloc[0]),
        remedy="Replace them by intact copies, or exclude them; runs leave them out either way.",
        action="exclude",
        fix_keys=keys,
    )


@check("size")
def size(patient: Patient) -> Iterator[Finding]:
    """Images whose size or aspect is unlike their class's.

    Where nine in ten share one size, the others are outliers. Elsewhere an outlier's area differs
    from the class's median by a factor of four or its aspect by a factor of two, and by more than
    six robust standard deviations (1.4826 x median absolute deviation).
    """
    rows = _sound(patient)
    far: dict[str, float] = {}
    for _, mine in rows.groupby("class_name", sort=True):
        if len(mine) >= FEWEST:
            far |= _unlike(mine)
    keys = tuple(sorted(far, key=lambda key: (-far[key], key)))
    if not keys:
        return
    worst = rows.loc[keys[0]]
    usual = rows[rows["class_name"] == worst["class_name"]][["width", "height"]].median()
    severe = far[keys[0]] >= np.log(2)
    yield Finding(
        check="size",
        severity="warning" if severe else "note",
        title=f"{counted(len(keys), 'image')} {have(len(keys))} another size than "
        f"{'its' if len(keys) == 1 else 'their'} class",
        keys=keys,
        detail=f"{keys[0]} has {worst['width']}x{worst['height']} px; {worst['class_name']} "
        f"usually has {usual['width']:.0f}x{usual['height']:.0f} px. Every image is resized to "
        f"{patient.size}x{patient.size} px, so another aspect or scale changes how parts look.",
        remedy="Crop or scale them like the others, or exclude them.",
        action="exclude" if severe else None,
        fix_keys=keys if severe else (),
    )


@check("mode")
def mode(patient: Patient) -> Iterator[Finding]:
    """Colour images in a class of grey ones or the reverse, and kinds that have to be converted
    where nine in ten of the class do not."""
    rows = _sound(patient)
    what = np.where(rows["mode"].isin(_GREY), "grey", "colour").astype(object)
    rows["shown"] = [
        f"{one}, {kind}" if kind else one for one, kind in zip(what, rows["kind"], strict=True)
    ]
    odd: list[str] = []
    for _, mine in rows.groupby("class_name", sort=True):
        counts = mine["shown"].value_counts()
        if len(mine) >= FEWEST and len(counts) > 1 and counts.iloc[0] >= ALIKE * len(mine):
            odd += mine.index[mine["shown"] != counts.index[0]].tolist()
    if not odd:
        return
    first = rows.loc[odd[0]]
    usual = rows[rows["class_name"] == first["class_name"]]["shown"].mode().iloc[0]
    kinds = listed(sorted(set(rows.loc[odd, "shown"])))
    harmless = set(rows.loc[odd, "kind"]) == {""} and _all_grey(patient, rows, odd)
    yield Finding(
        check="mode",
        severity="note" if harmless else "warning",
        title=f"{counted(len(odd), 'image')} {are(len(odd))} of another kind than "
        f"{'its' if len(odd) == 1 else 'their'} class ({kinds})",
        keys=tuple(odd),
        detail=f"{odd[0]} is {first['shown']}; {first['class_name']} is {usual}. "
        + (
            "Their pixels hold shades of grey alone, so that a method sees no difference."
            if harmless
            else "A method may call an image anomalous for its colours alone."
        ),
        remedy="Nothing needs to be done."
        if harmless
        else "Save all images of a class alike, or exclude these.",
        action=None if harmless else "exclude",
        fix_keys=() if harmless else tuple(odd),
    )


def _all_grey(patient: Patient, rows: pd.DataFrame, odd: list[str]) -> bool:
    """Whether all of them show no colour, whatever their mode; decides only where few are odd."""
    root = patient.dataset.root
    coloured = [key for key in odd if rows.loc[key, "mode"] == "RGB"]
    if len(coloured) > LOOKED_AT:
        return False
    try:
        small = [read_image(inside(root, key)).resize((64, 64)) for key in coloured]
    except DataError:
        return False
    return all(np.ptp(np.asarray(one), axis=2).max() <= COLOURLESS for one in small)


def _sound(patient: Patient) -> pd.DataFrame:
    """Facts of readable images, their class beside them."""
    rows = patient.facts.assign(class_name=[s.class_name for s in patient.dataset.samples])
    return rows[rows["error"] == ""].copy()


def _unlike(mine: pd.DataFrame) -> dict[str, float]:
    """Outliers of a class: key -> logarithm of the factor of side or aspect it is off."""
    width, height = (mine[name].to_numpy(dtype=np.float64) for name in ("width", "height"))
    scale, aspect = np.log(width * height) / 2, np.log(width / height)
    far = np.maximum(_off(scale), _off(aspect))
    alike = mine.groupby(["width", "height"]).size()
    if alike.max() >= ALIKE * len(mine):
        first = mine.set_index(["width", "height"]).index == alike.idxmax()
        out = np.asarray(~first)
    else:
        out = np.zeros(len(mine), dtype=bool)
        for values in (scale, aspect):
            spread = 1.4826 * np.median(_off(values))
            out |= (_off(values) >= np.log(2)) & (_off(values) > 6 * spread)
    return dict(zip(map(str, mine.index[out]), far[out].tolist(), strict=True))


def _off(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.abs(values - np.median(values))

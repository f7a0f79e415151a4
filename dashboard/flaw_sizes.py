"""Flaws of several runs by size and by contrast: what is found, from which size on.

What is fitted and counted is in `core.metrics.size_curve`; contrast in `core.data.contrast`. Every
answer is cached by the workspace's version and by what was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from core.data import contrast
from core.metrics.size_curve import Bin, Scale, SizeCurve, binned, size_curve
from core.metrics.tables import RATES
from core.types import Sample
from dashboard import by_class, results
from dashboard.casework import ALL
from dashboard.results import Source

F1 = "f1"
LEVELS = {F1: "pixel F1 is highest (oracle)"} | {
    f"{rate:g}": f"1 in {round(1 / rate):,} normal pixels" for rate in (1e-4, 1e-3, 1e-2)
}
"""Where a map is cut: {query value: what people read}."""
LEVEL_HELP = (
    "A flaw counts as found when the heat map in it reaches this level. **Pixel F1 is highest**: "
    "chosen on these same images with their masks (oracle), so expect less in use. **1 in 1,000 "
    "normal pixels**: the value that this share of all normal pixels of the class reaches; the "
    "same false-alarm rate for every method."
)
AMOUNTS = {"any": "any of it", "tenth": "a tenth of it", "half": "half of it"}
AMOUNT_HELP = (
    "How much of a flaw has to reach the level. A large flaw has more pixels, so by accident alone "
    "*any of it* is reached more easily; *half of it* is stricter with large ones."
)
LEAST_SHARE = {"any": 0.0, "tenth": 0.1, "half": 0.5}
UNITS = {
    "px": "size, px at the run's size", "share": "size, % of the image",
    "original": "size, px of the original image", "contrast": "contrast",
}  # fmt: skip
UNIT_HELP = (
    "**Contrast**: by how many standard deviations a flaw's mean brightness differs from a ring of "
    f"{contrast.RING} px around it (contrast-to-noise ratio); it belongs to the picture, not to "
    "the method."
)
SCALE: dict[str, Scale] = {"contrast": "linear"}


class Asked(NamedTuple):
    """What the section shows: of which class (ALL: every one), against what, found by what rule."""

    class_name: str
    unit: str
    level: str
    amount: str


def units_of(sizes: set[int], known: bool) -> list[str]:
    """Units that all chosen runs share.

    Args:
        sizes: the runs' sizes; pixels of different sizes are not the same.
        known: whether the original images' sizes are.
    """
    units = ["px"] if len(sizes) == 1 else []
    return [*units, "share", *(["original"] if known else []), "contrast"]


class MadeOn(NamedTuple):
    """The data a run was made on, and its size."""

    fingerprint: str
    root: Path
    size: int


def made_on(source: Source, run_id: str) -> MadeOn:
    """What a run was made on.

    Raises:
        IndexError: no such run ended well.
    """
    runs = results.runs(source)
    run = runs[runs["run_id"] == run_id].iloc[0]
    return MadeOn(str(run["fingerprint"]), Path(str(run["data_root"])), int(run["size"]))


@st.cache_data(show_spinner=False, max_entries=64)
def flaws(source: Source, run_id: str, asked: Asked) -> pd.DataFrame:
    """class_name, key, area_px, size (in the unit asked for), hit, image (a number), specimen.

    Regions without that size are left out; with contrast: those whose masks have changed since.
    """
    found = by_class.regions(source, run_id)
    if asked.class_name != ALL:
        found = found[found["class_name"] == asked.class_name]
    if found.empty:
        return found.assign(size=np.zeros(0), hit=np.zeros(0, bool), image=np.zeros(0, int))
    made = made_on(source, run_id)
    area = found["area_px"].to_numpy(float)
    if asked.unit == "contrast":
        kept = contrasts(source, made.fingerprint, made.size)
        kept = (
            pd.DataFrame(columns=["key", "region", "area_px", "contrast"]) if kept is None else kept
        )
        found = found.merge(kept, on=["key", "region", "area_px"], how="left")
        size = found["contrast"].to_numpy(float)
    elif asked.unit == "original":
        size = area * _pixels(source, made.fingerprint, found["key"]) / made.size**2
    else:
        size = area / made.size**2 * 100 if asked.unit == "share" else area
    found = found.assign(size=size, hit=_hits(found, asked.level, asked.amount))
    sized: pd.DataFrame = found[np.isfinite(found["size"].to_numpy(float))]
    return sized.assign(image=pd.factorize(sized["key"])[0])


def _hits(found: pd.DataFrame, level: str, amount: str) -> np.ndarray:
    """Whether each region counts as found."""
    least = LEAST_SHARE[amount]
    if level == F1:
        return np.asarray(found["hit"], bool) if not least else np.asarray(found["found"] >= least)
    place = [f"{rate:g}" for rate in RATES].index(level)
    share = np.array([shares[place] for shares in found["recall"]], float)
    return share >= least if least else share > 0


def _pixels(source: Source, fingerprint: str, keys: pd.Series) -> np.ndarray:
    """Pixels of the original image of each key; NaN where it is not known."""
    facts = results.sample_facts(source, fingerprint)
    sides = {key: (one["width"], one["height"]) for key, one in facts.items()}
    wide = [sides.get(key, (0, 0)) for key in keys]
    return np.array([w * h if w and h and w == w and h == h else np.nan for w, h in wide], float)


@st.cache_data(show_spinner=False, max_entries=128)
def curve(source: Source, run_id: str, asked: Asked) -> SizeCurve:
    """The fitted chance of being found; see `core.metrics.size_curve`."""
    mine = _positive(flaws(source, run_id, asked), asked)
    firsts = mine.drop_duplicates("image").sort_values("image")
    specimens = [one if isinstance(one, str) else None for one in firsts["specimen"]]
    places = pd.factorize(mine["image"], sort=True)[0]
    return size_curve(mine["size"], mine["hit"], places, specimens, scale=_scale(asked))


@st.cache_data(show_spinner=False, max_entries=128)
def bins(source: Source, run_id: str, asked: Asked) -> list[Bin]:
    """Found among flaws of similar size, with Wilson's intervals."""
    mine = _positive(flaws(source, run_id, asked), asked)
    return binned(mine["size"], mine["hit"], _scale(asked))


def _scale(asked: Asked) -> Scale:
    return SCALE.get(asked.unit, "log")


def _positive(found: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    return found if _scale(asked) == "linear" else found[found["size"] > 0]


# -- contrast -----------------------------------------------------------------------------------


def contrasts(source: Source, fingerprint: str, size: int) -> pd.DataFrame | None:
    """key, region, area_px, contrast as they were measured; None when they never were."""
    try:
        stamp = contrast.file_of(source.workspace, fingerprint, size).stat().st_mtime_ns
    except OSError:
        return None
    return _contrasts(source.root, fingerprint, size, stamp)


@st.cache_data(show_spinner=False, max_entries=8)
def _contrasts(root: str, fingerprint: str, size: int, stamp: int) -> pd.DataFrame | None:
    table = contrast.kept(Source(root, 0).workspace, fingerprint, size)
    return None if table is None else table.to_pandas()


def measure_contrast(
    source: Source, run_id: str, report: Callable[[float, str], None] | None = None
) -> None:
    """Measure and keep the contrast of every flaw of a run's data set at its size.

    Raises:
        DataError: neither the images nor what was prepared of them is there any more.
    """
    made = made_on(source, run_id)
    facts = results.sample_facts(source, made.fingerprint)
    samples = [
        Sample(
            key=key, class_name=str(one["class_name"]), split="test", label=1,
            anomaly_type=str(one["anomaly_type"]), masks=tuple(one["masks"]),
        )
        for key, one in facts.items()
        if one["label"] == 1 and one["has_mask"] and len(one["masks"])
    ]  # fmt: skip
    contrast.measure(source.workspace, made.root, samples, made.fingerprint, made.size, report)
    flaws.clear()
    curve.clear()
    bins.clear()

"""What the Try it page says: verdicts, summaries, warnings. Pure functions of counts and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
import pandas as pd

from core.cuts import Cut
from core.metrics import cases
from core.metrics import standing as standings
from dashboard import evidence
from dashboard.evidence import LIKELY_ALARM
from dashboard.ranking import number
from dashboard.words import Vocabulary, counted

FEWEST_NORMALS = 10
"""Training images below which a picture is not said to be unlike all of them."""
Row: TypeAlias = "Mapping[str, Any] | pd.Series"
MOSTLY_HOT = 0.5
"""Share of a picture hotter than LIKELY_ALARM of normal pixels, from which it is said so."""


def text(value: object) -> str:
    """A word of a frame; "" for a missing one."""
    return value if isinstance(value, str) else ""


_PAST = {"flag": "flagged", "reject": "rejected", "refer": "referred"}


def past(vocabulary: Vocabulary) -> str:
    """ "rejected": what happens to an item at or above the threshold."""
    return _PAST.get(vocabulary.reject, f"{vocabulary.reject}ed")


def invitation(
    label: str, class_name: str, at: Cut | None, known: pd.DataFrame, vocabulary: Vocabulary
) -> str:
    """What will happen to an image, before there is one; counted on the test images."""
    named = class_name.replace("_", " ")
    if at is None:
        return (
            f"**Show {label} a new picture of {named}.** No threshold is known for this class, so "
            "it gets a score and a heat map, not a verdict."
        )
    normal = known[known["label"] == 0]
    kept = int((normal["score"] < at.value).sum())
    told = ""
    if len(normal):
        told = f" {kept} of {tests(len(normal), vocabulary)} stay below it."
    return (
        f"**Show {label} a new picture of {named}.** A score of {at.value:.4g} or more is "
        f"{past(vocabulary)} ({at.name}).{told}"
    )


def summary(table: pd.DataFrame, at: Cut | None, vocabulary: Vocabulary) -> str:
    """ "3 of 24 parts would be rejected; 41 ms an image." """
    read = table[table["score"].notna()]
    if read.empty:
        return f"**None of the {len(table)} files could be read.** The table says why."
    each = f"{1000 * read['seconds'].mean():.0f} ms an image"
    unread = len(table) - len(read)
    more = f" {counted(unread, 'file', 'files')} could not be read." if unread else ""
    if at is None:
        return f"**{counted(len(read), 'image', 'images')} scored; {each}.**{more}"
    high, near = (int((read["verdict"] == said).sum()) for said in ("anomalous", "review"))
    close = f" {near} near the threshold: {vocabulary.review}." if near else ""
    of = f"{high} of {counted(len(read), vocabulary.item, vocabulary.items)}"
    by = f" Judged by the {at.name}, {at.value:.4g}."
    return f"**{of} would be {past(vocabulary)}; {each}.**{close}{more}{by}"


def verdict(score: float, at: Cut | None, vocabulary: Vocabulary) -> tuple[str, str]:
    """The verdict of one image in words, and its tone ("bad", "good", "quiet")."""
    if at is None:
        return f"Score {score:.4g}: not judged, no threshold is known for this class", "quiet"
    if at.low is not None and at.high is not None and at.near(score):
        between = f"between {at.low:.4g} and {at.high:.4g}"
        review = vocabulary.review.capitalize()
        return f"{review}: score {score:.4g} is near the threshold, {between}", "quiet"
    if at.verdict(score) == "anomalous":
        how = "is at" if score == at.value else "is above"
        edge = at.value if at.high is None else at.high
        return f"{vocabulary.reject.capitalize()}: score {score:.4g} {how} {edge:.4g}", "bad"
    return f"No {vocabulary.flaw} flagged: score {score:.4g} is below {at.value:.4g}", "good"


def ranked(score: float, known: pd.DataFrame) -> standings.Standing:
    """Where a score stands among the test images of a class (columns score, label)."""
    return standings.standing(score, known["score"], known["label"])


def stands(place: standings.Standing, vocabulary: Vocabulary) -> str:
    """ "hotter than 97 of 98 normal test images"."""
    if not place.normals:
        return f"the class has no {vocabulary.good} test images"
    return f"hotter than {place.below_normals} of {tests(place.normals, vocabulary)}"


def tests(count: int, vocabulary: Vocabulary) -> str:
    """ "98 normal test images"."""
    one = f"{vocabulary.good} test image"
    return counted(count, one, f"{one}s")


def warning(
    place: standings.Standing, map_HW: npt.NDArray[Any], tail: Sequence[tuple[float, float]],
    class_name: str, vocabulary: Vocabulary,
) -> str:  # fmt: skip
    """What is unusual about the picture as a whole, from counts; "" when nothing is."""
    named = class_name.replace("_", " ")
    level = next((value for value, share in tail if share <= LIKELY_ALARM), None)
    share = None if level is None else standings.share_at_or_above(map_HW, level)
    if share is not None and share >= MOSTLY_HOT:
        return (
            f"{share:.0%} of this picture is hotter than 1 in 1,000 pixels of {vocabulary.good} "
            f"{named} images. A local {vocabulary.flaw} does not do that: check that it shows "
            f"{named}, taken like the training images."
        )
    if place.above_all:
        return (
            f"It scores higher than all {place.normals + place.anomalous} test images of {named}, "
            f"{vocabulary.bad} ones included. Either the {vocabulary.flaw} is stronger than any of "
            "those, or the picture is unlike what the run was trained on."
        )
    if place.below_all_normals:
        return (
            f"It scores lower than all {place.normals} {vocabulary.good} test images of {named}: "
            "unusually plain. Check that the picture is sharp and shows the whole."
        )
    return ""


def facts(
    row: Row, at: Cut | None, place: standings.Standing, hotter: float | None,
    vocabulary: Vocabulary,
) -> dict[str, str]:  # fmt: skip
    """What stands beside the picture."""
    score = float(row["score"])
    told = {"Score": f"{score:.4g}"}
    if at is not None:
        away = score - at.value
        part = f" ({away / at.value:+.0%})" if at.value > 0 else ""
        told |= {at.name.capitalize(): f"{at.value:.4g}", "Distance": f"{away:+.4g}{part}"}
    told[f"Hotter than {vocabulary.good}"] = f"{place.below_normals} of {place.normals}"
    if place.anomalous:
        told[f"Hotter than {vocabulary.bad}"] = f"{place.below_anomalous} of {place.anomalous}"
    told["Hottest point"] = evidence.share_text(hotter)
    told["Time"] = f"{1000 * float(row['seconds']):.0f} ms"
    width, height = number(row["width"]), number(row["height"])
    if width and height:
        told["Size"] = f"{int(width)} × {int(height)} px"
    if text(row["kind"]):
        told["File"] = text(row["kind"])
    return told


def spot(found: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """What the comparison with normal patches says, in a sentence."""
    near = found["neighbours"]
    if not near:
        return f"There is no {vocabulary.good} training image to compare with."
    nearest = near[0]
    named = str(found["class_name"]).replace("_", " ")
    said = (
        f"The most similar {vocabulary.good} patch of {named} lies at a distance of "
        f"{nearest['distance']:.3g}"
    )
    own = nearest.get("own")
    if not own:
        return f"{said}."
    ratio = nearest["distance"] / own
    far = f"{ratio:.1f} times as far as" if ratio >= 1.05 else "no further than"
    return f"{said}, {far} that patch is from its own nearest in another image ({own:.3g})."


def unlike(found: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """A warning when the picture as a whole lies apart from all normal ones; "" when not."""
    whole = found.get("whole") or {}
    if whole.get("of", 0) < FEWEST_NORMALS or whole["closer"] < whole["of"]:
        return ""
    named = str(found["class_name"]).replace("_", " ")
    return (
        f"As a whole this picture is unlike the {vocabulary.good} ones: its average features lie "
        f"further from the nearest {vocabulary.good} training image of {named} than each of those "
        f"{whole['of']} lies from its own nearest. Check that it shows {named}, taken like the "
        "training images, before you trust the verdict."
    )


def searched(found: Mapping[str, Any]) -> str:
    """Which images were searched, by which features."""
    part = f"{found['images']} of {found['of']}" if found["images"] < found["of"] else "all"
    if part == "all":
        part = f"all {found['of']}"
    levels = " and ".join(str(stride) for stride in found["strides"])
    return (
        f"Searched: {part} {'of the ' if part.startswith('all') else ''}normal training images of "
        f"the class, the nearest patch of each; features of {found['backbone']} at stride {levels}."
    )


def short(row: Row, at: Cut | None, vocabulary: Vocabulary) -> tuple[str, str]:
    """The verdict in a table's cell, and its tone."""
    score = number(row["score"])
    if score is None:
        return text(row["error"]) or "not read", "quiet"
    if at is None:
        return "not judged", "quiet"
    if at.near(score):
        return f"near the threshold: {vocabulary.review}", "quiet"
    if at.verdict(score) == "anomalous":
        return vocabulary.reject, "bad"
    return f"no {vocabulary.flaw} flagged", "good"


def hotter(tail: Sequence[tuple[float, float]], value: float) -> float | None:
    """Share of normal pixels as hot as `value` or hotter; None when it is not known."""
    return cases.share_hotter([x for x, _ in tail], [y for _, y in tail], value)

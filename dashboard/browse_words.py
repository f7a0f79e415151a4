"""The sentences and short texts of the Browse page: computed, true, in the words people chose."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from core.data.doctor.base import Examination, Finding
from dashboard.browse import PAGE
from dashboard.phrases import SPECIAL, listed
from dashboard.words import Vocabulary, counted


def sentence(table: pd.DataFrame, examination: Examination | None, words: Vocabulary) -> str:
    """What the data set holds and how it stands, in a sentence or two."""
    used = table[~table["excluded"]]
    bad = used[used["label"] == 1]
    classes = int(used["class_name"].nunique())
    text = f"**{counted(len(used), 'image', 'images')} in {counted(classes, 'class', 'classes')}**"
    text += f", {len(bad):,} with a {words.flaw}" if len(bad) else f", none with a {words.flaw}"
    outlined = bad["masks"] > 0
    if "area_share" in bad:  # the doctor knows which masks mark something
        outlined &= ~(bad["area_share"] == 0)
    bare = int((~outlined).sum())
    if len(bad):
        text += (
            ", all of those outlined by a mask." if not bare
            else ", none of those with a usable mask." if bare == len(bad)
            else f", {bare:,} of those without a usable mask."
        )  # fmt: skip
    else:
        text += "."
    out = int(table["excluded"].sum())
    if out:
        text += f" {counted(out, 'image is', 'images are')} excluded."
    if examination is None:
        return text
    told = severities(examination)
    return text + (f" The doctor found {listed(told)}." if told else " The doctor found no fault.")


def severities(examination: Examination) -> list[str]:
    """["1 error", "2 warnings"]."""
    kinds = [found.severity for found in examination.findings]
    return [
        counted(kinds.count(name), name, f"{name}s")
        for name in ("error", "warning", "note") if name in kinds
    ]  # fmt: skip


def share_words(share: float) -> str:
    """ "0.31 % of the image"; blanks that do not break."""
    percent = 100 * share
    said = f"{percent:.2g}" if percent < 10 else f"{percent:.0f}"
    return f"{'under 0.01' if percent < 0.01 else said}\u00a0%"


def row_words(row: Mapping[Hashable, Any]) -> list[str]:
    """Two lines that stand below a picture: type and size of flaw; class and split."""
    kind = str(row["anomaly_type"]).replace("_", " ")
    area = row.get("area_share")
    if isinstance(area, float) and area > 0:
        kind += f" · {share_words(area)}"
    split = str(row["split"])
    if row["split"] != row["given"]:
        split += f" (was {row['given']})"
    return [kind, f"{str(row['class_name']).replace('_', ' ')} · {split}"]


def shown_words(total: int, of: int, page: int) -> str:
    """ "61 to 120 of 1,080 images", and of how many when a filter is set."""
    if not total:
        return f"None of {counted(of, 'image', 'images')}"
    first, last = (page - 1) * PAGE + 1, min(page * PAGE, total)
    here = f"{first:,} to {last:,} of {counted(total, 'image', 'images')}"
    return here if total == of else f"{here} ({of:,} in all)"


def group_of(finding: Finding | None) -> dict[str, str]:
    """{key: "group 2 of 9"} of a finding whose images belong together."""
    groups = finding.groups if finding else ()
    return {
        key: f"group {n} of {len(groups)}" for n, group in enumerate(groups, 1) for key in group
    }


def short(finding: Finding, most: int = 60) -> str:
    """A finding's title for a picker."""
    return finding.title if len(finding.title) <= most else f"{finding.title[: most - 1]}…"


def harmless(text: str) -> str:
    """A text that may hold names of files, its Markdown switched off."""
    return SPECIAL.sub(r"\\\1", text)

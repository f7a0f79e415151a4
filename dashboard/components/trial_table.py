"""A trial's images as a table: sorted in the browser, a click on a row returns it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.cuts import Cut
from dashboard import trial_words, trials
from dashboard.ranking import number
from dashboard.words import Vocabulary

HERE = Path(__file__)
COLUMNS = (
    {"title": "Image", "left": True, "kind": "name"}, {"title": "Score"},
    {"title": "Verdict", "left": True, "kind": "said"}, {"title": "Class", "left": True},
    {"title": "Time"},
)  # fmt: skip
SCORE = 1


def trial_table(
    id: str, table: pd.DataFrame, at: Cut | None, current: int | None, vocabulary: Vocabulary,
    key: str = "trial-table",
) -> int | None:  # fmt: skip
    """Show the results of trial `id`; the row that was clicked in this run of the script."""
    data = payload(id, table, at, current, vocabulary)
    result = _component()(data=data, key=key, on_pick_change=lambda: None)
    wish = result.pick
    return int(wish["row"]) if wish is not None and wish.get("trial") == id else None


def payload(
    id: str, table: pd.DataFrame, at: Cut | None, current: int | None, vocabulary: Vocabulary
) -> dict[str, Any]:
    """What the browser gets: texts, values to sort by, thumbnails; the hottest first."""
    rows = []
    for _, row in table.iterrows():
        score, seconds = number(row["score"]), number(row["seconds"])
        said, tone = trial_words.short(row, at, vocabulary)
        named = trial_words.text(row["class_name"]).replace("_", " ")
        each = None if seconds is None or score is None else 1000 * seconds
        rows.append(
            {
                "row": int(row["row"]),
                "tone": tone,
                "texts": [
                    str(row["name"]), "" if score is None else f"{score:.4g}", said, named,
                    "" if each is None else f"{each:.0f} ms",
                ],
                "values": [str(row["name"]), score, said, named, each],
                "thumbnail": trials.thumbnail(row["thumbnail"]),
            }
        )  # fmt: skip
    return {
        "id": id, "columns": list(COLUMNS), "rows": rows, "current": current, "sort": SCORE,
        "down": True, "caption": f"{len(rows)} images with score and verdict",
    }  # fmt: skip


@cache
def _component() -> Any:
    return st.components.v2.component(
        "flawscope_trial_table",
        html='<div class="trial" tabindex="-1"></div>',
        css=HERE.with_suffix(".css").read_text(encoding="utf-8"),
        js=HERE.with_suffix(".js").read_text(encoding="utf-8"),
    )

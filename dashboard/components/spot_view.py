""" "Compared with what normal?": the hottest spot of an image beside its nearest normal patches."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from core.errors import RunError
from core.trials import Trial
from dashboard import navigation, trial_words, words
from dashboard.components import cards
from dashboard.results import Source
from dashboard.trials import workers

POLL_SECONDS = 0.4
STYLE = """<style>
.ti-spots{display:grid;grid-template-columns:repeat(auto-fill,minmax(128px,1fr));gap:12px;
 align-items:start;margin-top:8px}
.ti-spots figure{margin:0;min-width:0}
.ti-spots .ti-crop{position:relative;border-radius:8px;overflow:hidden;line-height:0;
 background:var(--fs-sunk);border:1px solid var(--fs-line)}
.ti-spots .ti-query .ti-crop{border:2px solid var(--fs-bad)}
.ti-spots img{width:100%;height:auto;display:block}
.ti-none{padding:36px 8px;text-align:center;color:var(--fs-dim);font-size:12.5px;line-height:1.4}
.ti-spots figcaption{font-size:12.5px;line-height:1.4;margin-top:5px;color:var(--fs-dim);
 font-variant-numeric:tabular-nums}
.ti-spots figcaption b{color:var(--fs-text);font-weight:600;font-size:14px}
.ti-spots figcaption span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
</style>"""


def spot_view(source: Source, id: str, row: int) -> None:
    """The comparison of one image, asked for when it is first shown; looks again while at work."""
    trial = Trial.open(source.workspace, id)
    found = trial.spot(row)
    pending = found is None or found["state"] == "working"
    st.fragment(_spot, run_every=POLL_SECONDS if pending else None)(source, id, row)


@navigation.safely
def _spot(source: Source, id: str, row: int) -> None:
    trial = Trial.open(source.workspace, id)
    found = trial.spot(row)
    if found is not None and found["state"] in ("done", "failed") and _was_pending(id, row):
        st.rerun(scope="app")  # so that nobody looks again and again
    with st.container(border=True, key="try-spot"):
        st.html(
            "<h2 style='font-size:16px;font-weight:600;margin:0'>Compared with what normal?</h2>"
        )
        if found is None:
            try:
                workers(source.root).compare(trial, row)
            except RunError as error:
                st.caption(str(error))
            _was_pending(id, row, True)
        elif found["state"] == "working":
            _was_pending(id, row, True)
            cards.progress_card(
                "Looking for the nearest normal patches", str(found.get("message", "")),
                float(found.get("share", 0.0)),
            )  # fmt: skip
        elif found["state"] == "failed":
            cards.failure(str(found.get("error") or "The comparison failed."))
            if st.button("Compare again", key="spot-again"):
                trial.spot_file(row).unlink(missing_ok=True)
                st.rerun(scope="app")
        else:
            vocabulary = words.current()
            unlike = trial_words.unlike(found, vocabulary)
            if unlike:
                cards.note("Unlike the training images", unlike)
            st.html(STYLE + spots_html(found, vocabulary.good, trial_words.spot(found, vocabulary)))


def _was_pending(id: str, row: int, now: bool = False) -> bool:
    """Whether this session waited for the comparison; notes that it does."""
    mark, held = (id, row), st.session_state.setdefault("try-waits", set())
    if now:
        held.add(mark)
        return True
    waited = mark in held
    held.discard(mark)
    return waited


def spots_html(found: Mapping[str, Any], good: str, sentence: str) -> str:
    """The sentence, the spot's crop, and the crops of its nearest normal patches."""
    figures = [_figure(found["crop"], "Hottest spot", ["this picture"], "the hottest spot", True)]
    for near in found["neighbours"]:
        name = str(near["key"])
        own = near.get("own")
        below = [name.rsplit("/", 1)[-1]]
        if own is not None:
            below.append(f"its own nearest: {own:.3g}")
        figures.append(
            _figure(
                near["crop"], f"{near['distance']:.3g}", below,
                f"a {good} patch of {name} at distance {near['distance']:.3g}", False, name,
            )
        )  # fmt: skip
    return (
        f'<p style="margin:2px 0 0;font-size:14px">{escape(sentence)}</p>'
        f'<div class="ti-spots">{"".join(figures)}</div>'
        f'<p class="fs-dim" style="margin:8px 0 0">{escape(trial_words.searched(found))} Distances '
        "are between features of the frozen backbone, not the method's own score.</p>"
    )


def _figure(
    crop: str | None, head: str, lines: list[str], alt: str, query: bool, title: str = ""
) -> str:
    picture = '<div class="ti-none">The picture is gone; its features are kept.</div>'
    if crop:
        picture = f'<img src="data:image/webp;base64,{crop}" alt="{escape(alt, quote=True)}">'
    below = "".join(f"<span>{escape(line)}</span>" for line in lines)
    return (
        f'<figure class="{"ti-query" if query else ""}" title="{escape(title, quote=True)}">'
        f'<div class="ti-crop">{picture}</div>'
        f"<figcaption><b>{escape(head)}</b>{below}</figcaption></figure>"
    )

"""The Failures page's gallery: cards with picture, truth, heat, verdicts and marks, in sections.

Only the cards of the page shown are looked up and encoded; browsers load their pictures when they
come into view. Every card is a link that opens the case on Inspect with the same list.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.marks import Mark
from core.store import case_query
from core.types import Sample
from dashboard import evidence, failures, gallery, marks, overlays, results, theme
from dashboard.casework import ALL
from dashboard.components import cards
from dashboard.failure_words import distance, share_text
from dashboard.failures import PAGE, Choice, Group
from dashboard.findings import many
from dashboard.phrases import image_name
from dashboard.ranking import number
from dashboard.results import Source
from dashboard.words import Vocabulary

STYLE = """<style>
.cg-head{display:flex;align-items:baseline;gap:10px;margin:10px 0 8px;font-size:16px;
 font-weight:600;color:var(--fs-text)}
.cg-head span{font-size:12.5px;font-weight:400;color:var(--fs-dim)}
.cg-grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(178px,1fr));gap:12px}
.cg-card{display:flex;flex-direction:column;min-width:0;border-radius:10px;overflow:hidden;
 background:var(--fs-card);border:1px solid var(--fs-line);color:var(--fs-text)!important;
 text-decoration:none!important;font-size:12.5px;line-height:1.45}
.cg-card:hover,.cg-card:focus-visible{border-color:var(--fs-accent)}
.cg-card:focus-visible{outline:2px solid var(--fs-accent);outline-offset:1px}
.cg-pic{position:relative;aspect-ratio:1;background:var(--fs-sunk);display:flex;
 align-items:center;justify-content:center;color:var(--fs-dim);padding:0 10px;text-align:center}
.cg-pic img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain;display:block}
.cg-card .cg-heat{transition:opacity .12s}
.cg-card:hover .cg-heat,.cg-card:focus-visible .cg-heat{opacity:0}
.cg-said{padding:9px 11px 10px;min-width:0;flex:1}
.cg-said b{display:block;font-size:14px;font-weight:600;overflow:hidden;text-overflow:ellipsis;
 white-space:nowrap}
.cg-dim{color:var(--fs-dim);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.cg-about{color:var(--fs-dim)}
.cg-run{display:grid;grid-template-columns:auto minmax(0,1fr);column-gap:7px;margin-top:5px}
.cg-run i{width:9px;height:9px;margin-top:5px;border-radius:3px;grid-row:span 2}
.cg-run .cg-name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.cg-word{font-weight:600}
.cg-missed{box-shadow:inset 3px 0 0 var(--fs-missed)}
.cg-alarm{box-shadow:inset 3px 0 0 var(--fs-alarm)}
.cg-chips{display:flex;flex-wrap:wrap;gap:5px;margin-top:7px}.cg-chips .fs-chip{margin:0}
.st-key-failures-row .stPopover button p,.st-key-failures-row .stCheckbox p{font-size:12.5px}
@media (max-width:640px){.cg-grid{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}
 .cg-said{padding:7px 9px 9px}}
</style>"""
Row = Mapping[Hashable, Any]
"""One row of a frame, by column."""
SIDES = {"missed": "cg-missed", "false alarm": "cg-alarm"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the cards of a page share; `heat`: whether heat maps show, `noted`: marks by key."""

    source: Source
    labels: Mapping[str, str]
    choice: Choice
    words: Vocabulary
    heat: bool
    noted: Mapping[str, list[Mark]]
    regions: pd.DataFrame | None

    @property
    def first(self) -> str:
        return self.choice.runs[0]


def show(shown: Shown, table: pd.DataFrame, groups: Sequence[Group], page: int) -> None:
    """The sections of one page (from 1)."""
    sections = failures.on_page(groups, page)
    places = [place for _, some in sections for place in some]
    if not places:
        return
    made = dict(zip(places, cards_of(shown, table.iloc[places]), strict=True))
    parts = []
    for group, some in sections:
        head = heading(group, shown.choice, shown.words) if group.name else ""
        parts.append(f'{head}<div class="cg-grid">{"".join(made[place] for place in some)}</div>')
    st.html(STYLE + "".join(parts))


def heading(group: Group, choice: Choice, words: Vocabulary) -> str:
    """ "crack · 12 of 57 missed"."""
    name = group.name.replace("_", " ")
    verbs = {"missed": words.missed, "none": "found by none", "regions": "with a missed region",
             "false alarms": words.alarms}  # fmt: skip
    said = f"{group.count:,} of {group.of:,} {verbs.get(choice.show, 'shown')}"
    if choice.group == "outcome":
        name, said = outcome_word(group.name, words), f"{group.count:,} shown"
    return f'<h3 class="cg-head">{escape(name)}<span>{escape(said)}</span></h3>'


def pages_of(groups: Sequence[Group]) -> int:
    """Number of pages, at least one."""
    return max(1, -(-sum(group.count for group in groups) // PAGE))


def cards_of(shown: Shown, cases: pd.DataFrame) -> list[str]:
    """The cards of these cases, as HTML."""
    runs = results.runs(shown.source).set_index("run_id")
    root, fingerprint = str(runs["data_root"][shown.first]), str(runs["fingerprint"][shown.first])
    keys = [str(key) for key in cases["key"]]
    found = case_query.samples_of(shown.source.workspace, fingerprint, keys).to_dict("records")
    facts = {str(row["key"]): row for row in found}
    regions = {}
    if shown.choice.show == "regions" and shown.regions is not None:
        some = shown.regions[shown.regions["key"].isin(keys)]
        regions = {str(row["key"]): row for row in some.to_dict("records")}
    size = int(runs["size"][shown.first])
    methods = {run: str(runs["method"][run]) for run in shown.labels}
    made = []
    for case in cases.to_dict("records"):
        key = str(case["key"])
        sample = facts.get(key, {})
        picture = _picture(shown, case, sample, root, size)
        made.append(card_html(shown, case, picture, methods, regions.get(key)))
    return made


def _picture(shown: Shown, case: Row, facts: Row, root: str, size: int) -> str:
    """Photograph with the truth outlined, and the heat above it."""
    key, name = str(case["key"]), str(case["class_name"])
    sides = [int(number(facts.get(side)) or 0) for side in ("width", "height")]
    aspect = sides[0] / sides[1] if all(sides) else 1.0
    named = facts.get("masks")
    masks = tuple(map(str, named)) if isinstance(named, list | tuple | np.ndarray) else ()
    usable = masks if case["label"] == 1 and case["has_mask"] else ()
    sample = Sample(key=key, class_name=name, split="test", label=int(case["label"]), masks=usable)
    photo = gallery.thumbnail(Path(root), sample)
    if photo is None:  # the folder is gone: the copy the run worked on
        photo = evidence.photo(shown.source, root, key, size, aspect).uri
    layers = ""
    if photo is not None:
        alt = f"{image_name(key)}, {_kind(case)}"
        layers = f'<img loading="lazy" src="{photo}" alt="{escape(alt, quote=True)}">'
    if shown.heat:
        row = number(case[f"row:{shown.first}"])
        hot = (
            None
            if row is None
            else overlays.overlay(shown.source, shown.first, int(row), name, aspect)
        )
        if hot is not None:
            layers += f'<img class="cg-heat" loading="lazy" src="{hot}" alt="">'
    if not layers:
        return '<div class="cg-pic">the picture is gone</div>'
    return f'<div class="cg-pic">{layers}</div>'


def card_html(
    shown: Shown,
    case: Row,
    picture: str,
    methods: Mapping[str, str],
    region: Row | None = None,
) -> str:
    """One card; every value is escaped."""
    key = str(case["key"])
    lines = [f'<div class="cg-about">{escape(_about(case, shown))}</div>']
    if region is not None:
        lines.append(f'<div class="cg-about">{escape(_region(region))}</div>')
    for run, label in shown.labels.items():
        lines.append(_run(case, run, label, methods[run], shown))
    chips = "".join(cards.chip(text, tone) for text, tone in marks.chips(shown.noted.get(key, [])))
    if chips:
        lines.append(f'<div class="cg-chips">{chips}</div>')
    side = SIDES.get(str(case[f"outcome:{shown.first}"]), "")
    return (
        f'<a class="cg-card" href="{escape(href(shown.choice, key), quote=True)}" target="_self">'
        f'{picture}<div class="cg-said {side}"><b title="{escape(key, quote=True)}">'
        f"{escape(image_name(key))}</b>{''.join(lines)}</div></a>"
    )


def href(choice: Choice, key: str) -> str:
    """Inspect with the same runs and list, opened at a case."""
    query = [("run", choice.runs[0]), *(("with", run) for run in choice.runs[1:3])]
    query += [("class", choice.class_name), ("type", choice.type)]
    query += [("show", failures.IN_INSPECT.get(choice.show, ALL)), ("case", key)]
    return f"inspect?{urlencode(query)}"


def link(choice: Choice, key: str) -> str:
    """The case's short name, leading to Inspect, as HTML."""
    return (
        f'<a href="{escape(href(choice, key), quote=True)}" target="_self" '
        f'title="{escape(key, quote=True)}">{escape(image_name(key))}</a>'
    )


def outcome_word(outcome: str, words: Vocabulary) -> str:
    """The verdict in the words of the trade."""
    return {"missed": words.missed, "false alarm": words.alarm}.get(outcome, outcome)


def _run(case: Row, run: str, label: str, method: str, shown: Shown) -> str:
    """What one run says: verdict and method, then how far from the threshold."""
    word = outcome_word(str(case[f"outcome:{run}"]), shown.words)
    score, at = number(case[f"score:{run}"]), number(case[f"threshold:{run}"])
    far = distance(number(case[f"margin:{run}"]) if at is not None else None)
    figures = "" if score is None else f"score {score:.4g}"
    if at is not None:
        figures += f", threshold {at:.4g}"
    name = f" · {label}" if len(shown.labels) > 1 else ""
    colour = escape(theme.method_colour(method))
    return (
        f'<div class="cg-run" title="{escape(f"{label}: {figures}", quote=True)}">'
        f'<i style="background:{colour}" aria-hidden="true"></i>'
        f'<span class="cg-name"><span class="cg-word">{escape(word.capitalize())}</span>'
        f'{escape(name)}</span><span class="cg-dim">{escape(far or figures)}</span></div>'
    )


def _kind(case: Row) -> str:
    return str(case["anomaly_type"]).replace("_", " ") if case["label"] == 1 else "good"


def _about(case: Row, shown: Shown) -> str:
    """Class where several are shown, kind, and size of the flaw."""
    parts = [] if shown.choice.class_name != ALL else [str(case["class_name"]).replace("_", " ")]
    parts.append(_kind(case))
    share = number(case["share"])
    if share is not None:
        parts.append(share_text(share).replace(" ", "\u00a0"))
    elif case["label"] == 1:
        parts.append("no mask")
    return " · ".join(parts)


def _region(region: Row) -> str:
    """ "2 of 3 regions missed, the largest 120 px"."""
    missed, whole = int(region["missed"]), int(region["true_regions"])
    return f"{missed} of {many(whole, 'region')} missed, the largest {region['missed_px']} px"

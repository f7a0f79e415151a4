"""One data set as a card: what it is, its classes with example pictures, what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from itertools import islice
from pathlib import Path

import streamlit as st

from core.data.importing.base import IMPORTERS
from core.data.layout import is_image
from core.data.manifest import Told
from core.errors import FlawscopeError, UnknownId
from core.types import Problem, Sample
from dashboard import actions, later
from dashboard.components import cards, pieces
from dashboard.findings import listed, many, plain
from dashboard.gallery import thumbnail
from dashboard.queries import DEMO, ClassLook, DataLook, workspace

SHOWN_PROBLEMS = 8
LOOKED_AT = 200
"""Entries of a folder that are looked at for shortcuts."""
MAX_CLASSES_OPEN = 6
SEVERITIES = {"error": "left out", "warning": "beware", "note": "note"}
TONES: dict[str, cards.Tone] = {"error": "bad", "warning": "accent", "note": "quiet"}


def sentence(looks: Sequence[DataLook]) -> str:
    """What there is to train on, in one sentence."""
    ready = [look for look in looks if look.made]
    if not ready:
        return (
            "**No pictures are here yet.** Add a folder of your own, or make the demo data below: "
            "it is drawn in a few seconds."
        )
    classes = sum(len(look.classes) for look in ready)
    pictures = sum(look.train + look.test for look in ready)
    flawed = [look for look in ready if any(p.severity == "error" for p in look.problems)]
    text = (
        f"**{many(len(ready), 'data set')} ready** with {many(classes, 'class', 'classes')} and "
        f"{pictures:,} pictures."
    )
    if flawed:
        names = listed([plain(look.name) for look in flawed])
        text += f" In {names} some pictures cannot be used; the card says which."
    return text


def shortcuts(limit: int = 8) -> list[str]:
    """Folders likely meant: those beside the workspace, here and where people keep pictures."""
    home = Path.home()
    shared = Path.cwd().parent / "shared" / "data"
    places = [(place, True) for place in (workspace().root.parent, Path.cwd(), shared)]
    places += [(home / name, False) for name in ("Pictures", "Downloads", "Desktop")]
    known = {str(workspace().root), *map(str, actions.places())}
    found: list[str] = []
    for place, strict in places:
        try:
            children = sorted(place.iterdir())[:LOOKED_AT]
        except OSError:
            continue
        for child in children:
            path = str(child)
            if path not in known and _looks_like_data(child, strict):
                known.add(path)
                found.append(path)
    return found[:limit]


def short(path: str) -> str:
    """The last two parts of a path."""
    return "/".join(Path(path).parts[-2:])


def _looks_like_data(folder: Path, strict: bool) -> bool:
    """Whether a folder has the sign of a layout, or a folder of good images, one level down; where
    people keep pictures, any image will do. Cheap."""
    if folder.name.startswith("."):
        return False
    try:
        with os.scandir(folder) as entries:
            listed = list(islice(entries, LOOKED_AT))
        names = {entry.name.lower() for entry in listed}
        if names & {"meta.json", "train", "good", "ok"}:
            return True
        if not strict and any(is_image(name) for name in names):
            return True
        children = [Path(entry.path) for entry in listed if entry.is_dir()]
        return any((child / sign).is_dir() for child in children for sign in ("train", "good"))
    except OSError:
        return False


def head(look: DataLook) -> None:
    """Name, what it is, where it lies, its licence."""
    card = look.card
    title = card.title if card and look.name == DEMO else look.name
    facts = []
    if look.made:
        facts = [
            many(len(look.classes), "class", "classes"),
            f"{look.train:,} training pictures",
            f"{look.test:,} test pictures",
        ]
    summary = (card.summary if card else "") if look.name == DEMO else look.recognised
    parts = [f'<h3 class="fp-card-title">{escape(title)}</h3>']
    if facts:
        parts.append(f'<p class="fp-dim">{escape(" · ".join(facts))}</p>')
    if summary:
        parts.append(f"<p>{escape(summary)}</p>")
    if look.name == DEMO and look.made and look.recognised:
        parts.append(f'<p class="fp-dim">{escape(look.recognised)}</p>')
    if look.imported:
        parts.append(f'<p class="fp-dim fp-path">{escape(_origin(look.imported))}</p>')
    elif look.made or look.error:
        parts.append(f'<p class="fp-dim fp-path">{escape(str(look.path))}</p>')
    if look.variant:
        parts.append(f'<p class="fp-dim">{escape(f"Variant {look.variant}.")}</p>')
    if look.contaminated:
        parts.append(f'<p class="fp-dim">{escape(look.contaminated)}</p>')
    if card and (card.licence != "unknown" or look.made):
        licence = "No licence: " if card.licence == "unknown" else f"Licence {card.licence}. "
        note = card.licence_note
        note = note[:1].lower() + note[1:] if card.licence == "unknown" else note
        parts.append(f'<p class="fp-dim">{escape(licence + note)}</p>')
    st.html("".join(parts))


def classes(look: DataLook) -> None:
    """Every class with its counts and pictures; long lists fold."""
    for one in look.classes[:MAX_CLASSES_OPEN]:
        _class(look, one)
    rest = look.classes[MAX_CLASSES_OPEN:]
    if rest:
        with st.expander(f"{len(rest)} more classes"):
            for one in rest:
                _class(look, one)


def _class(look: DataLook, one: ClassLook) -> None:
    counts = (
        f"{one.train:,} to train on · {one.good:,} good and {one.anomalous:,} anomalous to test"
    )
    if one.anomalous and one.with_mask < one.anomalous:
        none = "no masks" if not one.with_mask else f"{one.with_mask:,} with a mask"
        counts += f" ({none}: no pixel metrics there)"
    st.html(
        f'<div class="fp-class"><b>{escape(one.name.replace("_", " "))}</b> '
        f'<span class="fp-dim">{escape(counts)}</span></div>'
    )
    items = [_item(look, sample, "normal") for sample in one.normal_examples[:4]]
    items += [
        _item(look, sample, sample.anomaly_type.replace("_", " "))
        for sample in one.anomalous_examples[:6]
    ]
    pieces.pictures([item for item in items if item])


def _item(look: DataLook, sample: Sample, caption: str) -> pieces.Picture | None:
    uri = thumbnail(look.path, sample)
    return (uri, caption, sample.key, bool(sample.label)) if uri else None


def problems(look: DataLook) -> None:
    """What was found wrong, the worst first."""
    problem_list(look.problems)


def problem_list(found: Sequence[Problem]) -> None:
    """Problems, the worst first; folded."""
    if not found:
        return
    order = list(SEVERITIES)
    ranked = sorted(found, key=lambda problem: order.index(problem.severity))
    wrong = any(problem.severity != "note" for problem in ranked)
    title = many(len(ranked), "problem") if wrong else many(len(ranked), "note")
    with st.expander(f"{title} found" if wrong else title, icon=":material/rule:"):
        rows = "".join(
            f"<li>{cards.chip(SEVERITIES[problem.severity], TONES[problem.severity])} "
            f"{escape(problem.message)}</li>"
            for problem in ranked[:SHOWN_PROBLEMS]
        )
        more = len(ranked) - SHOWN_PROBLEMS
        rows += f'<li class="fp-dim">and {more} more</li>' if more > 0 else ""
        st.html(f'<ul class="fp-problems">{rows}</ul>')


def differences(look: DataLook) -> None:
    """Counts that differ from the published ones; folded."""
    if not look.differences:
        return
    title = f"{many(len(look.differences), 'count')} other than published"
    with st.expander(title, icon=":material/difference:"):
        rows = "".join(f"<li>{escape(sentence)}</li>" for sentence in look.differences)
        st.html(f'<ul class="fp-problems">{rows}</ul>')


def _origin(told: Told) -> str:
    """ "Folder of images, imported on 2026-11-25 from /data/parts"."""
    try:
        kind = IMPORTERS.get(told.importer).title
    except UnknownId:
        kind = told.importer
    source = str(told.options.get("_source", told.source))
    return f"{kind}, imported on {told.at[:10]} from {source}"


def import_again(look: DataLook) -> None:
    """A button that imports the source anew, the bar while it does, and what came of it."""
    if look.imported is None:
        return
    key = ("import again", str(workspace().root), look.name)
    if later.progress(key) is not None:
        later.watch(key, f"again-{look.name}")
        return
    try:
        later.found(key)
    except FlawscopeError as error:
        cards.failure(str(error), "The data set is as it was.", "")
    if st.button(
        "Import again", key=f"again-{look.name}", type="tertiary",
        help="Looks through what it was made from: new and changed images come in, those that are "
        "gone go. Splits stay as they were drawn.",
    ):  # fmt: skip
        later.begin(key, actions.importing_again(look.name))
        st.rerun()

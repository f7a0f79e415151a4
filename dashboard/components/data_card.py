"""One data set as a card: what it is, its classes with example pictures, what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import streamlit as st

from core.types import Sample
from dashboard.components import cards, pieces
from dashboard.findings import listed, many, plain
from dashboard.gallery import thumbnail
from dashboard.queries import DEMO, ClassLook, DataLook, workspace

LAYOUTS = (
    "Recognised: a folder of classes with train/good and test/<kind of flaw> (masks in "
    "ground_truth), or a folder with a meta.json."
)
SHOWN_PROBLEMS = 8
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


def shortcuts(limit: int = 12) -> list[str]:
    """Folders likely meant: those beside the workspace and here that hold pictures of classes."""
    places = [workspace().root.parent, Path.cwd(), Path.cwd().parent / "shared" / "data"]
    known = {str(workspace().root)}
    found: list[str] = []
    for place in places:
        if not place.is_dir():
            continue
        for child in sorted(place.iterdir()):
            path = str(child)
            if path not in known and _looks_like_data(child):
                known.add(path)
                found.append(path)
    return found[:limit]


def short(path: str) -> str:
    """The last two parts of a path."""
    return "/".join(Path(path).parts[-2:])


def _looks_like_data(folder: Path) -> bool:
    """Whether a folder has a sign of a known layout one level down; cheap."""
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    try:
        if (folder / "meta.json").is_file() or (folder / "train").is_dir():
            return True
        return any((child / "train").is_dir() for child in folder.iterdir())
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
    if look.made or look.error:
        parts.append(f'<p class="fp-dim fp-path">{escape(str(look.path))}</p>')
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
    if not look.problems:
        return
    order = list(SEVERITIES)
    ranked = sorted(look.problems, key=lambda problem: order.index(problem.severity))
    with st.expander(f"{many(len(ranked), 'problem')} found", icon=":material/rule:"):
        rows = "".join(
            f"<li>{cards.chip(SEVERITIES[problem.severity], TONES[problem.severity])} "
            f"{escape(problem.message)}</li>"
            for problem in ranked[:SHOWN_PROBLEMS]
        )
        more = len(ranked) - SHOWN_PROBLEMS
        rows += f'<li class="fp-dim">and {more} more</li>' if more > 0 else ""
        st.html(f'<ul class="fp-problems">{rows}</ul>')

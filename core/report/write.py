"""The report as one HTML file: figures drawn, worst cases embedded, nothing loaded from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from core.judging import Case
from core.metrics.base import NINE
from core.metrics.operating import Share
from core.metrics.verdicts import p_text, verdict
from core.palette import ANOMALOUS, NORMAL
from core.pictures import Pictures
from core.report import spoken, svg
from core.report.gather import RANKED, Gathered, Part, Report, Value, title_of
from core.types import MEAN
from core.vocabulary import Vocabulary
from core.workspace import Workspace, now, write_atomically

HERE = Path(__file__).parent
SIDE = 360
"""Longest side of an embedded picture, pixels, where there is room for it."""
SIZES = ((SIDE, 80), (SIDE, 60), (280, 60), (220, 50), (160, 45), (110, 40))
"""Longest side and WebP quality, tried in this order until a picture fits its share of the room."""
ROOM = 6_000_000
"""Bytes of all pictures before base64 makes a third more of them: the file stays below 10 MB."""
MOST_CASES = 480
"""Cases with pictures in a report; of more, each class shows fewer."""
BARS: Final[dict[str, float | None]] = {"image_auroc": 0.5, "pixel_aupro": None}
"""Metrics drawn by class, and what chance is worth where that is known."""


def write(
    workspace: Workspace, gathered: Gathered, say: Vocabulary, out: Path,
    report: Report = lambda share, message: None,
) -> None:  # fmt: skip
    """Write the report, atomically."""
    parts, most = [], shown(gathered)
    for n, part in enumerate(gathered.parts):
        report(0.6 + 0.35 * n / len(gathered.parts), f"drawing {part.label}")
        parts.append(_part(workspace, gathered, part, say, most))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["plain"] = spoken.plain
    text = environment.get_template("report.html.jinja").render(
        title=spoken.title(gathered), finding=spoken.finding(gathered, say),
        made=spoken.moment(now()), ranked=bool(gathered.ranks),
        style=(HERE / "report.css").read_text(encoding="utf-8"), say=say, parts=parts,
        data_name=gathered.data_name, data_card=gathered.data_card,
        data_facts=_data_facts(gathered), nine=[title_of(metric) for metric in NINE],
        headline=_headline(gathered), compared=_compared(gathered), speeds=_speeds(gathered),
        curves=[list(_roc(gathered, say)), list(_pr(gathered, say))],
        marked=gathered.marked, disputed=gathered.disputed, flawscope=_version(),
    )  # fmt: skip
    write_atomically(out, lambda file: file.write(text.encode()))


def _version() -> str:
    try:
        return version("flawscope")
    except PackageNotFoundError:
        return "0.1.0"


def shown(gathered: Gathered) -> int:
    """How many worst cases of each class and kind have room: all that were gathered, or fewer."""
    kinds = [len(cases) for part in gathered.parts for kind in (part.misses, part.alarms)
             for cases in kind.values()]  # fmt: skip
    most = max(kinds, default=0)
    while most > 1 and sum(min(most, count) for count in kinds) > MOST_CASES:
        most -= 1
    return most


def cell(value: Value | None) -> dict[str, str]:
    """A value as a table shows it: text, interval below, reason on hover."""
    if value is None or value.value is None:
        return {"text": "–", "below": "", "note": value.note if value else "not computed"}
    known = value.low is not None and value.high is not None
    below = f"{value.low:.3f} to {value.high:.3f}" if known else ""
    return {"text": f"{value.value:.3f}", "below": below, "note": value.note}


def _headline(gathered: Gathered) -> list[dict[str, Any]]:
    """One row a run: the mean over classes of the nine metrics."""
    return [
        {
            "label": part.label, "colour": part.colour,
            "place": spoken.place(gathered.ranks[n]) if gathered.ranks else "",
            "cells": [cell(part.metrics.get(MEAN, {}).get(metric)) for metric in NINE],
        }
        for n, part in enumerate(gathered.parts)
    ]  # fmt: skip


def _part(
    workspace: Workspace, gathered: Gathered, part: Part, say: Vocabulary, most: int
) -> dict[str, Any]:
    pictures = Pictures(workspace, part.run)
    cases = [one for kind in (part.misses, part.alarms) for mine in kind.values()
             for one in mine[:most]]  # fmt: skip
    room = ROOM // max(1, 2 * len(cases) * len(gathered.parts))
    levels = {one.name: None for case in cases if (one := pictures.level(case.class_name))}
    return {
        "label": part.label,
        "colour": part.colour,
        "run_id": part.run.run_id,
        "card": part.card,
        "by_class": [
            {"name": name, "cells": [cell(part.metrics[name].get(metric)) for metric in NINE]}
            for name in gathered.classes
        ],
        "bars": [_bars(gathered, part, metric) for metric in BARS if _any(part, metric)],
        "points": [_point(part, name, say) for name in gathered.classes if name in part.cuts],
        "banded": any(counts.banded for _, counts in part.cuts.values()),
        "types": _types(part, say),
        "levels": spoken.listed(list(levels)) if levels else "",
        "misses": list(_worst(part.misses, pictures, most, room)),
        "alarms": list(_worst(part.alarms, pictures, most, room)),
        "settings": _settings(part),
    }


def _any(part: Part, metric: str) -> bool:
    return any(metric in of and of[metric].value is not None for of in part.metrics.values())


def _bars(gathered: Gathered, part: Part, metric: str) -> dict[str, str]:
    rows = []
    for name in [*gathered.classes, *([MEAN] if len(gathered.classes) > 1 else [])]:
        one = part.metrics.get(name, {}).get(metric)
        label = "mean over classes" if name == MEAN else spoken.plain(name)
        value = None if one is None else one.value
        low, high = (None, None) if one is None else (one.low, one.high)
        rows.append(svg.Bar(label, value, low, high, part.colour))
    title = f"{title_of(metric)} by class"
    return {"title": title, "drawn": svg.bars(rows, f"{title}, {part.label}", BARS[metric])}


def _point(part: Part, name: str, say: Vocabulary) -> dict[str, Any]:
    """A class's threshold and what it means, with its histogram."""
    at, counts = part.cuts[name]
    normal = part.curves.get(("score_hist_normal", name), [])
    bad = part.curves.get(("score_hist_anomalous", name), [])
    words = f"{say.good} {say.items}", f"{say.bad} {say.items}"
    title = f"Scores of {spoken.plain(name)}"
    drawn = svg.histogram(normal, bad, at.value, title, words, (NORMAL, ANOMALOUS))
    rates = (counts.sensitivity, counts.specificity, counts.false_alarm_rate)
    return {
        "name": name, "cut": at, "drawn": drawn, "counts": counts,
        "said": spoken.counts(name, counts, say), "rates": [_rate(one) for one in rates],
    }  # fmt: skip


def _rate(one: Share) -> dict[str, str]:
    """A share as a table shows it: its value, and its Wilson interval below."""
    if one.value is None:
        return {"text": "–", "below": "", "note": "there are none"}
    low, high = one.interval
    return {
        "text": f"{100 * one.value:.1f} %", "below": f"{100 * low:.1f} to {100 * high:.1f}",
        "note": spoken.share(one),
    }  # fmt: skip


def _types(part: Part, say: Vocabulary) -> str:
    rows = [
        svg.Bar(f"{spoken.plain(name)}: {spoken.plain(kind)}", one.share, one.low, one.high,
                part.colour)
        for name, kinds in part.types.items()
        for kind, one in kinds.items()
    ]  # fmt: skip
    return svg.bars(rows, f"Share found by kind of {say.flaw}, {part.label}") if rows else ""


def _roc(gathered: Gathered, say: Vocabulary) -> Iterator[dict[str, str]]:
    for name in gathered.classes:
        lines = [
            svg.Line(part.label, part.curves[("roc", name)], part.colour, part.dash)
            for part in gathered.parts
            if ("roc", name) in part.curves
        ]
        if lines:
            x = f"share of {say.good} {say.items} flagged"
            y = f"share of {say.bad} {say.items} found"
            drawn = svg.curves(lines, f"ROC of {spoken.plain(name)}", x, y, chance=True)
            yield {"name": name, "drawn": drawn}


def _pr(gathered: Gathered, say: Vocabulary) -> Iterator[dict[str, str]]:
    for name in gathered.classes:
        lines = [
            svg.Line(part.label, part.curves[("pr", name)], part.colour, part.dash)
            for part in gathered.parts
            if ("pr", name) in part.curves
        ]
        if lines:
            x = f"share of {say.bad} {say.items} found (recall)"
            y = f"precision: flagged, {say.bad}"
            drawn = svg.curves(lines, f"Precision and recall of {spoken.plain(name)}", x, y, False)
            yield {"name": name, "drawn": drawn}


def _speeds(gathered: Gathered) -> dict[str, str] | None:
    """Accuracy over speed, where at least two runs have both; and what to know of the clocks."""
    spots, places = [], set()
    for part in gathered.parts:
        value = part.metrics.get(MEAN, {}).get(RANKED)
        pace = part.status.facts.get("images_per_second")
        if value is None or value.value is None or not pace:
            continue
        spots.append(
            svg.Spot(part.label, float(pace), value.value, value.low, value.high, part.colour)
        )
        places.add(str(part.record.resolved.get("device") or "an unnamed device"))
    if len(spots) < 2:
        return None
    title = f"{title_of(RANKED)} against speed"
    note = f"Mean {title_of(RANKED)}, and images a second while predicting, on {places.pop()}."
    if places:
        note = "The runs were timed on different devices, so their speeds do not compare."
    return {"title": title, "drawn": svg.speeds(spots, title, title_of(RANKED)), "note": note}


def _worst(
    cases: dict[str, list[Case]], pictures: Pictures, most: int, room: int
) -> Iterator[dict[str, Any]]:
    """Cases as the page shows them; `room` is in bytes for each of the two pictures."""
    for name, mine in cases.items():
        for case in mine[:most]:
            seen = pictures.of(case, SIDE)
            distance = "" if case.threshold is None else f"threshold {case.threshold:.4g}"
            yield {
                "class_name": name, "key": case.key, "kind": case.anomaly_type,
                "score": f"{case.score:.4g}", "threshold": distance, "note": seen.note,
                "plain": uri(seen.plain, room),
                "overlay": None if seen.overlay is None else uri(seen.overlay, room),
                "again": case.again,
            }  # fmt: skip


def uri(image: Image.Image, room: int) -> str:
    """A picture inside the page: as large as its room, in bytes, allows."""
    data = b""
    for side, quality in SIZES:
        buffer, drawn = io.BytesIO(), image.copy()
        drawn.thumbnail((side, side))
        drawn.save(buffer, "WEBP", quality=quality, method=4)
        data = buffer.getvalue()
        if len(data) <= room:
            break
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _compared(gathered: Gathered) -> list[dict[str, Any]]:
    """Paired differences of every other run to the first, for the mean over classes."""
    first = gathered.parts[0].label
    words = {"a": f"{first} is better", "open": "cannot be told apart", "untested": "not tested"}
    found = []
    for label, rows in gathered.compared.items():
        lines = []
        for row in rows:
            if row.class_name != MEAN or row.metric not in NINE:
                continue
            lines.append(
                {
                    "metric": title_of(row.metric), "a": f"{row.a:.3f}", "b": f"{row.b:.3f}",
                    "difference": spoken.signed(row.difference), "p": p_text(row.p_corrected),
                    "interval": f"{spoken.signed(row.low)} to {spoken.signed(row.high)}"
                    if row.low is not None and row.high is not None else "",
                    "verdict": (words | {"b": f"{label} is better"})[verdict(row)],
                }
            )  # fmt: skip
        said = spoken.by_class(rows, first, label)
        found.append({"first": first, "label": label, "rows": lines, "said": said})
    return found


def _settings(part: Part) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was asked for, resolved and measured: groups with a heading and lines."""
    asked = part.record.config.model_dump(mode="json", exclude={"method_config"})
    known = asked | part.record.resolved | {"measured": part.status.facts}
    made = spoken.moment(part.record.created_at)
    groups: dict[str, list[tuple[str, str]]] = {
        "Run": [("run", part.run.run_id), ("created", made)]
    }
    for name, value in known.items():
        inner = value if isinstance(value, dict) else {name: value}
        heading = name.replace("_", " ").capitalize() if isinstance(value, dict) else "Run"
        for key, one in inner.items():
            if one not in (None, "", [], ()):
                words = key.removesuffix("_bytes").replace("_", " ")
                told = spoken.memory(one) if key.endswith("_bytes") else spoken.value(one)
                groups.setdefault(heading, []).append((words, told))
    return list(groups.items())


def _data_facts(gathered: Gathered) -> list[tuple[str, str]]:
    dataset = gathered.parts[0].record.resolved.get("dataset") or {}
    counts = dataset.get("counts") or {}
    named = [("reader", "reader"), ("root", "folder"), ("fingerprint", "fingerprint (SHA-256)")]
    facts = [(words, str(dataset[name])) for name, words in named if dataset.get(name)]
    return [*facts, *((f"{split} images", f"{count:,}") for split, count in counts.items())]

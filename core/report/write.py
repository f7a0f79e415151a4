"""The report as one HTML file: figures drawn, worst cases embedded, nothing loaded from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from core.judging import Case
from core.metrics.base import NINE
from core.metrics.verdicts import p_text, verdict
from core.palette import ANOMALOUS, NORMAL
from core.pictures import Pictures
from core.report import spoken, svg
from core.report.gather import Gathered, Part, Report, Value, title_of
from core.types import MEAN
from core.vocabulary import Vocabulary
from core.workspace import Workspace, now, write_atomically

HERE = Path(__file__).parent
SIDE = 360
"""Longest side of an embedded picture, pixels."""
QUALITY = 80
ROC_CHANCE = 0.5


def write(
    workspace: Workspace, gathered: Gathered, say: Vocabulary, out: Path,
    report: Report = lambda share, message: None,
) -> None:  # fmt: skip
    """Write the report, atomically."""
    parts = []
    for n, part in enumerate(gathered.parts):
        report(0.6 + 0.35 * n / len(gathered.parts), f"drawing {part.label}")
        parts.append(_part(workspace, gathered, part, say))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["plain"] = spoken.plain
    text = environment.get_template("report.html.jinja").render(
        title=spoken.title(gathered), finding=spoken.finding(gathered, say), made=now(),
        style=(HERE / "report.css").read_text(encoding="utf-8"), say=say, parts=parts,
        data_name=gathered.data_name, data_card=gathered.data_card,
        data_facts=_data_facts(gathered), nine=[title_of(metric) for metric in NINE],
        headline=_headline(gathered), compared=_compared(gathered), roc=list(_roc(gathered, say)),
        marked=gathered.marked, disputed=gathered.disputed, flawscope=_version(),
    )  # fmt: skip
    write_atomically(out, lambda file: file.write(text.encode()))


def _version() -> str:
    try:
        return version("flawscope")
    except PackageNotFoundError:
        return "0.1.0"


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
            "cells": [cell(part.metrics.get(MEAN, {}).get(metric)) for metric in NINE],
        }
        for part in gathered.parts
    ]  # fmt: skip


def _part(workspace: Workspace, gathered: Gathered, part: Part, say: Vocabulary) -> dict[str, Any]:
    pictures = Pictures(workspace, part.run)
    return {
        "label": part.label,
        "colour": part.colour,
        "run_id": part.run.run_id,
        "card": part.card,
        "by_class": [
            {"name": name, "cells": [cell(part.metrics[name].get(metric)) for metric in NINE]}
            for name in gathered.classes
        ],
        "bars": _bars(gathered, part),
        "points": [_point(part, name, say) for name in gathered.classes if name in part.cuts],
        "types": _types(part, say),
        "misses": list(_worst(part.misses, pictures)),
        "alarms": list(_worst(part.alarms, pictures)),
        "settings": _settings(part),
    }


def _bars(gathered: Gathered, part: Part) -> str:
    rows = []
    for name in [*gathered.classes, *([MEAN] if len(gathered.classes) > 1 else [])]:
        one = part.metrics.get(name, {}).get("image_auroc")
        label = "mean over classes" if name == MEAN else spoken.plain(name)
        value = None if one is None else one.value
        low, high = (None, None) if one is None else (one.low, one.high)
        rows.append(svg.Bar(label, value, low, high, part.colour))
    return svg.bars(rows, f"Image AUROC by class, {part.label}", chance=ROC_CHANCE)


def _point(part: Part, name: str, say: Vocabulary) -> dict[str, Any]:
    """A class's threshold and what it means, with its histogram."""
    at, counts = part.cuts[name]
    normal = part.curves.get(("score_hist_normal", name), [])
    bad = part.curves.get(("score_hist_anomalous", name), [])
    words = f"{say.good} {say.items}", f"{say.bad} {say.items}"
    title = f"Scores of {spoken.plain(name)}"
    drawn = svg.histogram(normal, bad, at.value, title, words, (NORMAL, ANOMALOUS))
    shares = {
        f"{say.bad} {say.items} found": counts.sensitivity,
        f"{say.bad} {say.items} {say.missed}": counts.miss_rate,
        f"{say.good} {say.items} flagged": counts.false_alarm_rate,
    }
    return {
        "name": name, "cut": at, "drawn": drawn,
        "shares": [(words, spoken.share(one)) for words, one in shares.items() if one.count],
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


def _worst(cases: dict[str, list[Case]], pictures: Pictures) -> Iterator[dict[str, Any]]:
    for name, mine in cases.items():
        for case in mine:
            shown = pictures.of(case, SIDE)
            distance = "" if case.threshold is None else f"threshold {case.threshold:.4g}"
            yield {
                "class_name": name, "key": case.key, "kind": case.anomaly_type,
                "score": f"{case.score:.4g}", "threshold": distance, "note": shown.note,
                "plain": _uri(shown.plain), "overlay": _uri(shown.overlay or shown.plain),
                "again": case.again,
            }  # fmt: skip


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


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
            known = row.low is not None and row.high is not None
            lines.append(
                {
                    "metric": title_of(row.metric), "a": f"{row.a:.3f}", "b": f"{row.b:.3f}",
                    "difference": f"{row.difference:+.3f}", "p": p_text(row.p_corrected),
                    "interval": f"{row.low:+.3f} to {row.high:+.3f}" if known else "",
                    "verdict": (words | {"b": f"{label} is better"})[verdict(row)],
                }
            )  # fmt: skip
        found.append({"first": first, "label": label, "rows": lines})
    return found


def _settings(part: Part) -> list[tuple[str, str]]:
    """What was asked for and resolved, flat, one line each."""
    facts = {"run": part.run.run_id, "created": part.record.created_at}
    facts |= part.record.config.model_dump(mode="json", exclude={"method_config"})
    facts |= part.record.resolved | {f"measured {k}": v for k, v in part.status.facts.items()}
    flat: list[tuple[str, str]] = []
    for name, value in facts.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, one in inner:
            if one not in (None, "", [], ()):
                flat.append((f"{name} {key}".strip().replace("_", " "), spoken.value(one)))
    return flat


def _data_facts(gathered: Gathered) -> list[tuple[str, str]]:
    dataset = gathered.parts[0].record.resolved.get("dataset") or {}
    counts = dataset.get("counts") or {}
    named = [("reader", "reader"), ("root", "folder"), ("fingerprint", "fingerprint (SHA-256)")]
    facts = [(words, str(dataset[name])) for name, words in named if dataset.get(name)]
    return [*facts, *((f"{split} images", f"{count:,}") for split, count in counts.items())]

"""One method as a card, from its `MethodCard` and the schema of its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from dashboard import theme
from dashboard.components import cards
from dashboard.components.settings_form import Setting, settings_of
from dashboard.findings import listed, many, word

FAMILIES = {
    "augmentation": "learns from flaws it makes itself",
    "embedding": "compares with remembered normal patches",
    "reconstruction": "learns to rebuild what is normal and notes what it cannot",
    "hybrid": "joins several of these ideas",
}
SEVERAL = {
    "augmentation": "learn from flaws they make themselves",
    "embedding": "compare with remembered normal patches",
    "reconstruction": "learn to rebuild what is normal and note what they cannot",
    "hybrid": "join several of these ideas",
}
"""The same of more than one method."""
FAMILY_HELP = ". ".join(f"**{name}**: {text}" for name, text in FAMILIES.items()) + "."


def sentence(entries: Sequence[Mapping[str, Any]]) -> str:
    """How many methods of which families; "hybrid" last, because it refers to the others."""
    counts = Counter(entry["family"] for entry in entries)
    if len(counts) == 1:
        (family,) = counts
        does = FAMILIES[family] if len(entries) == 1 else SEVERAL[family]
        return f"**{many(len(entries), 'method')} of the {family} family**, which {does}."
    order = [family for family in FAMILIES if family in counts]
    parts = [
        f"{word(counts[family])} {(FAMILIES if counts[family] == 1 else SEVERAL)[family]}"
        for family in order
    ]
    return (
        f"**{many(len(entries), 'method')}, all trained on normal pictures only:** {listed(parts)}."
    )


def head(entry: Mapping[str, Any]) -> None:
    """Name, family, summary, paper."""
    where = f"{entry['venue']} {entry['year']}" if entry["venue"] else str(entry["year"])
    paper = escape(f"{entry['paper']}, {where}")
    if entry["arxiv"]:
        link = f"https://arxiv.org/abs/{escape(entry['arxiv'], quote=True)}"
        paper += (
            f' · <a href="{link}" target="_blank" rel="noopener">arXiv {escape(entry["arxiv"])}</a>'
        )
    st.html(
        f'<h3 class="fp-card-title">{theme.dot(entry["id"])}{escape(entry["title"])} '
        f"{cards.chip(entry['family'])}</h3>"
        f'<p>{escape(entry["summary"])}</p><p class="fp-dim">{paper}</p>'
    )


def facts(entry: Mapping[str, Any]) -> None:
    """What stays fixed, what is learned, how."""
    rows = {
        "Stays as it is": entry["frozen"],
        "Is learned": entry["trained"],
        "Trained parameters": parameters(entry),
        "Backbone of the paper": "" if entry["backbone"] == "none" else str(entry["backbone"]),
        "Trained for": (
            f"{entry['epochs']} epochs, {entry['batch_size']} pictures at a time"
            if entry["epochs"]
            else "one pass over the pictures (memory bank)"
        ),
        "In the paper": preset(entry),
        "Published by ADer": published(entry),
        "Mind": entry["note"],
    }
    body = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items() if value
    )
    st.html(f'<dl class="fp-facts">{body}</dl>')


def parameters(entry: Mapping[str, Any]) -> str:
    """ "55.75 million with the paper's backbone"; "" for a memory bank."""
    count = entry["parameters"]
    return f"{count:,.2f} million with the paper's backbone at 256 px" if count else ""


def preset(entry: Mapping[str, Any]) -> str:
    """What the paper sets otherwise than ADer, for one model a class; "" for nothing."""
    paper = entry["paper_preset"]
    parts = [f"{paper[key]:,} {unit}" for key, unit in
             (("epochs", "epochs"), ("batch_size", "pictures at a time"), ("size", "px"))
             if paper[key]]  # fmt: skip
    parts += [f"{name.replace('_', ' ')} {value}" for name, value in paper["settings"].items()]
    said = f"one model a class, {', '.join(parts)}" if parts else ""
    return ". ".join(part for part in (said, paper["note"].rstrip(".")) if part)


def published(entry: Mapping[str, Any]) -> str:
    """The range of printed mAD over data sets, and whether the rows can serve as targets."""
    rows = [row for row in entry["published"]["rows"] if row["epochs"] == 100]
    if not rows:
        return ""
    best = [row for row in rows if row["dataset"] == "MVTec AD"] or rows
    said = f"mAD {100 * best[0]['metrics']['mad']:.1f} % on {best[0]['dataset']}, 100 epochs"
    said += f"; {many(len(rows), 'data set')} in all"
    if entry["published"]["no_target"]:
        return f"{said}. Not a target: {entry['published']['no_target']}"
    caution = entry["published"]["caution"]
    return f"{said}. Mind: {caution}" if caution else said


def speeds(found: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """How fast each method judges, as measured; nothing before it was."""
    if not found:
        return
    rows = [row for row in found["rows"] if row["method"] in titles]
    rows.sort(key=lambda row: row.get("latency_ms", float("inf")))
    body = "".join(
        f'<tr><td class="fp-once">{theme.dot(row["method"])}{escape(titles[row["method"]])}</td>'
        + (
            f'<td colspan="3">{escape(row["error"])}</td>'
            if "error" in row
            else f'<td class="fp-num">{row["images_per_second"]:.3g}</td>'
            f'<td class="fp-num">{row["latency_ms"]:,.0f} ms</td>'
            f"<td>{escape(_network(row['backbone']))}</td>"
        )
        + "</tr>"
        for row in rows
    )
    machine = found["machine"]
    where = machine.get("gpu") or f"{machine['processor']}, {machine['cores']} cores"
    sizes = sorted({row["size"] for row in rows if "size" in row})
    st.html(
        '<div class="fp-scroll"><table class="fp-table"><thead><tr><th>Method</th>'
        '<th class="fp-num">Pictures a second</th><th class="fp-num">One alone</th>'
        f"<th>Backbone</th></tr></thead><tbody>{body}</tbody></table></div>"
    )
    st.caption(
        f"Measured on {where}, {found['date']}, at {', '.join(map(str, sizes))} px: medians, in "
        "batches of 8 and one picture alone; a memory bank as after 400 training pictures."
    )


def _network(tag: str) -> str:
    """A backbone as the table names it."""
    return "–" if tag == "none" else tag.replace(":random", ", not pretrained")


def settings(entry: Mapping[str, Any]) -> None:
    """All settings with default and bounds."""
    found = settings_of(entry["settings"])
    if not found:
        st.caption("This method has nothing to set.")
        return
    rows = "".join(
        f"<tr><td>{escape(one.label)}<small>{escape(one.name)}</small></td>"
        f'<td class="fp-num">{escape(default(one))}</td><td>{escape(allowed(one))}</td>'
        f"<td>{escape(one.help)}</td></tr>"
        for one in found
    )
    st.html(
        '<div class="fp-scroll"><table class="fp-table"><thead><tr><th>Setting</th>'
        f'<th class="fp-num">Default</th><th>Allowed</th><th>What it does</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def default(setting: Setting) -> str:
    """The default as people write it."""
    if setting.default is None:
        return "automatic"
    if isinstance(setting.default, bool):
        return "yes" if setting.default else "no"
    if isinstance(setting.default, list):
        return ", ".join(map(str, setting.default))
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)


def allowed(setting: Setting) -> str:
    """Choices or bounds in words."""
    if setting.choices:
        return ", ".join(map(str, setting.choices))
    return setting.bounds or setting.kind


def deviations(entry: Mapping[str, Any]) -> None:
    """Every difference from the paper, with its reason."""
    st.html("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in entry["deviations"]) + "</ul>")

"""docs/methods.md: what each method is, what it reaches on real images, how it differs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
SHOWN = (
    ("image_auroc", "image AUROC"), ("pixel_auroc", "pixel AUROC"), ("pixel_ap", "pixel AP"),
    ("pixel_aupro", "AU-PRO"), ("mad", "mAD"),
)  # fmt: skip


def page(rows: Sequence[Row], entries: Sequence[Row], checks: Sequence[Row]) -> str:
    """The page as Markdown.

    Args:
        rows, checks: of benchmarks/accuracy_real3.json.
        entries: of `core.listing.describe_methods`.
    """
    lines = [
        "# Methods",
        "",
        "Written by `benchmarks/accuracy_real3.py`; every number, budget and machine is in "
        "`benchmarks/accuracy_real3.json`. The images are real (magnetic tiles, circuit boards, "
        "breast ultrasound), metrics exact, means over the three classes in percent, one seed "
        "where no spread is given. **The budgets are small** and differ by method, so that two "
        "CPU cores finish: the table says what a method reaches in so many epochs here, not which "
        "one is best. `~`: the machine did other work beside, so that the time says little.",
        "",
        "| method | setting | size, epochs | backbone | "
        + " | ".join(title for _, title in SHOWN)
        + " | training |",
        "|---|---|---|---|" + "---:|" * (len(SHOWN) + 1),
    ]
    titles = {entry["id"]: entry["title"] for entry in entries}
    for key in sorted({(row["method"], row["side"], row["setting"]) for row in rows}):
        lines.append(_line([row for row in rows if _key(row) == key], titles))
    lines += ["", "| asked for | measured | reach | met |", "|---|---:|---|---|"]
    lines += [
        f"| {one['what']} | {one['measured']} | {one['reach']} | {'yes' if one['met'] else 'no'} |"
        for one in checks
    ]
    for entry in sorted(entries, key=lambda entry: entry["title"].lower()):
        lines += ["", *_card(entry)]
    return "\n".join(lines) + "\n"


def _key(row: Row) -> tuple[str, str, str]:
    return row["method"], row["side"], row["setting"]


def _line(same: Sequence[Row], titles: Mapping[str, str]) -> str:
    """One line for the seeds of a method in a setting."""
    first = same[0]
    name = titles.get(first["method"], first["method"])
    name += " (anomalib 2.7)" if first["side"] == "anomalib" else ""
    epochs = "one pass" if first["epochs"] is None else f"{first['epochs']} epochs"
    good = [row for row in same if row["state"] == "succeeded"]
    if not good:
        rest = f" {first['error']} |" + " |" * len(SHOWN)
    else:
        cells = [_value([row["metrics"][id] for row in good]) for id, _ in SHOWN]
        seconds = [row["train_seconds"] for row in good if row["train_seconds"]]
        shared = any(row.get("beside_other_work") for row in good)
        trained = f"{'~ ' * shared}{statistics.mean(seconds):.0f} s" if seconds else "n/a"
        rest = " " + " | ".join([*cells, trained]) + " |"
    backbone = str(first["backbone"]).replace(":random", ", not pretrained")
    return f"| {name} | {first['setting']} | {first['size']} px, {epochs} | {backbone} |{rest}"


def _value(values: Sequence[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if not known:
        return "n/a"
    spread = f" ± {statistics.stdev(known):.1f} ({len(known)})" if len(known) > 1 else ""
    return f"{statistics.mean(known):.1f}{spread}"


def _card(entry: Row) -> list[str]:
    where = f"{entry['venue']} {entry['year']}"
    arxiv = f", [arXiv {entry['arxiv']}](https://arxiv.org/abs/{entry['arxiv']})"
    parameters = f" ({entry['parameters']:,.2f} million parameters)" if entry["parameters"] else ""
    lines = [
        f"## {entry['title']} (`{entry['id']}`)",
        "",
        f"{entry['paper']}, {where}{arxiv if entry['arxiv'] else ''}. {entry['summary']}",
        "",
        f"Frozen: {entry['frozen']}. Trained: {entry['trained']}{parameters}.",
    ]
    lines += ["", entry["note"]] if entry["note"] else []
    published = [row for row in entry["published"]["rows"] if row["dataset"] == "MVTec AD"]
    for row in published[:1]:
        said = f"{row['mark']}, on MVTec AD: mAD {100 * row['metrics']['mad']:.1f} %."
        reason = entry["published"]["no_target"]
        lines += ["", said + (f" Not a target: {reason}." if reason else "")]
    lines += ["", "Differs from the paper:", ""]
    return lines + [f"- {sentence}" for sentence in entry["deviations"]]

"""Who is trained on when patients have healthy and anomalous images: never both of one patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.data.importing.base import Item
from core.data.layout import Findings
from core.errors import UsageError
from core.seeding import derive


def part_healthy(items: Sequence[Item], share: float, findings: Findings) -> Iterator[Item]:
    """Items, those of some patients with anomalies settled for training.

    A patient with an anomaly is tested whole. Where every patient has one, nobody is left to train
    on; so `share` of these patients can be trained on instead: with their healthy images, the
    anomalous ones are left out. Who it is depends on the patient and the share alone, so that a
    patient who is added moves nobody (unless nobody, or everybody, would be trained on: then one
    patient changes sides).

    Raises:
        UsageError: nothing would be left to train on.
    """
    by_class: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        by_class[item.class_name][item.specimen or item.name].append(item)
    trained: set[tuple[str, str]] = set()
    for class_name, patients in by_class.items():
        sick = {who for who, mine in patients.items() if any(item.label for item in mine)}
        useful = {who for who in sick if not all(item.label for item in patients[who])}
        spared = len(patients) - len(sick)
        trained |= {(class_name, who) for who in _chosen(class_name, useful, sick, share, spared)}
    if any(item.label for item in items):
        _refuse_untrainable(by_class, trained)
    left_out = 0
    for item in items:
        if (item.class_name, item.specimen or item.name) not in trained:
            yield item
        elif item.label:
            left_out += 1
        else:
            yield replace(item, split="train")
    if left_out:
        findings.add(
            "note", "",
            f"{left_out:,} anomalous images were left out: they show patients whose healthy images "
            f"are trained on ({len(trained):,} patients, by the setting healthy_share).",
        )  # fmt: skip


def _chosen(
    class_name: str, useful: set[str], sick: set[str], share: float, spared: int
) -> set[str]:
    """Patients with anomalies who are trained on; somebody is left to test."""
    if not share or not useful:
        return set()
    order = sorted(useful, key=lambda who: _lot(class_name, who))
    chosen = {who for who in order if _lot(class_name, who) < share}
    if not chosen and not spared:
        chosen = {order[0]}
    if chosen == sick:
        chosen.discard(order[-1])
    return chosen


def _lot(class_name: str, who: str) -> float:
    return derive(0, "trained", class_name, who) / 2**63


def _refuse_untrainable(
    by_class: dict[str, dict[str, list[Item]]], trained: set[tuple[str, str]]
) -> None:
    for class_name, patients in by_class.items():
        for who, mine in patients.items():
            if (class_name, who) in trained or not any(item.label for item in mine):
                return
    if sum(map(len, by_class.values())) > len(by_class):
        remedy = (
            "set healthy_share to 0.5, say, to train on the healthy images of half of the "
            "patients, or add patients without anomalies"
        )
    else:
        remedy = "add patients without anomalies"
    raise UsageError(f"Every patient has anomalous images, so none is left to train on; {remedy}.")

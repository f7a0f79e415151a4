"""Checks of labels and splits: what is where it should not be, and classes of few images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.words import are, counted, have, learns, listed, spared
from core.data.layout import NORMAL_NAMES
from core.types import Sample

NORMAL_WORDS = NORMAL_NAMES | {"normal", "normals", "healthy"}
ANOMALOUS_WORDS = frozenset(
    ("bad", "defect", "defects", "defective", "anomaly", "anomalies", "anomalous", "abnormal",
     "ng", "nok", "faulty", "broken", "reject", "rejects", "rejected")
)  # fmt: skip
FEWEST_TRAIN, FEWEST_TEST = 10, 10
"""Images of a class below which training or its metrics say little."""
IMBALANCE = 10
"""Training images of the largest class for one of the smallest."""


@check("label_folder")
def label_folder(patient: Patient) -> Iterator[Finding]:
    """Images whose label is not what a folder on their path says."""
    dataset = patient.dataset
    odd = [s for s in dataset.samples if _contradicts(s)]
    if not odd:
        return
    meant = dataset.card.labels_of_views or bool(dataset.contaminated)
    first = odd[0]
    yield Finding(
        check="label_folder",
        severity="note" if meant else "warning",
        title=f"{counted(len(odd), 'image')} {have(len(odd))} a label that differs from the folder",
        keys=tuple(sample.key for sample in odd),
        detail=f"{first.key} is labelled {'anomalous' if first.label else 'normal'}."
        + (
            " Folders of this data set tell of the whole part, labels of one view of it, so this "
            "is meant."
            if meant
            else " The list of labels or the folder is wrong."
        ),
        remedy="Nothing needs to be done."
        if meant
        else "Look at the images; correct the list, or exclude those whose label is wrong.",
        action=None if meant else "exclude",
        fix_keys=() if meant else tuple(sample.key for sample in odd),
    )


def _contradicts(sample: Sample) -> bool:
    parts = {part.lower() for part in sample.key.split("/")[:-1] if part != sample.class_name}
    says_normal, says_anomalous = parts & NORMAL_WORDS, parts & ANOMALOUS_WORDS
    if says_normal and says_anomalous:
        return False
    return bool(says_normal) if sample.label == 1 else bool(says_anomalous)


@check("specimen")
def specimen(patient: Patient) -> Iterator[Finding]:
    """Parts or patients with images both in training (or calibration) and in test."""
    homes: dict[tuple[str, str], dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in patient.dataset.samples:
        if sample.specimen is not None:
            part = "train" if learns(sample) else "test"
            homes[sample.class_name, sample.specimen][part].append(sample)
    torn = [parts for parts in homes.values() if len(parts) == 2]
    if not torn:
        return
    train_keys = tuple(sample.key for parts in torn for sample in parts["train"])
    possible = spared(patient.dataset, train_keys)
    yield Finding(
        check="specimen",
        severity="warning",
        title=f"{counted(len(torn), 'part or patient', 'parts or patients')} {have(len(torn))} "
        "images both in training and in test",
        keys=tuple(s.key for parts in torn for s in (*parts["test"], *parts["train"])),
        groups=tuple(tuple(s.key for s in (*p["test"], *p["train"])) for p in torn),
        detail="Images of one part or patient look alike, so that results are better than they "
        "would be on new ones. Some published splits are made this way.",
        remedy="Exclude the training images of these specimens; the test set stays as it is."
        if possible
        else "Import the data set again with splits that keep specimens together: excluding their "
        "training images would take more than half of a class.",
        action="exclude" if possible else None,
        fix_keys=train_keys if possible else (),
    )


@check("contaminated")
def contaminated(patient: Patient) -> Iterator[Finding]:
    """Anomalous images among those a method learns from."""
    dataset = patient.dataset
    keys = tuple(s.key for s in dataset.samples if s.label == 1 and learns(s))
    if not keys:
        return
    meant = dataset.contaminated
    yield Finding(
        check="contaminated",
        severity="note" if meant else "error",
        title=f"{counted(len(keys), 'anomalous image')} {are(len(keys))} in training",
        keys=keys,
        detail=meant
        or "Methods learn from normal images; what they see in training they take for normal, and "
        "miss in test.",
        remedy="Nothing: the data set is meant so." if meant else "Move them to test.",
        action=None if meant else "move",
        split=None if meant else "test",
        fix_keys=() if meant else keys,
    )


@check("imbalance")
def imbalance(patient: Patient) -> Iterator[Finding]:
    """Classes with ten times fewer training images than the largest."""
    counts = Counter(s.class_name for s in patient.dataset.samples if s.split == "train")
    if len(counts) < 2:
        return
    (largest, most), (_, least) = counts.most_common()[0], counts.most_common()[-1]
    small = [name for name, number in sorted(counts.items()) if most >= IMBALANCE * number]
    if small:
        yield Finding(
            check="imbalance",
            severity="note",
            title=f"{counted(len(small), 'class', 'classes')} {have(len(small))} "
            f"ten times fewer training images than {largest}",
            detail=f"From {least} to {most} training images a class: {listed(small)}. One model "
            "for all classes learns the large ones best.",
            remedy='Compare with the setting "separate", one model a class.',
        )


@check("too_few")
def too_few(patient: Patient) -> Iterator[Finding]:
    """Classes with so few images that training or metrics are left to chance."""
    counts: Counter[tuple[str, str, int]] = Counter(
        (s.class_name, s.split, s.label) for s in patient.dataset.samples
    )
    kinds = (
        ("train", 0, FEWEST_TRAIN, "training images", "Methods cannot learn what varies among "
         "normal images."),
        ("test", 0, FEWEST_TEST, "normal test images", "False alarms cannot be counted on so few, "
         "and confidence intervals are wide."),
        ("test", 1, FEWEST_TEST, "anomalous test images", "Misses cannot be counted on so few, and "
         "confidence intervals are wide."),
    )  # fmt: skip
    for split, label, fewest, what, why in kinds:
        few = [n for n in patient.dataset.classes if counts[n, split, label] < fewest]
        if few:
            numbers = listed(f"{name} {counts[name, split, label]}" for name in few)
            yield Finding(
                check="too_few",
                severity="warning",
                title=f"{counted(len(few), 'class', 'classes')} {have(len(few))} "
                f"fewer than {fewest} {what}",
                detail=f"{numbers}. {why}",
                remedy="Add images, or read the results with their intervals.",
            )

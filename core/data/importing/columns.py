"""Which column of a table is which, by its name."""

from __future__ import annotations

import re

from core.data.importing.splits import NAMES
from core.data.importing.tables import Table
from core.data.layout import is_image

WHAT: dict[str, tuple[str, ...]] = {
    "image": (
        "image", "image_path", "img_path", "img", "file", "filename", "file_name", "filepath",
        "file_path", "path", "image_file", "image_name", "image_id", "picture", "photo", "bild",
    ),
    "label": (
        "label", "anomaly", "anomalous", "is_anomaly", "is_anomalous", "is_defect", "is_defective",
        "defective", "target", "y", "status", "result", "ok_nok", "abnormal", "quality", "verdict",
    ),
    "class": (
        "class", "class_name", "cls_name", "object", "category", "product", "item", "organ", "part",
        "part_type",
    ),
    "split": ("split", "subset", "set", "partition", "fold", "phase", "usage"),
    "mask": (
        "mask", "mask_path", "mask_file", "ground_truth", "gt", "gt_path", "segmentation",
        "annotation", "mask_name",
    ),
    "anomaly_type": (
        "anomaly_type", "type", "defect_type", "defect", "specie_name", "anomaly_kind", "kind",
        "fault", "lesion", "finding", "diagnosis", "anomaly_class", "defect_class",
    ),
    "specimen": (
        "specimen", "specimen_id", "patient", "patient_id", "part_id", "serial", "serial_number",
        "sample_id", "subject", "subject_id", "object_id", "case", "case_id", "study_id", "unit",
        "part_number",
    ),
    "time": (
        "time", "timestamp", "date", "datetime", "acquired", "taken", "taken_at", "recorded",
        "acquisition_time",
    ),
}  # fmt: skip
"""What a column may be, and names it then has, the likeliest first."""


def find(table: Table) -> dict[str, str]:
    """{what: column}; each column once. Without a name that tells, the images are the first column
    whose values are mostly names of image files."""
    plain = {_plain(name): name for name in reversed(table.names)}
    found: dict[str, str] = {}
    for what, names in WHAT.items():
        mine = next((plain[name] for name in names if name in plain), None)
        if mine is not None and mine not in found.values():
            found[what] = mine
    if not _holds_images(table, found.get("image", "")):
        taken = set(found.values())
        images = [n for n in table.names if n not in taken and _holds_images(table, n)]
        if images:
            found["image"] = images[0]
        elif table.column(table.names[0]):
            found.pop("image", None)
    known = {str(value).strip().lower() for value in table.column(found.get("split", ""))}
    if known and not known & NAMES.keys():
        found.pop("split", None)  # numbers of folds, say
    if "label" not in found and "anomaly_type" in found:  # "good" among the kinds
        found["label"] = found["anomaly_type"]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s\-./]+", "_", name.strip().lower()).strip("_")


def _holds_images(table: Table, column: str) -> bool:
    values = [str(value) for value in table.column(column) if value]
    return bool(values) and 2 * sum(map(is_image, values)) > len(values)

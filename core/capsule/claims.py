"""What a run capsule says, as typed values, and the names of its members."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from core.data.layout import inside
from core.errors import DataError
from core.runs import RunDirectory

FORMAT: Final = 2
MANIFEST, IMAGES, THRESHOLDS, MODEL = (
    "manifest.json", "images.json", "thresholds.json", "checkpoint.json",
)  # fmt: skip
ALWAYS = (
    RunDirectory.CONFIG, RunDirectory.CASES, RunDirectory.METRICS, IMAGES, THRESHOLDS, MODEL,
)  # fmt: skip
"""Members every capsule has, beside the manifest and the model's files."""
CHECKPOINT: Final = f"{RunDirectory.CHECKPOINT}/"
GONE: Final = "gone"


class FileFacts(BaseModel):
    """A file as it was when the capsule was made."""

    bytes: int
    sha256: str


Facts: TypeAlias = FileFacts | Literal["gone"]


class ImageFacts(BaseModel):
    """A test image and its masks, by key; "gone" where a file could not be read."""

    image: Facts
    masks: dict[str, Facts] = {}


class Thresholds(BaseModel):
    """What a class is split at.

    Attributes:
        oracle: F1-max over the test images themselves.
        held_out: from held-out normals, whose scores are `held_out_scores`.
        chosen: what a person chose and is in use: value, upper, name, origin, author, at.
        judged_by: which of them decides ("chosen", "held-out", "oracle"); None: there is none.
    """

    oracle: float | None = None
    held_out: float | None = None
    held_out_scores: list[float] = []
    chosen: dict[str, Any] | None = None
    judged_by: str | None = None


class Manifest(BaseModel):
    """Attributes:
    created: when the run ended, so that a capsule made twice is the same.
    flawscope: version that made the capsule; `versions`: those the run was made with.
    weights: of the backbone: source, sha256, pretrained; {} when the maps were made elsewhere.
    members: SHA-256 of every other member.
    """

    model_config = ConfigDict(extra="ignore")

    format: int
    run_id: str
    created: str | None
    flawscope: str
    versions: dict[str, str]
    weights: dict[str, Any]
    with_model: bool
    members: dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A test image as the run scored it."""

    key: str
    class_name: str
    label: int
    anomaly_type: str
    score: float


def digest_of(content: bytes | Path) -> str:
    """SHA-256 of bytes or of a file, read in pieces."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_facts(root: Path | None, key: str) -> Facts:
    """Size and SHA-256 of a file below a data set's root; "gone" when it cannot be read."""
    if root is None:
        return GONE
    try:
        path = inside(root, key)
        return FileFacts(bytes=path.stat().st_size, sha256=digest_of(path))
    except (OSError, DataError):
        return GONE


def encoded(value: Any) -> bytes:
    """JSON as a capsule holds it: sorted, so that equal values are equal bytes."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()

"""Data sets that were brought into the workspace, by their manifest (`core.data.manifest`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from core.data import manifest
from core.data.base import Dataset, DatasetCard, Reader, reader
from core.data.imported_sets import card_of
from core.data.layout import Findings, assemble
from core.errors import DataError


@reader("manifest")
class Manifest(Reader):
    """A folder with a manifest of ours."""

    specificity: ClassVar[int] = 100
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Your own images",
        summary="Images brought in on this machine, listed in a manifest.",
        layout="manifest.parquet, images/, masks/; made on import",
        licence_note="The images are yours or whoever's you took them from; nothing is stated.",
    )

    def recognise(self, root: Path) -> str | None:
        """By a manifest.parquet that bears our sign; says what the images were made from."""
        if not manifest.is_manifest(root):
            return None
        try:
            return manifest.told(root).recognised
        except DataError:
            return "Images brought into this workspace."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All rows of the manifest; see `Reader.read`."""
        samples = [row.sample for row in manifest.load(root)]
        told = manifest.told(root)
        findings = Findings()
        for severity, key, message in told.problems:
            findings.add(severity, key, message)
        found = assemble(self, root, name, told.recognised, samples, findings)
        own = replace(self.card, title=name, summary=told.recognised)
        return replace(found, card=card_of(told.importer, found.classes) or own)

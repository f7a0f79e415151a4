"""Mask files of the images of one anomaly type, paired by stem.

Never by sorted position: one missing or extra file would shift every pair.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.data.layout import Findings, Tree, below, is_image, stem


class MasksByStem:
    """The masks in a folder, named after their images: files, or folders of several masks each,
    which are joined by "or".

    Args:
        folder: its key; None: there are no masks.
    """

    def __init__(self, tree: Tree, folder: str | None) -> None:
        self._tree = tree
        self._folder = folder
        self._by_stem: dict[str, tuple[str, ...]] = {}
        if folder is None:
            return
        listing = tree.listing(folder)
        for name in listing.folders:
            inner = below(folder, name)
            files = tuple(
                below(inner, file) for file in tree.listing(inner).files if is_image(file)
            )
            if files:
                self._by_stem[name] = files
        for name in listing.files:
            if is_image(name):
                self._by_stem[stem(name)] = (below(folder, name),)

    def of(self, image: str) -> tuple[str, ...]:
        """Mask files of an image: <stem>_mask, else <stem> (a file, else a folder), else none."""
        name = stem(image)
        return self._by_stem.get(f"{name}_mask") or self._by_stem.get(name) or ()

    def note_unpaired(self, stems: set[str]) -> None:
        """Say which masks belong to no image."""
        unpaired = [
            files[0]
            for name, files in self._by_stem.items()
            if name not in stems and name.removesuffix("_mask") not in stems
        ]
        if unpaired:
            self._tree.findings.add(
                "note",
                unpaired[0],
                f"{len(unpaired)} masks in {self._folder} have no image of their name, such as "
                f"{unpaired[0]}; they were ignored.",
            )


def note_missing(
    findings: Findings, folder: str, paired: Mapping[str, tuple[str, ...]], truth: str
) -> None:
    """One sentence for a type without any mask, else one an image."""
    missing = [key for key, files in paired.items() if not files]
    if missing and len(missing) == len(paired):
        findings.add(
            "warning",
            folder,
            f"None of the {len(missing)} images in {folder} has a mask under {truth}; they "
            "count for image metrics only.",
        )
        return
    for key in missing:
        findings.add(
            "warning",
            key,
            f"{key} has no mask under {truth}; it counts for image metrics only.",
            kind=f"mask of {folder}",
        )

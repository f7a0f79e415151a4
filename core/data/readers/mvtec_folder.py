"""Folders in the layout of MVTec AD (Bergmann et al., CVPR 2019): one folder a class.

<class>/train/good/000.png                        normal images ("ok" means the same)
<class>/test/<type>/000.png                       type "good" or "ok" normal, any other anomalous
<class>/ground_truth/<type>/000_mask.png          or 000.png; any image format
<class>/ground_truth/<type>/000/*.png             or several masks (MVTec LOCO), joined by "or"

The root may be one class itself, and a class may stand twice nested (`can/can`), as some
archives unpack. Images and masks pair by stem, never by sorted position.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from core.data.base import DatasetCard, reader
from core.data.class_folders import ClassFolders
from core.data.layout import Tree

_NAMED_CLASSES = 6


@reader("mvtec_folder")
class MvtecFolder(ClassFolders):
    """Any folder of classes with train/good and test/<type>."""

    card: ClassVar[DatasetCard] = DatasetCard(
        title="Folder in MVTec AD layout",
        summary="One folder a class: normal training images, test images by kind of defect.",
        layout="<class>/train/good, <class>/test/<type>, <class>/ground_truth/<type>/<stem>_mask",
    )

    def recognise(self, root: Path) -> str | None:
        """By a train/good (or train/ok) folder in at least one class, or in the root itself."""
        tree = Tree(root)
        classes = self.classes(tree)
        names = [name for name, home in classes if self.normal_folders(tree, home)]
        if not names:
            return None
        if any(home == "" for _, home in classes):
            return f"MVTec-style folder of one class, {names[0]}: train/good stands directly in it."
        listed = ", ".join(names[:_NAMED_CLASSES]) + (" …" if len(names) > _NAMED_CLASSES else "")
        count = "1 class" if len(names) == 1 else f"{len(names)} classes"
        return f"MVTec-style folder: {count} with train/good ({listed})."

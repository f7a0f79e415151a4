"""How a published data set in class folders is recognised: by its class names and a second sign."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from core.data.class_folders import ClassFolders, part_of
from core.data.layout import Tree, below

NON_COMMERCIAL = "No commercial use; credit and the same licence for what you make of it."
"""What CC BY-NC-SA 4.0 forbids and asks, for cards."""


class PublishedFolders(ClassFolders):
    """A published data set: known by its class names, and by a second sign beside them.

    Its classes alone prove little (who has not a folder `screw`?), so one of these must join:
    two classes or more, the root's own name, or a folder that only this layout has. And where the
    published kinds of defect are known, each class that has defects must have one of them.

    Attributes:
        called: names of its root folder, lower case, letters and digits only.
        types: published anomaly types by class; `"*"`: those of every class. Empty: not looked at.
        marks: folders below a class's folder that only this layout has; one of them must be there.
    """

    specificity: ClassVar[int] = 20
    called: ClassVar[frozenset[str]] = frozenset()
    types: ClassVar[Mapping[str, Collection[str]]] = {}
    marks: ClassVar[tuple[str, ...]] = ()

    def recognise(self, root: Path) -> str | None:
        """By its class names, and by a second sign beside them."""
        tree = Tree(root)
        published = set(self.card.counts)
        # most folders are something else, and are seen to be from one listing
        if not published & {root.name, *tree.listing().folders}:
            return None
        classes = self.classes(tree)
        if not classes or not {name for name, _ in classes} <= published:
            return None
        if not any(self.normal_folders(tree, home) for _, home in classes):
            return None
        if not all(self._types_fit(tree, name, home) for name, home in classes):
            return None
        sign = self._second_sign(tree, classes)
        if sign is None:
            return None
        return f"{self.card.title}: {len(classes)} of its {len(published)} classes, {sign}."

    def _second_sign(self, tree: Tree, classes: list[tuple[str, str]]) -> str | None:
        if self.marks:
            found = [m for m in self.marks if any(tree.has_folder(below(h, m)) for _, h in classes)]
            return f"and its folder {found[0]} in them" if found else None
        if any(home == "" for _, home in classes):
            return None
        if len(classes) > 1:
            return "by their names" + (" and kinds of defect" if self.types else "")
        if re.sub(r"[^a-z0-9]", "", tree.root.name.lower()) in self.called:
            return "and its folder's own name"
        return None

    def _types_fit(self, tree: Tree, class_name: str, home: str) -> bool:
        known = self.types.get(class_name, self.types.get("*", ()))
        tested = [
            kind
            for folder, split in self.splits.items()
            if split == "test" and (part := part_of(tree, home, folder)) is not None
            for kind in self.kinds(tree, part)
            if kind.lower() not in self.normal
        ]
        return not known or not tested or bool(set(tested) & set(known))

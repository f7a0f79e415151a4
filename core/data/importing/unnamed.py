"""Listing folders whose names may be those of persons: what cannot be listed is not named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.data.importing.walking import folders
from core.data.layout import Findings, Tree, below


def walk(tree: Tree) -> Iterator[str]:
    """Keys of all files below the tree's root."""
    for folder in folders(tree):
        yield from (below(folder, name) for name in tree.listing(folder).files)


def listed(source: Path, keep_ids: bool, findings: Findings) -> tuple[Path, list[str]]:
    """The folder and the keys of all its files; of a source that is a file, that one.

    What cannot be listed is told without its name, which may be a person's.
    """
    if source.is_file():
        return source.parent, [source.name]
    tree = Tree(source)
    keys = sorted(walk(tree))
    found = tree.findings.problems()
    if found and keep_ids:
        for one in found:
            findings.add(one.severity, one.key, one.message)
    elif found:
        findings.add(
            "warning", "",
            f"{len(found)} files or folders were left out: they may not be read, are links out of "
            "the folder or have names that are not UTF-8. They are not named, for names of files "
            "may be names of persons.",
        )  # fmt: skip
    return source, keys

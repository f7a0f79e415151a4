"""Folders below a source, each once: what links in a circle, archives and we ourselves leave there
is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.data.layout import Tree, below, is_image

_DEEPEST = 40
_STRANGE = frozenset(("__macosx", "@eadir", "$recycle.bin", "__pycache__"))
"""Names, in lower case, of folders that hold copies or leavings of other programs."""

_WORKSPACE = frozenset(("people", "runs", "data"))


def folders(tree: Tree, key: str = "", above: tuple[Path, ...] = ()) -> Iterator[str]:
    """Keys of a folder and all below it, in the order of their names.

    A link back to a folder that holds it is not followed, nor is a workspace of ours entered.
    """
    if tree.root.joinpath(key).is_symlink() or not above:
        real = tree.root.joinpath(key).resolve()
    else:
        real = above[-1] / key.rpartition("/")[2]
    if real in above or len(above) > _DEEPEST:
        return
    listing = tree.listing(key)
    if listing.folders and set(listing.folders) >= _WORKSPACE:
        tree.findings.add(
            "note", key, f"{key or tree.root.name} is a workspace of Flawscope and was passed over."
        )
        return
    yield key
    for name in listing.folders:
        if name.lower() not in _STRANGE:
            yield from folders(tree, below(key, name), (*above, real))


def images(tree: Tree, most: int = 1_000_000) -> Iterator[str]:
    """Keys of all image files below the tree's root, in at most so many folders."""
    for number, folder in enumerate(folders(tree)):
        if number >= most:
            return
        yield from (below(folder, name) for name in tree.listing(folder).files if is_image(name))

"""Registries of methods, data set readers and metrics: explicit ids, no silent overwriting.

Members live one to a file; `Registry` imports every module of its package the first time
it is asked for one, so that adding a member is adding a file.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from core.errors import UnknownId

Member = TypeVar("Member")


def nearest(kind: str, id: str, known: Iterable[str]) -> str:
    """The sentence for an unknown id: names the nearest one and all."""
    ids = sorted(known)
    near = difflib.get_close_matches(id, ids, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {kind} {id!r}.{hint} Known: {', '.join(ids) or 'none'}."


def _origin(member: object) -> tuple[str, str]:
    """Where a member was defined; equal for a module that is imported again."""
    return getattr(member, "__module__", ""), getattr(member, "__qualname__", repr(member))


class Registry(Generic[Member]):
    """Members of one kind by id.

    Args:
        kind: what a member is, as errors name it ("method").
        package: dotted name of the package whose modules register the members.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._members: dict[str, Member] = {}
        self._discovered = False

    def register(self, id: str) -> Callable[[Member], Member]:
        """Decorator that files a member under `id`; raises ValueError when the id is taken."""

        def keep(member: Member) -> Member:
            held = self._members.get(id)
            if held is not None and _origin(held) != _origin(member):
                raise ValueError(f"{self.kind} id {id!r} is registered twice")
            self._members[id] = member
            return member

        return keep

    def get(self, id: str) -> Member:
        """The member of that id.

        Raises:
            UnknownId: no such member; names the nearest and all.
        """
        self._discover()
        try:
            return self._members[id]
        except KeyError:
            raise UnknownId(nearest(self.kind, id, self._members)) from None

    def ids(self) -> list[str]:
        """All ids, sorted."""
        self._discover()
        return sorted(self._members)

    def items(self) -> Iterator[tuple[str, Member]]:
        """Pairs of id and member, sorted by id."""
        for id in self.ids():
            yield id, self._members[id]

    def __contains__(self, id: object) -> bool:
        self._discover()
        return id in self._members

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._discovered = True

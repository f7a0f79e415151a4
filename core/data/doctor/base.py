"""What the doctor finds, and the registry of its checks: one kind of fault a file or function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd

from core.data.base import Dataset
from core.data.edits import Action
from core.data.layout import Severity
from core.registry import Registry
from core.types import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of fault in a data set.

    Attributes:
        check: id of the check.
        severity: "error": wrong results or a failing run; "warning": results mislead; "note".
        title: a short sentence with the number, such as "12 images stand in train and in test".
        keys: of the images concerned, the worst first; empty when it concerns whole classes.
        groups: keys that belong together (duplicates of each other), the worst first.
        detail: why it matters and what was measured, one or two sentences.
        remedy: what to do, one sentence.
        action: what would mend it on the manifest for `fix_keys`; None: nothing would.
        split: where to, for "move".
        fix_keys: the images the action is for.
    """

    check: str
    severity: Severity
    title: str
    keys: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    detail: str = ""
    remedy: str = ""
    action: Action | None = None
    split: Split | None = None
    fix_keys: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Images concerned."""
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Patient:
    """What checks look at.

    Attributes:
        dataset: as it was opened, edits applied.
        facts: one row a sample by key, see `core.data.doctor.facts`.
        size: side in pixels that a run would use.
    """

    dataset: Dataset
    facts: pd.DataFrame
    size: int


Check: TypeAlias = Callable[[Patient], Iterator[Finding]]
CHECKS: Registry[Check] = Registry("check of the doctor", "core.data.doctor")


def check(id: str) -> Callable[[Check], Check]:
    """Decorator: file a check under `id`."""
    return CHECKS.register(id)


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found.

    Attributes:
        dataset: its name.
        size: side in pixels it was examined for.
        findings: errors first, then by number of images.
        facts: see `Patient`.
        differences: sentences on counts that differ from the published ones.
        at: when, UTC.
        seconds: how long it took.
        fingerprint: of the content it was made from, see `core.data.catalogue.fingerprint`.
    """

    dataset: str
    size: int
    findings: tuple[Finding, ...]
    facts: pd.DataFrame
    differences: tuple[str, ...] = field(default=())
    at: str = ""
    seconds: float = 0.0
    fingerprint: str = ""

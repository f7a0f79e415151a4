"""Facts remembered in <workspace>/cache/doctor/facts/<root>.parquet, one row a content.

A row's id is a hash of what was measured (image, label, masks); an image that changes gets a new
row, one that moves or returns keeps its own.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL
import pyarrow as pa
import pyarrow.parquet as pq

from core.workspace import Workspace, write_atomically

VERSION = f"4, Pillow {PIL.__version__}"
"""Differs when the same file may be measured otherwise."""
_SIGN = "flawscope.facts"


class Cache:
    """The remembered facts of one folder; `add` may be called from several threads at once."""

    def __init__(self, root: Path, workspace: Workspace) -> None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:20]
        self._file = workspace.root / "cache" / "doctor" / "facts" / f"{name}.parquet"
        self._known = _load(self._file)
        self._places = {id: at for at, id in enumerate(self._known.index)}
        self._new: dict[str, dict[str, Any]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._places or id in self._new

    def add(self, id: str, row: dict[str, Any]) -> None:
        """Remember a row."""
        self._new[id] = row

    def rows(self, ids: list[str], empty: dict[str, Any]) -> pd.DataFrame:
        """The rows of those ids in their order; `empty` for those that are not known."""
        known = self._all()
        if "" not in known.index:
            known = pd.concat([known, pd.DataFrame([empty], index=[""])])
        return known.loc[ids, list(empty)].copy()

    def save(self) -> None:
        """Write what is new; a lost update costs another look, no more."""
        if not self._new:
            return
        self._known, self._new = self._all(), {}
        self._places = {id: at for at, id in enumerate(self._known.index)}
        table = pa.Table.from_pandas(self._known)
        sign = {_SIGN.encode(): VERSION.encode()}
        table = table.replace_schema_metadata((table.schema.metadata or {}) | sign)
        write_atomically(self._file, lambda out: pq.write_table(table, out, compression="zstd"))

    def _all(self) -> pd.DataFrame:
        if not self._new:
            return self._known
        new = pd.DataFrame(list(self._new.values()), index=list(self._new))
        return pd.concat([self._known, new]) if len(self._known) else new


def _load(file: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(file)
        if (table.schema.metadata or {}).get(_SIGN.encode()) == VERSION.encode():
            found = table.to_pandas()
            found["phash"] = found["phash"].astype(np.uint64)
            return pd.DataFrame(found)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        pass  # not there, torn or of another version: everything is looked at again
    return pd.DataFrame()

"""What a page's sortable tables hold, read from what AppTest keeps of them."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def tables(test: AppTest) -> list[dict[str, Any]]:
    """Payloads of all sortable tables, in the order they are shown."""
    found = [e.proto for e in test.get("bidi_component")]
    return [json.loads(one.json) for one in found if one.component_name == "flawscope_sortable"]


def table(test: AppTest, caption: str) -> dict[str, Any]:
    """The one whose caption begins so."""
    (found,) = [one for one in tables(test) if one["caption"].startswith(caption)]
    return found


def row(found: dict[str, Any], id: str) -> dict[str, dict[str, Any]]:
    """{heading: cell} of one line."""
    (line,) = [one for one in found["rows"] if one["id"] == id]
    titles = [column["title"] for column in found["columns"]]
    return dict(zip(titles, line["cells"], strict=True))


def shown(found: dict[str, Any]) -> str:
    """Every text that can be read without hovering."""
    parts = [column["title"] for column in found["columns"]]
    for line in found["rows"]:
        for cell in line["cells"]:
            parts += [cell["text"], cell.get("below", ""), *cell.get("chips", [])]
    return "\n".join(parts)

"""The data sets that are known, as plain data and as README's table.

    python -m core.data.known README.md

writes the table anew between its two marks, from the cards.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.data.base import READERS, Count, DatasetCard
from core.data.imported_sets import CARDS
from core.errors import UsageError
from core.workspace import write_atomically

BEGIN = "<!-- data sets: written by python -m core.data.known README.md -->"
END = "<!-- end of data sets -->"
_HEAD = ("data set", "year", "domain", "images", "licence", "where to get it")
_NOTE = (
    "Images: normal training / normal test / anomalous test; `~` marks numbers that were not "
    "found in a source of the set itself, `?` unknown ones."
)


def known() -> list[dict[str, Any]]:
    """Every card: id, "reader" or the importer that brings it in, whether it is one published set,
    and the card's fields."""
    readers = [("reader", id, kind.card) for id, kind in READERS.items()]
    return [
        {"id": id, "by": by, "published": is_published(card), **_plain(card)}
        for by, id, card in [
            *readers,
            *((f"importer {name}", id, card) for id, (name, card) in CARDS.items()),
        ]
    ]


def is_published(card: DatasetCard) -> bool:
    """Whether a card is of one published data set, not of a layout that may hold anything."""
    return card.domain != "own"


def table() -> str:
    """README's table of the published data sets, as Markdown, and what its signs mean."""
    cards = [kind.card for _, kind in READERS.items() if is_published(kind.card)]
    cards += [card for _, card in CARDS.values()]
    cards.sort(key=lambda card: (card.domain, card.title.lower()))
    rows = [_row(_HEAD), _row(["---"] * len(_HEAD)), *(_row(_cells(card)) for card in cards)]
    return "\n".join([*rows, "", _NOTE])


def put_into(text: str) -> str:
    """The text with the table between its marks.

    Raises:
        UsageError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"The table of data sets needs the lines {BEGIN} and {END} around it.")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _cells(card: DatasetCard) -> list[str]:
    home = f"[home]({card.home})" if card.home else "not known"
    download = f", {card.download}" if card.download else ""
    return [
        f"**{card.title}**: {card.summary}",
        str(card.year or "?"),
        card.domain,
        _images(card),
        f"{card.licence}. {card.licence_note}",
        f"{home}{download}",
    ]


def _images(card: DatasetCard) -> str:
    """Those of the whole set, else the sums over its classes; "?" for what is not known."""
    parts = [card.total] if card.total else list(card.counts.values())
    numbers = [
        _sum([getattr(part, field) for part in parts]) for field in ("train", "good", "anomalous")
    ]
    if all(number is None for number in numbers):
        return "?"
    about = "" if all(part.verified for part in parts) else "~ "
    return about + " / ".join("?" if number is None else f"{number:,}" for number in numbers)


def _sum(numbers: list[int | None]) -> int | None:
    known_ones = [number for number in numbers if number is not None]
    return sum(known_ones) if known_ones and len(known_ones) == len(numbers) else None


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(card: DatasetCard) -> dict[str, Any]:
    """Like `dataclasses.asdict`, but for mappings of any kind."""
    plain = {field.name: getattr(card, field.name) for field in fields(card)}
    plain["counts"] = {name: _count(count) for name, count in card.counts.items()}
    plain["total"] = _count(card.total) if card.total else None
    return plain


def _count(count: Count) -> dict[str, Any]:
    return {field.name: getattr(count, field.name) for field in fields(Count)}


def main(arguments: list[str]) -> None:
    """Write the table into the file named, or print it."""
    if not arguments:
        print(table())
        return
    path = Path(arguments[0])
    text = put_into(path.read_text(encoding="utf-8"))
    write_atomically(path, lambda file: file.write(text.encode()))


if __name__ == "__main__":
    main(sys.argv[1:])

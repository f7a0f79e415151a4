"""Files damaged in the ways that disks, transfers and enemies damage them; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator


def mutations(whole: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged versions of a file: cut, bits flipped, bytes overwritten, blocks moved,
    repeated, taken out or put in, its head alone mutated."""
    rng = random.Random(seed)
    for number in range(count):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 1, 2, 8, 40))):
            _once(rng, data, len(whole) if number % 3 else min(len(whole), 256))
        yield bytes(data)


def _once(rng: random.Random, data: bytearray, reach: int) -> None:
    if not data:
        data += rng.randbytes(8)
        return
    at = rng.randrange(min(len(data), max(1, reach)))
    size = rng.choice((1, 1, 2, 4, 16, 256))
    kind = rng.randrange(7)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data[at : at + size] = rng.randbytes(size)
    elif kind == 3:
        data[at : at + size] = rng.choice((b"\x00", b"\xff", b"\x7f\xff\xff\xff")) * size
    elif kind == 4:
        del data[at : at + size]
    elif kind == 5:
        data[at:at] = data[at : at + size] * rng.choice((1, 3))
    else:
        other = rng.randrange(len(data))
        data[at : at + size] = data[other : other + size]

"""Float32 values as integers of the same order, and the dyadic bins they fall into.

The bits of a non-negative float32 already order like its value; those of a negative one do once
all bits but the sign are flipped. So every finite value has a `key`, a signed 32-bit integer,
and neighbouring floats have neighbouring keys. -0.0 and 0.0 share key 0.

Dropping the lowest `shift` bits of a key gives its *bin*: 2^shift neighbouring floats, relative
width about 2^(shift - 23) wherever they lie. A bin of a coarser shift is a union of whole bins of
any finer one, so histograms of different shifts can be added without error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int32]
Float32s = npt.NDArray[np.float32]

BITS = 32
FLIP = np.int32(0x7FFFFFFF)
TOP = 0x7F7FFFFF
"""Key of the largest finite float32."""
BOTTOM = -0x7F800000
"""Key of the smallest: keys of -inf and NaN lie below it, of +inf and NaN above TOP."""


def key_of(values: Float32s, out: Keys | None = None) -> Keys:
    """Keys of float32 values, in their shape; NaN and infinities get keys out of range."""
    bits = values.view(np.int32)
    if out is None:
        out = np.empty_like(bits)
    np.right_shift(bits, 31, out=out)  # all ones where negative
    np.bitwise_and(out, FLIP, out=out)
    np.bitwise_xor(out, bits, out=out)
    out[out == -1] = 0  # -0.0
    return out


def value_of(keys: npt.NDArray[Any]) -> Float32s:
    """The float32 values of keys."""
    keys = keys.astype(np.int32, copy=False)
    bits: Keys = keys ^ ((keys >> 31) & FLIP)
    return bits.view(np.float32)


def edge_of(bins: npt.NDArray[Any], shift: int) -> Float32s:
    """The lowest value of each bin; bins that begin below all finite values start at the lowest."""
    keys = np.clip(bins.astype(np.int64) << shift, BOTTOM, TOP)
    return value_of(keys)


def finest_shift(sorted_keys: Keys, most: int) -> int:
    """Smallest shift at which the keys occupy at most `most` bins.

    Two neighbours share a bin from the shift on that drops their highest differing bit.

    Args:
        sorted_keys: ascending, at least one.
        most: at least 2 (keys of both signs never share a bin).
    """
    differing = (sorted_keys[1:] ^ sorted_keys[:-1]).view(np.uint32)
    for shift in range(BITS - 1):
        if 1 + np.count_nonzero(differing >= np.uint32(1 << shift)) <= most:
            return shift
    return BITS - 1

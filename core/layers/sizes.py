"""Sides of images that a network can take."""

from __future__ import annotations

from core.errors import UsageError


def require_multiple(size: int, step: int, said: str) -> None:
    """A side must be a multiple of `step`, and at least two of them: a map of one value is none.

    Args:
        size: side of the image, pixels.
        said: why, as the sentence begins ("RD halves the image five times").

    Raises:
        UsageError: it is not.
    """
    if size % step or size < 2 * step:
        raise UsageError(
            f"{said}; --size came as {size}, expected a multiple of {step} from {2 * step} on."
        )

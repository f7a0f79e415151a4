"""A picture with what a method saw on it: calibrated heat, and outlines in the colours of truth.

The heat has the scale of `core.heat`, so that a report and an exported file look like the viewer
in the browser. Pixels at or above a threshold are found (on the truth) or a false alarm (off it),
true pixels below it are missed; each kind has its colour and its line, so that colour is never the
only sign: found solid, missed dashed, false alarm dotted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from core.heat import HEAT_STOPS, TRUTH, colours
from core.metrics.tail import shares_hotter

Mask = npt.NDArray[np.bool_]
Tail = Sequence[tuple[float, float]]
FINE: Final = 2
"""Outlines are drawn this many times as large and then made small, so that they are smooth."""
LINES: Final = {"found": 0, "missed": 9, "false alarm": 4}
"""Length of the dashes in fine pixels; 0: solid."""
ABOVE = "above the threshold"
_ABOVE_COLOUR = "#ffffff"
RIM: Final = 0.45
"""How much darker the rim around the lines is."""
DRAWN = TRUTH["dark"]
"""Truth colours on pictures, whatever the page around them is like."""


def heat_rgba(map_HW: npt.NDArray[Any], tail: Tail) -> npt.NDArray[np.uint8]:
    """A map in its calibrated colours, RGBA [H, W, 4]; all transparent without calibration.

    Args:
        map_HW: raw map values.
        tail: (map value, share of normal pixels that high or higher), of the map's run and class.
    """
    values_HW = np.asarray(map_HW, np.float64)
    shares = shares_hotter([x for x, _ in tail], [y for _, y in tail], values_HW.ravel())
    drawn = np.zeros((values_HW.size, 4), np.uint8)
    if shares is not None:
        hot = shares <= HEAT_STOPS[0][0]  # few pixels are; the rest is transparent
        drawn[hot] = colours(shares[hot])
    return drawn.reshape(*values_HW.shape, 4)


def classes(hot_HW: Mask, truth_HW: Mask | None) -> dict[str, Mask]:
    """Pixels by what they are: found, false alarm, missed; "above the threshold" without truth."""
    if truth_HW is None:
        return {ABOVE: hot_HW}
    return {
        "false alarm": hot_HW & ~truth_HW,
        "missed": truth_HW & ~hot_HW,
        "found": hot_HW & truth_HW,
    }


def enlarged(map_HW: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """A map at another size (width, height), bilinear."""
    image = Image.fromarray(np.ascontiguousarray(map_HW, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)


def overlay(
    picture: Image.Image,
    map_HW: npt.NDArray[Any],
    truth_HW: Mask | None,
    threshold: float | None,
    tail: Tail,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """The picture with heat and outlines on it, RGB.

    Args:
        picture: in its own aspect.
        map_HW: raw map values, of any size; stretched over the picture.
        truth_HW: true pixels, of any size; all False for a normal image, None where unknown.
        threshold: map value at which pixels are outlined; None: no outlines.
        tail: see `heat_rgba`.
        size: width and height of the result in pixels; default the picture's.
    """
    size = size or picture.size
    ground = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    heat = Image.fromarray(heat_rgba(enlarged(map_HW, size), tail))
    ground = Image.alpha_composite(ground.convert("RGBA"), heat).convert("RGB")
    if threshold is None:
        return ground
    fine = (size[0] * FINE, size[1] * FINE)
    hot = enlarged(map_HW, fine) >= threshold
    if truth_HW is None:
        return outlined(ground, classes(hot, None))
    truth = Image.fromarray(truth_HW.astype(np.uint8) * 255)
    truth = truth.resize(fine, Image.Resampling.BILINEAR)
    return outlined(ground, classes(hot, np.asarray(truth) >= 128))


def outlined(picture: Image.Image, kinds: dict[str, Mask]) -> Image.Image:
    """The picture with a line around the pixels of each kind, and a dark rim that sets it off.

    Args:
        kinds: masks FINE times as large as the picture, by the names of `LINES` or ABOVE.
    """
    drawn = picture.convert("RGB")
    lines = {kind: _ring(mask, LINES.get(kind, 0)) for kind, mask in kinds.items() if mask.any()}
    if lines:
        rim = _grown(np.logical_or.reduce(list(lines.values())), 2)
        drawn.paste((0, 0, 0), mask=_cover(rim).point(lambda value: value * RIM))
    for kind, ring in lines.items():
        drawn.paste(DRAWN.get(kind, _ABOVE_COLOUR), mask=_cover(ring))
    return drawn


def _ring(mask: Mask, dash: int) -> Mask:
    """The rim of a mask, 3 fine pixels wide; broken into dashes of that length."""
    ring: Mask = mask & _grown(~mask, 3)
    if dash:
        odd_H, odd_W = ((np.arange(side) // dash % 2).astype(bool) for side in mask.shape)
        ring &= odd_H[:, None] == odd_W
    return ring


def _grown(mask: Mask, by: int) -> Mask:
    """True within `by` pixels (a square) of a true pixel; what lies outside counts as False."""
    across = mask.copy()
    for step in range(1, by + 1):
        across[:, step:] |= mask[:, :-step]
        across[:, :-step] |= mask[:, step:]
    grown = across.copy()
    for step in range(1, by + 1):
        grown[step:] |= across[:-step]
        grown[:-step] |= across[step:]
    return grown


def _cover(fine_HW: Mask) -> Image.Image:
    """How much of each pixel of the picture is covered, as a picture of greys."""
    return Image.fromarray(fine_HW.astype(np.uint8) * 255).reduce(FINE)


def legend(width: int = 720) -> Image.Image:
    """What the colours and lines mean, as a picture to lie beside exported overlays."""
    height, text = 150, ImageFont.load_default(15)
    image = Image.new("RGB", (width, height), "#161b21")
    pen = ImageDraw.Draw(image)
    pen.text((20, 14), "Heat: share of normal pixels this hot or hotter", "#e6eaee", text)
    left, right = 20, width - 20
    ends = -np.log(HEAT_STOPS[0][0]), -np.log(HEAT_STOPS[-1][0])
    bar = colours(np.exp(-np.linspace(*ends, right - left)))
    strip = Image.fromarray(np.repeat(bar[None], 18, axis=0))
    image.paste("#555b63", (left, 40, right, 58))
    image.paste(strip, (left, 40), strip)
    for share, words in ((0.05, "1 in 20"), (1e-3, "1 in 1,000"), (1e-5, "1 in 100,000")):
        x = left + (right - left) * (-np.log(share) - ends[0]) / (ends[1] - ends[0])
        anchor = "la" if share == 0.05 else "ra" if share == 1e-5 else "ma"
        pen.text((x, 62), words, "#98a3b0", text, anchor=anchor)
    x = float(left)
    for kind in ("found", "missed", "false alarm"):
        pen.rectangle((x, 108, x + 26, 126), outline=DRAWN[kind], width=3)
        words = {"found": "found (solid)", "missed": "missed (dashed)"}.get(
            kind, f"{kind} (dotted)"
        )
        pen.text((x + 36, 109), words, "#e6eaee", text)
        x += 60 + pen.textlength(words, text)
    return image

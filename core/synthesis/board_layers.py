"""The circuit board's layers as coverages, drawn once from the layout, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from core.synthesis.board_parts import PARTS, PINS, TRACES, VIAS, pads
from core.synthesis.fields import FRAME, Array, rgb

TRACE = 2.5
"""Width of a trace, design units."""

_BARE, _COVERED = rgb(17.0, 62.0, 44.0), rgb(40.0, 116.0, 77.0)
_TIN, _GOLD, _HOLE = rgb(188.0, 190.0, 186.0), rgb(206.0, 172.0, 96.0), rgb(14.0, 13.0, 12.0)


def _nothing() -> Array:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Layers:
    """Materials of the board; coverages are 0..1, float32 [side, side].

    Attributes:
        pad_of: which pad a pixel belongs to, 0 for none.
        gold, holes: coverage.
        silk: the white print, 8-bit grey.
        copper, tin: coverage; what defects change.
        covered: what is left under solder mask.
        mask, metal: colour by coverage, float32 [side, side, 3].
        bevel: light and shade on the edges of copper under the mask.
    """

    pad_of: npt.NDArray[np.intp]
    gold: Array
    holes: Array
    silk: Image.Image
    copper: Array = field(default_factory=_nothing)
    tin: Array = field(default_factory=_nothing)
    covered: Array = field(default_factory=_nothing)
    mask: Array = field(default_factory=_nothing)
    metal: Array = field(default_factory=_nothing)
    bevel: Array = field(default_factory=_nothing)


def layers_of(copper: Array, tin: Array, still: Layers) -> Layers:
    """Layers with other copper and tin than `still` has."""
    raised = ndimage.gaussian_filter(copper, 0.55 * len(copper) / FRAME)
    bevel = np.roll(raised, (-1, -1), (0, 1)) - np.roll(raised, (1, 1), (0, 1))
    tinned = tin * (1.0 - still.gold)
    solid = 1.0 - still.holes
    covered = (1.0 - tin) * (1.0 - still.gold) * solid
    mask = (_BARE + (_COVERED - _BARE) * copper[:, :, None]) * covered[:, :, None]
    mask += _HOLE * still.holes[:, :, None]
    metal = _TIN * tinned[:, :, None] + _GOLD * still.gold[:, :, None]
    return replace(
        still,
        copper=copper,
        tin=tin,
        covered=covered,
        mask=mask,
        metal=metal * solid[:, :, None],
        bevel=34.0 * bevel,
    )


@lru_cache(maxsize=2)
def board_layers(side: int) -> Layers:
    """The layout's layers; drawn once a process and size."""
    fine = 2
    scale = side * fine / FRAME

    def sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
        image = Image.new("L", (side * fine, side * fine))
        return image, ImageDraw.Draw(image)

    def disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: int = 255) -> None:
        box = [
            (x - radius) * scale,
            (y - radius) * scale,
            (x + radius) * scale,
            (y + radius) * scale,
        ]
        pen.ellipse(box, fill=fill)

    def cover(image: Image.Image) -> Array:
        return np.asarray(image.reduce(fine), dtype=np.float32) / np.float32(255.0)

    lines, pen = sheet()
    wider, wide_pen = sheet()
    for line in TRACES:
        points = [(x * scale, y * scale) for x, y in line]
        pen.line(points, fill=255, width=round(TRACE * scale), joint="curve")
        wide_pen.line(points, fill=255, width=round((TRACE + 4.6) * scale), joint="curve")
    tin, tin_pen = sheet()
    gold, gold_pen = sheet()
    holes, hole_pen = sheet()
    numbers = Image.new("I", (side, side))
    number_pen = ImageDraw.Draw(numbers)
    for number, pad in enumerate(pads(), start=1):
        box = [pad.x - pad.width / 2, pad.y - pad.height / 2]
        box += [pad.x + pad.width / 2, pad.y + pad.height / 2]
        tin_pen.rounded_rectangle([v * scale for v in box], radius=0.7 * scale, fill=255)
        wide_pen.rectangle(
            [(v + s * 2.2) * scale for v, s in zip(box, (-1, -1, 1, 1), strict=True)], fill=255
        )
        number_pen.rectangle([(v * side / FRAME) for v in box], fill=number)
    for x, y in VIAS:
        disc(wide_pen, x, y, 5.6)
        disc(pen, x, y, 3.6)
        disc(gold_pen, x, y, 2.7)
        disc(hole_pen, x, y, 1.35)
    for x, y in PINS:
        disc(wide_pen, x, y, 6.6)
        disc(gold_pen, x, y, 4.6)
        disc(hole_pen, x, y, 2.1)
    traces = cover(lines)
    pour = 1.0 - cover(wider)  # a ground plane fills what is left, on the lower part of the board
    region, region_pen = sheet()
    region_pen.polygon([(v[0] * scale, v[1] * scale) for v in _POUR], fill=255)
    copper = np.maximum(traces, pour * cover(region))
    still = Layers(
        pad_of=np.asarray(numbers, dtype=np.intp),
        gold=cover(gold),
        holes=cover(holes),
        silk=_silk(side),
    )
    return layers_of(copper, cover(tin), still)


_POUR = (
    (8, 152), (60, 152), (70, 136), (128, 136), (140, 144), (160, 144), (196, 150), (232, 150),
    (232, 218), (244, 218), (244, 248), (8, 248),
)  # fmt: skip


def _silk(side: int) -> Image.Image:
    """White print: outlines, designators, polarity marks, a name."""
    fine = 2
    scale = side * fine / FRAME
    image = Image.new("L", (side * fine, side * fine))
    pen = ImageDraw.Draw(image)
    wide = max(1, round(0.9 * scale))
    font = ImageFont.load_default(size=8.5 * scale)
    for one in PARTS:
        half_x, half_y = one.width / 2 + 5.0, one.height / 2 + 2.6
        if one.upright:
            half_x, half_y = half_y, half_x
        if one.look == "chip":
            half_x, half_y = one.width / 2 - 1.5, one.height / 2 + 1.5
            pen.ellipse(
                [
                    (v * scale)
                    for v in (
                        one.x - half_x - 13,
                        one.y - half_y + 0,
                        one.x - half_x - 10.4,
                        one.y - half_y + 2.6,
                    )
                ],
                fill=255,
            )
        box = [one.x - half_x, one.y - half_y, one.x + half_x, one.y + half_y]
        if one.look == "can":
            pen.ellipse([v * scale for v in box], outline=255, width=wide)
        elif one.look != "chip":
            pen.rounded_rectangle(
                [v * scale for v in box], radius=1.5 * scale, outline=255, width=wide
            )
        x, y = (one.x - half_x, one.y - half_y - 10.2)
        if one.upright or one.beside:
            x, y = one.x + half_x + 1.5, one.y - 5.0
        if one.look == "chip":
            x, y = one.x + half_x - 2.0, one.y - half_y - 15.0
        pen.text((x * scale, y * scale), one.name, fill=255, font=font)
    border = [PINS[0][0] - 7.5, PINS[0][1] - 7.5, PINS[-1][0] + 7.5, PINS[-1][1] + 7.5]
    pen.rectangle([v * scale for v in border], outline=255, width=wide)
    pen.text((186 * scale, 228 * scale), "FLAWSCOPE", fill=255, font=font)
    pen.text((186 * scale, 238 * scale), "REV C", fill=255, font=font)
    return image.reduce(fine)

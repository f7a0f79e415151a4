"""Pictures of the circuit board's components, and their shadows."""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.synthesis.board_parts import Part, chip_pins

_OVER = 4
"""Subpixels an axis while drawing."""

Colour = tuple[int, int, int]


@lru_cache(maxsize=64)
def sprite(one: Part, step: float) -> Image.Image:
    """A part's picture over its shadow, RGBA, square, the part's centre in the middle.

    Args:
        step: pixels a design unit.
    """
    reach = math.hypot(one.width + 14.0, one.height + 14.0) / 2 + 3.0
    side = 2 * math.ceil(reach * step)
    image = Image.new("RGBA", (side * _OVER, side * _OVER), (0, 0, 0, 0))
    pen = _Pen(image, step * _OVER)
    {
        "chip": _chip,
        "resistor": _resistor,
        "capacitor": _capacitor,
        "tantalum": _tantalum,
        "can": _can,
        "crystal": _crystal,
    }[one.look](pen, one)
    body = image.resize((side, side), Image.Resampling.BOX)
    if one.upright:
        body = body.transpose(Image.Transpose.ROTATE_90)
    shift = round(1.3 * step)
    cast = Image.new("L", (side, side))
    cast.paste(body.getchannel("A"), (shift, shift))
    soft = cast.filter(ImageFilter.GaussianBlur(1.2 * step))
    picture = Image.new("RGBA", (side, side), (4, 10, 8, 0))
    picture.putalpha(soft.point([round(0.55 * value) for value in range(256)]))
    picture.alpha_composite(body)
    return picture


class _Pen:
    """Draws in design units around the middle of a picture."""

    def __init__(self, image: Image.Image, scale: float) -> None:
        self._draw = ImageDraw.Draw(image)
        self._scale = scale
        self._middle = image.width / 2

    def _box(self, x: float, y: float, width: float, height: float) -> list[float]:
        corner = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return [self._middle + value * self._scale for value in corner]

    def block(
        self, x: float, y: float, width: float, height: float, fill: Colour, radius: float = 0.4
    ) -> None:
        box = self._box(x, y, width, height)
        self._draw.rounded_rectangle(box, radius=radius * self._scale, fill=(*fill, 255))

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self._draw.ellipse(self._box(x, y, 2 * radius, 2 * radius), fill=(*fill, 255))

    def slice(self, radius: float, start: float, end: float, fill: Colour) -> None:
        box = self._box(0.0, 0.0, 2 * radius, 2 * radius)
        self._draw.chord(box, start, end, fill=(*fill, 255))

    def text(self, y: float, height: float, words: str, fill: Colour) -> None:
        font = ImageFont.load_default(size=height * self._scale)
        at = (self._middle, self._middle + y * self._scale)
        self._draw.text(at, words, fill=(*fill, 255), font=font, anchor="mm")


def _chip(pen: _Pen, one: Part) -> None:
    for x, y, along in chip_pins(one):
        dx, dy = x - one.x, y - one.y
        inward = 0.82
        size = (9.0, 2.2) if along else (2.2, 9.0)
        at = (dx * inward + 0.6 * dx / abs(dx), dy) if along else (dx, dy * inward)
        pen.block(*at, *size, (150, 152, 150))
        knee = (dx * 0.96, dy, 3.2, 2.2) if along else (dx, dy * 0.96, 2.2, 3.2)
        pen.block(*knee, (206, 207, 203))
    pen.block(0, 0, one.width, one.height, (38, 38, 41), 1.0)
    pen.block(-0.4, -0.4, one.width - 2.4, one.height - 2.4, (50, 50, 53), 0.8)
    pen.block(0.3, 0.3, one.width - 3.6, one.height - 3.6, (44, 44, 47), 0.6)
    pen.disc(-one.width / 2 + 5.0, -one.height / 2 + 5.0, 2.0, (30, 30, 32))
    grey = (132, 132, 130)
    if one.width > 40:
        pen.text(-6.0, 9.5, one.label, grey)
        pen.text(4.0, 7.0, "AU 2417", grey)
        pen.text(12.0, 6.0, "7K03", grey)
    else:
        pen.text(1.0, 8.0, one.label, grey)


def _caps(pen: _Pen, one: Part, length: float) -> None:
    for side in (-1, 1):
        x = side * (one.width - length) / 2
        pen.block(x, 0, length, one.height, (186, 187, 184))
        pen.block(x - 0.2, -one.height * 0.16, length * 0.7, one.height * 0.34, (222, 223, 220))


def _resistor(pen: _Pen, one: Part) -> None:
    _caps(pen, one, 3.4)
    pen.block(0, 0, one.width - 5.0, one.height, (30, 30, 33))
    pen.block(0, -one.height * 0.30, one.width - 5.4, one.height * 0.22, (44, 44, 47))
    pen.text(0.2, one.height * 0.66, one.label, (214, 214, 208))


def _capacitor(pen: _Pen, one: Part) -> None:
    _caps(pen, one, 3.6)
    pen.block(0, 0, one.width - 6.4, one.height, (148, 116, 84))
    pen.block(0, -one.height * 0.20, one.width - 6.8, one.height * 0.40, (166, 133, 99))


def _tantalum(pen: _Pen, one: Part) -> None:
    for side in (-1, 1):
        pen.block(side * (one.width / 2 + 0.6), 0, 3.4, one.height * 0.6, (190, 191, 187))
    pen.block(0, 0, one.width - 1.5, one.height, (196, 142, 38), 0.8)
    pen.block(-0.4, -0.5, one.width - 4.0, one.height - 3.2, (214, 162, 56), 0.6)
    pen.block(-one.width / 2 + 5.0, 0, 4.0, one.height - 0.6, (112, 70, 28))
    pen.text(0.2, 8.0, "    " + one.label, (98, 62, 26))


def _can(pen: _Pen, one: Part) -> None:
    radius = one.width / 2
    pen.block(0, 0, one.width + 2.0, one.height + 2.0, (34, 34, 36), 4.0)
    pen.disc(0, 0, radius - 0.4, (122, 124, 126))
    pen.disc(-0.5, -0.5, radius - 1.8, (196, 198, 199))
    pen.disc(0.3, 0.3, radius - 3.4, (178, 180, 182))
    pen.slice(radius - 3.4, 130.0, 230.0, (52, 50, 66))
    pen.text(-3.0, 8.0, "   " + one.label.split()[0], (60, 60, 66))
    pen.text(5.0, 7.0, "   " + one.label.split()[-1], (60, 60, 66))


def _crystal(pen: _Pen, one: Part) -> None:
    pen.block(0, 0, one.width, one.height, (128, 129, 128), one.height / 2)
    pen.block(-0.4, -0.4, one.width - 3.0, one.height - 3.0, (204, 204, 200), one.height / 2)
    pen.block(0.3, 0.4, one.width - 6.0, one.height - 6.0, (184, 184, 181), one.height / 2)
    pen.text(0.2, 8.0, one.label, (88, 88, 88))

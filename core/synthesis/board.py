"""A populated circuit board under an inspection camera: one layout, small tolerances, its faults.

Drawn from the bottom up at twice the image's resolution: copper under solder mask, tinned pads,
plated holes, white print, components with their shadows. Then the board is placed under the camera
(a fixture's small error) and lit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

from core.synthesis.board_layers import TRACE, Layers, board_layers, layers_of
from core.synthesis.board_parts import PARTS, TRACES, Part, chip_pins, part
from core.synthesis.board_sprites import sprite
from core.synthesis.fields import FRAME, Array, grid, rgb, segment_distance, value_noise, wander
from core.synthesis.scene import Defect, Scene, Subject

_FINE = 2
"""Drawing resolution over image resolution."""
_PRINT = rgb(222.0, 226.0, 216.0)
_COPPER = rgb(186.0, 112.0, 70.0)


@dataclass(frozen=True, slots=True)
class _Tolerance:
    """How a part stands: shift in design units, turn in degrees, gain of its brightness."""

    dx: float
    dy: float
    turn: float
    gain: float


class Board(Scene):
    """One board in the fixture: tolerances of parts, solder, print, pose and light."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        side = size * _FINE
        self.layers = board_layers(side)
        self.tolerances = {
            one.name: _Tolerance(
                dx=rng.normal(0.0, 0.35),
                dy=rng.normal(0.0, 0.35),
                turn=rng.normal(0.0, 0.7),
                gain=rng.normal(1.0, 0.05),
            )
            for one in PARTS
        }
        self.solder = (1.0 + 0.09 * rng.standard_normal(512)).astype(np.float32)
        self.silk_shift = rng.normal(0.0, 0.45, 2)
        self.silk_gain = float(rng.uniform(0.80, 0.95))
        self.relief = value_noise(side, 90, rng)
        self.tint = value_noise(side, 5, rng, octaves=2)
        turn = math.radians(rng.normal(0.0, 0.45))
        zoom = rng.normal(1.045, 0.004)  # the frame lies inside the board
        shift = rng.normal(0.0, 1.1, 2) * side / FRAME
        cos, sin, middle = math.cos(turn) / zoom, math.sin(turn) / zoom, side / 2
        self.pose = (
            cos, sin, middle - cos * middle - sin * middle + float(shift[0]),
            -sin, cos, middle + sin * middle - cos * middle + float(shift[1]),
        )  # fmt: skip
        Y, X = grid(size)
        lean_x, lean_y = rng.normal(0.0, 0.06, 2)
        light = 1.0 + lean_x * (X / 128.0 - 1.0) + lean_y * (Y / 128.0 - 1.0)
        spot_x, spot_y = rng.normal(110.0, 30.0, 2)
        glare = np.exp(-((X - spot_x) ** 2 + (Y - spot_y) ** 2) / np.float32(2 * 85.0**2))
        colour = rng.normal(1.0, 0.012, 3).astype(np.float32)
        self.light = (rng.normal(1.0, 0.03) * light)[:, :, None] * colour
        self.glare = (np.float32(rng.uniform(4.0, 12.0)) * glare)[:, :, None]

    def draw(self, defect: Defect | None) -> Array:
        if defect is None:
            return self._finish(self._populate(self._clean))
        return {
            "missing_component": self._missing,
            "misplaced_component": self._misplaced,
            "open_trace": self._open_trace,
            "scratch": self._scratch,
            "short": self._short,
        }[defect.kind](defect, defect.rng())

    def expose(self, image: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return np.asarray(image + noise * (1.3 + 0.12 * np.sqrt(np.maximum(image, 0.0))))

    @cached_property
    def _clean(self) -> Array:
        return self._bare(self.layers)

    def _bare(self, layers: Layers) -> Array:
        """The board without parts and print, float32 [side, side, 3]."""
        gain = 1.0 + 0.035 * self.tint + 0.03 * self.relief
        shine = self.solder[layers.pad_of] * (1.0 + 0.06 * self.relief)
        image = layers.mask * gain[:, :, None]
        image += layers.metal * shine[:, :, None]
        image += ((layers.bevel + 1.5 * self.relief) * layers.covered)[:, :, None]
        return image

    def _populate(
        self,
        bare: Array,
        missing: frozenset[str] = frozenset(),
        moved: dict[str, _Tolerance] | None = None,
    ) -> Image.Image:
        """Print and parts on a bare board."""
        step = _FINE * self.size / FRAME
        dy, dx = self.silk_shift * step
        shifted = self.layers.silk.transform(
            self.layers.silk.size,
            Image.Transform.AFFINE,
            (1, 0, dx, 0, 1, dy),
            Image.Resampling.BILINEAR,
        )
        silk = np.asarray(shifted, dtype=np.float32) * np.float32(self.silk_gain / 255.0)
        image = _picture(_over(bare, _PRINT, silk))
        for one in PARTS:
            if one.name in missing:
                continue
            stands = (moved or {}).get(one.name, self.tolerances[one.name])
            _place(image, one, stands, step)
        return image

    def _finish(self, board: Image.Image) -> Array:
        """Under the camera: pose, reduction to the image's size, light."""
        posed = board.transform(
            board.size, Image.Transform.AFFINE, self.pose, Image.Resampling.BILINEAR
        )
        seen = np.asarray(posed.reduce(_FINE), dtype=np.float32)
        return np.asarray(seen * self.light + self.glare, dtype=np.float32)

    def _missing(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A part that was never placed; hard ones are the smallest."""
        small = defect.difficulty > 0.45
        names = [one.name for one in PARTS if one.look != "chip" and one.small == small]
        gone = frozenset({str(rng.choice(names))})
        return self._finish(self._populate(self._clean, missing=gone))

    def _misplaced(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A part askew or beside its pads; hard ones by little."""
        movable = ("resistor", "capacitor", "tantalum", "crystal")
        names = [one.name for one in PARTS if one.look in movable]
        name = str(rng.choice(names))
        stands = self.tolerances[name]
        sign = rng.choice([-1.0, 1.0], 3)
        turn = defect.graded(34.0, 7.0) * rng.uniform(0.8, 1.1)
        shift = defect.graded(4.0, 1.5) * rng.uniform(0.5, 1.0, 2)
        askew = _Tolerance(
            stands.dx + sign[0] * shift[0],
            stands.dy + sign[1] * shift[1],
            stands.turn + sign[2] * turn,
            stands.gain,
        )
        return self._finish(self._populate(self._clean, moved={name: askew}))

    def _with_copper(self, copper: Array, tin: Array) -> Array:
        changed = layers_of(copper, tin, self.layers)
        return self._finish(self._populate(self._bare(changed)))

    def _open_trace(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A trace etched through; hard ones are a bite that leaves a neck of copper."""
        x, y, along = _point_on_trace(rng)
        across = along + math.pi / 2
        gap = defect.graded(14.0, 3.4) * rng.uniform(0.85, 1.15)
        inset = defect.graded(0.0, 0.9) * rng.choice([-1.0, 1.0])
        x, y = x + inset * math.cos(across), y + inset * math.sin(across)
        side = self.layers.copper.shape[0]
        Y, X = grid(side)
        u = (X - x) * math.cos(along) + (Y - y) * math.sin(along)
        v = (Y - y) * math.cos(along) - (X - x) * math.sin(along)
        ends = 0.16 * gap * value_noise(side, 70, rng)
        inside = np.maximum(np.abs(u) - gap / 2 - ends, np.abs(v) - TRACE * 0.85)
        cut = np.clip(0.5 - inside / (FRAME / side) / 1.4, 0.0, 1.0).astype(np.float32)
        return self._with_copper(self.layers.copper * (1.0 - cut), self.layers.tin)

    def _short(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Solder between two pins of a chip; hard ones are a hair."""
        chip = part(str(rng.choice(["U1", "U2"])))
        pins = chip_pins(chip)
        x, y, along = pins[int(rng.integers(len(pins)))]
        pitch = 6.0 if chip.width == chip.height else 8.0
        towards = 1.0 if (y < chip.y if along else x < chip.x) else -1.0
        slip = rng.uniform(0.5, 3.0) * (
            (1 if x > chip.x else -1) if along else (1 if y > chip.y else -1)
        )
        start = (x + slip, y) if along else (x, y + slip)
        end = (start[0], y + towards * pitch) if along else (x + towards * pitch, start[1])
        width = defect.graded(7.0, 2.0) * rng.uniform(0.9, 1.1)
        side = self.layers.tin.shape[0]
        Y, X = grid(side)
        bend = rng.normal(0.0, 0.25) * width
        middle = ((start[0] + end[0]) / 2 + bend, (start[1] + end[1]) / 2 + bend)
        nearest = np.minimum(
            segment_distance(Y, X, start, middle), segment_distance(Y, X, middle, end)
        )
        ragged = nearest - width / 2 - 0.12 * width * value_noise(side, 60, rng)
        bridge = np.clip(0.5 - ragged / (FRAME / side) / 1.6, 0.0, 1.0).astype(np.float32)
        return self._with_copper(self.layers.copper, np.maximum(self.layers.tin, bridge))

    def _scratch(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A tool's slip through the solder mask, bright where it reached copper."""
        x, y = rng.uniform(40.0, 216.0, 2)
        length = defect.graded(120.0, 30.0) * rng.uniform(0.8, 1.2)
        points = wander((x, y), rng.uniform(0, 2 * math.pi), length, 0.045, rng, steps=24)
        step = _FINE * self.size / FRAME
        fine = 2
        pen = Image.new("L", (self.layers.tin.shape[0] * fine,) * 2)
        stroke = ImageDraw.Draw(pen)
        pressure = 0.65 + 0.35 * np.sin(np.linspace(0.25, math.pi - 0.1, len(points)))
        widest = defect.graded(2.6, 1.1) * step * fine
        for (ax, ay), (bx, by), press in zip(points, points[1:], pressure, strict=False):
            ends = [(ax * step * fine, ay * step * fine), (bx * step * fine, by * step * fine)]
            stroke.line(ends, fill=255, width=max(1, round(widest * press)))
        cover = np.asarray(pen.reduce(fine), dtype=np.float32) / np.float32(255.0)
        cover = cover * (0.72 + 0.25 * self.relief).clip(0.15, 1.0)
        deep = np.float32(defect.graded(1.0, 0.5))
        board = np.asarray(self._populate(self._clean), dtype=np.float32)
        reached = _over(board * 1.2 + 52.0, _COPPER, 0.7 * self.layers.copper)
        lip = np.roll(cover, (1, 1), (0, 1)) - cover
        board = _over(board, reached, cover * deep)
        board = board * (1.0 - 0.45 * deep * lip.clip(0.0, 1.0))[:, :, None]
        return self._finish(_picture(board))


def _over(under: Array, colour: Array, cover: Array) -> Array:
    """A layer of `colour` over an image, by coverage [side, side]."""
    layer = colour - under
    layer *= cover[:, :, None]
    layer += under
    return np.asarray(layer, dtype=np.float32)


def _picture(image: Array) -> Image.Image:
    return Image.fromarray((np.clip(image, 0.0, 255.0) + 0.5).astype(np.uint8))


def _place(image: Image.Image, one: Part, stands: _Tolerance, step: float) -> None:
    """Pastes a part with its shadow, turned and shifted by fractions of a pixel."""
    picture = sprite(one, step)
    side = picture.width
    x, y = (one.x + stands.dx) * step - side / 2, (one.y + stands.dy) * step - side / 2
    left, top = math.floor(x), math.floor(y)
    turn = math.radians(stands.turn)
    cos, sin, middle = math.cos(turn), math.sin(turn), side / 2
    from_x, from_y = middle + x - left, middle + y - top
    back = (
        cos, sin, middle - cos * from_x - sin * from_y,
        -sin, cos, middle + sin * from_x - cos * from_y,
    )  # fmt: skip
    turned = picture.transform(
        picture.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR
    )
    brightness = (np.arange(256) * stands.gain).clip(0, 255).astype(int).tolist()
    turned = turned.point(brightness * 3 + list(range(256)))
    image.paste(turned, (left, top), turned)


def _point_on_trace(rng: np.random.Generator) -> tuple[float, float, float]:
    """A point (x, y) on a stretch of trace that is free of parts, and the trace's direction."""
    x = y = angle = 0.0
    for _ in range(200):
        line = TRACES[int(rng.integers(len(TRACES)))]
        at = int(rng.integers(len(line) - 1))
        (ax, ay), (bx, by) = line[at], line[at + 1]
        t = rng.uniform(0.3, 0.7)
        x, y, angle = ax + (bx - ax) * t, ay + (by - ay) * t, math.atan2(by - ay, bx - ax)
        free = all(
            max(abs(x - one.x), abs(y - one.y)) > max(one.width, one.height) / 2 + 7.0
            for one in PARTS
        )
        if free and math.hypot(bx - ax, by - ay) > 8.0:
            break
    return x, y, angle


SUBJECT = Subject(
    "circuit_board",
    Board,
    {
        "misplaced_component": 5,
        "missing_component": 5,
        "open_trace": 5,
        "scratch": 6,
        "short": 5,
    },
)

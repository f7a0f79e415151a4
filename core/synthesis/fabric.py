"""A woven fabric under a line-scan camera: 2/2 twill drawn yarn by yarn, and its faults.

Each yarn is a half cylinder that dives over two crossing yarns and under two; what stands higher
hides the rest. Irregularity lives in tables a yarn (thickness, wander, shade) read by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.synthesis.fields import (
    FRAME,
    Array,
    ellipse_distance,
    grid,
    lerp,
    smooth_rows,
    smoothstep,
    strokes,
    value_noise,
    wander,
)
from core.synthesis.scene import Defect, Scene, Subject

_PITCH = 9.6
_SAMPLES = 6
"""Table entries a crossing."""
_MARGIN = 6
_YARNS = int(FRAME / _PITCH) + 2 * _MARGIN + 2
_GROUND = 26.0
_WARP, _WEFT = 158.0, 112.0


@dataclass(frozen=True, slots=True)
class _Table:
    """Irregularity of one set of yarns: float32 [yarns, positions] each."""

    thickness: Array
    aside: Array
    shade: Array


@dataclass(frozen=True, slots=True)
class _Fault:
    """What a defect does to the yarns, as fields over the image; `None` = nothing.

    Attributes:
        gone_warp, gone_weft: 1 where a yarn is missing.
        flip: 1 where over and under are exchanged.
        thick: number, start, end and growth of a thick weft yarn.
    """

    gone_warp: Array | None = None
    gone_weft: Array | None = None
    flip: Array | None = None
    thick: tuple[int, float, float, float] | None = None


class Fabric(Scene):
    """One piece of cloth: pose, yarns and light are sampled here."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.Y, self.X = grid(size)
        turn = np.float32(np.radians(rng.normal(0.0, 0.9)))
        pitch_u, pitch_v = _PITCH * rng.normal(1.0, 0.008, 2)
        shift_u, shift_v = rng.uniform(0.0, 4.0, 2)
        dx, dy = self.X - 128.0, self.Y - 128.0
        bend_u, bend_v = (value_noise(size, 3, rng) * np.float32(0.09) for _ in range(2))
        half = np.float32(_YARNS / 2)
        self.u = (dx * np.cos(turn) + dy * np.sin(turn)) / pitch_u + half + shift_u - 2 + bend_u
        self.v = (dy * np.cos(turn) - dx * np.sin(turn)) / pitch_v + half + shift_v - 2 + bend_v
        self.u, self.v = self.u.astype(np.float32), self.v.astype(np.float32)
        self.warp, self.weft = _table(rng), _table(rng)
        self.fuzz = value_noise(size, 110, rng)
        self.cloud = value_noise(size, 4, rng, octaves=3)
        lean_x, lean_y = rng.normal(0.0, 0.09, 2)
        vignette = (dx * dx + dy * dy) / np.float32(128.0**2)
        light = 1.0 + (lean_x * dx + lean_y * dy) / 128.0 - 0.05 * vignette
        gain = rng.normal(1.0, 0.035)
        self.light = (gain * light * (1.0 + 0.018 * self.cloud)).astype(np.float32)

    def draw(self, defect: Defect | None) -> Array:
        if defect is None:
            return np.asarray(self._cloth(_Fault()) * self.light, dtype=np.float32)
        rng = defect.rng()
        drawn = {
            "broken_thread": self._broken_thread,
            "hole": self._hole,
            "mispick": self._mispick,
            "slub": self._slub,
            "stain": self._stain,
        }[defect.kind](defect, rng)
        return np.asarray(drawn * self.light, dtype=np.float32)

    def expose(self, image: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return np.asarray(image + noise * (1.6 + 0.16 * np.sqrt(np.maximum(image, 0.0))))

    def _cloth(self, fault: _Fault) -> Array:
        """Both sets of yarns, the higher one seen."""
        u, v = self.u, self.v
        column, row = np.floor(u), np.floor(v)
        over = np.sin(np.float32(np.pi / 2) * (v - column))
        under = -np.sin(np.float32(np.pi / 2) * (row + 1.0 - u))
        if fault.flip is not None:
            over, under = over * (1.0 - 2.0 * fault.flip), under * (1.0 - 2.0 * fault.flip)
        slope_w = np.cos(np.float32(np.pi / 2) * (v - column))
        slope_f = np.cos(np.float32(np.pi / 2) * (row + 1.0 - u))
        high_w, shade_w = _yarns(u, v, column, over, slope_w, self.warp, fault.gone_warp, 0.20)
        high_f, shade_f = _yarns(v, u, row, under, slope_f, self.weft, fault.gone_weft, 0.13)
        if fault.thick is not None:
            high_f, shade_f = self._thicken(fault.thick, high_f, shade_f)
        gap = high_w - high_f
        top = 1.0 / (1.0 + np.exp(np.clip(-9.0 * gap, -30.0, 30.0)))
        seen = lerp(_WEFT * shade_f, _WARP * shade_w, top)
        contact = 1.0 - 0.34 * np.exp(-((gap / 0.16) ** 2))
        for gone in (fault.gone_warp, fault.gone_weft):
            if gone is not None:  # what lay under a missing yarn lies in a trench
                contact = contact * (1.0 - 0.38 * gone)
        floor = smoothstep(-1.1, -0.25, np.maximum(high_w, high_f))
        return lerp(_GROUND, seen * contact * (1.0 + 0.055 * self.fuzz), floor)

    def _thicken(
        self, thick: tuple[int, float, float, float], high: Array, shade: Array
    ) -> tuple[Array, Array]:
        """Lays a swollen stretch of one weft yarn over the others."""
        number, start, end, growth = thick
        swell = smoothstep(start, start + 2.0, self.u) * smoothstep(end, end - 2.5, self.u)
        across = (self.v - np.float32(number + 0.5)) / (0.46 * (1.0 + growth * swell))
        body = np.sqrt(np.maximum(0.0, 1.0 - across * across))
        under = -np.sin(np.float32(np.pi / 2) * (number + 1.0 - self.u))
        high_s = 0.5 * under + 0.7 * body + 0.35 * growth * swell - 1.5 * (body <= 0.0)
        high_s = np.where(swell > 0.02, high_s, -9.0)
        fibre = np.sin(np.float32(2 * np.pi) * (0.9 * self.u + 0.6 * across))
        shade_s = 0.80 + 0.16 * under - 0.2 * across + 0.05 * fibre + 0.22 * body * swell
        wins = high_s > high
        return (
            np.asarray(np.where(wins, high_s, high), dtype=np.float32),
            np.asarray(np.where(wins, lerp(shade, shade_s, np.sqrt(swell)), shade)),
        )

    def _spot(self, rng: np.random.Generator, margin: float = 40.0) -> tuple[float, float, int]:
        """A place away from the border: its pixel's u, v and flat index."""
        x, y = rng.uniform(margin, FRAME - margin, 2)
        scale = self.size / FRAME
        at = int(y * scale) * self.size + int(x * scale)
        return float(self.u.flat[at]), float(self.v.flat[at]), at

    def _broken_thread(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A weft or warp yarn torn and drawn back; hard ones are short and only thinned."""
        u, v, at = self._spot(rng)
        length = defect.graded(11.0, 2.6) * rng.uniform(0.85, 1.15)
        missing = np.float32(min(1.0, defect.graded(1.5, 0.62)))
        upright = bool(rng.random() < 0.5)
        along, across = (self.v, self.u) if upright else (self.u, self.v)
        middle, number = (v, np.floor(u)) if upright else (u, np.floor(v))
        window = smoothstep(length / 2 + 0.25, length / 2 - 0.25, np.abs(along - middle))
        gone = np.asarray((np.floor(across) == number) * window * missing, dtype=np.float32)
        cloth = self._cloth(_Fault(gone_warp=gone) if upright else _Fault(gone_weft=gone))
        hairs = []
        x, y = float(self.X.flat[at]), float(self.Y.flat[at])
        for end in (-1.0, 1.0):
            reach = end * length * _PITCH / 2
            tip = (x, y + reach) if upright else (x + reach, y)
            for _ in range(round(defect.graded(6, 0))):
                heading = rng.uniform(0.0, 2 * np.pi)
                hairs.append(wander(tip, heading, rng.uniform(7.0, 16.0), 0.35, rng))
        return lerp(cloth, _WARP * 1.25, 0.85 * strokes(self.size, hairs, 0.9))

    def _hole(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Yarns cut or punched through, with ragged edges and hairs; hard ones are a pinprick."""
        _, _, at = self._spot(rng)
        x, y = float(self.X.flat[at]), float(self.Y.flat[at])
        radius = defect.graded(15.0, 3.2) * rng.uniform(0.85, 1.15)
        stretch = rng.uniform(0.75, 1.35)
        ragged = value_noise(self.size, 26, rng) * np.float32(0.16 * radius + 0.5)
        distance = ellipse_distance(
            self.Y, self.X, (x, y), (radius * stretch, radius / stretch), rng.uniform(0, np.pi)
        )
        # whole yarns end at the edge, each a little earlier or later than the next
        steps = smooth_rows(2, _YARNS * 2, 0.6, rng) * np.float32(0.14 * radius)
        column, row = np.floor(self.u).astype(np.intp), np.floor(self.v).astype(np.intp)
        soft = 0.9
        gone_w = smoothstep(soft, -soft, distance + ragged * 0.5 + steps[0][column])
        gone_f = smoothstep(soft, -soft, distance + ragged * 0.5 + steps[1][row])
        cloth = self._cloth(_Fault(gone_warp=gone_w, gone_weft=gone_f))
        lip = np.exp(-((np.maximum(distance, 0.0) / (0.22 * radius + 1.2)) ** 2))
        cloth = np.asarray(cloth * (1.0 - 0.16 * lip * (distance > 0)), dtype=np.float32)
        hairs = []
        for _ in range(round(radius * 1.1)):
            angle = rng.uniform(0.0, 2 * np.pi)
            start = (x + radius * 1.05 * np.cos(angle), y + radius * 1.05 * np.sin(angle))
            heading = angle + np.pi + rng.normal(0.0, 0.7)
            hairs.append(wander(start, heading, radius * rng.uniform(0.3, 1.0), 0.25, rng))
        return lerp(cloth, _WEFT * 1.15, 0.6 * strokes(self.size, hairs, 0.8))

    def _mispick(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A weft yarn that went over where it should go under; nothing is missing."""
        u, v, _ = self._spot(rng)
        length = defect.graded(15.0, 3.2) * rng.uniform(0.9, 1.1)
        rows = 2 if defect.difficulty < 0.35 else 1
        inside = smoothstep(length / 2 + 0.2, length / 2 - 0.2, np.abs(self.u - np.float32(u)))
        middle = np.float32(np.floor(v) + rows / 2)
        inside = inside * smoothstep(rows / 2 + 0.08, rows / 2 - 0.08, np.abs(self.v - middle))
        return self._cloth(_Fault(flip=np.asarray(inside, dtype=np.float32)))

    def _slub(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A weft yarn spun too thick over some length."""
        u, v, _ = self._spot(rng)
        length = defect.graded(16.0, 5.0) * rng.uniform(0.85, 1.15)
        growth = defect.graded(1.15, 0.30)
        fault = _Fault(thick=(int(v), u - length / 2, u + length / 2, growth))
        return self._cloth(fault)

    def _stain(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Oil or water that darkens the cloth; hard ones are pale."""
        _, _, at = self._spot(rng)
        radius = rng.uniform(13.0, 26.0)
        stretch = rng.uniform(0.7, 1.4)
        distance = ellipse_distance(
            self.Y,
            self.X,
            (float(self.X.flat[at]), float(self.Y.flat[at])),
            (radius * stretch, radius / stretch),
            rng.uniform(0, np.pi),
        )
        distance = distance + value_noise(self.size, 7, rng, octaves=3) * np.float32(0.15 * radius)
        soak = smoothstep(2.2, -2.5, distance)
        rim = np.exp(-((distance / 1.8) ** 2))  # a drying stain is darkest at its edge
        depth = np.float32(defect.graded(0.46, 0.10))
        dark = depth * soak * (0.78 + 0.12 * self.cloud.clip(-1, 1)) + 0.22 * depth * rim
        return np.asarray(self._cloth(_Fault()) * (1.0 - dark), dtype=np.float32)


def _table(rng: np.random.Generator) -> _Table:
    shape = (_YARNS, _YARNS * _SAMPLES)
    thickness = 0.93 + 0.035 * smooth_rows(*shape, 5.0, rng)
    thickness = thickness + 0.03 * rng.standard_normal((_YARNS, 1))
    aside = 0.022 * smooth_rows(*shape, 9.0, rng) + 0.02 * rng.standard_normal((_YARNS, 1))
    shade = 1.0 + 0.025 * smooth_rows(*shape, 8.0, rng) + 0.035 * rng.standard_normal((_YARNS, 1))
    return _Table(*(part.astype(np.float32) for part in (thickness, aside, shade)))


def _yarns(
    across: Array,
    along: Array,
    number: Array,
    dive: Array,
    slope: Array,
    table: _Table,
    gone: Array | None,
    side_light: float,
) -> tuple[Array, Array]:
    """Height and shade of one set of yarns at every pixel.

    Args:
        across, along: position in yarns across the set and in crossings along it.
        number: the yarn at each pixel.
        dive: 1 where the yarn is on top, -1 where it is below.
        slope: its derivative along the yarn.
        gone: 1 where the yarn is missing.
        side_light: how much the side turned from the light darkens.
    """
    yarn: npt.NDArray[np.intp] = number.astype(np.intp)
    at = (yarn, (along * _SAMPLES).astype(np.intp))
    offset = (across - number - 0.5 - table.aside[at]) / (0.5 * table.thickness[at])
    if gone is not None:
        offset = offset * (1.0 + 1.2 * gone)
    body = np.sqrt(np.maximum(0.0, 1.0 - offset * offset))
    height = 0.5 * dive + 0.7 * body - 1.2 * (np.abs(offset) >= 1.0)
    if gone is not None:
        height = height - 3.0 * gone
    twist = np.float32(2 * np.pi) * (0.95 * along + 0.55 * offset + 0.37 * number)
    shade = 0.80 + 0.17 * dive - side_light * offset - 0.10 * slope + 0.06 * np.sin(twist)
    return np.asarray(height, dtype=np.float32), np.asarray(
        shade * table.shade[at], dtype=np.float32
    )


SUBJECT = Subject(
    "woven_fabric",
    Fabric,
    {"broken_thread": 5, "hole": 5, "mispick": 5, "slub": 5, "stain": 6},
)

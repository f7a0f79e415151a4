"""The layout of the drawn circuit board: where parts, traces, vias and print stand.

All lengths are in design units (the frame is 256 x 256); x runs right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A component.

    Attributes:
        name: reference designator, printed beside it.
        look: "chip", "resistor", "capacitor", "tantalum", "can" or "crystal".
        x, y: centre.
        width, height: of the body, before turning.
        upright: turned by 90 degrees.
        label: laser marking or print on the body.
        small: easily overlooked when it is gone or askew.
        beside: its designator is printed to the right, not above.
    """

    name: str
    look: str
    x: float
    y: float
    width: float
    height: float
    upright: bool = False
    label: str = ""
    small: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Pad:
    """A rectangle of tinned copper."""

    x: float
    y: float
    width: float
    height: float


PARTS = (
    Part("U1", "chip", 88, 92, 50, 50, label="FS328P"),
    Part("U2", "chip", 198, 66, 26, 34, label="24C2"),
    Part("C1", "can", 208, 178, 42, 42, label="47 16V"),
    Part("Y1", "crystal", 52, 186, 46, 18, label="8.000"),
    Part("C2", "tantalum", 150, 196, 28, 15, label="106"),
    Part("R1", "resistor", 152, 40, 17, 9, label="103", beside=True),
    Part("R2", "resistor", 152, 58, 17, 9, label="472", beside=True),
    Part("R3", "resistor", 152, 76, 17, 9, label="103", beside=True),
    Part("C3", "capacitor", 32, 76, 15, 9, upright=True, small=True),
    Part("C4", "capacitor", 32, 108, 15, 9, upright=True, small=True),
    Part("R4", "resistor", 102, 160, 17, 9, label="221", beside=True),
    Part("R5", "resistor", 102, 176, 17, 9, label="221", beside=True),
    Part("C5", "capacitor", 198, 112, 13, 8, small=True),
    Part("C6", "capacitor", 150, 132, 13, 8, upright=True, small=True),
    Part("R6", "resistor", 170, 132, 14, 8, upright=True, small=True),
    Part("C7", "capacitor", 64, 34, 13, 8, small=True),
)

_PINS = 8
_PITCH = 6.0


def part(name: str) -> Part:
    """The part of that name."""
    return next(one for one in PARTS if one.name == name)


def chip_pins(chip: Part) -> list[tuple[float, float, bool]]:
    """Pin centres (x, y, along x?) of a chip: four rows for a square one, else two."""
    square = chip.width == chip.height
    count = _PINS if square else 4
    pitch = _PITCH if square else 8.0
    pins = []
    for number in range(count):
        offset = (number - (count - 1) / 2) * pitch
        for side in (-1, 1):
            pins.append((chip.x + side * (chip.width / 2 + 5.0), chip.y + offset, True))
            if square:
                pins.append((chip.x + offset, chip.y + side * (chip.height / 2 + 5.0), False))
    return pins


def pads() -> list[Pad]:
    """Every tinned pad."""
    found = []
    for one in PARTS:
        if one.look == "chip":
            for x, y, along in chip_pins(one):
                found.append(Pad(x, y, 10.0, 3.4) if along else Pad(x, y, 3.4, 10.0))
        else:
            hidden = one.look in ("can", "crystal")  # pads wholly under the part
            reach = one.width * 0.28 if hidden else one.width / 2 - 0.5
            across = one.height * 0.45 if hidden else one.height + 1.5
            for side in (-1, 1):
                if one.upright:
                    found.append(Pad(one.x, one.y + side * reach, across, 6.5))
                else:
                    found.append(Pad(one.x + side * reach, one.y, 6.5, across))
    return found


PINS = tuple((30.0 + 13.0 * k, y) for y in (226.0, 239.0) for k in range(11))
"""Through-hole pads of the connector."""

VIAS: tuple[tuple[float, float], ...] = (
    (22, 46), (44, 46), (66, 140), (78, 146), (122, 28), (124, 146), (132, 112), (136, 98),
    (134, 84), (178, 26), (218, 28), (234, 50), (236, 84), (234, 106), (178, 100), (172, 158),
    (132, 168), (20, 140), (36, 146), (24, 166), (84, 206), (128, 212), (176, 214), (238, 214),
    (238, 140), (218, 132), (104, 22), (16, 92),
)  # fmt: skip
"""Centres of the plated holes."""

TRACES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((118, 71), (128, 71), (132, 67), (132, 44), (136, 40), (144, 40)),
    ((118, 77), (130, 77), (138, 69), (138, 62), (142, 58), (144, 58)),
    ((118, 83), (134, 84)),
    ((134, 84), (138, 80), (141, 76), (144, 76)),
    ((118, 89), (127, 89), (136, 98)),
    ((136, 98), (160, 98), (170, 88), (170, 82), (174, 78), (180, 78)),
    ((118, 95), (126, 95), (132, 104), (132, 112)),
    ((118, 101), (124, 101), (128, 108), (128, 118), (134, 124), (150, 124)),
    ((118, 107), (122, 111), (122, 122), (132, 134), (132, 168)),
    ((118, 113), (118, 124), (124, 132), (124, 146)),
    ((160, 40), (170, 40), (178, 48), (178, 54), (180, 54)),
    ((160, 58), (166, 58), (170, 62), (180, 62)),
    ((160, 76), (168, 76), (174, 70), (180, 70)),
    ((216, 54), (228, 54), (234, 50)),
    ((216, 62), (226, 62), (236, 72), (236, 84)),
    ((216, 70), (222, 70), (228, 80), (228, 100), (234, 106)),
    ((216, 78), (220, 82), (220, 96), (212, 104), (205, 112)),
    ((191, 112), (184, 112), (178, 106), (178, 100)),
    ((58, 71), (44, 71), (36, 69), (32, 69)),
    ((58, 77), (46, 77), (42, 84), (32, 84)),
    ((58, 83), (48, 83), (42, 90), (22, 90), (16, 92)),
    ((58, 95), (46, 95), (40, 101), (32, 101)),
    ((58, 101), (48, 101), (40, 116), (32, 116)),
    ((58, 107), (50, 107), (44, 116), (44, 134), (36, 146)),
    ((58, 113), (52, 118), (52, 150), (40, 164), (40, 186)),
    ((67, 122), (67, 130), (66, 140)),
    ((73, 122), (73, 154), (64, 163), (64, 186)),
    ((79, 122), (78, 146)),
    ((85, 122), (85, 152), (93, 160)),
    ((91, 122), (91, 146), (82, 158), (82, 170), (88, 176), (93, 176)),
    ((97, 122), (97, 140), (104, 147), (116, 150), (116, 156), (111, 160)),
    ((103, 122), (103, 136), (110, 142), (120, 152), (120, 170), (112, 176)),
    ((67, 62), (67, 50), (58, 40), (58, 34)),
    ((73, 62), (73, 48), (70, 40), (70, 34)),
    ((79, 62), (79, 40), (88, 30), (96, 22), (104, 22)),
    ((85, 62), (85, 44), (94, 35), (116, 34), (122, 28)),
    ((91, 62), (91, 48), (98, 41), (126, 41), (126, 24), (132, 18), (170, 18), (178, 26)),
    ((97, 62), (97, 52), (102, 47), (120, 47)),
    ((58, 34), (44, 46)),
    ((22, 46), (22, 30), (30, 22), (50, 22)),
    ((150, 140), (150, 150), (162, 158), (172, 158)),
    ((170, 125), (176, 119), (190, 119), (204, 126), (218, 132)),
    ((170, 139), (170, 146), (182, 154), (186, 160), (186, 172), (192, 178)),
    ((136, 196), (128, 204), (128, 212)),
    ((164, 196), (170, 204), (176, 214)),
    ((24, 166), (20, 176), (20, 214), (30, 226)),
    ((43, 226), (43, 214), (52, 206), (84, 206)),
    ((56, 226), (60, 214), (92, 210), (110, 196), (132, 168)),
    ((82, 226), (84, 206)),
    ((108, 226), (112, 216), (128, 212)),
    ((147, 226), (150, 218), (176, 214)),
    ((160, 226), (166, 222), (206, 216), (224, 200), (224, 182)),
    ((178, 100), (170, 108), (158, 112), (150, 124)),
    ((238, 140), (238, 214)),
    ((234, 106), (238, 112), (238, 140)),
)
"""Centre lines of the traces, from point to point."""

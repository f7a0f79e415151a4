"""One frame of a DICOM file as an 8-bit image.

Stored values -> modality values (rescale, or the modality LUT) -> grey levels (the window of the
settings, else the VOI LUT or first window of the tags, else the whole range that the stored bits
can hold) -> MONOCHROME1 turned round. DICOM PS3.3 C.7.6.3 (pixels), C.11.1 (modality), C.11.2
(VOI), C.7.6.16.2.9 and 10 (both by frame). Colour: YBR becomes RGB, a palette is looked up, 16 bits
are scaled by the range of the bits. Overlays and ICC profiles are not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data.importing.dicom_files import library
from core.data.importing.windows import Levels, Window, stretched, windowed
from core.errors import DataError, FlawscopeError

Values = npt.NDArray[Any]

_SHARED, _BY_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_TAGS = [0x52009229, 0x52009230]  # the two
_TABLE_BITS = 16
_REMEDY = "replace it by an intact copy, or take it out"


def frame_image(path: Path, frame: int, window: Window | None, called: str) -> Image.Image:
    """A frame as "L" or "RGB".

    Args:
        frame: from 0.
        window: of the settings; None: as the tags say.
        called: what errors call the file.

    Raises:
        DataError: it cannot be decoded; nothing of the file is quoted.
    """
    pydicom = library()
    ds = pydicom.Dataset()
    try:
        values = pydicom.pixels.pixel_array(path, ds_out=ds, specific_tags=_TAGS, index=frame)
        return Image.fromarray(eight_bits(values, ds, frame, window, called))
    except FlawscopeError:
        raise
    except FileNotFoundError:
        raise DataError(f"{called} is not there any more; import again.") from None
    except PermissionError:
        raise DataError(f"{called} may not be read; change its permissions.") from None
    except MemoryError:
        raise DataError(f"{called} is too large for the memory that is free.") from None
    except Exception:  # decoders raise nearly anything, and quote what they read
        syntax = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
        how = f" (compressed as {syntax.name})" if syntax and syntax.is_compressed else ""
        raise DataError(f"{called} cannot be decoded{how}; {_REMEDY}.") from None


def eight_bits(
    values: Values, ds: Any, frame: int, window: Window | None, called: str
) -> Levels:  # fmt: skip
    """Grey levels [H, W] or colours [H, W, 3], uint8.

    Args:
        values: as stored, [H, W] or [H, W, 3]; YBR already turned into RGB.
        ds: the tags.

    Raises:
        DataError: values of unknown range, or colours that are not known.
    """
    photometric = str(ds.PhotometricInterpretation)
    if values.ndim == 3:
        return _scaled(values, int(ds.BitsStored))
    if photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(values, ds)[..., :3]
        return _scaled(colours, 8 * colours.dtype.itemsize)
    if not photometric.startswith("MONOCHROME"):
        raise DataError(f"{called} has colours of an unknown kind; save it as RGB.")
    grey = _grey(values, ds, frame, window, called)
    return 255 - grey if photometric == "MONOCHROME1" else grey


def _grey(
    values: Values, ds: Any, frame: int, window: Window | None, called: str
) -> Levels:  # fmt: skip
    if values.dtype.kind == "f":
        scaled = _rescaled(values.astype(np.float64), ds, frame)
        window = window or _window(ds, frame)
        if window is None:
            raise DataError(
                f"{called} holds floating-point values of unknown range; set window_centre and "
                "window_width."
            )
        return windowed(scaled, window)
    bits, signed = int(ds.BitsStored), bool(ds.get("PixelRepresentation", 0))
    low = -(1 << bits - 1) if signed else 0
    high = low + (1 << bits) - 1
    if bits > _TABLE_BITS:
        return _toned(np.clip(values, low, high), (low, high), ds, frame, window)
    # every value that the bits can hold once, then a look-up a pixel
    table = _toned(np.arange(low, high + 1, dtype=np.int32), (low, high), ds, frame, window)
    found: Levels = table[np.clip(values, low, high).astype(np.int32) - low]
    return found


def _toned(
    stored: Values, ends: tuple[int, int], ds: Any, frame: int, window: Window | None
) -> Levels:  # fmt: skip
    """Grey levels of stored values within the range the bits can hold."""
    if ds.get("ModalityLUTSequence"):
        measured, high = _looked_up(stored, ds.ModalityLUTSequence[0], ds)
        low = 0.0
    else:
        measured = _rescaled(stored, ds, frame)
        low, high = sorted(float(end) for end in _rescaled(np.array(ends), ds, frame))
    if window is not None:
        return windowed(measured, window)
    if ds.get("VOILUTSequence"):
        seen, most = _looked_up(np.rint(measured).astype(np.int64), ds.VOILUTSequence[0], ds)
        return stretched(seen, 0, most)
    tagged = _window(ds, frame)
    return stretched(measured, low, high) if tagged is None else windowed(measured, tagged)


def _rescaled(values: Values, ds: Any, frame: int) -> npt.NDArray[np.float64]:
    slope, intercept = 1.0, 0.0
    for tags in _by_frame(ds, frame, "PixelValueTransformationSequence"):
        if tags.get("RescaleSlope") is not None:
            slope = float(tags.RescaleSlope)
            intercept = float(tags.get("RescaleIntercept") or 0)
            break
    return np.asarray(values, dtype=np.float64) * slope + intercept


def _window(ds: Any, frame: int) -> Window | None:
    """The first window of the tags that can be used."""
    for tags in _by_frame(ds, frame, "FrameVOILUTSequence"):
        centre, width = _first(tags.get("WindowCenter")), _first(tags.get("WindowWidth"))
        if centre is None or width is None or not width > 0:
            continue
        shape = str(tags.get("VOILUTFunction") or "LINEAR")
        if shape not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            shape = "LINEAR"
        return Window(centre, width, shape)  # type: ignore[arg-type]
    return None


def _by_frame(ds: Any, frame: int, sequence: str) -> Iterator[Any]:
    """Where a tag of a frame may stand: the frame's own, what all frames share, the file's."""
    own = ds.get(_BY_FRAME) or []
    groups = [own[frame]] if frame < len(own) else []
    groups += list(ds.get(_SHARED) or [])[:1]
    for group in groups:
        yield from list(group.get(sequence) or [])[:1]
    yield ds


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    many = value if hasattr(value, "__len__") and not isinstance(value, str) else [value]
    number = float(many[0]) if len(many) else float("nan")
    return number if np.isfinite(number) else None


def _looked_up(values: Values, item: Any, ds: Any) -> tuple[Values, float]:
    """Values looked up in a LUT of the tags, and the largest that its bits can hold.

    C.11.1.1 and C.11.2.1.1; entries of 8 bits may come packed in words or one a word.
    """
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    entries = entries or 1 << 16
    data = item.LUTData
    if not isinstance(data, bytes):
        data = np.asarray(data, dtype="<u2").tobytes()
    elif not ds.file_meta.TransferSyntaxUID.is_little_endian:
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    table = np.frombuffer(data, "<u2" if len(data) >= 2 * entries else np.uint8)[:entries]
    if table.size < entries:
        raise ValueError("a look-up table is shorter than it says")
    return table[np.clip(values - first, 0, entries - 1)], float((1 << bits) - 1)


def _scaled(values: Values, bits: int) -> Levels:
    return values.astype(np.uint8) if bits == 8 else stretched(values, 0, (1 << bits) - 1)

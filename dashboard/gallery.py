"""Example pictures of a data set as small data URIs; anomalous ones carry their mask's outline."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from core.data import regions, thumbnails
from core.errors import FlawscopeError
from core.types import Sample
from dashboard.queries import workspace

SIDE = 160
OUTLINE = (255, 255, 255)
HALO = (20, 24, 30)


def thumbnail(root: Path, sample: Sample) -> str | None:
    """A data URI of the sample's picture, outlined where it has a mask; None when unreadable."""
    path = root / sample.key
    try:
        stamp = path.stat().st_mtime_ns
        return _thumbnail(str(workspace().root), str(root), sample.key, sample.masks, stamp)
    except (OSError, FlawscopeError):
        return None


@st.cache_data(show_spinner=False, max_entries=2000)
def _thumbnail(workspace_root: str, root: str, key: str, masks: tuple[str, ...], stamp: int) -> str:
    data = thumbnails.thumbnail(Path(root), key, side=SIDE, workspace=workspace())
    if masks:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        paths = [Path(root) / mask for mask in masks]
        mask_HW = thumbnails.mask_picture(paths, picture.size, image=Path(root) / key)
        if mask_HW is not None:
            buffer = io.BytesIO()
            Image.fromarray(outlined(np.asarray(picture), mask_HW)).save(buffer, "WEBP", quality=82)
            data = buffer.getvalue()
    return f"data:{kind(data)};base64,{base64.b64encode(data).decode()}"


def kind(data: bytes) -> str:
    """Media type of an encoded picture, from its first bytes."""
    if data[:4] == b"RIFF":
        return "image/webp"
    return "image/png" if data[1:4] == b"PNG" else "image/jpeg"


def outlined(
    picture_HWC: npt.NDArray[np.uint8], mask_HW: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """The picture with a light line around the mask and a dark one around that.

    The lines lie outside the mask, so that the flaw itself stays visible.
    """
    line_HW, halo_HW = regions.outline(mask_HW)
    drawn = picture_HWC.copy()
    drawn[halo_HW], drawn[line_HW] = HALO, OUTLINE
    return drawn

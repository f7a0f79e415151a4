"""Settings of the NIfTI import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.data.importing.base import Options
from core.data.importing.nifti_volume import Axis
from core.errors import UsageError


class NiftiOptions(Options):
    """Settings of the NIfTI import."""

    class_name: str = Field(
        default="scan", description="what the volumes show, such as brain MRI; one class for all"
    )
    axis: Axis = Field(
        default="axial", description="which way slices are cut, by the body, not by the file"
    )
    stride: int = Field(default=1, ge=1, description="take every n-th slice")
    volume: int = Field(
        default=0, ge=0,
        description="which volume of files that hold several (time, sequences), counted from 0",
    )  # fmt: skip
    foreground_above: float = Field(
        default=0.0, allow_inf_nan=False,
        description="voxels whose value is above this are foreground (CT: about -500 keeps the "
        "body, 0 suits most MRI)",
    )  # fmt: skip
    min_foreground: float = Field(
        default=0.05, ge=0, le=1,
        description="a slice is taken when at least this share of its voxels is foreground; 0: all",
    )  # fmt: skip
    low_percentile: float = Field(
        default=0.5, ge=0, le=100,
        description="percentile of the volume's foreground that becomes black",
    )  # fmt: skip
    high_percentile: float = Field(
        default=99.5, ge=0, le=100,
        description="percentile of the volume's foreground that becomes white",
    )  # fmt: skip
    window_low: float | None = Field(
        default=None, allow_inf_nan=False,
        description="value that becomes black in every volume, instead of the percentile",
    )  # fmt: skip
    window_high: float | None = Field(
        default=None, allow_inf_nan=False, description="value that becomes white; set with the low"
    )  # fmt: skip
    mask_values: str = Field(
        default="",
        description="values of masks that mark an anomaly, separated by commas (where 1 is the "
        "organ and 2 the tumour: 2); empty: every value but 0",
    )
    anomaly_type: str = Field(default="lesion", description="kind of anomaly that masks mark")
    min_pixels: int = Field(
        default=1, ge=1,
        description="a slice is anomalous when its mask marks at least so many of its pixels",
    )  # fmt: skip
    patient: Literal["volume", "folder"] = Field(
        default="volume",
        description="what one patient is: a volume with its mask, or all volumes of a folder; "
        "patients named sub-... in a path are told apart by that",
    )
    healthy_share: float = Field(
        default=0.0, ge=0, lt=1,
        description="share of the patients with anomalies whose healthy slices are trained on, "
        "their anomalous slices being left out; 0: such patients are tested whole",
    )  # fmt: skip
    keep_ids: bool = Field(
        default=False, description="keep the names of files as they are, instead of pseudonyms"
    )


def wanted_values(options: NiftiOptions) -> tuple[int, ...]:
    """The mask values that count; empty: all but 0.

    Raises:
        UsageError: settings that contradict each other.
    """
    low, high = options.window_low, options.window_high
    if (low is None) != (high is None):
        raise UsageError("Set both window_low and window_high, or neither.")
    if low is not None and high is not None and not low < high:
        raise UsageError(f"window_low must lie below window_high; they came as {low} and {high}.")
    if not options.low_percentile < options.high_percentile:
        raise UsageError("low_percentile must lie below high_percentile.")
    try:
        return tuple(sorted({int(one) for one in options.mask_values.split(",") if one.strip()}))
    except ValueError:
        raise UsageError(
            f"mask_values came as {options.mask_values!r}; give whole numbers with commas."
        ) from None

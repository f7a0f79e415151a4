"""What a run is made of: typed, validated early, unknown keys refused, written first."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import UsageError
from core.types import PresetName, Protocol, Setting

EXTERNAL = "external"
"""Stands where a method's id does when maps were made elsewhere and only evaluated here."""

SIZES = (32, 2048)
"""The smallest and the largest side of a run's images."""


class Config(BaseModel):
    """Base of all configs: immutable, unknown keys rejected, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class RunConfig(Config):
    """One method x dataset x classes x setting x protocol x seed x settings.

    `method_config` holds the method's own settings, fully resolved (every field, defaults too).
    """

    data: str = Field(description="name of a registered data set, or a folder")
    method: str
    classes: tuple[str, ...] = Field(default=(), description="empty: all classes")
    setting: Setting = "unified"
    protocol: Protocol = "benchmark"
    preset: PresetName = Field(
        default="ader",
        description="whose defaults: ADer's for many classes, or those of the method's paper",
    )
    size: int = Field(
        default=256, ge=SIZES[0], le=SIZES[1], description="side of the square input, pixels"
    )
    epochs: int | None = Field(default=None, ge=1, description="empty: the method's default")
    batch_size: int | None = Field(default=None, ge=1, description="empty: the method's default")
    seed: int = Field(default=0, ge=0)
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:<index>")
    backbone: str = Field(default="auto", description="a timm id; auto: see `core.backbones`")
    weights: str | None = Field(default=None, description="a weight file for the backbone")
    method_config: dict[str, Any] = Field(default_factory=dict)

    @property
    def method_key(self) -> str:
        """What tells methods apart: the id; "external:<name>" for maps made elsewhere."""
        if self.method != EXTERNAL:
            return self.method
        return f"{EXTERNAL}:{self.method_config.get('name', '')}"


def external_name(method_key: str) -> str | None:
    """The name given to maps made elsewhere; None for a method of this project."""
    origin, _, name = method_key.partition(":")
    return name if origin == EXTERNAL and name else None


def parse(kind: type[Config], values: dict[str, Any], what: str) -> Any:
    """Build a config from loose values.

    Raises:
        UsageError: one sentence that names the argument, what was expected and what came.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or what
        if first["type"] == "extra_forbidden":
            known = ", ".join(kind.model_fields)
            raise UsageError(f"{what} has no setting {name!r}; known: {known}.") from None
        came = first.get("input")
        raise UsageError(f"{what}: {name} came as {came!r}; {first['msg'].lower()}.") from None

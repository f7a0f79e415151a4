"""From what a person chose on the New run page to run configs and the time they will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import listing
from core.config import RunConfig, parse
from core.runs import Record, Status
from dashboard.components.settings_form import defaults
from dashboard.estimates import Estimate, Work, from_similar
from dashboard.queries import ClassLook, DataLook

SIZES = (128, 192, 224, 256, 320, 384, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was chosen.

    Attributes:
        size: pixels; None = what is usual in the preset.
        settings: the changed settings of each method.
        backbones: by method id; those not named take the automatic one.
    """

    data: Sequence[str]
    methods: Sequence[str]
    seeds: int = 1
    classes: Sequence[str] = ()
    setting: str = "unified"
    protocol: str = "benchmark"
    preset: str = "ader"
    size: int | None = None
    epochs: int | None = None
    device: str = "auto"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)


def configs(plan: Plan, methods: Mapping[str, Mapping[str, Any]]) -> list[RunConfig]:
    """Every data set x method x seed; the first seed of everything comes first.

    Args:
        methods: their descriptions, by id.

    Raises:
        UsageError: one sentence that names the setting.
    """
    return [
        parse(
            RunConfig,
            {
                "data": data, "method": method, "seed": seed, "classes": tuple(plan.classes),
                "setting": plan.setting, "protocol": plan.protocol,
                "size": plan.size or listing.usual_size(methods[method], plan.preset),
                "epochs": plan.epochs, "device": plan.device, "preset": plan.preset,
                "backbone": plan.backbones.get(method, "auto"),
                "method_config": dict(plan.settings.get(method, {})),
            },
            "run",
        )
        for seed in range(plan.seeds)
        for data in plan.data
        for method in plan.methods
    ]  # fmt: skip


def work(config: RunConfig, data: DataLook, method: Mapping[str, Any]) -> Work:
    """What a run has to do: training and test images of its classes, size, epochs."""
    chosen: Iterable[ClassLook] = (
        look for look in data.classes if not config.classes or look.name in config.classes
    )
    counts = [(look.train, look.good + look.anomalous) for look in chosen]
    usual = method["epochs"]
    if config.preset == "paper":
        usual = method["paper_preset"]["epochs"] or usual
    epochs = None if method["epochs"] is None else config.epochs or usual
    return Work(sum(n for n, _ in counts), sum(n for _, n in counts), config.size, epochs)


def kind(config: RunConfig) -> str:
    """Equal for configs that take the same time: all but the seed."""
    return config.model_copy(update={"seed": 0}).model_dump_json()


def estimate(
    config: RunConfig,
    data: DataLook,
    method: Mapping[str, Any],
    runs: Sequence[tuple[Record, Status]],
    machine: Mapping[str, Any],
    measured: Mapping[str, Mapping[str, Any]],
) -> Estimate | None:
    """From a measurement of this very config, else from similar runs, else None."""
    if kind(config) in measured:
        probe = measured[kind(config)]
        return Estimate(probe["seconds"], probe["seconds"], f"from {probe['basis']}")
    schema = listing.defaults(method, config.preset)
    full = defaults(schema) | dict(config.method_config)
    return from_similar(config, work(config, data, method), full, runs, machine)


def total(estimates: Sequence[Estimate | None]) -> tuple[float, float, int]:
    """Lowest and highest seconds of all known ones, one after another, and how many are unknown."""
    known = [one for one in estimates if one]
    low, high = sum(one.low for one in known), sum(one.high for one in known)
    return low, high, len(estimates) - len(known)

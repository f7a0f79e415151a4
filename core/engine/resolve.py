"""From what was asked for to what will run: data, device, backbone, weights, typed settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import core
from core.backbones import weights as backbone_weights
from core.backbones.features import FeatureExtractor, build
from core.config import Config, RunConfig, parse
from core.data.base import Dataset
from core.data.catalogue import open_dataset
from core.data.splits import with_calibration, without_calibration
from core.engine import device as devices
from core.engine.features import stored_dtype
from core.errors import DataError
from core.methods.base import METHODS, Method, Preset
from core.types import Sample
from core.workspace import Workspace

RECORDED_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "scipy", "safetensors")
EVERY_CLASS = "all"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything a run needs, made from its config.

    Attributes:
        dataset: with only the chosen classes, calibration split off where the protocol asks.
        kind: the method's class; `settings` its typed config.
        models: name of each model to train -> the classes it covers.
        notes: what the run says of itself, a sentence each.
    """

    config: RunConfig
    dataset: Dataset
    kind: type[Method]
    settings: Config
    device: torch.device
    weights: backbone_weights.Weights
    epochs: int
    batch_size: int
    models: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def extractor(self) -> FeatureExtractor:
        """The frozen backbone on the run's device."""
        kind = self.kind
        return build(self.weights.tag, kind.levels, self.weights, self.device, kind.blocks)

    def record(self, fingerprint: str) -> dict[str, Any]:
        """The `resolved` part of config.json."""
        return {
            "dataset": dataset_record(self.dataset, fingerprint),
            "backbone": self.weights.tag,
            "weights": {
                "source": self.weights.source,
                "sha256": self.weights.sha256,
                "pretrained": self.weights.pretrained,
            },
            "notes": list(self.notes),
            "method_config": self.settings.model_dump(mode="json"),
            "epochs": self.epochs if self.kind.learns == "gradient" else None,
            "batch_size": self.batch_size,
            "device": str(self.device),
            "feature_dtype": str(stored_dtype(self.device)).removeprefix("torch."),
            "machine": devices.machine(self.device),
            "versions": versions(),
        }


def dataset_record(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    """What config.json says of the data a run was made on."""
    samples = dataset.samples
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "reader": dataset.reader,
        "variant": dataset.variant,
        "fingerprint": fingerprint,
        "classes": list(dataset.classes),
        "counts": {
            split: sum(sample.split == split for sample in samples)
            for split in ("train", "calibration", "test")
        },
    }


def resolve(config: RunConfig, workspace: Workspace) -> Resolved:
    """Check every choice before anything is computed.

    Raises:
        UsageError, DataError, WeightsMissing, RunError: one sentence each.
    """
    kind = METHODS.get(config.method)
    preset = kind.paper if config.preset == "paper" else Preset()
    values = {**preset.settings, **config.method_config}
    settings = parse(kind.Config, values, f"method {config.method}")
    notes = kind.check(settings)
    if config.preset == "paper" and preset.note:
        notes = (*notes, preset.note)
    device = devices.pick(config.device)
    dataset = _choose(open_dataset(config.data, workspace), config)
    tag = config.backbone
    if tag == "auto":
        tag = backbone_weights.choose_backbone(kind.backbone, workspace, not kind.blocks)
    file = Path(config.weights).expanduser() if config.weights else None
    weights = backbone_weights.resolve(tag, file, workspace)
    models: dict[str, tuple[str, ...]] = (
        {EVERY_CLASS: dataset.classes}
        if config.setting == "unified"
        else {name: (name,) for name in dataset.classes}
    )
    return Resolved(
        config=config,
        dataset=dataset,
        kind=kind,
        settings=settings,
        device=device,
        weights=weights,
        epochs=config.epochs or preset.epochs or kind.epochs,
        batch_size=config.batch_size or preset.batch_size or kind.batch_size,
        models=models,
        notes=notes,
    )


def of_classes(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """The data set with the chosen classes alone; all when none is named.

    Raises:
        UsageError: a class it does not have.
    """
    dataset.require_classes(classes)
    chosen = (s for s in dataset.samples if not classes or s.class_name in classes)
    return replace(dataset, samples=tuple(chosen))


def _choose(dataset: Dataset, config: RunConfig) -> Dataset:
    chosen: tuple[Sample, ...] = of_classes(dataset, config.classes).samples
    if not any(sample.split == "train" for sample in chosen):
        raise DataError(f"{dataset.name} has no training images in the chosen classes.")
    if not any(sample.split == "test" for sample in chosen):
        raise DataError(f"{dataset.name} has no test images in the chosen classes.")
    if config.protocol == "deployment":
        chosen = with_calibration(chosen, config.seed)
    else:
        chosen = without_calibration(chosen)
    return replace(dataset, samples=chosen)


def versions() -> dict[str, str]:
    """Of this project and of the packages that results depend on."""
    found = {"flawscope": core.__version__}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

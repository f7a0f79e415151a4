"""The contract every method keeps; the engine does the rest.

A method writes neither loops nor device moves, neither checkpoints nor logging. It is a
`torch.nn.Module` whose `state_dict` is complete: a loaded model predicts the same to the bit.
The frozen backbone is not part of it (the run records its weights' SHA-256 instead).
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.registry import Registry
from core.types import Family, MapRule, RawPrediction

Report = Callable[[float, str], None]
"""Called with progress 0..1 of the present phase and a short message."""

Schedule = Callable[[int, int], float]
"""(epoch from 0, epochs) -> factor on the initial learning rates in that epoch."""


def constant(epoch: int, epochs: int) -> float:
    """The initial rates throughout."""
    return 1.0


def steps(*at: float, by: float = 0.1) -> Schedule:
    """Rates multiplied by `by` after each of the shares `at` of the epochs."""

    def factor(epoch: int, epochs: int) -> float:
        passed: int = sum(epoch >= math.floor(share * epochs) for share in at)
        return float(by**passed)

    return factor


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """What a method is, for the Methods page and `list methods`.

    Attributes:
        title: as the paper calls it.
        paper, venue, year, arxiv: the paper; `arxiv` is "" when it has no arXiv id.
        family: augmentation, embedding, reconstruction or hybrid.
        summary: one sentence that a plant engineer or clinician understands.
        frozen, trained: which parts stay as they are, which are learned.
        parameters: how many are trained with the paper's backbone at 256 px, in millions; 0 for a
            memory bank.
        deviations: every difference from the paper, with the reason, one sentence each.
        note: what to know before trusting a short training, one sentence; "" for nothing.
    """

    title: str
    paper: str
    venue: str
    year: int
    arxiv: str
    family: Family
    summary: str
    frozen: str
    trained: str
    parameters: float = 0.0
    deviations: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the engine optimises: built once a model by `Method.plan`.

    Attributes:
        optimizers: all stepped on the same summed loss.
        clip_norm: global L2 norm of the gradients, per optimizer; None = no clipping.
        schedule: of the learning rates, by epoch.
    """

    optimizers: tuple[torch.optim.Optimizer, ...]
    clip_norm: float | None = None
    schedule: Schedule = constant

    def __post_init__(self) -> None:
        """Let each optimizer step all its parameters in one pass over them: the same arithmetic,
        some 2.5 times as fast on a CPU as one operation after the other."""
        for optimizer in self.optimizers:
            if isinstance(optimizer, torch.optim.Adam | torch.optim.SGD):  # AdamW is an Adam
                for group in optimizer.param_groups:
                    group["fused"] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Another set of defaults: those of the method's own paper, for one model a class.

    Attributes:
        settings: of the method's config, where they differ from its defaults.
        epochs, batch_size, size: None = as in ADer's setting.
        note: what the paper does that no setting expresses, one sentence; "" for nothing.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    batch_size: int | None = None
    size: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What `training_step` gets, all on the method's device.

    Attributes:
        images_BCHW: uint8 RGB; None when the method trains on features alone.
        features: frozen levels of the images as they are, float32, [B, C_l, H_l, W_l] each,
            shallow to deep, as `Method.reduced` leaves them; empty when the method trains on images
            alone.
    """

    images_BCHW: Tensor | None
    features: tuple[Tensor, ...] = ()


class Method(nn.Module, ABC):
    """Base of all methods; register with `@method("id")`.

    Class attributes a method sets:
        Config: its typed settings, defaults as in ADer's multi-class setting.
        card: what it is.
        rule: how its raw map becomes the stored map and the image score.
        trains_on: "features" (frozen, computed once by the engine), "images", or "both": images
            to alter, and the frozen features of the same images unaltered.
        learns: "gradient" (`plan` + `training_step`) or "bank" (`fit_bank`).
        backbone: timm tag of the paper's backbone in ADer's setting, or `weights.NO_BACKBONE`.
        levels: how many and which feature levels it wants, as strides of the input.
        blocks: instead of levels, the blocks of a plain ViT (from 1) whose outputs it wants.
        epochs, batch_size: defaults, ADer's.
        paper: the defaults of its own paper, where they differ.
    """

    Config: ClassVar[type[Config]]
    id: ClassVar[str]
    card: ClassVar[MethodCard]
    rule: ClassVar[MapRule]
    trains_on: ClassVar[Literal["images", "features", "both"]] = "features"
    learns: ClassVar[Literal["gradient", "bank"]] = "gradient"
    backbone: ClassVar[str]
    levels: ClassVar[tuple[int, ...]] = ()
    blocks: ClassVar[tuple[int, ...]] = ()
    epochs: ClassVar[int] = 100
    batch_size: ClassVar[int] = 16
    paper: ClassVar[Preset] = Preset()

    extractor: FeatureExtractor

    def __init__(self, config: Any, extractor: FeatureExtractor, size: int) -> None:
        """
        Args:
            config: an instance of `Config`.
            extractor: frozen backbone giving the levels at the strides in `levels`; kept out of
                the module tree, so that it is neither trained nor saved.
            size: side of the square input, pixels.
        """
        super().__init__()
        self.config = config
        self.size = size
        object.__setattr__(self, "extractor", extractor)

    def plan(self) -> Plan:
        """Optimizers and schedule; only for methods that learn by gradient."""
        raise NotImplementedError(f"{type(self).__name__} learns by {self.learns}")

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Named losses of a batch; the engine sums them and steps every optimizer once."""
        raise NotImplementedError(f"{type(self).__name__} learns by {self.learns}")

    def training_steps(self, batch: Batch) -> Iterator[dict[str, Tensor]]:
        """One dict of losses an optimizer step; override to step several times a batch."""
        yield self.training_step(batch)

    def fit_bank(self, batches: Iterable[Batch], report: Report) -> None:
        """See every training batch once and fill the memory bank (kept in buffers)."""
        raise NotImplementedError(f"{type(self).__name__} learns by {self.learns}")

    def on_epoch(self, epoch: int, epochs: int) -> None:
        """Told before each epoch (0-based); for methods with stages."""

    def before_training(self, batches: Iterable[Batch], report: Report) -> None:
        """See every training batch once before the first epoch, in evaluation mode, ungraded.

        For what is measured and then fixed (centroids, chosen channels), kept in buffers. Batches
        are as in training, the last one may be smaller. Runs only where it is overridden.
        """

    def after_training(self, batches: Iterable[Batch], report: Report) -> None:
        """The same after the last epoch (a template, a calibration); kept in buffers."""

    @classmethod
    def check(cls, settings: Any) -> tuple[str, ...]:
        """What a run with these settings should say of itself, a sentence each.

        For choices whose outcome the settings do not show (where texture images come from, say).
        Stored with the run and shown on its page. Called before anything is computed.

        Raises:
            UsageError, WeightsMissing: a setting names something that is not there.
        """
        return ()

    def reduced(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Of the extractor's levels, what the method works on: kept for every epoch, and predicted.

        Override where less will do (levels fused into one), so that less is kept and moved. Fixed,
        and of each image alone.
        """
        return features

    def features(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Frozen features of images, reduced."""
        return self.reduced(self.extractor(images_BCHW))

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """Raw maps (and scores) of a batch of frozen features; see `predict`."""
        raise NotImplementedError

    def predict(self, images_BCHW: Tensor) -> RawPrediction:
        """Raw maps at the method's own resolution from uint8 RGB images.

        Each image's result does not depend on the others in the batch (to 1e-5).
        """
        return self.score(self.features(images_BCHW))


def overrides(method: Method, hook: str) -> bool:
    """Whether the method has a hook of its own."""
    return getattr(type(method), hook) is not getattr(Method, hook)


METHODS: Registry[type[Method]] = Registry("method", "core.methods")


def method(id: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: file a `Method` under `id`."""

    def keep(kind: type[Method]) -> type[Method]:
        kind.id = id
        return METHODS.register(id)(kind)

    return keep

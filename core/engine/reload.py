"""A stored run made ready to predict again: its checkpoint in the method as the run built it.

Nothing but the run's own directory and its backbone's weights is needed; the data set may be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from core.backbones import weights as backbone_weights
from core.backbones.features import FeatureExtractor, build
from core.config import EXTERNAL, Config, RunConfig, parse
from core.engine import checkpoint
from core.engine import device as devices
from core.engine.prediction import Pace, Predicted, predict
from core.engine.resolve import EVERY_CLASS
from core.errors import RunError, UsageError
from core.methods.base import METHODS, Method
from core.runs import RunDirectory
from core.seeding import seed_everything
from core.workspace import Workspace

MODELS_HELD = 4
"""Models of a separate run that stay in memory."""


@dataclass(slots=True)
class Loaded:
    """A run ready to try images.

    Attributes:
        classes: those it was trained on.
        batch_size: images predicted at once, as in the run.
        note: how results may differ from the run's own, or "".
    """

    run: RunDirectory
    config: RunConfig
    classes: tuple[str, ...]
    kind: type[Method]
    settings: Config
    extractor: FeatureExtractor
    device: torch.device
    batch_size: int
    fingerprint: str
    data_root: Path
    note: str
    _models: dict[str, Method] = field(default_factory=dict)

    def model(self, class_name: str | None) -> Method:
        """The model that covers a class, loaded at its first use.

        Raises:
            UsageError: no class is named although every class has a model, or it has none.
            RunError: the checkpoint is not there, unfinished or damaged.
        """
        name = EVERY_CLASS
        if self.config.setting == "separate":
            if class_name is None:
                raise UsageError(
                    "This run keeps one model a class, so the class has to be chosen: "
                    f"{', '.join(self.classes)}."
                )
            name = class_name
        if class_name is not None and class_name not in self.classes:
            raise UsageError(
                f"The run knows no class {class_name!r}; it was trained on "
                f"{', '.join(self.classes)}."
            )
        if name not in self._models:
            while len(self._models) >= MODELS_HELD:
                self._models.pop(next(iter(self._models)))
            self._models[name] = self._load(name)
        return self._models[name]

    def _load(self, name: str) -> Method:
        folder = self.run.path / RunDirectory.CHECKPOINT / name
        position = checkpoint.position(folder)
        if position is None or not position.finished:
            raise RunError(
                f"Run {self.run.run_id} has no finished model of {name}; let its training end (or "
                "resume it), then try it."
            )
        seed_everything(self.config.seed, name, "initialise")
        with devices.memory_guard("loading the model", "the number of runs at work"):
            method = self.kind(self.settings, self.extractor, self.config.size).to(self.device)
            checkpoint.load(folder, method)
            method.eval()
            blank = np.zeros((1, 3, self.config.size, self.config.size), np.uint8)
            list(self.predicted(method, blank))  # the first pass is slow; not on people's time
        return method

    def predicted(self, method: Method, images_NCHW: npt.NDArray[np.uint8]) -> Iterator[Predicted]:
        """Maps and scores of images uint8 [N, 3, s, s]; see `prediction.predict`."""

        def batch(rows: npt.NDArray[np.intp]) -> torch.Tensor:
            return torch.from_numpy(images_NCHW[rows]).to(self.device)

        rows = np.arange(len(images_NCHW), dtype=np.intp)
        return predict(method, rows, batch, self.batch_size, self.device, Pace())


def load(workspace: Workspace, run_id: str, device: str = "auto") -> Loaded:
    """Make a run ready; models themselves are loaded at first use.

    Raises:
        UsageError, RunError, WeightsMissing: no such run, maps made elsewhere, weights that are
            gone or others.
    """
    run = RunDirectory.open(workspace, run_id)
    record = run.record()
    config, resolved = record.config, record.resolved
    if config.method == EXTERNAL:
        raise RunError(
            f"Run {run.run_id} is of maps made elsewhere: there is no model here to try; make the "
            "maps with the tool they came from and evaluate them."
        )
    if "weights" not in resolved:
        raise RunError(f"Run {run.run_id} has not started yet; it can be tried once it has ended.")
    kind = METHODS.get(config.method)
    values = resolved.get("method_config", config.method_config)
    settings = parse(kind.Config, values, f"method {config.method}")
    file = Path(config.weights).expanduser() if config.weights else None
    weights = backbone_weights.resolve(resolved["backbone"], file, workspace)
    if weights.sha256 != resolved["weights"].get("sha256", weights.sha256):
        raise RunError(
            f"The weight file of {weights.tag} is not the one run {run.run_id} was made with; put "
            "the old file back, or train again."
        )
    place = _device(device)
    trained_on = str(resolved.get("device", place)).split(":")[0]
    note = ""
    if trained_on != place.type:
        note = f"The run was made on {trained_on}, this on {place.type}: scores differ slightly."
    dataset = resolved.get("dataset", {})
    return Loaded(
        run=run,
        config=config,
        classes=tuple(dataset.get("classes", config.classes)),
        kind=kind,
        settings=settings,
        extractor=build(weights.tag, kind.levels, weights, place, kind.blocks),
        device=place,
        batch_size=int(resolved.get("batch_size") or kind.batch_size),
        fingerprint=str(dataset.get("fingerprint", "")),
        data_root=Path(str(dataset.get("root", ""))),
        note=note,
    )


GPU_ROOM = 2 << 30
"""Free bytes on the GPU below which the CPU is taken: a training may be at work there."""


def _device(wish: str) -> torch.device:
    device = devices.pick(wish)
    if wish == "auto" and device.type == "cuda" and devices.free_memory(device) < GPU_ROOM:
        return torch.device("cpu")
    return device

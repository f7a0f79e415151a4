"""Checkpoints: tensors in safetensors, the rest JSON, no pickle; complete or not there.

checkpoint/<model>/latest.json       {"step": "000012", ...}: written last, names a whole folder
checkpoint/<model>/000012/           model.safetensors, optimizers.safetensors, trainer.json
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.errors import RunError
from core.workspace import write_json

MODEL = "model.safetensors"
OPTIMIZERS = "optimizers.safetensors"
TRAINER = "trainer.json"


@dataclass(frozen=True, slots=True)
class Position:
    """How far training had come: epochs done, and whether the model is finished."""

    epochs_done: int
    finished: bool


def save(
    folder: Path,
    model: nn.Module,
    optimizers: tuple[torch.optim.Optimizer, ...],
    position: Position,
) -> None:
    """Write a checkpoint aside, sync it, then make it the latest; the one before is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    step = f"{position.epochs_done:06d}" + ("-final" if position.finished else "")
    aside = folder / f".{step}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    _save_tensors(aside / MODEL, dict(model.state_dict()))
    tensors: dict[str, Tensor] = {}
    plain: list[Any] = []
    if not position.finished:
        for index, optimizer in enumerate(optimizers):
            taken, rest = _split(optimizer.state_dict(), f"{index}")
            tensors |= taken
            plain.append(rest)
        _save_tensors(aside / OPTIMIZERS, tensors)
    write_json(aside / TRAINER, {"optimizers": plain})
    final = folder / step
    shutil.rmtree(final, ignore_errors=True)
    os.replace(aside, final)
    write_json(
        folder / "latest.json",
        {"step": step, "epochs_done": position.epochs_done, "finished": position.finished},
    )
    for other in folder.iterdir():
        if other.is_dir() and other.name != step:
            shutil.rmtree(other, ignore_errors=True)


def position(folder: Path) -> Position | None:
    """How far the latest checkpoint came, or None when there is none."""
    try:
        latest = json.loads((folder / "latest.json").read_text())
    except FileNotFoundError:
        return None
    return Position(int(latest["epochs_done"]), bool(latest["finished"]))


def load(
    folder: Path, model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...] = ()
) -> Position:
    """Load the latest checkpoint into `model` (and `optimizers`).

    Raises:
        RunError: there is none, or a file of it is damaged.
    """
    found = position(folder)
    if found is None:
        raise RunError(f"No checkpoint in {folder}; the run has to be trained first.")
    step = folder / json.loads((folder / "latest.json").read_text())["step"]
    try:
        model.load_state_dict(load_file(step / MODEL))
        if optimizers and not found.finished:
            plain = json.loads((step / TRAINER).read_text())["optimizers"]
            tensors = load_file(step / OPTIMIZERS)
            for index, optimizer in enumerate(optimizers):
                optimizer.load_state_dict(_join(plain[index], tensors, f"{index}"))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise RunError(f"The checkpoint {step} cannot be loaded: {error}") from error
    return found


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    own = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(own, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _split(state: dict[str, Any], prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state_dict as tensors by name and a JSON rest."""
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {"param_groups": state["param_groups"], "state": {}}
    for parameter, fields in state["state"].items():
        kept = {}
        for name, value in fields.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}/{parameter}/{name}"] = value
            else:
                kept[name] = value
        rest["state"][str(parameter)] = kept
    return tensors, rest


def _join(rest: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    """The inverse of `_split`."""
    state: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in rest["state"].items()}
    for path, value in tensors.items():
        index, parameter, name = path.split("/", 2)
        if index == prefix:
            state.setdefault(int(parameter), {})[name] = value
    return {"state": state, "param_groups": rest["param_groups"]}

"""Checkpoints: everything back to the bit, complete or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from core.engine import checkpoint
from core.engine.checkpoint import Position
from core.errors import RunError


def trained(steps: int) -> tuple[nn.Module, tuple[torch.optim.Optimizer, ...]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    optimizers = (
        torch.optim.Adam(model[0].parameters(), lr=0.01, betas=(0.5, 0.999)),
        torch.optim.AdamW(model[2].parameters(), lr=0.02, amsgrad=True),
        torch.optim.SGD(model[1].parameters(), lr=0.1, momentum=0.9),
    )
    take_steps(model, optimizers, steps)
    return model, optimizers


def take_steps(model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...], steps: int) -> None:
    for step in range(steps):
        torch.manual_seed(100 + step)
        for optimizer in optimizers:
            optimizer.zero_grad()
        model(torch.randn(16, 4)).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_training_goes_on_from_a_checkpoint_to_the_bit(tmp_path: Path) -> None:
    model, optimizers = trained(3)
    checkpoint.save(tmp_path, model, optimizers, Position(3, finished=False))
    take_steps(model, optimizers, 4)

    other, fresh = trained(1)
    assert checkpoint.load(tmp_path, other, fresh) == Position(3, finished=False)
    take_steps(other, fresh, 4)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_only_the_latest_is_kept_and_half_written_ones_do_not_count(tmp_path: Path) -> None:
    model, optimizers = trained(1)
    assert checkpoint.position(tmp_path) is None
    with pytest.raises(RunError, match="No checkpoint"):
        checkpoint.load(tmp_path, model)
    checkpoint.save(tmp_path, model, optimizers, Position(1, finished=False))
    (tmp_path / ".000002.part").mkdir()  # a writer killed in the middle
    (tmp_path / ".000002.part" / checkpoint.MODEL).write_bytes(b"half")
    assert checkpoint.position(tmp_path) == Position(1, finished=False)
    checkpoint.save(tmp_path, model, optimizers, Position(2, finished=True))
    assert checkpoint.position(tmp_path) == Position(2, finished=True)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["000002-final"]


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    model, optimizers = trained(1)
    checkpoint.save(tmp_path, model, optimizers, Position(1, finished=True))
    (tmp_path / "000001-final" / checkpoint.MODEL).write_bytes(b"damaged")
    with pytest.raises(RunError, match="cannot be loaded"):
        checkpoint.load(tmp_path, model)


def test_nothing_is_pickled(tmp_path: Path) -> None:
    model, optimizers = trained(2)
    checkpoint.save(tmp_path, model, optimizers, Position(2, finished=False))
    kinds = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json"}

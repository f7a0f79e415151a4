"""Formulas of the papers on numbers small enough to work out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from core.errors import UsageError
from core.methods.base import Batch
from core.methods.patchcore import PatchCore, PatchCoreConfig
from core.methods.rd import RD, RDConfig
from core.methods.simplenet import SimpleNet, SimpleNetConfig


class Wide:
    """The channel counts of a Wide ResNet-50, without its weights."""

    def __init__(self, *channels: int) -> None:
        self.channels = channels


class Student(nn.Module):
    """A module that does what it is told."""

    def __init__(self, does: Callable[..., object]) -> None:
        super().__init__()
        self.does = does

    def forward(self, levels: object) -> object:
        return self.does(levels)


def test_rd_mirrors_any_backbones_levels() -> None:
    method = RD(RDConfig(), Wide(24, 40, 112), 64)  # type: ignore[arg-type]
    features = tuple(torch.randn(2, c, side, side) for c, side in ((24, 16), (40, 8), (112, 4)))
    embedded = method.embedding(features)
    assert embedded.shape == (2, 224, 2, 2)
    assert [f.shape for f in method.decoder(embedded)] == [f.shape for f in features]
    with pytest.raises(UsageError, match="multiple of 32"):
        RD(RDConfig(), Wide(24, 40, 112), 80)  # type: ignore[arg-type]


def test_rd_distance_is_zero_for_a_perfect_student_and_two_for_an_opposite_one() -> None:
    method = RD(RDConfig(), Wide(4, 4, 4), 64)  # type: ignore[arg-type]
    features = tuple(torch.randn(2, 4, side, side) for side in (8, 4, 2))
    for sign, expected in ((1.0, 0.0), (-1.0, 2.0)):
        method.embedding = Student(lambda levels: levels)  # type: ignore[assignment]
        method.decoder = Student(lambda levels, s=sign: tuple(3 * s * f for f in levels))  # type: ignore[assignment]
        for level in method.score(features).levels_BHW:
            torch.testing.assert_close(level, torch.full_like(level, expected))
        loss = method.training_step(Batch(None, features))["distance"]
        assert float(loss) == pytest.approx(3 * expected, abs=1e-5)


def test_simplenets_hinge_by_hand() -> None:
    method = SimpleNet(SimpleNetConfig(), Wide(512, 1024), 256)  # type: ignore[arg-type]
    method.adaptor = nn.Identity()
    method.discriminator = Student(lambda x_ND: x_ND[:, :1] * 0 + 0.2)  # type: ignore[assignment]
    features = (torch.zeros(1, 512, 4, 4), torch.zeros(1, 1024, 2, 2))
    losses = method.training_step(Batch(None, features))
    # every score is 0.2: max(0, 0.5 - 0.2) on the true side, max(0, 0.5 + 0.2) on the noisy one
    assert float(losses["normal"]) == pytest.approx(0.3)
    assert float(losses["noisy"]) == pytest.approx(0.7)


def test_patchcores_score_is_the_squared_distance_to_the_bank() -> None:
    config = PatchCoreConfig(neighbours=2)
    method = PatchCore(config, Wide(1, 1), 32)  # type: ignore[arg-type]
    method.bank = torch.tensor([[0.0, 0.0], [3.0, 4.0], [100.0, 100.0]])
    flat = (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2))
    (level,) = method.score(flat).levels_BHW
    torch.testing.assert_close(level, torch.full((1, 4, 4), 12.5))  # mean of 0 and 25


def test_patchcores_bank_is_a_share_of_the_patches_and_one_of_them() -> None:
    method = PatchCore(PatchCoreConfig(coreset_ratio=0.25), Wide(3, 2), 32)  # type: ignore[arg-type]
    torch.manual_seed(0)
    batch = Batch(None, (torch.randn(2, 3, 4, 4), torch.randn(2, 2, 2, 2)))
    method.fit_bank(iter([batch]), lambda fraction, message: None)
    assert method.bank.shape == (8, 5)  # 25 % of 2 x 16
    (level,) = method.score(batch.features).levels_BHW
    assert int((level == 0).sum()) == 8, "rows of the bank are at distance zero of themselves"

"""The block-wise greedy coreset equals the plain one; its radius is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.layers import coreset
from core.layers.coreset import covering_radius, greedy_coreset, project


def plain_greedy(rows_ND: Tensor, count: int, generator: torch.Generator) -> list[int]:
    """Algorithm 1 as it stands: read all rows after every pick."""
    some = torch.randperm(len(rows_ND), generator=generator)[: coreset.START_ROWS]
    distance_N = torch.cdist(rows_ND.double(), rows_ND[some].double()).mean(dim=1)
    chosen: list[int] = []
    for _ in range(count):
        farthest = int(distance_N.argmax())
        chosen.append(farthest)
        to_new = (rows_ND.double() - rows_ND[farthest].double()).norm(dim=1)
        distance_N = torch.minimum(distance_N, to_new)
        distance_N[chosen] = -torch.inf
    return chosen


def clustered(count: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(12, width, generator=generator)
    picks = torch.randint(0, 12, (count,), generator=generator)
    spread = torch.rand(count, 1, generator=generator)
    return centres[picks] + spread * torch.randn(count, width, generator=generator)


@pytest.mark.parametrize("candidates", [1, 7, 64, 5000])
def test_the_picks_are_the_plain_algorithms(candidates: int) -> None:
    rows_ND = clustered(3000, 16, seed=1)
    found = greedy_coreset(
        rows_ND,
        150,
        projection=None,
        generator=torch.Generator().manual_seed(5),
        candidates=candidates,
    )
    assert found.tolist() == plain_greedy(rows_ND, 150, torch.Generator().manual_seed(5))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 60),
    width=st.integers(1, 5),
    share=st.floats(0.05, 1.0),
    copies=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_rows_give_distinct_picks(
    count: int, width: int, share: float, copies: bool, seed: int
) -> None:
    rows_ND = clustered(count, width, seed)
    if copies:
        rows_ND = rows_ND[torch.arange(count) % max(1, count // 3)]
    wanted = max(1, int(share * count))
    found = greedy_coreset(
        rows_ND, wanted, projection=None, generator=torch.Generator().manual_seed(0), candidates=8
    )
    assert len(found) == wanted == len(set(found.tolist()))


def test_the_radius_by_hand() -> None:
    rows_ND = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
    assert covering_radius(rows_ND, torch.tensor([0])) == pytest.approx(9.0)
    assert covering_radius(rows_ND, torch.tensor([0, 3])) == pytest.approx(4.0)
    assert covering_radius(rows_ND, torch.arange(4)) == pytest.approx(0.0, abs=1e-3)


def test_greedy_covers_better_than_chance_and_within_twice_the_best() -> None:
    rows_ND = clustered(4000, 4, seed=3)
    generator = torch.Generator().manual_seed(0)
    greedy = greedy_coreset(rows_ND, 40, projection=None, generator=generator)
    chance = torch.randperm(4000, generator=generator)[:40]
    assert covering_radius(rows_ND, greedy) < 0.8 * covering_radius(rows_ND, chance)
    # farthest-first is a 2-approximation: picks are pairwise at least a radius apart
    picks = rows_ND[greedy].double()
    apart = torch.cdist(picks, picks).fill_diagonal_(np.inf).min()
    assert float(apart) >= covering_radius(rows_ND, greedy) * 0.999


def test_the_projection_keeps_distances_roughly() -> None:
    rows_ND = torch.randn(200, 1024, generator=torch.Generator().manual_seed(0))
    small = project(rows_ND, 128, torch.Generator().manual_seed(1))
    ratio = torch.pdist(small) / torch.pdist(rows_ND)
    # uniform(+-1/sqrt(D)) entries: variance 1/(3 D), so lengths shrink by sqrt(128 / (3 * 1024))
    assert float(ratio.mean()) == pytest.approx((128 / (3 * 1024)) ** 0.5, rel=0.03)
    assert float(ratio.std() / ratio.mean()) < 0.12

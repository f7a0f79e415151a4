"""The block-wise greedy coreset against the plain algorithm, pick by pick."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from core.layers.coreset import (
    START_ROWS,
    covering_radius,
    greedy_coreset,
    project,
    random_map,
)


def plain_greedy(rows: np.ndarray, count: int, start: np.ndarray) -> list[int]:
    """Algorithm 1 word by word, in float64: farthest row first, one sweep of all rows a pick."""
    distance = cdist(rows, rows[start]).mean(axis=1)
    picked: list[int] = []
    for _ in range(count):
        open_rows = np.where(np.isin(np.arange(len(rows)), picked), -np.inf, distance)
        picked.append(int(open_rows.argmax()))
        distance = np.minimum(distance, cdist(rows, rows[picked[-1:]])[:, 0])
    return picked


def clustered(count: int, width: int, seed: int) -> torch.Tensor:
    """Rows around a few centres, far from the origin (where products cancel)."""
    generator = torch.Generator().manual_seed(seed)
    centres = 5 * torch.randn(6, width, generator=generator)
    which = torch.randint(6, (count,), generator=generator)
    return 40 + centres[which] + torch.randn(count, width, generator=generator)


def start_rows(count: int, seed: int) -> np.ndarray:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:START_ROWS].numpy()


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(30, 300),
    share=st.floats(0.05, 1.0),
    candidates=st.sampled_from([2, 7, 64, 4096]),
)
def test_every_pick_is_the_plain_greedys(
    seed: int, rows: int, share: float, candidates: int
) -> None:
    given_rows = clustered(rows, 9, seed)
    count = max(1, int(share * rows))
    chosen = greedy_coreset(
        given_rows,
        count,
        projection=None,
        generator=torch.Generator().manual_seed(seed),
        candidates=candidates,
    )
    expected = plain_greedy(given_rows.double().numpy(), count, start_rows(rows, seed))
    assert len(set(chosen.tolist())) == count
    if chosen.tolist() != expected:  # a tie in float32: another order, the same objective
        radius = covering_radius(given_rows, torch.tensor(expected))
        assert covering_radius(given_rows, chosen) == pytest.approx(radius, rel=1e-4, abs=1e-4)


def test_picks_hold_without_ties() -> None:
    rows = clustered(800, 16, 3)
    expected = plain_greedy(rows.double().numpy(), 200, start_rows(800, 5))
    for candidates in (3, 50, 4096):
        chosen = greedy_coreset(
            rows,
            200,
            projection=None,
            generator=torch.Generator().manual_seed(5),
            candidates=candidates,
        )
        assert chosen.tolist() == expected


def test_covering_radius_by_hand_and_by_scipy() -> None:
    line = torch.tensor([[0.0], [1.0], [4.0], [10.0]])
    assert covering_radius(line, torch.tensor([0, 3])) == pytest.approx(4.0)
    rows = clustered(500, 12, 1)
    some = torch.arange(0, 500, 17)
    expected = cdist(rows.double().numpy(), rows[some].double().numpy()).min(axis=1).max()
    assert covering_radius(rows, some) == pytest.approx(expected, rel=1e-5)


def test_all_rows_and_equal_rows() -> None:
    rows = torch.ones(40, 3)
    chosen = greedy_coreset(rows, 40, generator=torch.Generator().manual_seed(0), candidates=8)
    assert sorted(chosen.tolist()) == list(range(40))


def test_same_generator_same_choice_and_progress_ends_at_one() -> None:
    rows, seen = clustered(400, 200, 2), list[float]()
    first, second = (
        greedy_coreset(
            rows, 60, generator=torch.Generator().manual_seed(9), report=seen.append, candidates=30
        )
        for _ in range(2)
    )
    assert first.tolist() == second.tolist()
    assert seen[-1] == 1.0 and len(seen) > 4


def test_greedy_covers_better_than_chance_and_within_twice_the_best() -> None:
    rows = clustered(4000, 4, 3)
    generator = torch.Generator().manual_seed(0)
    greedy = greedy_coreset(rows, 40, projection=None, generator=generator)
    chance = torch.randperm(4000, generator=generator)[:40]
    radius = covering_radius(rows, greedy)
    assert radius < 0.9 * covering_radius(rows, chance)
    # Farthest first is a 2-approximation because its picks lie at least a radius apart.
    apart = cdist(rows[greedy].double().numpy(), rows[greedy].double().numpy())
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= 0.999 * radius


def test_the_projection_shortens_all_distances_alike() -> None:
    rows = torch.randn(200, 1024, generator=torch.Generator().manual_seed(0))
    weight = random_map(1024, 128, torch.Generator().manual_seed(1))
    assert weight.shape == (1024, 128) and float(weight.abs().max()) <= 1 / math.sqrt(1024)
    small = project(rows, 128, torch.Generator().manual_seed(1))
    assert torch.allclose(small, rows @ weight, atol=1e-5)
    ratio = torch.pdist(small) / torch.pdist(rows)
    # Uniform in +-1/sqrt(D) has variance 1/(3 D): lengths shrink by sqrt(128 / (3 * 1024)).
    assert float(ratio.mean()) == pytest.approx((128 / (3 * 1024)) ** 0.5, rel=0.03)
    assert float(ratio.std() / ratio.mean()) < 0.12

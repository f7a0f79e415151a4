"""Patch features against the closed forms of the two methods' code, by explicit sums."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from core.layers.patches import patch_dimension, patch_features


def neighbourhood(level: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """[C, 9] around a position of a [C, H, W] level, zeros outside."""
    padded = F.pad(level, (1, 1, 1, 1))
    return padded[:, row : row + 3, column : column + 3].reshape(len(level), 9)


def levels() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    fine = torch.randn(1, 512, 6, 6, generator=generator)
    return fine, torch.randn(1, 1024, 3, 3, generator=generator)


def test_patchcores_1024_entries() -> None:
    fine, coarse = levels()
    found = patch_features((fine, coarse), 1024)
    assert found.shape == (1, 6, 6, 1024)
    resized = F.interpolate(coarse, (6, 6), mode="bilinear")
    for row, column in [(0, 0), (2, 3), (5, 5)]:
        u, v = neighbourhood(fine[0], row, column), neighbourhood(resized[0], row, column)
        first = 0.1 * u.sum(dim=1) + 0.1 * u[:, 4]
        second = v.reshape(512, 18).mean(dim=1)
        torch.testing.assert_close(found[0, row, column], torch.cat([first, second]))


def test_simplenets_1536_entries() -> None:
    fine, coarse = levels()
    found = patch_features((fine, coarse), 1536)[0, 1, 4]
    resized = F.interpolate(coarse, (6, 6), mode="bilinear")
    u, v = neighbourhood(fine[0], 1, 4).flatten(), neighbourhood(resized[0], 1, 4).flatten()
    expected = torch.cat([u.reshape(768, 6).mean(dim=1), v.reshape(768, 12).mean(dim=1)])
    torch.testing.assert_close(found, expected)


def test_narrow_networks_keep_their_channels() -> None:
    assert patch_dimension((40, 112), 1024) is None
    assert patch_dimension((512, 1024), 1536) == 1536
    fine, coarse = levels()
    found = patch_features((fine[:, :4], coarse[:, :2]), None)[0, 2, 2]
    resized = F.interpolate(coarse[:, :2], (6, 6), mode="bilinear")
    means = [neighbourhood(level, 2, 2).mean(dim=1) for level in (fine[0, :4], resized[0])]
    torch.testing.assert_close(found, torch.cat(means))

"""UniAD: the paper's size, fusion, jitter, loss and map by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from setups import batch_of, cloth, make
from test_papers import Wide
from torch import Tensor, nn

from core import maps
from core.config import parse
from core.errors import UsageError
from core.layers.neighbour_attention import neighbour_mask
from core.methods.base import Batch
from core.methods.uniad import UniAD, UniADConfig, fused, jittered


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_trainable_parts_have_the_papers_size() -> None:
    with torch.device("meta"):
        method = UniAD(UniADConfig(), Wide(24, 32, 56, 160), 256)  # type: ignore[arg-type]
    attention, feed_forward = 4 * 256**2 + 4 * 256, 2 * 256 * 1024 + 1024 + 256
    assert [count(layer) for layer in method.transformer.encoder] == [
        attention + feed_forward + 2 * 512
    ] * 4
    assert [count(layer) for layer in method.transformer.decoder] == [
        2 * attention + feed_forward + 3 * 512 + 256 * 256
    ] * 4
    assert count(method.transformer.places) == 2 * 16 * 128
    assert count(method.into) == 272 * 256 + 256 and count(method.out_of) == 256 * 272 + 272
    assert count(method) / 1e6 == pytest.approx(UniAD.card.parameters, abs=0.005)


def test_weights_start_xavier_uniform_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    method = UniAD(UniADConfig(), Wide(24, 32, 56, 160), 64)  # type: ignore[arg-type]
    for module in method.modules():
        if isinstance(module, nn.Linear):
            bound = (6 / sum(module.weight.shape)) ** 0.5
            assert 0.99 * bound < float(module.weight.detach().abs().max()) <= bound * (1 + 1e-6)
            assert not bool(module.bias.detach().any())


@pytest.mark.parametrize(("preset", "size", "reach"), [("ader", 256, 4), ("paper", 224, 3)])
def test_the_hidden_neighbourhood_is_aders_and_the_papers(
    preset: str, size: int, reach: int
) -> None:
    settings = dict(UniAD.paper.settings) if preset == "paper" else {}
    method = UniAD(UniADConfig(**settings), Wide(2, 2, 2, 2), size)  # type: ignore[arg-type]
    side = size // 16
    sees = method.transformer.sees
    assert torch.equal(sees, neighbour_mask(side, side, 2 * reach + 1))
    middle = (side // 2) * side + side // 2
    assert int((~sees[middle]).sum()) == (2 * reach + 1) ** 2


def test_levels_are_sampled_at_the_last_ones_grid_corners_aligned() -> None:
    torch.manual_seed(0)
    levels = tuple(torch.randn(2, c, s, s) for c, s in ((2, 32), (3, 16), (2, 8), (4, 4)))
    tokens = fused(levels)
    assert tokens.shape == (2, 16, 11)
    scaled = [
        F.interpolate(level, scale_factor=1 / f, mode="bilinear", align_corners=True)
        for level, f in zip(levels, (8, 4, 2, 1), strict=True)
    ]
    torch.testing.assert_close(tokens, torch.cat(scaled, dim=1).flatten(2).transpose(1, 2))
    # the corners of every level are corners of the grid
    torch.testing.assert_close(tokens[:, 0, :2], levels[0][:, :, 0, 0])
    torch.testing.assert_close(tokens[:, 15, 2:5], levels[1][:, :, -1, -1])
    # the second column lies at 15 / 3 = 5 of 16
    torch.testing.assert_close(tokens[:, 1, 2:5], levels[1][:, :, 0, 5])


def test_jitter_is_normal_and_as_strong_as_the_token_is_long() -> None:
    """A token (3, 4) twice over: norm 7.07 of 4 channels, strength 2: deviation 3.54."""
    torch.manual_seed(0)
    tokens = torch.tensor([3.0, 4.0, 3.0, 4.0]).expand(2, 40_000, 4).clone()
    tokens[1] *= 10
    noise = jittered(tokens, 2.0) - tokens
    deviations = noise.std(dim=1)
    expected = 2.0 / 4 * 50**0.5
    torch.testing.assert_close(deviations[0], torch.full((4,), expected), rtol=0.02, atol=0)
    torch.testing.assert_close(deviations[1], torch.full((4,), 10 * expected), rtol=0.02, atol=0)
    assert abs(float(noise[0].mean())) < 0.05
    assert torch.equal(jittered(tokens, 0.0), tokens)


class Recorder(nn.Module):
    """A transformer's stand-in that keeps what it saw and adds a constant."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift
        self.seen = torch.empty(0)

    def forward(self, tokens: Tensor) -> Tensor:
        self.seen = tokens
        return tokens + self.shift


def identity(shift: float, jitter: float) -> UniAD:
    config = UniADConfig(width=8, heads=1, jitter=jitter)
    method = UniAD(config, Wide(2, 2, 2, 2), 64)  # type: ignore[arg-type]
    method.into, method.out_of = nn.Identity(), nn.Identity()  # type: ignore[assignment]
    method.transformer = Recorder(shift)  # type: ignore[assignment]
    return method


def levels() -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return tuple(torch.randn(3, 2, side, side) for side in (32, 16, 8, 4))


def test_the_target_is_clean_and_only_the_input_jittered() -> None:
    method = identity(0.0, jitter=20.0)
    clean = fused(levels())
    loss = method.train().training_step(Batch(None, levels()))["distance"]
    seen = method.transformer.seen
    assert float((seen - clean).abs().mean()) > 1
    assert loss.item() == pytest.approx(float((seen - clean).square().mean()), rel=1e-5)


def test_loss_and_map_of_a_constant_error() -> None:
    """Every channel is off by 0.5: mean square 0.25, distance 0.5 sqrt(8); no jitter in a map."""
    method = identity(0.5, jitter=0.0)
    assert method.training_step(Batch(None, levels()))["distance"].item() == pytest.approx(0.25)
    method = identity(0.5, jitter=20.0).eval()
    (level,) = method.score(levels()).levels_BHW
    torch.testing.assert_close(level, torch.full((3, 4, 4), 0.5 * 8**0.5))
    assert torch.equal(method.transformer.seen, fused(levels()))


def test_tokens_lie_in_the_map_where_they_lie_in_the_image() -> None:
    method = identity(0.0, jitter=0.0)
    method.transformer.forward = lambda t: t + 9.0 * (torch.arange(16) == 6)[None, :, None]  # type: ignore[method-assign]
    (level,) = method.score(levels()).levels_BHW
    assert int(level[0].argmax()) == 6 and float(level[0, 1, 2]) > 9
    final = maps.finish(method.score(levels()), method.rule, 64)
    best = F.avg_pool2d(final.maps_BHW[:, None], 16, stride=1).amax(dim=(1, 2, 3))
    torch.testing.assert_close(final.scores_B, best)
    assert int(final.maps_BHW[0].argmax()) == 21 * 64 + 42  # 63 / 3 px apart, corners aligned


def test_one_step_under_autocast_is_finite() -> None:
    method = make(UniAD).train()
    batch = batch_of(method, cloth(2, seed=0))
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_step(batch)["distance"]
    loss.backward()
    assert loss.dtype == torch.float32 and bool(loss.isfinite())
    gradients = [parameter.grad for parameter in method.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)


def test_plan_is_aders_and_the_papers_clips_lower() -> None:
    plan = make(UniAD).plan()
    (adam,) = plan.optimizers
    assert isinstance(adam, torch.optim.AdamW)
    matrices, rest = adam.param_groups
    assert (matrices["weight_decay"], rest["weight_decay"]) == (1e-4, 0.0)
    assert matrices["betas"] == (0.9, 0.999) and not matrices["amsgrad"]
    assert UniADConfig().learning_rate == 1e-4
    assert plan.clip_norm == 5.0
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]
    assert [plan.schedule(epoch, 1000) for epoch in (799, 800)] == [1.0, 0.1]
    assert (UniAD.epochs, UniAD.batch_size) == (100, 8)
    paper = UniADConfig(**UniAD.paper.settings)
    assert (paper.neighbours, paper.clip, paper.jitter) == (7, 0.1, 20.0)
    assert (UniAD.paper.epochs, UniAD.paper.size, UniAD.paper.batch_size) == (1000, 224, 64)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match=r"heads came as 7.*divisor of the width 256"):
        parse(UniADConfig, {"heads": 7}, "method uniad")


def test_what_is_kept_is_one_fused_level_and_gives_the_same() -> None:
    method = make(UniAD).eval()
    images = cloth(2, seed=1)
    whole = method.extractor(images)
    (kept,) = method.features(images)
    assert kept.shape == (2, sum(level.shape[1] for level in whole), *whole[-1].shape[2:])
    with torch.inference_mode():
        expected, found = method.score(whole), method.predict(images)
    assert torch.equal(found.levels_BHW[0], expected.levels_BHW[0])

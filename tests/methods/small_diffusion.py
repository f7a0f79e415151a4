"""A folder in the layout of Stable Diffusion, with networks of a few thousand weights.

All are random but the autoencoder's, which sees a little cloth first, so that it decodes to cloth.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch

WIDTHS = (8, 16, 16)
LAYERS = 1


def unet_settings() -> dict[str, Any]:
    """Three stages as in Stable Diffusion: attention to the prompt in all but the last."""
    return {
        "block_out_channels": WIDTHS,
        "layers_per_block": LAYERS,
        "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
        "cross_attention_dim": 8,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
        "sample_size": 12,
    }


@cache
def folder() -> Path:
    """Made once a process; stride 8 from pixels to latents. Skips where diffusers is missing."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    root = Path(mkdtemp(prefix="flawscope-diffusion-"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        diffusers.UNet2DConditionModel(**unet_settings()).save_pretrained(root / "unet")
        _autoencoder(diffusers).save_pretrained(root / "vae")
        _text(transformers, root)
    return root


def _autoencoder(diffusers: Any) -> Any:
    from setups import cloth

    made = diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    adam = torch.optim.Adam(made.parameters(), lr=1e-2)
    images = cloth(4, seed=9)[:, :, :48, :48].float() / 127.5 - 1
    for _ in range(40):
        latents = made.encode(images).latent_dist.mean
        loss = (made.decode(latents).sample - images).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    made.register_to_config(scaling_factor=1 / float(latents.detach().std()))
    return made


def _text(transformers: Any, root: Path) -> None:
    ends = ("<|startoftext|>", "<|endoftext|>")
    words = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = {word: place for place, word in enumerate([*words, *ends])}
    tokenizer = root / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text(json.dumps(vocabulary))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": ends[0],
        "eos_token": ends[1],
        "pad_token": ends[1],
        "unk_token": ends[1],
        "model_max_length": 8,
    }
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(settings))
    transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=len(vocabulary),
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=vocabulary[ends[0]],
            eos_token_id=vocabulary[ends[1]],
        )
    ).save_pretrained(root / "text_encoder")


def settings() -> dict[str, Any]:
    """Of DiAD, to open the folder."""
    return {"weights_folder": str(folder()), "learning_rate": 2e-3, "steps": 2}

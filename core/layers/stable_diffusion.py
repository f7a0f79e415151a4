"""Stable Diffusion from a local folder, cut into what DiAD keeps frozen and what it trains.

The folder has diffusers' layout (unet/, vae/, text_encoder/, tokenizer/); the libraries diffusers
and transformers are asked for only when it is opened.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import UsageError, WeightsMissing
from core.layers.precision import full_precision

PARTS = ("unet", "vae", "text_encoder", "tokenizer")
WEIGHTS = ("unet", "vae", "text_encoder")
ORIGIN = "huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5"
INSTEAD = "The method diad_small runs without"


@dataclass(frozen=True, slots=True)
class Way:
    """What a network on the way down gives.

    Attributes:
        kept: the features that the way up joins again, in order.
        middle_BCHW: what the middle gives.
        told_BD: embedding of the level of noise.
    """

    kept: tuple[Tensor, ...]
    middle_BCHW: Tensor
    told_BD: Tensor


class Encoder(nn.Module):
    """The way down and the middle of Stable Diffusion's U-Net."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.level = unet.time_proj
        self.tell = unet.time_embedding
        self.enter = unet.conv_in
        self.down = unet.down_blocks
        self.middle = unet.mid_block

    def forward(
        self, x_BCHW: Tensor, level_B: Tensor, prompt_1LD: Tensor, hint_BCHW: Tensor | None = None
    ) -> Way:
        """
        Args:
            x_BCHW: noised latents.
            level_B: level of noise, int64.
            prompt_1LD: the text encoder's states, the same for every image.
            hint_BCHW: added after the first convolution.
        """
        with full_precision(x_BCHW.device):
            told_BD = self.tell(self.level(level_B).float())
        prompt_BLD = prompt_1LD.expand(len(x_BCHW), -1, -1)
        x_BCHW = self.enter(x_BCHW)
        if hint_BCHW is not None:
            x_BCHW = x_BCHW + hint_BCHW
        kept = [x_BCHW]
        for block in self.down:
            if getattr(block, "has_cross_attention", False):
                x_BCHW, given = block(x_BCHW, told_BD, encoder_hidden_states=prompt_BLD)
            else:
                x_BCHW, given = block(x_BCHW, told_BD)
            kept += given
        middle_BCHW = self.middle(x_BCHW, told_BD, encoder_hidden_states=prompt_BLD)
        return Way(tuple(kept), middle_BCHW, told_BD)


class Decoder(nn.Module):
    """The way up of Stable Diffusion's U-Net."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.up = unet.up_blocks
        self.leave = nn.Sequential(unet.conv_norm_out, unet.conv_act, unet.conv_out)

    def forward(self, way_down: Way, prompt_1LD: Tensor) -> Tensor:
        """The noise in x_t, of its shape."""
        kept, x_BCHW = list(way_down.kept), way_down.middle_BCHW
        prompt_BLD = prompt_1LD.expand(len(x_BCHW), -1, -1)
        for block in self.up:
            taken = len(block.resnets)
            beside = tuple(kept[-taken:])
            del kept[-taken:]
            words = {}
            if getattr(block, "has_cross_attention", False):
                words["encoder_hidden_states"] = prompt_BLD
            x_BCHW = block(x_BCHW, beside, way_down.told_BD, **words)
        noise_BCHW: Tensor = self.leave(x_BCHW)
        return noise_BCHW


class Autoencoder(nn.Module):
    """Images in -1..1 to latents of size one and back, always in float32."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.scale = float(vae.config.scaling_factor)
        self.stride = 2 ** (len(vae.config.block_out_channels) - 1)

    def encode(self, images_BCHW: Tensor, draw: bool) -> Tensor:
        """Latents, drawn around their mean or the mean itself."""
        with full_precision(images_BCHW.device):
            around = self.vae.encode(images_BCHW).latent_dist
            latent_BCHW: Tensor = around.sample() if draw else around.mean
            return self.scale * latent_BCHW

    def decode(self, latents_BCHW: Tensor) -> Tensor:
        with full_precision(latents_BCHW.device):
            images_BCHW: Tensor = self.vae.decode(latents_BCHW.float() / self.scale).sample
            return images_BCHW


@dataclass(frozen=True, slots=True)
class StableDiffusion:
    """Its parts, and the states of an empty prompt, [1, L, D]."""

    autoencoder: Autoencoder
    unet: Any
    prompt_1LD: Tensor


def require(folder: str, autoencoder: str = "") -> Path:
    """The folder, were everything to open it there.

    Raises:
        WeightsMissing: no folder was given, a part of it is not there, or a library is missing.
        UsageError: what was given is no folder.
    """
    if not folder:
        raise WeightsMissing(
            "DiAD needs the weights of Stable Diffusion v1.5; download the folders "
            f"{', '.join(PARTS)} from {ORIGIN} and name the folder that holds them with the "
            f"setting weights_folder. {INSTEAD}."
        )
    root = Path(folder).expanduser()
    own = Path(autoencoder).expanduser() if autoencoder else root / "vae"
    for given, name in ((root, "weights_folder"), (own, "autoencoder")):
        if not given.is_dir() and (autoencoder or name == "weights_folder"):
            raise UsageError(f"Setting {name} came as {str(given)!r}, which is no folder.")
    for part in PARTS:
        _require_part(part, own if part == "vae" else root / part)
    for library in ("diffusers", "transformers"):
        if importlib.util.find_spec(library) is None:
            raise WeightsMissing(
                f"DiAD builds its network with the library {library}, which is not installed; "
                f"install it with: pip install -r requirements-diad.txt. {INSTEAD}."
            )
    return root


def _require_part(part: str, place: Path) -> None:
    wanted: tuple[str, ...] = ("config.json", "*.safetensors") if part in WEIGHTS else ()
    if part == "tokenizer":
        wanted = ("tokenizer_config.json",)
    for pattern in wanted:
        if not any(place.glob(pattern)):
            raise WeightsMissing(
                f"{place} holds no {pattern}; put {part}/{pattern} from {ORIGIN} there. {INSTEAD}."
            )


def opened(folder: str, autoencoder: str = "") -> StableDiffusion:
    """Stable Diffusion with the weights of the folder, float32 on the CPU, nothing trainable.

    Args:
        folder: in diffusers' layout.
        autoencoder: a folder with another autoencoder (config.json and weights); "" for vae/.

    Raises:
        WeightsMissing, UsageError: see `require`; or a file does not fit.
    """
    root = require(folder, autoencoder)
    diffusers: Any = importlib.import_module("diffusers")
    own = {
        "torch_dtype": torch.float32,
        "local_files_only": True,
        "use_safetensors": True,
        "low_cpu_mem_usage": False,  # true asks for a further library
    }
    place = Path(autoencoder).expanduser() if autoencoder else root / "vae"
    try:
        unet = diffusers.UNet2DConditionModel.from_pretrained(root / "unet", **own)
        vae = diffusers.AutoencoderKL.from_pretrained(place, **own)
        prompt_1LD = _empty_prompt(root)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UsageError(f"{root} cannot be opened as Stable Diffusion: {error}") from error
    return StableDiffusion(Autoencoder(vae).requires_grad_(False).eval(), unet, prompt_1LD)


@torch.no_grad()
def _empty_prompt(root: Path) -> Tensor:
    """What the text encoder says of no words at all; the encoder is dropped again."""
    transformers: Any = importlib.import_module("transformers")
    own = {"local_files_only": True}
    tokenizer = transformers.CLIPTokenizer.from_pretrained(root / "tokenizer", **own)
    encoder = transformers.CLIPTextModel.from_pretrained(root / "text_encoder", **own)
    longest = int(encoder.config.max_position_embeddings)
    tokens = tokenizer([""], padding="max_length", max_length=longest, return_tensors="pt")
    states_1LD: Tensor = encoder.float().eval()(tokens.input_ids).last_hidden_state
    return states_1LD.clone()


def checksum(modules: list[nn.Module]) -> Tensor:
    """A number that tells weights apart: the sum of their bits, int64; any order of adding."""
    total = torch.zeros((), dtype=torch.int64)
    for module in modules:
        for tensor in module.parameters():
            if tensor.device.type != "meta":
                total += tensor.detach().float().contiguous().view(torch.int32).long().sum().cpu()
    return total

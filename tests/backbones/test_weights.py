"""Where weights come from: the order, the packaged network, and no waiting without a network."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from core.backbones import features, weights
from core.backbones.features import build, classifier_state
from core.errors import UnknownId, UsageError, WeightsMissing
from core.workspace import Workspace

CPU = torch.device("cpu")
CATS = range(281, 286)
"""ImageNet's tabby, tiger cat, Persian, Siamese, Egyptian cat."""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A machine without a network; collects the patience shown."""
    asked: list[float] = []

    def refuse(address: object, timeout: float) -> socket.socket:
        asked.append(timeout)
        raise TimeoutError

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(weights.socket, "create_connection", refuse)
    weights.hub_reachable.cache_clear()
    yield asked
    weights.hub_reachable.cache_clear()


def test_the_packaged_network_knows_a_cat(place: Workspace) -> None:
    """A wrong mapping of its 296 tensors could not."""
    found = weights.resolve(weights.PACKAGED, None, place, allow_hub=False)
    assert found.source == "package" and len(found.sha256) == 64
    classifier = timm.create_model(weights.PACKAGED).eval()
    classifier.load_state_dict(classifier_state(classifier, found))
    picture = Image.fromarray(skimage.data.cat()).resize((224, 224), Image.Resampling.BICUBIC)
    x_BCHW = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        logits = classifier((x_BCHW - 0.5) / 0.5)
    assert int(logits.argmax()) in CATS
    assert float(logits.softmax(dim=1)[0, list(CATS)].sum()) > 0.8


def test_a_missing_file_is_said_at_once(place: Workspace, no_hub: list[float]) -> None:
    with pytest.raises(WeightsMissing) as caught:
        weights.resolve("wide_resnet50_2.tv_in1k", None, place)
    sentence = str(caught.value)
    assert "timm/wide_resnet50_2.tv_in1k" in sentence
    assert str(place.weights / "wide_resnet50_2.tv_in1k.safetensors") in sentence
    assert no_hub == [weights.HUB_PATIENCE_SECONDS] and no_hub[0] <= 2
    assert "\n" not in sentence


def test_auto_takes_the_papers_backbone_only_where_its_weights_are(
    place: Workspace, no_hub: list[float]
) -> None:
    paper = "resnet18.tv_in1k"
    assert weights.choose_backbone(paper, place) == weights.PACKAGED
    state = timm.create_model("resnet18").state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, place.weights / f"{paper}.safetensors")
    assert weights.choose_backbone(paper, place) == paper
    found = weights.resolve(paper, None, place)
    assert found.source == "workspace" and found.mean == (0.485, 0.456, 0.406)
    extractor = build(paper, (4, 8), found, CPU)
    own = dict(extractor.network.named_parameters())
    torch.testing.assert_close(own["conv1.weight"].data, state["conv1.weight"])
    torch.testing.assert_close(own["layer2.0.conv1.weight"].data, state["layer2.0.conv1.weight"])


def test_an_explicit_file_comes_first_and_must_fit(place: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        weights.resolve("resnet18", tmp_path / "nothing.pth", place)
    wrong = tmp_path / "wrong.safetensors"
    save_file({"a": torch.zeros(3)}, wrong)
    found = weights.resolve("resnet18", wrong, place)
    assert found.source == "file" and found.path == wrong
    with pytest.raises(UsageError, match="holds 1 tensors"):
        build("resnet18", (8,), found, CPU)


def test_unknown_backbones_suggest_the_nearest(place: Workspace) -> None:
    with pytest.raises(UnknownId, match="Did you mean 'resnet18'"):
        weights.resolve("resnet18x", None, place)


@pytest.mark.parametrize("backbone", [weights.PACKAGED, "resnet18:random"])
def test_features_are_frozen_and_independent_of_the_batch(place: Workspace, backbone: str) -> None:
    found = weights.resolve(backbone, None, place)
    extractor = build(backbone, (4, 8, 16), found, CPU)
    extractor.train()
    assert not extractor.training and not any(p.requires_grad for p in extractor.parameters())
    images = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8)
    levels = extractor(images)
    sides = [level.shape[-1] for level in levels]
    assert sides == [16, 8, 4]
    assert tuple(level.shape[1] for level in levels) == extractor.channels
    for level, alone in zip(levels, extractor(images[2:3]), strict=True):
        scale = float(level.abs().max())
        torch.testing.assert_close(level[2:3] / scale, alone / scale, atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="expected uint8"):
        extractor(images.float())


def test_strides_that_are_not_there_are_refused(place: Workspace) -> None:
    found = weights.resolve("resnet18:random", None, place)
    with pytest.raises(UsageError, match="strides"):
        features.build("resnet18:random", (3, 64), found, CPU)

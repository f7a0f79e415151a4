"""Frozen features: the right weights in the right places, one image at a time or many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from core.backbones.features import FeatureExtractor, build
from core.backbones.networks import classifier_state
from core.backbones.weights import NO_BACKBONE, PACKAGED, resolve
from core.errors import UsageError
from core.workspace import Workspace

CPU = torch.device("cpu")
IMAGENET_CATS = range(281, 286)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def packaged(workspace: Workspace) -> FeatureExtractor:
    return build(PACKAGED, (4, 8, 16), resolve(PACKAGED, None, workspace), CPU)


def chelsea() -> torch.Tensor:
    """scikit-image's cat, centre square, uint8 [1, 3, 224, 224]."""
    photo = Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB")
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    square = photo.crop((left, top, left + side, top + side))
    return torch.from_numpy(np.array(square.resize((224, 224), Image.Resampling.BILINEAR)))[
        None
    ].permute(0, 3, 1, 2)


def test_packaged_weights_name_a_cat_a_cat(workspace: Workspace) -> None:
    found = resolve(PACKAGED, None, workspace)
    classifier = timm.create_model(PACKAGED, pretrained=False)
    classifier.load_state_dict(classifier_state(classifier, found))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (found.mean, found.std))
    with torch.inference_mode():
        likelihood = classifier.eval()((chelsea() / 255 - mean) / std).softmax(dim=1)[0]
    assert int(likelihood.argmax()) in IMAGENET_CATS
    assert float(likelihood[list(IMAGENET_CATS)].sum()) > 0.5


def test_levels_are_the_classifiers_own(packaged: FeatureExtractor, workspace: Workspace) -> None:
    """The extractor's deepest level is what the whole classifier computes up to there."""
    classifier = timm.create_model(PACKAGED, pretrained=False)
    classifier.load_state_dict(classifier_state(classifier, packaged.weights))
    x = (chelsea() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        x = classifier.eval().bn1(classifier.conv_stem(x))
        for block in classifier.blocks[:5]:
            x = block(x)
        assert torch.allclose(packaged(chelsea())[-1], x, atol=1e-4)


def test_shapes_strides_channels(packaged: FeatureExtractor) -> None:
    levels = packaged(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))
    assert packaged.strides == (4, 8, 16) and packaged.channels == (24, 40, 112)
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(packaged.channels, packaged.strides, strict=True)
    ]
    assert all(level.dtype == torch.float32 and level.is_contiguous() for level in levels)


def test_only_the_wanted_stages_are_built(workspace: Workspace) -> None:
    found = resolve(PACKAGED, None, workspace)
    shallow, deep = (build(PACKAGED, levels, found, CPU) for levels in ((4, 8), (8, 16)))
    assert sum(p.numel() for p in shallow.parameters()) < sum(p.numel() for p in deep.parameters())


def test_frozen_whatever_is_asked(packaged: FeatureExtractor) -> None:
    packaged.train()
    assert not any(module.training for module in packaged.modules())
    assert not any(parameter.requires_grad for parameter in packaged.parameters())
    assert not packaged(chelsea())[0].requires_grad


def test_an_image_does_not_depend_on_its_batch(packaged: FeatureExtractor) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 3, 96, 96), generator=generator, dtype=torch.uint8)
    together = packaged(images)
    for index in range(7):
        for one, all_ in zip(packaged(images[index : index + 1]), together, strict=True):
            scale = float(all_.abs().max())
            assert torch.allclose(one[0], all_[index], atol=1e-5 * max(scale, 1))


def test_a_file_under_timms_names_loads_by_name(workspace: Workspace, tmp_path: Path) -> None:
    torch.manual_seed(3)
    whole = timm.create_model("resnet18", pretrained=False).eval()
    shuffled = dict(reversed(list(whole.state_dict().items())))
    file = tmp_path / "resnet18.safetensors"
    save_file(shuffled, file)
    found = resolve("resnet18.tv_in1k", file, workspace)
    extractor = build("resnet18.tv_in1k", (8, 16), found, CPU)
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        x = whole.maxpool(whole.act1(whole.bn1(whole.conv1((images / 255 - mean) / std))))
        second = whole.layer2(whole.layer1(x))
        third = whole.layer3(second)
    for mine, theirs in zip(extractor(images), (second, third), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_random_weights_are_the_same_each_time_and_leave_the_generator(
    workspace: Workspace,
) -> None:
    tag = "resnet18:random"
    images = chelsea()[:, :, :64, :64].contiguous()
    torch.manual_seed(0)
    first = build(tag, (8,), resolve(tag, None, workspace), CPU)
    drawn = torch.rand(1)
    second = build(tag, (8,), resolve(tag, None, workspace), CPU)
    assert first.weights.source == "random" and first.tag == tag
    assert torch.equal(first(images)[0], second(images)[0])
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize(
    ("tag", "levels", "says"),
    [
        ("vit_tiny_patch16_224:random", (8, 16), "no feature maps at strides"),
        ("resnet18:random", (8, 64), "no feature maps at strides"),
    ],
)
def test_networks_without_such_levels_are_refused(
    workspace: Workspace, tag: str, levels: tuple[int, ...], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        build(tag, levels, resolve(tag, None, workspace), CPU)


def test_networks_of_one_size_or_another_layout_are_refused(workspace: Workspace) -> None:
    tag = "swin_tiny_patch4_window7_224:random"
    extractor = build(tag, (8, 16), resolve(tag, None, workspace), CPU)
    for side in (128, 224):  # it takes no 128, and puts channels last at 224
        with pytest.raises(UsageError, match="The backbone swin_tiny"):
            extractor(torch.zeros(1, 3, side, side, dtype=torch.uint8))


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 3, 32, 32).double(), torch.zeros(1, 1, 32, 32, dtype=torch.uint8)]
)
def test_images_are_rgb_bytes_or_floats(packaged: FeatureExtractor, images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"expected uint8 \[B, 3, H, W\]"):
        packaged(images)


def test_altered_images_come_as_floats(packaged: FeatureExtractor) -> None:
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for whole, level in zip(packaged(images), packaged(images.float() / 255), strict=True):
        torch.testing.assert_close(level, whole, rtol=1e-5, atol=1e-5)


def test_a_method_without_backbone_gets_no_levels(workspace: Workspace) -> None:
    found = resolve(NO_BACKBONE, None, workspace)
    extractor = build(NO_BACKBONE, (), found, CPU)
    assert (extractor.channels, found.pretrained) == ((), None)
    assert extractor(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)) == ()


def test_a_fresh_network_is_the_same_but_untrained(packaged: FeatureExtractor) -> None:
    fresh = packaged.fresh()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    levels = fresh(packaged.normalised(images))
    assert [level.shape for level in levels] == [level.shape for level in packaged(images)]
    assert fresh.training and all(p.requires_grad for p in fresh.parameters())
    assert fresh.state_dict().keys() == packaged.network.state_dict().keys()


def test_blocks_of_a_vit_are_its_own_tokens(workspace: Workspace) -> None:
    """Outputs of blocks 3 and 12 before the final norm, class token dropped, as timm computes."""
    tag = "vit_tiny_patch16_224:random"
    extractor = build(tag, (), resolve(tag, None, workspace), CPU, (3, 12))
    images = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    vit = timm.create_model("vit_tiny_patch16_224", pretrained=False, dynamic_img_size=True).eval()
    state = extractor.network.state_dict()
    vit.load_state_dict({k.removeprefix("model."): v for k, v in state.items()}, strict=False)
    with torch.inference_mode():
        x = vit.patch_embed(extractor.normalised(images))
        x, tokens = vit._pos_embed(x), []
        for block in vit.blocks:
            x = block(x)
            tokens.append(x[:, 1:])
    for level, number in zip(extractor(images), (3, 12), strict=True):
        torch.testing.assert_close(level.flatten(2).mT, tokens[number - 1], rtol=1e-4, atol=1e-4)
    smaller = extractor(images[..., :96, :96])
    assert [level.shape for level in smaller] == [(1, 192, 6, 6)] * 2
    assert (extractor.strides, extractor.channels) == ((16, 16), (192, 192))


def test_a_vits_file_fits_by_name(workspace: Workspace, tmp_path: Path) -> None:
    whole = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0)
    file = tmp_path / "vit.safetensors"
    save_file(dict(whole.state_dict()), file)
    tag = "vit_tiny_patch16_224"
    extractor = build(tag, (), resolve(tag, file, workspace), CPU, (3, 6))
    held = extractor.network.state_dict()["model.blocks.2.mlp.fc1.weight"]
    assert torch.equal(held, whole.blocks[2].mlp.fc1.weight)


def test_a_convolutional_network_has_no_blocks(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="choose a plain ViT"):
        build("resnet18:random", (), resolve("resnet18:random", None, workspace), CPU, (3, 6))

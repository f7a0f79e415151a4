"""What every registered method keeps, on generated cloth and the packaged backbone."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch
from safetensors.torch import load, save
from setups import (
    BLOT,
    IMAGES,
    SIZE,
    cloth,
    extractor,
    make,
    predict,
    small_settings,
    train,
    with_blot,
)

from core.config import Config, parse
from core.errors import UsageError
from core.methods.base import METHODS, Method

STEPS = 24
every_method = pytest.mark.parametrize("id", METHODS.ids())


@cache
def trained(id: str, seed: int = 0) -> tuple[Method, list[float]]:
    method = make(METHODS.get(id), seed)
    return method, train(method, cloth(IMAGES, seed=1), STEPS, seed)


@every_method
def test_defaults_are_valid_and_unknown_settings_refused(id: str) -> None:
    kind = METHODS.get(id)
    assert issubclass(kind.Config, Config)
    settings = parse(kind.Config, {}, f"method {id}")
    assert kind.Config.model_validate(settings.model_dump(mode="json")) == settings
    assert all(field.description for field in kind.Config.model_fields.values())
    with pytest.raises(UsageError, match="no setting 'nonsense'"):
        parse(kind.Config, {"nonsense": 1}, f"method {id}")


@every_method
def test_the_card_is_complete(id: str) -> None:
    card = METHODS.get(id).card
    for name in ("title", "paper", "venue", "summary", "frozen", "trained"):
        assert getattr(card, name).strip(), name
    assert card.summary.endswith(".") and len(card.summary) < 300
    assert 2010 < card.year < 2035
    assert card.arxiv == "" or re.fullmatch(r"\d{4}\.\d{4,5}", card.arxiv)
    assert card.deviations and all(sentence.endswith(".") for sentence in card.deviations)
    assert METHODS.get(id).id == id


@every_method
def test_it_learns(id: str) -> None:
    method, losses = trained(id)
    if method.learns == "bank":
        assert sum(buffer.numel() for buffer in method.buffers()) > 0
        return
    assert len(losses) >= STEPS
    assert sum(losses[-3:]) < sum(losses[:3])


@every_method
def test_the_backbone_is_neither_trained_nor_saved(id: str) -> None:
    method, _ = trained(id)
    frozen = {tensor.data_ptr() for tensor in method.extractor.state_dict().values()}
    assert not frozen & {tensor.data_ptr() for tensor in method.state_dict().values()}
    assert all(parameter.requires_grad for parameter in method.parameters())


@every_method
def test_maps_have_the_runs_size_and_are_finite(id: str) -> None:
    method, _ = trained(id)
    final = predict(method, cloth(3, seed=2))
    assert final.maps_BHW.shape == (3, SIZE, SIZE) and final.scores_B.shape == (3,)
    assert final.maps_BHW.dtype == final.scores_B.dtype == torch.float32
    assert bool(final.maps_BHW.isfinite().all()) and bool(final.scores_B.isfinite().all())


@every_method
def test_a_blot_stands_out_where_it_is(id: str) -> None:
    method, _ = trained(id)
    fresh = cloth(4, seed=3)
    normal, spoilt = predict(method, fresh), predict(method, with_blot(fresh))
    inside = (slice(None), *BLOT)
    assert float(spoilt.maps_BHW[inside].mean()) > float(normal.maps_BHW[inside].mean())
    elsewhere = torch.ones(SIZE, SIZE, dtype=torch.bool)
    elsewhere[BLOT] = False
    assert float(spoilt.maps_BHW[inside].mean()) > float(spoilt.maps_BHW[:, elsewhere].mean())
    assert float(spoilt.scores_B.min()) > float(normal.scores_B.max())


@every_method
def test_a_loaded_model_predicts_the_same_to_the_bit(id: str) -> None:
    method, _ = trained(id)
    again = make(METHODS.get(id), seed=99)
    again.load_state_dict(load(save({k: v.contiguous() for k, v in method.state_dict().items()})))
    images = with_blot(cloth(2, seed=4))
    expected, found = predict(method, images), predict(again, images)
    assert torch.equal(found.maps_BHW, expected.maps_BHW)
    assert torch.equal(found.scores_B, expected.scores_B)


@every_method
def test_the_same_seed_gives_the_same_scores(id: str) -> None:
    method, losses = trained(id)
    trained.cache_clear()
    again, losses_again = trained(id)
    assert again is not method and losses_again == losses
    images = cloth(2, seed=5)
    assert torch.equal(predict(again, images).scores_B, predict(method, images).scores_B)


@every_method
def test_an_image_does_not_depend_on_its_batch(id: str) -> None:
    method, _ = trained(id)
    images = torch.cat([cloth(3, seed=6), with_blot(cloth(2, seed=7))])
    together = predict(method, images)
    for index in range(len(images)):
        alone = predict(method, images[index : index + 1])
        assert torch.allclose(alone.maps_BHW[0], together.maps_BHW[index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("id", "setting"),
    [("draem", "textures"), ("destseg", "textures"), ("realnet", "textures"),
     ("realnet", "anomalies")],
)  # fmt: skip
def test_a_trained_model_needs_no_folder_of_pictures(id: str, setting: str) -> None:
    kind = METHODS.get(id)
    method, _ = trained(id)
    moved = kind(
        kind.Config(**small_settings(id) | {setting: "/since/taken/away"}),
        extractor(kind.levels, kind.blocks), SIZE,
    )  # fmt: skip
    moved.load_state_dict(method.state_dict())
    images = cloth(1, seed=9)
    assert torch.equal(predict(moved, images).maps_BHW, predict(method, images).maps_BHW)


@every_method
def test_one_training_image_is_enough_to_run(id: str) -> None:
    method = make(METHODS.get(id))
    train(method, cloth(1, seed=1), steps=2)
    assert bool(predict(method, cloth(1, seed=2)).maps_BHW.isfinite().all())

"""Registries: explicit ids, duplicates raise, unknown ids suggest the nearest."""

from __future__ import annotations

import pytest

from core.errors import UnknownId
from core.registry import Registry


class First:
    pass


class Second:
    pass


@pytest.fixture
def registry() -> Registry[type]:
    return Registry("thing", "core.reference_of_tests")


def test_a_second_member_under_an_id_raises(registry: Registry[type]) -> None:
    registry.register("one")(First)
    registry.register("one")(First)  # the same module imported again
    with pytest.raises(ValueError, match="'one' is registered twice"):
        registry.register("one")(Second)


def test_unknown_ids_suggest_the_nearest(registry: Registry[type]) -> None:
    registry._discovered = True
    registry.register("patchcore")(First)
    registry.register("rd")(Second)
    with pytest.raises(UnknownId, match=r"Did you mean 'patchcore'.*Known: patchcore, rd"):
        registry.get("patchcor")
    assert registry.ids() == ["patchcore", "rd"]
    assert registry.get("rd") is Second

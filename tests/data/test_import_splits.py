"""Splits that are drawn: shares, seeds, specimens, what stays."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.importing.base import Item
from core.data.importing.splits import Splits, draw
from core.types import Split


def one(name: str, label: int = 0, specimen: str | None = None, split: Split | None = None) -> Item:
    return Item(name=name, class_name="pin", label=label, specimen=specimen, split=split)


def by_name(items: list[Item]) -> dict[str, Split | None]:
    return {item.name: item.split for item in items}


ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["pin", "nut"]),
        st.integers(0, 4).map(lambda n: int(n == 0)),
        st.one_of(st.none(), st.integers(0, 9).map(str)),
    ),
    min_size=1,
    max_size=40,
).map(
    lambda rows: [
        Item(name=f"{i}.png", class_name=name, label=label, specimen=specimen)
        for i, (name, label, specimen) in enumerate(rows)
    ]
)
RULES = st.builds(
    Splits,
    test_share=st.floats(0.01, 0.95),
    calibration_share=st.floats(0, 0.9),
    seed=st.integers(0, 5),
)


@settings(max_examples=150, deadline=None)
@given(ITEMS, RULES, st.integers(0, 40))
def test_no_specimen_in_two_splits_and_normals_only_in_training(
    items: list[Item], rule: Splits, cut: int
) -> None:
    first, _ = draw(items[:cut], rule)
    known = {item.name: item.split for item in first if item.split}
    settled, drawn = draw(items, rule, known)
    assert [replace(item, split=None) for item in settled] == items
    assert drawn == {item.name for item in items}
    splits_of: dict[tuple[str, str], set[Split | None]] = defaultdict(set)
    flawed = {(item.class_name, item.specimen) for item in items if item.label}
    for item in settled:
        assert item.split in ("train", "test", "calibration")
        assert item.label == 0 or item.split == "test"
        if item.specimen is not None:
            splits_of[item.class_name, item.specimen].add(item.split)
    assert all(len(found) == 1 for found in splits_of.values())
    for item in settled:  # what was drawn once stays, unless its specimen turned out flawed
        alone = item.specimen is None
        if alone and item.name in known and not item.label:
            assert item.split == known[item.name]
        if not alone and (item.class_name, item.specimen) in flawed:
            assert item.split == "test"


@settings(max_examples=100, deadline=None)
@given(ITEMS, RULES)
def test_every_class_that_can_trains_and_tests(items: list[Item], rule: Splits) -> None:
    settled, _ = draw(items, rule)
    for name in ("pin", "nut"):
        mine = [item for item in settled if item.class_name == name]
        flawed = {item.specimen for item in mine if item.label and item.specimen}
        groups = {
            item.specimen or item.name
            for item in mine
            if not item.label and item.specimen not in flawed
        }
        splits = {item.split for item in mine if not item.label}
        if groups:
            assert "train" in splits
        if len(groups) > 1:
            assert "test" in splits


def test_shares_are_of_the_good_images_and_the_seed_decides_which() -> None:
    items = [one(f"{i}.png") for i in range(100)] + [one(f"bad{i}.png", 1) for i in range(50)]
    rule = Splits(test_share=0.3, calibration_share=0.1)
    settled, _ = draw(items, rule)
    good = Counter(item.split for item in settled if not item.label)
    assert good == {"train": 60, "test": 30, "calibration": 10}
    assert {item.split for item in settled if item.label} == {"test"}
    assert draw(items, rule)[0] == settled
    assert draw(list(reversed(items)), rule)[0] == list(reversed(settled))
    assert by_name(draw(items, rule.model_copy(update={"seed": 1}))[0]) != by_name(settled)


def test_given_splits_stay_and_hold_for_their_specimen() -> None:
    items = [
        one("a", specimen="7", split="test"), one("b", specimen="7"),
        one("c", split="train"), one("d", split="calibration"),
        one("e", 1, specimen="8"), one("f", specimen="8", split="train"),
    ]  # fmt: skip
    settled, drawn = draw(items, Splits())
    assert by_name(settled) == {
        "a": "test", "b": "test", "c": "train", "d": "calibration",
        "e": "test",  # never trained on, whatever its specimen does
        "f": "train",
    }  # fmt: skip
    assert drawn == {"b", "e"}


def test_a_known_specimen_takes_its_new_images_along() -> None:
    items = [one("a", specimen="7"), one("b", specimen="7"), one("c"), one("d")]
    for split in ("train", "test", "calibration"):
        known: dict[str, Split] = {"a": split}
        assert by_name(draw(items, Splits(), known)[0])["b"] == split
    # two specimens that have become one: what was tested is not learned from
    assert by_name(draw(items, Splits(), {"a": "train", "b": "test"})[0])["a"] == "test"
    # its new image is flawed: the whole specimen is tested
    flawed = [one("a", specimen="7"), one("b", 1, specimen="7"), one("c")]
    assert by_name(draw(flawed, Splits(), {"a": "train"})[0])["a"] == "test"


def test_the_only_training_group_is_never_given_to_testing() -> None:
    # shares that leave the test no room: calibration takes one, training the other
    items = [one("a1", specimen="a"), one("a2", specimen="a"), one("b")]
    for seed in range(8):
        rule = Splits(test_share=0.01, calibration_share=0.67, seed=seed)
        settled, _ = draw(items, rule)
        assert "train" in {item.split for item in settled}

"""Held-out normals: share, seeds, specimens."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.splits import with_calibration, without_calibration
from core.types import Sample


def normal(name: str, class_name: str = "a", specimen: str | None = None) -> Sample:
    return Sample(key=name, class_name=class_name, split="train", label=0, specimen=specimen)


def held(samples: tuple[Sample, ...]) -> set[str]:
    return {sample.key for sample in samples if sample.split == "calibration"}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_tenth_of_each_class_and_nothing_else(a: int, b: int, seed: int) -> None:
    samples = [normal(f"a{i}") for i in range(a)] + [normal(f"b{i}", "b") for i in range(b)]
    samples.append(Sample(key="t", class_name="a", split="test", label=0))
    out = with_calibration(samples, seed)
    assert [s.key for s in out] == [s.key for s in samples] and out[-1].split == "test"
    for letter, count in (("a", a), ("b", b)):
        mine = sum(key.startswith(letter) for key in held(out))
        assert mine == (max(1, round(count / 10)) if count >= 2 else 0)
    assert held(with_calibration(samples[::-1], seed)) == held(out)


def test_seeds_choose_differently_and_repeat() -> None:
    samples = [normal(f"{i}") for i in range(100)]
    choices = [frozenset(held(with_calibration(samples, seed))) for seed in (0, 1, 2, 0)]
    assert len(set(choices)) == 3 and choices[0] == choices[3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(0, 3))
def test_a_specimen_is_never_split(sizes: list[int], seed: int) -> None:
    samples = [
        normal(f"{part}-{view}", specimen=f"p{part}")
        for part, size in enumerate(sizes)
        for view in range(size)
    ]
    out = with_calibration(samples, seed)
    by_part = {sample.specimen: set() for sample in out}
    for sample in out:
        by_part[sample.specimen].add(sample.split)
    assert all(len(splits) == 1 for splits in by_part.values())
    assert any(splits == {"train"} for splits in by_part.values())
    assert bool(held(out)) == (len(sizes) > 1)
    assert len(held(out)) <= max(round(sum(sizes) / 10), min(sizes))


def test_a_specimen_is_not_taken_for_a_key() -> None:
    out = with_calibration([normal("x"), normal("y", specimen="x")], 0)
    assert len(held(out)) == 1


def test_what_a_manifest_holds_out_stays_and_trains_in_a_benchmark() -> None:
    kept = Sample(key="a0", class_name="a", split="calibration", label=0)
    samples = [
        kept,
        *(normal(f"a{i}") for i in range(1, 30)),
        *(normal(f"b{i}", "b") for i in "xyz"),
    ]
    out = with_calibration(samples, 0)
    assert {key[0] for key in held(out)} == {"a", "b"} and held(out) & {"a0"} == {"a0"}
    assert len([key for key in held(out) if key[0] == "a"]) == 1
    assert {sample.split for sample in without_calibration(samples)} == {"train"}

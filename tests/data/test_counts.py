"""Differences between the numbers found and the published ones."""

from __future__ import annotations

from pathlib import Path

from core.data.base import READERS, Count, Dataset, DatasetCard
from core.data.counts import differences
from core.types import Sample
from tests.data.trees import TREES


def samples(class_name: str, train: int, good: int, bad: int) -> list[Sample]:
    def one(split: str, label: int, number: int) -> Sample:
        return Sample(
            key=f"{class_name}/{split}/{label}/{number}.png", class_name=class_name,
            split=split, label=label, anomaly_type="dent" if label else "good",
        )  # type: ignore[arg-type]  # fmt: skip

    return (
        [one("train", 0, i) for i in range(train)]
        + [one("test", 0, i) for i in range(good)]
        + [one("test", 1, i) for i in range(bad)]
    )


def dataset(
    found: list[Sample], counts: dict[str, Count] | None = None, total: Count | None = None
) -> Dataset:
    card = DatasetCard(title="T", summary="S", counts=counts or {}, total=total)
    return Dataset("t", Path("/t"), "r", "R.", card, tuple(found))


def test_nothing_is_said_of_what_agrees_or_is_unpublished() -> None:
    both = samples("a", 3, 2, 1) + samples("b", 1, 0, 4)
    counts = {"a": Count(3, 2, 1), "b": Count(1, 0, 4)}
    assert differences(dataset(both, counts, Count(4, 2, 5))) == ()
    assert differences(dataset(both)) == ()
    assert differences(dataset(both, {"a": Count(), "b": Count(train=1)})) == ()


def test_a_class_and_the_total_in_one_sentence_each() -> None:
    found = samples("a", 3, 2, 1) + samples("b", 1, 0, 4)
    counts = {"a": Count(1209, 2, 5), "b": Count(1, 0, 4)}
    assert differences(dataset(found, counts, Count(1210, 2, 9))) == (
        "Class a has 3 training images instead of 1,209, 1 anomalous test image instead of 5.",
        "The whole set has 4 training images instead of 1,210, 5 anomalous test images instead "
        "of 9.",
    )


def test_unverified_numbers_are_named_as_such() -> None:
    found = samples("a", 3, 2, 1)
    assert differences(dataset(found, {"a": Count(3, 4, 1, verified=False)})) == (
        "Class a has 2 normal test images instead of 4 (the published numbers could not be "
        "verified).",
    )
    assert differences(dataset(found, total=Count(3, 2, 2, verified=False))) == (
        "The whole set has 1 anomalous test image instead of 2 (the published numbers could not "
        "be verified).",
    )


def test_missing_classes_are_said_once_and_the_total_not_compared() -> None:
    counts = {name: Count(3, 2, 1) for name in "abcdefgh"}
    found = differences(dataset(samples("b", 3, 2, 1), counts, Count(24, 16, 8)))
    assert found == ("7 of the 8 published classes are not there: a, c, d, e, f, g ….",)
    one = dataset(samples("a", 3, 2, 1), {"a": Count(3, 2, 1), "b": Count()}, Count(9, 9, 9))
    assert differences(one) == ("1 of the 2 published classes is not there: b.",)


def test_unexpected_classes_are_named() -> None:
    found = samples("a", 3, 2, 1) + samples("z", 1, 0, 0)
    assert differences(dataset(found, {"a": Count(3, 2, 1)})) == (
        "Class z is not one of the published classes.",
    )


def test_calibration_counts_as_training_and_training_anomalies_do_not_count() -> None:
    held = [
        Sample(key="c.png", class_name="a", split="calibration", label=0),
        Sample(key="n.png", class_name="a", split="train", label=1, anomaly_type="dent"),
    ]
    assert differences(dataset(samples("a", 3, 2, 1) + held, {"a": Count(4, 2, 1)})) == ()


def test_a_miniature_tree_differs_from_the_real_set(tmp_path: Path) -> None:
    mini = READERS.get("btad")().read(TREES["btad"](tmp_path / "btad"), "mini")
    found = differences(mini)
    assert found[0] == (
        "Class 01 has 3 training images instead of 400, 2 normal test images instead of 21, "
        "1 anomalous test image instead of 49 (the published numbers could not be verified)."
    )
    assert [sentence.split(" has ")[0] for sentence in found] == [
        "Class 01", "Class 02", "Class 03", "The whole set",
    ]  # fmt: skip

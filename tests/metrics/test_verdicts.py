"""What a paired comparison lets one say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.metrics.compare import DifferenceRow
from core.metrics.verdicts import p_text, verdict

ROW = DifferenceRow(
    class_name="tile", metric="image_auroc", a=0.9, b=0.8, difference=0.1, low=0.02, high=0.18,
    p=0.01, p_corrected=0.03, test="delong", images=40,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "a"),
        ({"difference": -0.1}, "b"),
        ({"metric": "image_fpr95"}, "b"),  # lower is better
        ({"metric": "region_min_size", "difference": -40.0}, "a"),
        ({"p_corrected": 0.05}, "open"),
        ({"p": 0.02, "p_corrected": 0.06}, "open"),  # clear of zero alone, not among many
        ({"difference": 0.0}, "open"),
        ({"p": None, "p_corrected": None}, "untested"),
    ],
)
def test_verdict(changes: dict[str, object], said: str) -> None:
    assert verdict(replace(ROW, **changes)) == said  # type: ignore[arg-type]


def test_p_in_words() -> None:
    assert [p_text(p) for p in (None, 0.0004, 0.001, 0.0316, 1.0)] == [
        "–", "< 0.001", "0.001", "0.032", "1.000",
    ]  # fmt: skip

"""What a run would take: asked for, measured beside the page, told in a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.base import Dataset
from core.forecast import Preparation, Training
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import later
from dashboard.components import forecast_parts


def page(name: str) -> None:
    from dashboard.components import forecast_parts

    forecast_parts.box(name, 128)


def text(test: AppTest) -> str:
    return "\n".join(str(html.proto.body) for html in test.get("html"))


def test_it_is_measured_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    asked: list[tuple[int, tuple[str, ...]]] = []

    def measured(
        dataset: Dataset, methods: tuple[str, ...], place: object, *, size: int, tell: later.Tell
    ) -> tuple[Training, ...]:
        asked.append((size, methods))
        tell(0.5, "two batches of rd")
        return (
            Training(
                method="rd", seconds=120.0, memory=3_000_000_000, device="cpu", basis="two batches"
            ),
            Training(method="patchcore", problem="It could not be measured: too small."),
        )

    cost = Preparation(seconds=4, bytes=259_000_000, free=10**12, images=9, masks=3, sampled=9)
    monkeypatch.setattr(forecast_parts.catalogue, "open_dataset", lambda *_: None)
    monkeypatch.setattr(forecast_parts, "preparation", lambda *_: cost)
    monkeypatch.setattr(forecast_parts, "training", measured)
    test = AppTest.from_function(page, kwargs={"name": "mine"}, default_timeout=60).run()
    assert not test.exception and test.multiselect[0].value == ["patchcore", "rd"]
    test.button(key="forecast-begin-mine").click().run()
    while later.progress(forecast_parts._key("mine", 128)) is not None:
        pass
    test.run()
    said = text(test)
    assert asked == [(128, ("patchcore", "rd"))]
    assert "about 4 s and 259 MB of disk" in said and "3.0 GB" in said and "2 min" in said
    assert "not measured" in said and "too small" in said

"""A whole run of every method on drawn images of all shapes: through, stopped and resumed, apart.

Small settings and a small budget; what is asked is that a run goes the whole way and ends with the
same numbers however it got there, and that flaws stand out from what is normal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from setups import small_settings, tag_of

from core.config import RunConfig
from core.data import demo
from core.engine import prediction, runner, training
from core.engine.estimate import probe
from core.engine.resolve import resolve
from core.errors import Cancelled
from core.methods.base import METHODS
from core.runs import RunDirectory
from core.workspace import Workspace

CLASSES = ("woven_fabric", "brain_phantom")
SIZE = 96
BUDGETS: dict[str, dict[str, int]] = {
    "cflow": {"epochs": 80},
    "invad": {"epochs": 18},
    "invad_lite": {"epochs": 18},
    "simplenet": {"epochs": 30, "batch_size": 8},
    "uniad": {"epochs": 12},
    "vitad": {"epochs": 12},
    "destseg": {"epochs": 12},
}
"""Where six epochs in batches of four are too few to tell flaws from what is normal."""
UNCERTAIN = {
    "draem": "drawn flaws carry over to others only after long trainings",
    "diad": "its Stable Diffusion is a stand-in of a few thousand random weights",
}
"""Not asked to tell flaws from what is normal in so short a time; their cards say why."""
every_method = pytest.mark.parametrize("id", METHODS.ids())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("every-method")
    demo.generate(root / "tiny", size=SIZE, train=12, test=16)
    odd(root / "tiny")
    return Workspace(root / "workspace")


def odd(root: Path) -> None:
    """Some of the training images grey, transparent, oblong or of another size."""
    paths = sorted(root.glob("*/train/good/*.png"))
    changes: tuple[Callable[[Image.Image], Image.Image], ...] = (
        lambda image: image.convert("L"),
        lambda image: image.convert("RGBA"),
        lambda image: image.crop((0, 0, image.width, image.height - 16)),
        lambda image: image.resize((131, 97)),
    )
    for index, path in enumerate(paths[::2]):
        with Image.open(path) as image:
            changed = changes[index % len(changes)](image)
        changed.save(path)


def config(place: Workspace, id: str, **changes: object) -> RunConfig:
    values: dict[str, object] = {
        "data": str(place.root.parent / "tiny"),
        "method": id,
        "classes": CLASSES,
        "size": SIZE,
        "epochs": 6,
        "batch_size": 4,
        "backbone": tag_of(METHODS.get(id)),
        "device": "cpu",
        "method_config": small_settings(id),
    }
    return RunConfig.model_validate(values | BUDGETS.get(id, {}) | changes)


def carry_out(place: Workspace, run: RunDirectory, expected: str = "succeeded") -> None:
    state = runner.execute(place, run)
    assert state == expected, run.status().error or run.log_tail()


def outcome(run: RunDirectory) -> tuple[list[float], np.ndarray]:
    scores = run.read_table(RunDirectory.CASES).column("score").to_pylist()
    return scores, np.array(run.maps())


@every_method
def test_stopped_in_mid_epoch_and_resumed_it_ends_with_the_undisturbed_numbers(
    place: Workspace, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = RunDirectory.create(place, config(place, id))
    carry_out(place, through)
    rows = through.read_table(RunDirectory.METRICS).to_pylist()
    (value,) = (
        row["value"]
        for row in rows
        if (row["class_name"], row["metric"], row["convention"], row["anomaly_type"])
        == ("mean", "pixel_auroc", "exact", "")
    )
    if id in UNCERTAIN:
        assert METHODS.get(id).card.note, UNCERTAIN[id]
    else:
        assert value > 0.6
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0.0)
    stopped = RunDirectory.create(place, config(place, id))
    bank = METHODS.get(id).learns == "bank"
    where, what = (prediction, "_one") if bank else (training, "optimise")
    # within the second epoch or a later one, or in the middle of predicting
    with monkeypatch.context() as patch:
        patch.setattr(where, what, _stopping(getattr(where, what), after=2 if bank else 9))
        carry_out(place, stopped, "cancelled")
    assert not stopped.has(RunDirectory.MAPS) and not stopped.has(RunDirectory.METRICS)
    carry_out(place, stopped)
    expected, found = outcome(through), outcome(stopped)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def _stopping(real: Callable[..., object], after: int) -> Callable[..., object]:
    calls = 0

    def counting(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Cancelled("The run was told to stop.")
        return real(*arguments, **named)

    return counting


@every_method
def test_separate_models_see_their_class_alone(place: Workspace, id: str) -> None:
    run = RunDirectory.create(place, config(place, id, setting="separate", epochs=1))
    carry_out(place, run)
    folders = sorted(path.name for path in (run.path / RunDirectory.CHECKPOINT).iterdir())
    assert folders == sorted(CLASSES)
    scores, maps_NHW = outcome(run)
    assert np.isfinite(scores).all() and np.isfinite(maps_NHW).all()
    one = RunDirectory.create(
        place, config(place, id, setting="separate", epochs=1, classes=CLASSES[:1])
    )
    carry_out(place, one)
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    mine = [case["score"] for case in cases if case["class_name"] == CLASSES[0]]
    assert mine == outcome(one)[0], "a class alone gives what it gives among others"


@every_method
def test_how_long_it_takes_can_be_told_before_it_runs(place: Workspace, id: str) -> None:
    found = probe(config(place, id), place)
    assert found["parts"]["train"] > 0 and found["parts"]["predict"] > 0
    assert found["seconds"] > sum(found["parts"].values())


@every_method
def test_the_papers_preset_stands_below_what_was_asked_for(place: Workspace, id: str) -> None:
    kind = METHODS.get(id)
    found = resolve(config(place, id, preset="paper", epochs=None, batch_size=None), place)
    assert found.epochs == (kind.paper.epochs or kind.epochs)
    assert found.batch_size == (kind.paper.batch_size or kind.batch_size)
    for name, value in {**kind.paper.settings, **small_settings(id)}.items():
        assert getattr(found.settings, name) == value
    said = {kind.paper.note} - {""}
    assert said <= set(found.notes)
    usual = resolve(config(place, id), place)
    assert usual.epochs == BUDGETS.get(id, {}).get("epochs", 6)
    assert not said & set(usual.notes)

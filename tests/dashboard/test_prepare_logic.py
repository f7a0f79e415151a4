"""Settings forms, plans, time estimates and progress words of the Prepare pages: pure parts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import Field

from core.config import Config, RunConfig
from core.data.base import Dataset, DatasetCard
from core.errors import UsageError
from core.runs import Record, Status
from core.types import Problem, Sample
from dashboard import actions, estimates, plans, progress, queries
from dashboard.components import settings_form
from dashboard.estimates import Work
from dashboard.gallery import kind, outlined


class Settings(Config):
    neighbours: int = Field(default=9, ge=1, le=50, description="how many are asked")
    ratio: float = Field(default=0.1, gt=0, le=1)
    rate: float = 1e-5
    mode: Literal["max", "mean"] = "max"
    whiten: bool = False
    width: int | None = Field(default=None, ge=8)
    layers: tuple[int, ...] = (8, 16)
    note: str = "x"


def by_name() -> dict[str, settings_form.Setting]:
    return {one.name: one for one in settings_form.settings_of(Settings.model_json_schema())}


def test_every_field_of_a_typed_config_becomes_a_setting() -> None:
    found = by_name()
    assert list(found) == list(Settings.model_fields)
    assert {name: one.kind for name, one in found.items()} == {
        "neighbours": "whole number", "ratio": "number", "rate": "number", "mode": "choice",
        "whiten": "yes or no", "width": "whole number", "layers": "list", "note": "text",
    }  # fmt: skip
    assert found["mode"].choices == ("max", "mean")
    assert (found["neighbours"].low, found["neighbours"].high) == (1, 50)
    assert found["ratio"].open_low and not found["ratio"].open_high
    assert found["width"].optional and found["width"].low == 8
    assert found["neighbours"].help == "how many are asked"


def test_defaults_are_the_configs_own() -> None:
    full = settings_form.defaults(Settings.model_json_schema())
    assert full == Settings().model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("neighbours", 1, False), ("neighbours", 0, True), ("neighbours", 51, True),
        ("ratio", 0.0, True), ("ratio", 1.0, False), ("ratio", None, True), ("width", None, False),
        ("width", 7, True),
    ],
)  # fmt: skip
def test_values_are_checked_like_the_config_checks_them(
    name: str, value: float | None, wrong: bool
) -> None:
    said = settings_form.check(by_name()[name], value)
    assert bool(said) == wrong
    try:
        Settings.model_validate({name: value})
        assert not wrong
    except ValueError:
        assert wrong


def test_a_list_is_read_from_words() -> None:
    assert settings_form.parsed_list("8, 16,max") == [8, 16, "max"]
    assert settings_form.parsed_list("(4)") == [4]
    assert settings_form.parsed_list("") == []


METHODS = {
    "rd": {"paper_preset": {"size": None}}, "patchcore": {"paper_preset": {"size": 224}},
}  # fmt: skip


def test_a_plan_is_every_combination_first_seeds_first() -> None:
    plan = plans.Plan(
        data=["a", "b"], methods=["rd", "patchcore"], seeds=2, epochs=3,
        settings={"rd": {"width": 4}},
    )  # fmt: skip
    found = plans.configs(plan, METHODS)
    assert [(c.seed, c.data, c.method) for c in found] == [
        (0, "a", "rd"), (0, "a", "patchcore"), (0, "b", "rd"), (0, "b", "patchcore"),
        (1, "a", "rd"), (1, "a", "patchcore"), (1, "b", "rd"), (1, "b", "patchcore"),
    ]  # fmt: skip
    assert found[0].method_config == {"width": 4} and found[1].method_config == {}
    assert plans.kind(found[0]) == plans.kind(found[4]) != plans.kind(found[1])


def test_sizes_are_the_usual_ones_the_papers_or_those_asked_for() -> None:
    def sizes(**changes: Any) -> list[int]:
        plan = plans.Plan(data=["a"], methods=["rd", "patchcore"], **changes)
        return [one.size for one in plans.configs(plan, METHODS)]

    assert sizes() == [256, 256]
    assert sizes(preset="paper") == [256, 224]
    assert sizes(preset="paper", size=128) == [128, 128]


def test_backbones_go_to_the_methods_they_were_chosen_for() -> None:
    plan = plans.Plan(data=["a"], methods=["rd", "patchcore"], backbones={"rd": "resnet18:random"})
    assert [one.backbone for one in plans.configs(plan, METHODS)] == ["resnet18:random", "auto"]


def test_a_plan_with_a_wrong_value_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="size"):
        plans.configs(plans.Plan(data=["a"], methods=["rd"], size=7), METHODS)


def test_scaling_by_hand() -> None:
    facts = {"seconds": 130.0, "train_seconds": 100.0}
    # gradient: twice the images, three times the epochs, half the side: 100 * 2 * 3 / 4 = 150;
    # the rest: 30 * (200 + 50) / (100 + 50) / 4 = 12.5
    low, high = estimates.scaled(Work(100, 50, 256, 10), Work(200, 50, 128, 30), facts)
    assert (low, high) == pytest.approx((162.5, 162.5))
    # bank: twice the images at the same size: between 200 and 400, and the rest 30 * 250 / 150
    low, high = estimates.scaled(Work(100, 50, 256, None), Work(200, 50, 256, None), facts)
    assert (low, high) == pytest.approx((250.0, 450.0))


MACHINE = {"system": "x", "cores": 2, "memory_bytes": 8}


def past(**changes: object) -> tuple[Record, Status]:
    config = RunConfig(data="a", method="rd", device="auto", epochs=10)
    resolved = {
        "dataset": {"counts": {"train": 100, "calibration": 0, "test": 50}}, "epochs": 10,
        "machine": MACHINE | {"threads": 2}, "method_config": {"width": 4}, "device": "cpu",
    }  # fmt: skip
    status = Status(state="succeeded", facts={"seconds": 130.0, "train_seconds": 100.0})
    resolved |= changes
    return Record("r", "", config, resolved), status


def test_only_similar_runs_on_this_machine_count() -> None:
    config = RunConfig(data="b", method="rd", device="auto", epochs=10)
    work = Work(100, 50, 256, 10)

    def ask(*runs: tuple[Record, Status], wanted: Work = work) -> estimates.Estimate | None:
        return estimates.from_similar(config, wanted, {"width": 4}, runs, MACHINE)

    found = ask(past(), past())
    assert found is not None and found.low == pytest.approx(130.0)
    assert found.basis == "from 2 similar runs here"
    assert ask(past(machine=MACHINE | {"cores": 64})) is None
    assert ask(past(method_config={"width": 8})) is None
    assert ask((past()[0], Status(state="failed", facts={"seconds": 3.0}))) is None
    assert ask(past(), wanted=Work(100, 50, 256, 81)) is None, "eight times the work is too far"
    assert ask() is None


def test_a_measurement_goes_before_similar_runs() -> None:
    schema = Settings.model_json_schema()
    config = RunConfig(data="b", method="rd", epochs=10)
    entry = {"settings": schema, "epochs": 10}
    data = queries.DataLook("b", __file__, True, classes=())  # type: ignore[arg-type]
    measured = {plans.kind(config): {"seconds": 77.0, "basis": "a probe"}}
    found = plans.estimate(config, data, entry, [past()], MACHINE, measured)
    assert found is not None and (found.low, found.basis) == (77.0, "from a probe")


def test_totals_say_what_is_unknown() -> None:
    one = estimates.Estimate(10.0, 20.0, "x")
    assert plans.total([one, None, one]) == (20.0, 40.0, 1)
    assert estimates.time_range(40, 40.2) == "40 s"
    assert estimates.time_range(40, 400) == "40 s to 7 min"


def test_progress_is_said_in_words_and_stays_between_its_ends() -> None:
    status = Status(
        state="running", phase="train", message="epoch 3 of 8", rate="38 images/s",
        eta_seconds=45.0, progress=0.4,
    )  # fmt: skip
    assert progress.line(status) == "training · epoch 3 of 8 · 38 images/s · 45 s left"
    assert progress.share(status) == 0.4
    assert progress.share(Status(state="succeeded", progress=0.2)) == 1.0
    assert progress.line(Status(), place=1) == "next in line"
    assert progress.line(Status(), place=3) == "number 3 in line"
    assert progress.line(Status(state="succeeded", facts={"seconds": 41.2})) == "done in 41 s"


def test_ago() -> None:
    now = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
    assert progress.ago("2030-01-02T11:59:30+00:00", now) == "just now"
    assert progress.ago("2030-01-02T11:15:00+00:00", now) == "45 min ago"
    assert progress.ago("2030-01-02T02:00:00+00:00", now) == "10 h ago"
    assert progress.ago("2029-12-28T12:00:00+00:00", now) == "5 days ago"
    assert progress.ago(None) == progress.ago("") == ""


def test_an_epoch_trained_again_after_a_resume_counts_once() -> None:
    def epoch(n: int, value: float) -> dict[str, object]:
        return {"kind": "epoch", "model": "all", "epoch": n, "losses": {"a": value}}

    frame = progress.losses([epoch(1, 3.0), epoch(2, 2.0), {"kind": "resumed"}, epoch(2, 1.5)])
    assert list(zip(frame["epoch"], frame["value"], strict=True)) == [(1, 3.0), (2, 1.5)]
    assert progress.losses([]).empty
    spent = progress.phases_spent(
        [{"kind": "phase_done", "phase": "train", "seconds": 2.0}] * 2 + [{"kind": "epoch"}]
    )
    assert spent == {"training": 4.0}


def test_a_data_set_is_counted_by_class_and_examples_take_turns() -> None:
    def test_sample(i: int, kind: str, masks: tuple[str, ...] = ("m.png",)) -> Sample:
        return Sample(
            key=f"c/test/{kind}/{i}.png", class_name="c", split="test", label=1,
            anomaly_type=kind, masks=masks,
        )  # fmt: skip

    samples = [
        Sample(key=f"c/train/{i}.png", class_name="c", split="train", label=0) for i in (1, 2)
    ]
    samples += [Sample(key="c/test/good/1.png", class_name="c", split="test", label=0)]
    samples += [test_sample(i, "crack") for i in range(4)] + [test_sample(0, "stain", ())]
    problem = Problem(severity="note", key="c", message="m")
    dataset = Dataset(
        "d", __file__, "r", "said", DatasetCard(title="D", summary="s"), tuple(samples), (problem,)  # type: ignore[arg-type]
    )  # fmt: skip
    look = queries.describe(dataset, examples=3)
    (one,) = look.classes
    assert (one.train, one.good, one.anomalous, one.with_mask) == (2, 1, 5, 4)
    assert one.types == {"crack": 4, "stain": 1}
    assert [s.anomaly_type for s in one.anomalous_examples] == ["crack", "stain", "crack"]
    assert (look.train, look.test, look.problems) == (2, 6, (problem,))


def test_the_outline_leaves_the_flaw_itself_visible() -> None:
    picture = np.full((9, 9, 3), 100, np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    drawn = outlined(picture, mask)
    assert (drawn[4, 4] == 100).all(), "inside"
    assert (drawn[3, 4] == 255).all() and (drawn[4, 5] == 255).all(), "the line"
    assert drawn[2, 4].max() < 40, "its halo"
    assert (drawn[0, 0] == 100).all(), "far away"
    assert (picture == 100).all(), "the picture given stays as it was"


def test_media_types() -> None:
    assert kind(b"RIFF....WEBP") == "image/webp"
    assert kind(b"\x89PNG\r\n") == "image/png"
    assert kind(b"\xff\xd8\xff") == "image/jpeg"


def test_what_is_measured_is_what_would_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command that measures, read by the command line again, is the run's own config."""
    from core.cli import main

    monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(tmp_path))
    commands: list[list[str]] = []
    configs: list[RunConfig] = []

    def caught(command: list[str]) -> None:
        commands.append(command)
        raise actions.Refused("caught")

    def probe(config: RunConfig, place: object) -> dict[str, Any]:
        configs.append(config)
        return {"seconds": 1.0, "basis": "nothing"}

    monkeypatch.setattr(actions, "_child", caught)
    monkeypatch.setattr("core.engine.estimate.probe", probe)
    wanted = RunConfig(
        data="demo", method="invad", classes=("woven_fabric", "brain_phantom"), setting="separate",
        preset="paper", size=128, epochs=7, batch_size=3, device="cpu", backbone="resnet18:random",
        weights="/some/weights.safetensors", method_config={"blocks": 1, "learning_rate": 0.5},
    )  # fmt: skip
    with pytest.raises(actions.Refused, match="caught"):
        actions.measure(wanted)
    (command,) = commands
    assert main(command[command.index("estimate") :]) == 0
    assert configs == [wanted]

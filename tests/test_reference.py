"""The published rows: all there, checked row by row, and matched to data sets with care."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.methods.base import METHODS
from core.metrics.base import NINE
from core.metrics.summary import SEVEN
from core.reference import ader, inference

ROWS = ader.published()


def test_three_hundred_rows_with_the_nine_metrics() -> None:
    assert len(ROWS) == 300
    assert all(set(row.values) == set(NINE) for row in ROWS)
    assert all(0.0 < value <= 1.0 for row in ROWS for value in row.values.values())
    assert len({(row.dataset, row.epochs, row.method) for row in ROWS}) == 300
    assert Counter(row.epochs for row in ROWS) == {100: 164, 300: 136}
    assert {row.method for row in ROWS} == {
        "draem", "simplenet", "realnet", "cfa", "patchcore", "cflow", "pyramidflow", "rd", "vitad",
        "invad", "invad_lite", "mambaad", "diad", "uniad", "rdpp", "destseg",
    }  # fmt: skip


def test_a_row_as_printed() -> None:
    (row,) = [r for r in ROWS if (r.dataset, r.epochs, r.method) == ("MVTec AD", 100, "simplenet")]
    assert row.values == {
        "image_auroc": 0.954, "image_ap": 0.983, "image_f1max": 0.957, "pixel_auroc": 0.968,
        "pixel_ap": 0.488, "pixel_f1max": 0.519, "pixel_aupro": 0.869, "pixel_ioumax": 0.364,
        "mad": 0.82,
    }  # fmt: skip
    assert row.venue == "CVPR 2023" and row.source == "published, ADer, 100 epochs"


def test_the_parts_of_mad_are_those_of_our_own() -> None:
    assert set(ader.PARTS) == set(SEVEN) and len(ader.PARTS) == len(SEVEN)


def test_six_rows_are_not_the_mean_of_their_parts() -> None:
    odd = {
        (row.dataset, row.title, row.epochs): (row.values["mad"], round(row.mean_of_parts, 4))
        for row in ROWS
        if not row.consistent
    }
    assert odd == {
        ("MVTec AD", "PatchCore", 300): (0.886, 0.8716),
        ("MVTec 3D", "PatchCore", 300): (0.784, 0.7670),
        ("MVTec LOCO", "PatchCore", 300): (0.677, 0.6539),
        ("BTAD", "PatchCore", 300): (0.833, 0.8151),
        ("MPDD", "PatchCore", 300): (0.835, 0.8189),
        ("MAD Real", "PatchCore", 300): (0.682, 0.6663),
    }


def test_which_rows_can_serve_as_targets() -> None:
    barred = {row.method for row in ROWS if row.no_target and row.epochs == 100}
    assert barred == {"draem", "cfa", "pyramidflow", "realnet", "diad"}
    assert {row.method for row in ROWS if row.no_target and row.epochs == 300} == barred | {
        "patchcore"
    }
    assert all(row.no_target for row in ROWS if not row.consistent)


class TestMatch:
    def test_class_names_tell_a_data_set_whatever_its_folder_is_called(self) -> None:
        mvtec = next(one for one in ader.BENCHMARKS if one.title == "MVTec AD")
        assert ader.match(["my data"], mvtec.classes).dataset == "MVTec AD"
        spelled = [name.replace("_", " ").title() for name in mvtec.classes]
        assert ader.match([], spelled).dataset == "MVTec AD"

    def test_a_part_of_the_classes_is_another_data_set(self) -> None:
        found = ader.match(["mvtec_ad"], ["bottle", "cable"])
        assert found.dataset == ""
        assert "means over its 15 classes, and this board holds 2 classes" in found.reason

    def test_few_class_names_need_the_folders_name(self) -> None:
        assert ader.match(["stuff"], ["01", "02", "03"]).dataset == ""
        assert ader.match(["BTech"], ["01", "02", "03"]).dataset == "BTAD"
        assert "not called as those of BTAD" in ader.match(["btad"], ["a", "b", "c"]).reason

    def test_names_and_counts(self) -> None:
        assert ader.match(["Real-IAD"], [str(i) for i in range(30)]).dataset == "Real-IAD"
        assert ader.match(["real3"], ["a"]).reason == "ADer published no results on this data set"


class TestCommand:
    def test_all_as_json(self) -> None:
        answer = CliRunner().invoke(app, ["published", "--json"])
        assert answer.exit_code == 0
        found = json.loads(answer.stdout.splitlines()[-1])
        assert len(found["rows"]) == 300 and found["inconsistent"] == 6
        assert found["source"]["convention"] == "ader" and "2406.03262" in found["source"]["home"]

    def test_one_data_set_by_what_people_call_it(self) -> None:
        answer = CliRunner().invoke(app, ["published", "--data", "mvtec-ad"])
        assert answer.exit_code == 0
        assert "MVTec AD, 100 epochs" in answer.stdout and "VisA" not in answer.stdout
        assert "98.8" in answer.stdout and "in 1 mAD is not the mean" in answer.stdout

    @pytest.mark.parametrize("name", ["real3", ""])
    def test_an_unknown_one_is_refused_with_the_names(self, name: str) -> None:
        from core.errors import UsageError

        answer = CliRunner().invoke(app, ["published", "--data", name])
        assert isinstance(answer.exception, UsageError)
        assert "MVTec AD, MVTec 3D" in str(answer.exception)


def test_every_method_was_timed_or_says_why_not() -> None:
    found = inference.measured()
    assert {row["method"] for row in found["rows"]} == set(METHODS.ids())
    assert found["machine"]["cores"] >= 1 and found["date"]
    for row in found["rows"]:
        if "error" in row:
            assert "weights" in row["error"], row
        else:
            assert row["images_per_second"] > 0 and row["latency_ms"] > 0

"""A run's metrics without disputed cases: its own without any, those of the rest otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from core import reevaluation
from core.engine.external import evaluate
from core.engine.external_request import Request
from core.errors import Cancelled, UsageError
from core.metrics.base import METRICS, NINE
from core.reevaluation import held, reevaluate
from core.runs import RunDirectory
from core.workspace import Workspace
from tests.dashboard import stores

SIZE = 32
BOUND = 1e-3
"""Of the nine, between float32 maps and those stored in 16 bits."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("again") / "workspace")


@pytest.fixture(scope="module")
def run(place: Workspace) -> RunDirectory:
    """Maps of irrational values, so that 16 bits do not hold them, on data with and without
    masks."""
    data = stores.make_data(place.root.parent)
    maps = place.root.parent / "maps"
    rng = np.random.default_rng(5)
    for path in sorted(data.glob("*/test/*/*.png")):
        values = rng.gamma(2.0, 1.0, (SIZE, SIZE)).astype(np.float32)
        mask = data / path.relative_to(data).parts[0] / "ground_truth" / path.parent.name
        file = mask / f"{path.stem}_mask.png"
        if file.exists():
            truth = np.asarray(Image.open(file).resize((SIZE, SIZE))) > 127
            values[truth] += rng.gamma(2.0, 1.0)
        out = maps / path.relative_to(data).with_suffix(".npy")
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, values)
    return evaluate(place, Request(truth=str(data), maps=maps, size=SIZE))


def values(table: Any) -> dict[tuple[str, str, str], Any]:
    return {
        (row["class_name"], row["metric"], row["anomaly_type"]): row for row in table.to_pylist()
    }


def own(run: RunDirectory) -> dict[tuple[str, str, str], Any]:
    rows = run.read_table(RunDirectory.METRICS)
    exact = rows.filter([one == "exact" for one in rows["convention"].to_pylist()])
    return values(exact)


def cases(run: RunDirectory) -> list[dict[str, Any]]:
    return run.read_table(RunDirectory.CASES).to_pylist()


def test_nothing_left_out_gives_the_runs_own_metrics(place: Workspace, run: RunDirectory) -> None:
    found = reevaluate(place, run)
    mine, again = own(run), values(found.table)
    assert found.reason == "" and (found.left_out, found.without_pixels) == (0, 0)
    assert set(mine) == set(again)
    for place_of, row in mine.items():
        other = again[place_of]
        assert row["note"] == other["note"], place_of
        if place_of[1].startswith("image_"):
            assert (row["value"], row["ci_low"]) == (other["value"], other["ci_low"]), place_of
        elif place_of[1] in NINE:
            assert other["value"] == pytest.approx(row["value"], abs=BOUND), place_of
    assert again["scan", "pixel_auroc", ""]["value"] is None, "no masks there"
    assert any(METRICS.get(id).level == "object" for _, id, _ in again), (
        "objects have a second look"
    )


def test_a_disputed_label_leaves_the_case_out_of_everything(
    place: Workspace, run: RunDirectory
) -> None:
    tile = [case for case in cases(run) if case["class_name"] == "tile"]
    out = {tile[1]["key"], tile[-1]["key"]}
    found = reevaluate(place, run, labels=out)
    rest = [case for case in tile if case["key"] not in out]
    again = values(found.table)
    label, score = [case["label"] for case in rest], [case["score"] for case in rest]
    assert again["tile", "image_auroc", ""]["value"] == pytest.approx(roc_auc_score(label, score))
    expected = average_precision_score(label, score)
    assert again["tile", "image_ap", ""]["value"] == pytest.approx(expected)
    assert again["tile", "pixel_auroc", ""]["value"] == pytest.approx(pixels(run, rest), abs=1e-9)
    before = values(reevaluate(place, run).table)
    assert again["board", "image_auroc", ""] == before["board", "image_auroc", ""]
    assert found.left_out == 2


def pixels(run: RunDirectory, some: list[dict[str, Any]]) -> float:
    """Pixel AUROC by scikit-learn, from the stored maps and the masks as they were prepared."""
    from core.data.catalogue import open_dataset
    from core.data.prepared import prepare

    workspace = Workspace(run.path.parents[1])
    prepared = prepare(open_dataset(run.record().config.data, workspace), SIZE, workspace)
    rows = {sample.key: row for row, sample in enumerate(prepared.samples)}
    truth = prepared.regions([rows[case["key"]] for case in some]) > 0
    maps = run.maps()[[case["row"] for case in some]]
    return float(roc_auc_score(truth.ravel(), maps.ravel().astype(np.float32)))


def test_a_disputed_mask_leaves_image_metrics_alone(place: Workspace, run: RunDirectory) -> None:
    tile = [case for case in cases(run) if case["class_name"] == "tile"]
    bad = next(case for case in tile if case["label"] == 1)
    found = reevaluate(place, run, masks={bad["key"]})
    before, again = values(reevaluate(place, run).table), values(found.table)
    assert (found.left_out, found.without_pixels) == (0, 1)
    for id in ("image_auroc", "image_ap", "image_f1max"):
        assert again["tile", id, ""] == before["tile", id, ""]
    rest = [case for case in tile if case["key"] != bad["key"]]
    assert again["tile", "pixel_auroc", ""]["value"] == pytest.approx(pixels(run, rest), abs=1e-9)
    note = again["tile", "pixel_auroc", ""]["note"]
    assert "1 of 8 anomalous images have no usable mask" in note


def test_a_normal_image_with_a_wrong_mask_is_left_out(place: Workspace, run: RunDirectory) -> None:
    good = next(case["key"] for case in cases(run) if case["label"] == 0)
    one, other = reevaluate(place, run, masks={good}), reevaluate(place, run, labels={good})
    assert one.left_out == 1 and one.without_pixels == 0
    assert one.table.equals(other.table)


def test_the_result_is_kept_and_named_by_what_was_left_out(
    place: Workspace, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [case["key"] for case in cases(run)]
    assert held(place, run, {keys[3]}, ()) is None
    made = reevaluate(place, run, {keys[3], "of another run"})
    monkeypatch.setattr(reevaluation, "truth_of", lambda *_: pytest.fail("measured again"))
    again = held(place, run, {keys[3]}, ())
    assert again is not None and again.table.equals(made.table)
    assert reevaluate(place, run, {keys[3]}).table.equals(made.table)
    assert held(place, run, (), {keys[-1]}) is None
    file = reevaluation._file(place, run, reevaluation._plan(run, {keys[3]}, ()))
    file.write_bytes(b"half")
    assert held(place, run, {keys[3]}, ()) is None, "a damaged file is not read"


def fresh(place: Workspace, run: RunDirectory, tmp_path: Path) -> tuple[Workspace, RunDirectory]:
    """The run in a workspace where nothing was prepared or kept."""
    there = Workspace(tmp_path / "fresh")
    shutil.copytree(run.path, there.runs / run.run_id)
    return there, RunDirectory(there.runs / run.run_id)


def files(place: Workspace) -> list[str]:
    """All files but those of the runs."""
    return sorted(
        str(path.relative_to(place.root))
        for path in place.root.rglob("*")
        if path.is_file() and place.runs not in path.parents
    )


def test_it_can_be_cancelled_at_every_word_and_leaves_nothing_half_done(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    left_out = {cases(run)[2]["key"]}
    there, copy = fresh(place, run, tmp_path)
    said: list[tuple[float, str]] = []
    expected = reevaluate(there, copy, left_out, report=lambda *word: said.append(word))
    whole = files(there)
    shares = [share for share, _ in said]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert {"images decoded", "maps measured"} <= {" ".join(w.split()[-2:]) for _, w in said}
    heard: list[str] = []
    for last in range(1, 100):
        shutil.rmtree(there.root / "cache" / "reevaluated")
        (there.root / "cache" / "reevaluated").mkdir()
        heard.clear()

        def report(share: float, words: str, last: int = last) -> None:
            heard.append(words)
            if len(heard) == last:
                raise Cancelled("This was cancelled.")

        with pytest.raises(Cancelled):
            reevaluate(there, copy, left_out, report=report)
        if heard[-1] == "done":  # the result is kept by then
            break
        assert held(there, copy, left_out, ()) is None, heard
        assert set(files(there)) < set(whole), "no file aside"
    assert last > 8
    assert reevaluate(there, copy, left_out).table.equals(expected.table)
    assert files(there) == whole


def test_cancelled_while_images_are_prepared_is_no_missing_mask(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    there, copy = fresh(place, run, tmp_path)

    def report(share: float, words: str) -> None:
        if "decoded" in words:
            raise Cancelled("This was cancelled.")

    with pytest.raises(Cancelled):
        reevaluate(there, copy, report=report)
    assert reevaluate(there, copy).reason == "", "what was prepared by then serves"


def test_a_class_without_a_case_left_is_named(place: Workspace, run: RunDirectory) -> None:
    board = {case["key"] for case in cases(run) if case["class_name"] == "board"}
    again = values(reevaluate(place, run, board).table)
    assert not any(name == "board" for name, _, _ in again)
    mean = again["mean", "image_auroc", ""]
    assert "without board, of which no case is left" in mean["note"]
    two = [again[name, "image_auroc", ""]["value"] for name in ("scan", "tile")]
    assert mean["value"] == pytest.approx(sum(two) / 2)
    with pytest.raises(UsageError, match="nothing is left to evaluate"):
        reevaluate(place, run, {case["key"] for case in cases(run)})


def test_without_the_data_set_image_metrics_stay(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    there = Workspace(tmp_path / "copy")
    shutil.copytree(run.path, there.runs / run.run_id)
    copy = RunDirectory(there.runs / run.run_id)
    data = Path(run.record().config.data)
    hidden = data.with_name("hidden")
    data.rename(hidden)
    try:
        found = reevaluate(there, copy)
    finally:
        hidden.rename(data)
    assert "The masks cannot be read" in found.reason and str(data) in found.reason
    again, mine = values(found.table), own(run)
    assert {METRICS.get(id).level for _, id, _ in again} <= {"image", "threshold"}
    for name in ("board", "scan", "tile", "mean"):
        for part in ("value", "ci_low", "ci_high"):
            here = again[name, "image_auroc", ""][part]
            assert here == mine[name, "image_auroc", ""][part]
    assert held(there, copy, (), ()) is None, "a folder that is gone may come back"


def test_changed_masks_and_missing_maps_are_a_reason(place: Workspace, tmp_path: Path) -> None:
    workspace, data = Workspace(tmp_path / "w"), stores.make_data(tmp_path)
    made = stores.add_run(workspace, data, "rd")  # of another fingerprint than the folder's
    assert "have changed since the run" in reevaluate(workspace, made).reason
    (made.path / RunDirectory.MAPS).unlink()
    assert "has no maps" in reevaluate(workspace, made).reason


def test_held_out_scores_still_set_the_threshold(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    made = stores.add_run(workspace, stores.make_data(tmp_path), "rd")
    table = made.read_table(RunDirectory.CURVES).to_pylist()
    held_out = {"class_name": "tile", "curve": "heldout_scores"}
    more = [
        held_out | {"position": i, "x": float(i), "y": 0.1 * i, "threshold": float(i)}
        for i in range(10)
    ]
    made.write_table(RunDirectory.CURVES, pa.Table.from_pylist(table + more))
    again = values(reevaluate(workspace, made).table)
    assert again["tile", "image_threshold_heldout", ""]["value"] is not None
    assert ("board", "image_threshold_heldout", "") not in again

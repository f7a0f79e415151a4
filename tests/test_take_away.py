"""What a report draws beyond its tables, and what is harmless in files that leave the house."""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import listing
from core.exporting import encoded, harmless, overlays
from core.report import svg
from core.report.gather import gather
from core.report.write import write
from core.runs import RunDirectory
from core.vocabulary import GENERAL
from tests.dashboard import stores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> stores.Store:
    store = stores.filled(tmp_path_factory.mktemp("take"))
    listing.methods(store.workspace)
    return store


def reported(store: stores.Store, tmp_path: Path, *labels: str) -> str:
    out = tmp_path / "r.html"
    found = gather(store.workspace, [store.runs[label] for label in labels], most=1)
    write(store.workspace, found, GENERAL, out)
    return out.read_text(encoding="utf-8")


def test_several_runs_stand_by_accuracy_and_speed(store: stores.Store, tmp_path: Path) -> None:
    text = reported(store, tmp_path, "patchcore", "rd")
    assert "Image AUROC against speed" in text
    assert re.search(r"PatchCore 0\.\d{3} at 38 images a second; .* at 21 images a second", text)
    assert "on cpu." in text


def test_one_run_has_no_speed_to_compare(store: stores.Store, tmp_path: Path) -> None:
    assert "against speed" not in reported(store, tmp_path, "patchcore")


def test_clocks_of_different_devices_are_not_compared(tmp_path: Path) -> None:
    store = stores.filled(tmp_path)
    listing.methods(store.workspace)
    run = RunDirectory.open(store.workspace, store.runs["rd"])
    record = run.record()
    record.resolved["device"] = "cuda:0"
    run.write_record(record)
    text = reported(store, tmp_path, "patchcore", "rd")
    assert "timed on different devices, so their speeds do not compare" in text


def test_every_class_has_both_curves(store: stores.Store, tmp_path: Path) -> None:
    text = reported(store, tmp_path, "patchcore")
    for name in stores.CLASSES:
        assert f"<title>ROC of {name}</title>" in text
        assert f"<title>Precision and recall of {name}</title>" in text


def test_spots_lie_where_their_numbers_say() -> None:
    """Pace 40 of 50 (the next round number above 44) and 0.75 midway between 0.7 and 0.8."""
    spots = [svg.Spot("a", 40.0, 0.75, 0.72, 0.78, "#111111")]
    drawn = svg.speeds(spots, "title", "AUROC")
    found = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert found is not None
    assert float(found[1]) == pytest.approx(66 + (svg.WIDTH - 14 - 66) * 0.8, abs=0.06)
    assert float(found[2]) == pytest.approx((12 + 250) / 2, abs=0.06)


@pytest.mark.parametrize(("pace", "end"), [(9.0, 10.0), (9.5, 15.0), (40.0, 50.0), (0.02, 0.03)])
def test_the_axis_ends_at_a_round_number_with_room(pace: float, end: float) -> None:
    drawn = svg.speeds([svg.Spot("a", pace, 0.5, None, None, "#111111")], "t", "y")
    assert f'text-anchor="end" class="dim">{end:.3g}</text>' in drawn


def test_names_beside_spots_do_not_meet() -> None:
    spots = [svg.Spot(n, 10.0 + i, 0.7, None, None, "#111111") for i, n in enumerate("abc")]
    drawn = svg.speeds(spots, "t", "y")
    places = [float(y) for y, name in re.findall(r'y="([\d.]+)" text-anchor="\w+">(\w)<', drawn)]
    assert len(places) == 3 and min(b - a for a, b in itertools.pairwise(places)) >= 15


def test_a_spreadsheet_runs_nothing() -> None:
    table = pa.table(
        {"key": ["=cmd()", "-1+1", "@x", "a=b", None], "v": [-1.5, 2.0, 3.0, 4.0, 5.0]}
    )
    rows = list(csv.DictReader(io.StringIO(encoded(table, "csv").decode())))
    assert [row["key"] for row in rows] == ["'=cmd()", "'-1+1", "'@x", "a=b", ""]
    assert [float(row["v"]) for row in rows] == [-1.5, 2.0, 3.0, 4.0, 5.0], "numbers stay numbers"
    assert harmless(-1.5) == -1.5 and harmless(None) is None
    kept = pq.read_table(io.BytesIO(encoded(table, "parquet")))
    assert kept.equals(table), "Parquet keeps every text as it was"


def test_pictures_stay_in_their_folder(tmp_path: Path) -> None:
    """A data set may call a class what it likes; the archive is unpacked on someone's machine."""
    store = stores.filled(tmp_path)
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    evil = "../../up"
    for name in (RunDirectory.CASES, RunDirectory.METRICS):
        table = run.read_table(name)
        names = [evil if c == "tile" else c for c in table["class_name"].to_pylist()]
        place = table.schema.get_field_index("class_name")
        run.write_table(name, table.set_column(place, "class_name", pa.array(names)))
    overlays(store.workspace, run, tmp_path / "o.zip", class_name=evil)
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        inside = [PurePosixPath(name) for name in archive.namelist()]
        index = list(csv.DictReader(io.TextIOWrapper(archive.open("index.csv"))))
    assert all(".." not in path.parts and not path.is_absolute() for path in inside)
    assert all(len(path.parts) in (1, 3) for path in inside)
    assert {row["class_name"] for row in index} == {evil}, "its name stays readable"
    assert {row["file"] for row in index} == {str(p) for p in inside if len(p.parts) == 3}

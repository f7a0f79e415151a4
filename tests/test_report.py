"""Reports and exports: self-contained, true to the store, safe, and whole or not there."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core import cli, exporting, marks, overlays
from core.errors import RunError, UsageError
from core.heat import HEAT_STOPS
from core.judging import judged, points
from core.report import spoken, svg
from core.report.gather import gather
from core.report.write import write
from core.runs import RunDirectory
from core.vocabulary import CLINIC, GENERAL, PLANT
from dashboard.casework import judge, thresholds
from tests.dashboard import stores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> stores.Store:
    return stores.filled(tmp_path_factory.mktemp("report"))


class Links(HTMLParser):
    """What a page would load, and how many elements of each kind there are."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        held = dict(attrs)
        if tag in ("img", "script", "iframe", "link", "source", "object", "embed", "image", "use"):
            self.loaded += [held[name] or "" for name in ("src", "href", "data") if name in held]
        if tag == "img":
            assert held.get("alt")


def made(store: stores.Store, tmp_path: Path, *labels: str, say: object = GENERAL) -> str:
    out = tmp_path / "r.html"
    found = gather(store.workspace, [store.runs[label] for label in labels], most=2)
    write(store.workspace, found, say, out)  # type: ignore[arg-type]
    return out.read_text(encoding="utf-8")


def test_it_needs_nothing_from_outside(store: stores.Store, tmp_path: Path) -> None:
    text = made(store, tmp_path, "patchcore", "rd")
    page = Links()
    page.feed(text)
    assert page.loaded and all(link.startswith("data:image/webp") for link in page.loaded)
    assert "script" not in page.counts and "@import" not in text and "url(" not in text
    assert page.counts["svg"] >= 8 and page.counts["table"] >= 4
    assert "Content-Security-Policy" in text


def test_it_says_what_the_store_says(store: stores.Store, tmp_path: Path) -> None:
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    text = made(store, tmp_path, "patchcore")
    for row in run.read_table(RunDirectory.METRICS).to_pylist():
        exact = row["convention"] == "exact" and not row["anomaly_type"]
        if row["metric"] == "image_auroc" and exact and row["value"]:
            assert f">{row['value']:.3f}<" in text
    cases = judged(run, points(store.workspace, run))
    missed = sum(case.outcome == "missed" for case in cases)
    alarms = sum(case.outcome == "false alarm" for case in cases)
    assert f"misses {missed} of 24 anomalous images and flags {alarms} of 18 good images" in text
    assert "oracle" in text and "abababab" in text, "the weights' hash"
    assert "no masks: scan has no pixel truth" in text


def test_judging_is_what_the_pages_do(store: stores.Store) -> None:
    run = RunDirectory.open(store.workspace, store.runs["deployed"])
    metrics = run.read_table(RunDirectory.METRICS).to_pandas()
    frame = judge(run.read_table(RunDirectory.CASES).to_pandas(), thresholds(metrics))
    mine = judged(run, points(store.workspace, run))
    assert [case.outcome for case in mine] == frame["outcome"].tolist()
    assert {case.threshold for case in mine} == set(frame["threshold"])


def test_it_speaks_the_chosen_words(store: stores.Store, tmp_path: Path) -> None:
    assert "diseased patients" in made(store, tmp_path, "patchcore", say=CLINIC)
    plant = made(store, tmp_path, "patchcore", say=PLANT)
    assert "defective parts" in plant and "Worst overkills" in plant


def test_what_people_typed_is_shown_and_harmless(
    tmp_path: Path,
) -> None:
    store = stores.filled(tmp_path / "marked")
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    case = judged(run, points(store.workspace, run))[0]
    marks.add(
        store.workspace, "Eve <script>", fingerprint="f1f2f3f4", key=case.key,
        class_name=case.class_name, verdict="wrong_label", note="<img src=x onerror=alert(1)>",
    )  # fmt: skip
    text = made(store, tmp_path, "patchcore")
    assert "<script" not in text and "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text and "1 of the marked cases" in text


def test_gone_data_and_failed_runs(store: stores.Store, tmp_path: Path) -> None:
    other = stores.filled(tmp_path / "gone")
    shutil.rmtree(other.data_root)
    text = made(other, tmp_path, "patchcore")
    assert "The photograph is gone" in text and "cannot be opened here any more" in text
    with pytest.raises(RunError, match="not ended well"):
        gather(store.workspace, [store.runs["failed"]])
    with pytest.raises(UsageError, match="1 to 4"):
        gather(store.workspace, [store.runs["rd"]] * 2)


def test_a_share_has_its_interval() -> None:
    from core.metrics.operating import Share

    assert spoken.share(Share(5, 10)) == "5 of 10 (50.0 %, 23.7 % to 76.3 %)"  # Wilson, by hand
    assert spoken.listed(["a", "b", "c"]) == "a, b and c"


def test_figures_are_where_their_values_are() -> None:
    drawn = svg.bars([svg.Bar("x", 0.5, 0.25, 1.0, "#000000")], "t")
    (width,) = re.findall(r'<rect x="190" y="[\d.]+" width="([\d.]+)"', drawn)
    assert float(width) == pytest.approx((svg.WIDTH - 70 - 190) * 0.5)
    line = svg.curves([svg.Line("a", [(0, 0), (1, 1)], "#000")], "t", "x", "y", chance=False)
    assert "M52.0 308.0L352.0 8.0" in line
    lone = svg.histogram([], [], None, "t", ("a", "b"), ("#000", "#111"))
    assert "<svg" in lone and "nan" not in lone.lower()
    assert "&lt;b&gt;" in svg.bars([svg.Bar("<b>", 0.5, None, None, "#000")], "t")


def test_heat_has_the_colours_of_the_scale() -> None:
    tail = [(float(i), 10.0**-i) for i in range(6)]  # share 1, 0.1, ..., 1e-5
    rgba = overlays.heat_rgba(np.array([[0.0, 1.0, 3.0, 5.0, 9.0]]), tail)[0]
    assert rgba[0, 3] == 0 and rgba[1, 3] == 0, "1 in 10 is common"
    for place, stop in ((2, HEAT_STOPS[2]), (3, HEAT_STOPS[3]), (4, HEAT_STOPS[3])):
        wanted = [int(stop[1][i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(rgba[place, :3].astype(int) - wanted).max() <= 1
        assert abs(int(rgba[place, 3]) - 255 * stop[2]) <= 1
    assert overlays.heat_rgba(np.ones((2, 2)), [])[..., 3].max() == 0


def test_outlines_have_the_colours_of_truth() -> None:
    truth = np.zeros((32, 32), bool)
    truth[4:12, 4:12] = True
    values = np.zeros((32, 32), np.float32)
    values[20:28, 20:28] = 1.0
    drawn = overlays.overlay(Image.new("RGB", (128, 128), "gray"), values, truth, 0.5, [])
    seen = {tuple(pixel) for pixel in np.asarray(drawn).reshape(-1, 3).tolist()}
    assert (0xE6, 0x9F, 0x00) in seen and (0x56, 0xB4, 0xE9) in seen
    assert (0x00, 0x9E, 0x73) not in seen, "nothing is found"


def test_tables_in_both_formats(store: stores.Store, tmp_path: Path) -> None:
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    for kind in exporting.FORMATS:
        out = tmp_path / f"{kind}.zip"
        assert exporting.tables(store.workspace, run, out, kind) == 7
        with zipfile.ZipFile(out) as archive:
            assert {"cases", "metrics", "regions"} <= {Path(n).stem for n in archive.namelist()}
            data = archive.read(f"cases.{kind}")
        if kind == "csv":
            rows = list(csv.DictReader(io.StringIO(data.decode())))
            outcomes = [row["outcome"] for row in rows]
        else:
            outcomes = pq.read_table(io.BytesIO(data))["outcome"].to_pylist()
        assert outcomes == [c.outcome for c in judged(run, points(store.workspace, run))]
    with pytest.raises(UsageError, match="csv, parquet"):
        exporting.tables(store.workspace, run, tmp_path / "x.zip", "xls")


def test_pictures_of_chosen_cases(store: stores.Store, tmp_path: Path) -> None:
    run = RunDirectory.open(store.workspace, store.runs["rd"])
    out = tmp_path / "o.zip"
    cases = judged(run, points(store.workspace, run))
    wanted = [c for c in cases if c.outcome == "found" and c.class_name == "tile"]
    assert exporting.overlays(store.workspace, run, out, "tile", ("found",)) == len(wanted) > 0
    with zipfile.ZipFile(out) as archive:
        names = [n for n in archive.namelist() if n.endswith(".webp")]
        assert all(n.startswith("tile/found/") for n in names) and len(names) == len(wanted)
        assert Image.open(io.BytesIO(archive.read(names[0]))).size == (1024, 768)
        rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
    assert {row["key"] for row in rows} == {c.key for c in wanted}
    with pytest.raises(UsageError, match="--class"):
        exporting.overlays(store.workspace, run, out, "nonsense")
    with pytest.raises(UsageError, match="--only"):
        exporting.overlays(store.workspace, run, out, None, ("nonsense",))


def test_the_commands(
    store: stores.Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = str(store.workspace.root), str(tmp_path / "c.html")
    ids = [store.runs["patchcore"], store.runs["rd"]]
    given = ["report", *ids, "--out", out, "--words", "plant", "--worst", "1"]
    assert cli.main([*given, "--workspace", root, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["runs"] == ids and told["bytes"] == Path(out).stat().st_size
    assert cli.main(["export", ids[0], "--out", str(tmp_path / "t.zip"), "--workspace", root]) == 0
    assert cli.main(["report", store.runs["failed"], "--out", out, "--workspace", root]) == 1
    assert "not ended well" in capsys.readouterr().err

"""Reports and exports: self-contained, true to the store, safe, and whole or not there."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core import cli, exporting, listing, marks, thresholds
from core.errors import RunError, UsageError
from core.judging import Kind, Point, judged, points
from core.metrics.operating import OperatingPoint
from core.metrics.verdicts import verdict
from core.report import spoken, svg
from core.report.gather import gather
from core.report.write import MOST_CASES, shown, uri, write
from core.runs import RunDirectory
from core.vocabulary import CLINIC, GENERAL, PLANT
from dashboard.casework import judge
from dashboard.casework import thresholds as page_thresholds
from tests.dashboard import stores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> stores.Store:
    store = stores.filled(tmp_path_factory.mktemp("report"))
    listing.methods(store.workspace)
    return store


def another(store: stores.Store, place: Path) -> stores.Store:
    """A workspace to change, with the method cards of the first, which take seconds to make."""
    made = stores.filled(place)
    shutil.copytree(store.workspace.root / "cache", made.workspace.root / "cache",
                    ignore=lambda _, names: [n for n in names if not n.startswith("methods-")],
                    dirs_exist_ok=True)  # fmt: skip
    return made


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
    frame = judge(run.read_table(RunDirectory.CASES).to_pandas(), page_thresholds(metrics))
    mine = judged(run, points(store.workspace, run))
    assert [case.outcome for case in mine] == frame["outcome"].tolist()
    assert {case.threshold for case in mine} == set(frame["threshold"])


def test_it_speaks_the_chosen_words(store: stores.Store, tmp_path: Path) -> None:
    assert "diseased patients" in made(store, tmp_path, "patchcore", say=CLINIC)
    plant = made(store, tmp_path, "patchcore", say=PLANT)
    assert "defective parts" in plant and "Worst overkills" in plant


def test_what_people_typed_is_shown_and_harmless(store: stores.Store, tmp_path: Path) -> None:
    store = another(store, tmp_path / "marked")
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
    other = another(store, tmp_path / "gone")
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
    (width,) = re.findall(r'<rect x="4" y="[\d.]+" width="([\d.]+)"', drawn)
    assert float(width) == pytest.approx((svg.WIDTH - 8) * 0.5)
    assert f"M{4 + 372 * 0.25:.1f} " in drawn, "its interval begins at a quarter"
    line = svg.curves([svg.Line("a", [(0, 0), (1, 1)], "#000")], "t", "x", "y", chance=False)
    assert "M66.0 308.0L366.0 8.0" in line
    lone = svg.histogram([], [], None, "t", ("a", "b"), ("#000", "#111"))
    assert "<svg" in lone and "nan" not in lone.lower()
    assert "&lt;b&gt;" in svg.bars([svg.Bar("<b>", 0.5, None, None, "#000")], "t")


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


def test_places_come_from_paired_resamples(store: stores.Store) -> None:
    found = gather(store.workspace, [store.runs["patchcore"], store.runs["rd"]], most=0)
    rows = found.compared[found.parts[1].label]
    row = next(r for r in rows if r.class_name == "mean" and r.metric == "image_auroc")
    places = [(one.best, one.worst) for one in found.ranks]
    apart = verdict(row) in ("a", "b")
    assert places in ([(1, 1), (2, 2)], [(2, 2), (1, 1)]) if apart else places == [(1, 2)] * 2
    alone = gather(store.workspace, [store.runs["rd"]], most=0)
    assert alone.ranks == () and alone.compared == {}


def test_counts_and_rates_are_those_of_the_scores(store: stores.Store, tmp_path: Path) -> None:
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    at = points(store.workspace, run)
    part = gather(store.workspace, [run.run_id], most=0).parts[0]
    for name, (_, counts) in part.cuts.items():
        rows = [r for r in run.read_table("cases.parquet").to_pylist() if r["class_name"] == name]
        bad = [row["score"] >= at[name].value for row in rows if row["label"]]
        good = [row["score"] >= at[name].value for row in rows if not row["label"]]
        assert (counts.found, counts.missed) == (sum(bad), len(bad) - sum(bad))
        assert (counts.alarms, counts.passed) == (sum(good), len(good) - sum(good))
    assert "False-alarm rate" in made(store, tmp_path, "patchcore")


def test_pictures_share_the_room_there_is() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (360, 360, 3), np.uint8))
    large, small = (len(base64.b64decode(uri(noise, room).split(",")[1])) for room in (10**6, 6000))
    assert small <= 6000 < large


def test_many_cases_are_cut_to_what_has_room(store: stores.Store) -> None:
    found = gather(store.workspace, [store.runs["patchcore"]], most=50)
    assert shown(found) == max(
        len(cases) for kind in (found.parts[0].misses, found.parts[0].alarms)
        for cases in kind.values()
    )  # fmt: skip
    case = judged(found.parts[0].run, points(store.workspace, found.parts[0].run))[0]
    many = {str(n): [case] * 50 for n in range(20)}
    crowded = replace(found, parts=(replace(found.parts[0], misses=many, alarms=many),))
    assert shown(crowded) == MOST_CASES // 40


def test_words_of_a_report() -> None:
    assert spoken.moment("2026-11-25T04:10:21.305+00:00") == "25 November 2026, 04:10 UTC"
    assert spoken.moment("soon") == "soon"
    point = OperatingPoint(low=1, high=1, found=7, found_again=0, missed=1, alarms=2,
                           alarms_again=0, passed=3)  # fmt: skip
    said = spoken.counts("a_tile", point, PLANT)
    assert said == "a tile: 1 of 8 defective parts escaped, 2 of 5 good parts flagged."
    signs = [spoken.signed(x) for x in (0.13, -0.0211, -0.0004)]
    assert signs == ["+0.130", "\N{MINUS SIGN}0.021", "0.000"]
    assert spoken.memory(3_043_741_696) == "3.0 GB"


def test_a_hand_chosen_threshold_is_not_called_unseen() -> None:
    def cut(kind: Kind, oracle: bool) -> Point:
        return Point(value=1.0, kind=kind, oracle=oracle, name="")

    held, oracle, chosen = cut("held-out", False), cut("oracle", True), cut("chosen", False)
    assert "held-out normal images" in spoken._at([held, held])
    assert "(oracle)" in spoken._at([oracle])
    assert "some are oracle" in spoken._at([oracle, held])
    assert "people chose" in spoken._at([chosen, held]) and "not chosen" not in spoken._at([chosen])


def test_one_class_and_a_run_from_before_the_newer_tables(
    store: stores.Store, tmp_path: Path
) -> None:
    lone = another(store, tmp_path / "lone")
    run = stores.add_run(lone.workspace, lone.data_root, classes=("tile",), old=True).run_id
    found = gather(lone.workspace, [run])
    assert found.classes == ("tile",)
    write(lone.workspace, found, GENERAL, tmp_path / "lone.html")
    text = (tmp_path / "lone.html").read_text(encoding="utf-8")
    (mean,) = re.findall(r'<th scope="row"><span class="dot"[^>]*></span>[^<]*</th>(.*)', text)
    value = found.parts[0].metrics["tile"]["image_auroc"].value
    assert value is not None and f">{value:.3f}" in mean
    assert exporting.tables(lone.workspace, found.parts[0].run, tmp_path / "lone.zip") >= 3


def test_a_chosen_threshold_with_a_band_is_the_one_reported(
    store: stores.Store, tmp_path: Path
) -> None:
    own = another(store, tmp_path / "chosen")
    run = RunDirectory.open(own.workspace, own.runs["patchcore"])
    scores = sorted(r["score"] for r in run.read_table("cases.parquet").to_pylist()
                    if r["class_name"] == "tile")  # fmt: skip
    low, high = scores[4], scores[8]
    thresholds.choose(own.workspace, "Ann", run_id=run.run_id, class_name="tile", value=low,
                      upper=high, name="night shift")  # fmt: skip
    part = gather(own.workspace, [run.run_id]).parts[0]
    point, counts = part.cuts["tile"]
    assert (point.value, point.upper, point.kind) == (low, high, "chosen")
    assert counts.found_again + counts.alarms_again == sum(low <= s < high for s in scores)
    text = made(own, tmp_path, "patchcore")
    assert "chosen threshold “night shift”" in text and "to look again" in text
    assert f"leaves {counts.found_again + counts.alarms_again} to look again" in text
    assert "some are oracle" in text, "the other classes keep their oracle thresholds"

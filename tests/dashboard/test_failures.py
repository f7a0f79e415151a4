"""The Failures page: rankings and groups by hand, sentences that are true, and the page itself."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stores import Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from visiting import text, visit

from core import marks
from core.heat import HEAT_STOPS, colours
from core.marks import Disputes
from core.runs import RunDirectory
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import casework, failure_findings, failure_words, failures, overlays, words
from dashboard.casework import ALL, Threshold
from dashboard.components import case_gallery
from dashboard.failures import Choice, Extra
from dashboard.results import source as present

FINGERPRINT = "f1f2f3f4"
"""That of the runs of `stores`."""


def judged(scores: dict[str, float], threshold: float = 5.0) -> pd.DataFrame:
    """Cases named "<type><number>"; "good" ones are normal; the area is 10 px a number."""
    rows = []
    for n, (name, score) in enumerate(scores.items()):
        kind, size = name.rstrip("0123456789"), int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        bad = kind != "good"
        rows.append({
            "row": n, "key": name, "class_name": "tile", "label": int(bad), "anomaly_type": kind,
            "specimen": None, "score": score, "has_mask": True, "area_px": 10 * size if bad else 0,
            "regions": int(bad), "peak_in_truth": size > 2 if bad else None,
            "aupimo": size / 10 if bad else None,
        })  # fmt: skip
    return casework.judge(pd.DataFrame(rows), {"tile": Threshold(threshold, True)})


A = {"crack1": 1.0, "crack2": 4.0, "crack3": 6.0, "stain1": 3.0, "stain4": 9.0, "good1": 2.0,
     "good2": 5.5, "good3": 8.0}  # fmt: skip
B = A | {"crack1": 7.0, "stain4": 2.0, "good3": 1.0}
CHOICE = Choice(runs=("a", "b"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return failures.assemble({"a": judged(A), "b": judged(B)}, 1000)


def keys(table: pd.DataFrame, extra: Extra | None = None, **asked: Any) -> list[str]:
    choice, extra = replace(CHOICE, **asked), extra or Extra()
    population = failures.population(table, choice, extra)
    found, _ = failures.grouped(failures.ranked(population, choice, extra), population, choice)
    return list(found["key"])


class TestRankings:
    def test_those_of_the_first_run(self, table: pd.DataFrame) -> None:
        # crack1 and good ones: 3 of 3 normals score as high as 1.0; stain1: 2 of 3; crack2: 2 of 3
        assert keys(table, show="missed") == ["crack1", "stain1", "crack2"]
        assert keys(table, show="false alarms") == ["good3", "good2"]
        assert keys(table, show="near")[:3] == ["good2", "crack2", "crack3"]
        assert keys(table, show="all") == sorted(A)

    def test_the_worst_localised_have_their_peak_off_the_flaw(self, table: pd.DataFrame) -> None:
        # off: sizes 1 and 2, by AUPIMO 0.1, 0.1, 0.2, the higher score first among equals
        assert keys(table, show="localised") == ["stain1", "crack1", "crack2", "crack3", "stain4"]

    def test_those_of_all_runs(self, table: pd.DataFrame) -> None:
        assert keys(table, show="none") == ["stain1", "crack2"]
        assert keys(table, show="only:a") == ["stain4"]
        assert keys(table, show="only:b") == ["crack1"]

    def test_lists_made_elsewhere_keep_their_order(self, table: pd.DataFrame) -> None:
        extra = Extra(
            regions=pd.DataFrame({"key": ["stain4", "crack1", "unknown"]}),
            marked=("good2", "crack3", "stain1"),
            disputes=Disputes(labels=frozenset({"stain1", "good2"})),
        )
        assert keys(table, extra, show="regions") == ["stain4", "crack1"]
        assert keys(table, extra, show="marked") == ["good2", "crack3", "stain1"]
        assert keys(table, extra, show="disputed") == ["good2", "stain1"]
        assert keys(table, show="regions") == []

    def test_filters(self, table: pd.DataFrame) -> None:
        edges = failures.size_edges(table)
        assert edges == pytest.approx((0.01 + 0.01 / 3, 0.02 + 2 * 0.01 / 3))  # 1 1 2 3 4 of 1000
        extra = Extra(edges=edges)
        assert keys(table, extra, show="all", size="small") == ["crack1", "stain1"]
        assert keys(table, extra, show="all", size="medium") == ["crack2"]
        assert keys(table, extra, show="all", size="large") == ["crack3", "stain4"]
        assert keys(table, show="all", type="stain") == ["stain1", "stain4"]
        assert keys(table, show="all", class_name="other") == []
        assert keys(table, show="all", scores=(5.0, 8.0)) == ["crack3", "good2", "good3"]

    def test_groups_begin_with_the_worst(self, table: pd.DataFrame) -> None:
        choice = replace(CHOICE, group="type", class_name="tile")
        population = failures.population(table, choice, Extra())
        found, groups = failures.grouped(
            failures.ranked(population, choice, Extra()), population, choice
        )
        assert [(g.name, g.count, g.of, g.start) for g in groups] == [
            ("crack", 2, 3, 0), ("stain", 1, 2, 2),
        ]  # fmt: skip
        assert list(found["key"]) == ["crack1", "crack2", "stain1"]
        outcome = replace(choice, show="all", group="outcome")
        _, groups = failures.grouped(population, population, outcome)
        assert [g.name for g in groups] == ["missed", "false alarm", "found", "passed"]

    def test_pages_cut_sections(self) -> None:
        groups = [failures.Group("a", 50, 60, 0), failures.Group("b", 20, 20, 50)]
        assert failures.on_page(groups, 1) == [(groups[0], range(48))]
        assert failures.on_page(groups, 2) == [
            (groups[0], range(48, 50)),
            (groups[1], range(50, 70)),
        ]
        assert case_gallery.pages_of(groups) == 2
        assert case_gallery.pages_of([failures.Group("", 0, 0, 0)]) == 1


class TestSentence:
    def say(self, scores: dict[str, float], **more: Any) -> str:
        table = failures.assemble({"a": judged(scores, **more)}, 1000)
        return failure_findings.sentence(table, "a", "PatchCore", "tile", words.GENERAL)

    def test_counts_are_those_of_the_table(self) -> None:
        said = self.say(A)
        assert "PatchCore has 3 misses among 5 anomalous images of tile" in said
        assert "2 false alarms among 3 " in said and "oracle" in said
        assert "more often" not in said, "three misses among five tell nothing"

    def test_a_kind_is_named_only_when_it_surely_is_missed_more(self) -> None:
        scores = {f"crack{n}": 1.0 for n in range(1, 11)} | {f"stain{n}": 9.0 for n in range(1, 21)}
        said = self.say(scores | {"good1": 1.0})
        # 10 of 10 against 0 of 20
        assert "Crack is missed more often than the other kinds: 10 of 10 against 0 of 20." in said
        even = {
            f"{kind}{n}": 1.0 if n % 2 else 9.0 for kind in ("crack", "stain") for n in range(1, 21)
        }
        said = self.say(even | {"good1": 1.0})
        assert "No kind or size of flaw is surely missed more often" in said

    def test_a_size_is_named_with_its_limit_and_both_together(self) -> None:
        scores = {f"crack{n}": 1.0 for n in range(1, 13)}
        scores |= {f"stain{n}": 9.0 for n in range(13, 37)}
        said = self.say(scores | {"good1": 1.0})
        # 36 sizes from 10 to 360 px of 1000: the first third ends at 126.7 px
        assert "Flaws under 13 % of the image are missed more often than larger ones" in said
        assert "Most of what it misses, 12 of 12, is crack under 13 % of the image." in said

    def test_without_a_threshold_nothing_is_claimed(self) -> None:
        table = judged(A).assign(outcome="not judged")
        said = failure_findings.sentence(
            failures.assemble({"a": table}, 1000), "a", "RD", "tile", words.GENERAL
        )
        assert "No threshold is known for RD here" in said

    def test_the_trade_speaks(self) -> None:
        table = failures.assemble({"a": judged(A)}, 1000)
        said = failure_findings.sentence(table, "a", "RD", ALL, words.PLANT)
        assert "3 escapes among 5 defective parts" in said and "2 overkills" in said


@pytest.mark.parametrize(
    ("margin", "said"),
    [(None, ""), (0.05, "at the threshold"), (-0.3, "just below the threshold"),
     (1.0, "above the threshold"), (-3.0, "well below the threshold"),
     (9.0, "far above the threshold")],
)  # fmt: skip
def test_distances_in_words(margin: float | None, said: str) -> None:
    assert failure_words.distance(margin) == said


@pytest.mark.parametrize(("share", "said"), [(0.0031, "0.31 %"), (0.0154, "1.5 %"), (0.35, "35 %")])
def test_shares_in_words(share: float, said: str) -> None:
    assert failure_words.share_text(share) == said


class TestOverlay:
    def test_the_stops_have_their_colours(self) -> None:
        shares = np.array([0.5, *(share for share, _, _ in HEAT_STOPS), 0.0])
        found = colours(shares)
        assert found[0, 3] == 0, "below the level that 1 in 20 normal pixels exceeds: nothing"
        for row, (_, colour, alpha) in zip(found[1:], HEAT_STOPS, strict=False):
            assert "#" + "".join(f"{c:02x}" for c in row[:3]) == colour
            assert row[3] == pytest.approx(255 * alpha, abs=0.51)
        assert (found[-1] == found[-2]).all(), "where no normal pixel was seen it is hottest"

    def test_halfway_in_the_logarithm_is_halfway_in_colour(self) -> None:
        (a, first, _), (b, second, _) = HEAT_STOPS[1:3]
        (found,) = colours(np.array([(a * b) ** 0.5]))
        middle = [(int(first[i : i + 2], 16) + int(second[i : i + 2], 16)) / 2 for i in (1, 3, 5)]
        np.testing.assert_allclose(found[:3], middle, atol=0.51)

    def test_a_table_holds_every_value_of_16_bits(self) -> None:
        table = overlays.colour_table([(0.0, 1.0), (10.0, 1e-6)])
        assert table is not None and table.shape == (65536, 4)
        bits = np.array([0.0, 9.9, 60000.0], np.float16).view(np.uint16)
        assert list(table[bits][:, 3]) == [0, 242, 242]
        assert overlays.colour_table([]) is None, "no scale of its own for a picture"

    def test_the_picture_has_the_photographs_aspect(self) -> None:
        assert overlays.fitted(2.0) == (160, 80) and overlays.fitted(0.5) == (80, 160)
        assert overlays.fitted(1000.0) == (160, 1)


# -- the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("failures"))


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


def test_an_empty_workspace_says_what_will_be_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert "No failures to look at yet" in text(visit("failures"))


def test_the_list_is_that_of_the_store(store: Store) -> None:
    run = store.runs["rd"]
    cases = failures.pool(present(), (run,))
    missed = cases[cases[f"outcome:{run}"] == "missed"]
    assert len(missed) > 2
    said = text(visit("failures", run=run))
    assert said.count('class="cg-card"') == len(missed)
    assert f"has {len(missed)} misses among 24 anomalous images" in said
    for key in missed["key"]:
        assert f"case={key.replace('/', '%2F')}" in said
    assert said.count("cg-heat") >= len(missed) and "data:image/webp" in said
    assert "inspect?run=" in said and "show=missed+first" in said


def test_every_ranking_and_group_opens(store: Store) -> None:
    run, other = store.runs["rd"], store.runs["patchcore"]
    for show in [*failures.SHOWS, f"only:{other}"]:
        if show != "only":
            visit("failures", run=run, show=show, group="type", **{"with": other})
    said = text(visit("failures", run=run, show="all", group="class"))
    assert all(f">{name}<span>14 of 14 shown" in said for name in ("board", "scan", "tile"))
    said = text(visit("failures", run=run, show="none", **{"with": other}))
    assert "Missed</span> · " in said, "the verdict of every run stands on a card"


def test_words_of_the_trade(store: Store) -> None:
    said = text(visit("failures", run=store.runs["rd"], words="plant"))
    assert "escapes among 24 defective parts" in said and ">Escaped<" in said


def test_size_and_type_narrow_the_list(store: Store) -> None:
    run = store.runs["rd"]
    said = text(visit("failures", run=run, show="all", type="crack", **{"class": "tile"}))
    assert "4 of 4 images" in said and said.count('class="cg-card"') == 4
    said = text(visit("failures", run=run, show="all", scores="10..11"))
    table = failures.pool(present(), (run,))
    inside = table[f"score:{run}"].between(10, 11).sum()
    assert said.count('class="cg-card"') == inside


def test_marks_show_on_cards_and_can_be_taken_along(store: Store) -> None:
    run = store.runs["rd"]
    key = "tile/test/stain/005.png"
    for author, verdict in (("Ann", "wrong_label"), ("Ben", "agree")):
        marks.add(
            store.workspace, author, fingerprint=FINGERPRINT, key=key, class_name="tile",
            verdict=verdict, note="<b>a scratch</b>",
        )  # fmt: skip
    test = visit("failures", run=run, show="disputed")
    said = text(test)
    assert said.count('class="cg-card"') == 1 and "stain/005" in said
    assert "wrong label</span>" in said and "contested</span>" in said
    test.session_state["failures-marks"] = True
    test.run()
    assert not test.exception
    assert "Review marks (2)" in str([box.label for box in test.expander])
    assert "1 case marked by 2 people" in text(test)
    marks.take_back(store.workspace, "Ann", FINGERPRINT, key)
    assert "No label and no mask is disputed" in text(visit("failures", run=run, show="disputed"))


def test_a_failed_or_unknown_run_is_a_sentence(store: Store) -> None:
    assert "That run has no cases" in text(visit("failures", run=store.runs["failed"]))
    assert "That run has no cases" in text(visit("failures", run="../../etc", show="nonsense"))


def test_a_class_without_masks_and_one_class_alone(store: Store) -> None:
    run = store.runs["rd"]
    said = text(visit("failures", run=run, show="all", **{"class": "scan"}))
    assert "lesion · no mask" in said
    said = text(visit("failures", run=run, show="localised", **{"class": "scan"}))
    assert "has a mask, so no place can be judged" in said


def test_what_can_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps, the table of regions, the data set's folder."""
    workspace, data = Workspace(tmp_path / "w"), make_data(tmp_path)
    old = add_run(workspace, data, "rd", classes=("tile",), old=True)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    said = text(visit("failures", run=old.run_id, show="regions"))
    assert "stored without a table of regions" in said
    (old.path / RunDirectory.MAPS).unlink()
    shutil.rmtree(data)
    said = text(visit("failures", run=old.run_id, show="all"))
    assert said.count('class="cg-card"') == 14 and "the picture is gone" in said


def panel(run: str, key: str) -> None:
    import streamlit as st

    from core.store import read
    from dashboard import header, results
    from dashboard.components.review import review_panel

    st.session_state.setdefault(header.AUTHOR, "Ann")
    source = results.source()
    cases = read.cases(source.workspace, run).set_index("key", drop=False)
    review_panel(source, run, cases.loc[key])


class TestPanel:
    def open(self, store: Store, key: str) -> AppTest:
        return AppTest.from_function(
            panel, kwargs={"run": store.runs["rd"], "key": key}, default_timeout=60
        ).run()

    def test_a_mark_is_filed_with_its_note_and_the_right_label(self, store: Store) -> None:
        key = "tile/test/crack/002.png"
        test = self.open(store, key)
        test.text_area[0].set_value("no crack").run()
        test.selectbox[0].set_value("good").run()
        test.button(key="review-wrong_label").click().run()
        assert not test.exception and "Filed: wrong label." in text(test)
        assert "Ann" in text(test) and test.text_area[0].value == ""
        (last,) = marks.of_case(marks.versions(store.workspace), key)
        assert (last.note, last.label_should_be, last.run_id) == (
            "no crack", "good", store.runs["rd"],
        )  # fmt: skip
        test.button(key="review-back").click().run()
        assert marks.of_case(marks.standing(marks.versions(store.workspace)), key) == []

    def test_what_cannot_be_filed_is_said_and_kept(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError("No space left on device")

        test = self.open(store, "tile/test/crack/004.png")
        test.text_area[0].set_value("long thought").run()
        monkeypatch.setattr("core.people.append_jsonl", full)
        test.button(key="review-agree").click().run()
        assert "The mark was not filed: No space left" in text(test)
        assert test.text_area[0].value == "long thought"

    def test_a_normal_image_has_no_mask_that_could_be_wrong(self, store: Store) -> None:
        test = self.open(store, "tile/test/good/001.png")
        assert test.button(key="review-wrong_mask").disabled
        assert "good" not in test.selectbox[0].options


def test_fifty_thousand_cases_are_filtered_and_sorted_in_half_a_second() -> None:
    count = 50_000
    rng = np.random.default_rng(0)
    label = np.arange(count) % 2
    frames = {}
    for run in ("a", "b", "c", "d"):
        cases = pd.DataFrame({
            "row": np.arange(count), "key": [f"c/{i:06d}" for i in range(count)],
            "class_name": [f"class{i % 20:02d}" for i in range(count)], "label": label,
            "anomaly_type": np.choose(label * (1 + np.arange(count) % 3), ["good", "a", "b", "c"]),
            "specimen": None, "score": rng.normal(size=count) + label, "has_mask": True,
            "area_px": label * rng.integers(1, 900, count), "regions": label,
            "peak_in_truth": rng.random(count) < 0.5, "aupimo": rng.random(count),
        })  # fmt: skip
        of_class = {f"class{i:02d}": Threshold(0.5, True) for i in range(20)}
        frames[run] = casework.judge(cases, of_class)
    table = failures.assemble(frames, 65536)
    regions = pd.DataFrame({"key": table.loc[label == 1, "key"][::2]})
    extra = Extra(regions, list(table["key"][::50]), Disputes(frozenset(table["key"][::100])),
                  failures.size_edges(table))  # fmt: skip
    slow = {}
    for show in [*(one for one in failures.SHOWS if one != "only"), "only:b"]:
        choice = Choice(runs=tuple(frames), show=show, group="type", size="small")
        began = time.process_time()
        population = failures.population(table, choice, extra)
        failures.grouped(failures.ranked(population, choice, extra), population, choice)
        slow[show] = time.process_time() - began
    assert max(slow.values()) < 0.5, slow

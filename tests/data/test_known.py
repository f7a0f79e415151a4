"""The data sets that are known, as README and the command line list them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli import main
from core.data import known
from core.data.base import READERS, Count, DatasetCard
from core.data.imported_sets import CARDS
from core.data.importing.base import IMPORTERS
from core.errors import UsageError

README = Path(__file__).parents[2] / "README.md"


def test_readme_lists_what_the_cards_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert known.put_into(text) == text, "run: python -m core.data.known README.md"


def test_the_table_has_a_row_for_each_published_set_and_no_other() -> None:
    rows = known.table().split("\n\n")[0].splitlines()[2:]
    named = [row.split("**")[1] for row in rows]
    titles = {id: kind.card.title for id, kind in READERS.items()}
    assert titles["mvtec_ad"] in named and titles["mvtec_folder"] not in named
    published = [id for id, kind in READERS.items() if known.is_published(kind.card)]
    assert len(named) == len(set(named)) == len(published) + len(CARDS)
    assert {"CIFAR-10", "CIFAR-100", "COCO-AD"} <= set(named)


def test_sets_that_are_imported_name_their_importer() -> None:
    assert {importer for importer, _ in CARDS.values()} <= set(IMPORTERS.ids())
    assert not set(CARDS) & set(READERS.ids())
    for id, (_, card) in CARDS.items():
        assert card.home.startswith("http") and card.year and card.citation and card.total, id
        assert known.is_published(card) and card.licence_note and card.layout, id


def test_published_sets_say_where_they_come_from() -> None:
    for id, kind in READERS.items():
        if known.is_published(kind.card):
            card = kind.card
            assert card.home.startswith("http") and card.year and card.citation, id
            assert kind.specificity >= 20, id


def test_a_row_of_the_table() -> None:
    row = next(row for row in known.table().splitlines() if "**MVTec AD**" in row)
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert cells[1:4] == ["2019", "industrial", "3,629 / 467 / 1,258"]
    assert cells[4].startswith("CC-BY-NC-SA-4.0. No commercial use;")
    assert cells[5] == "[home](https://www.mvtec.com/company/research/datasets/mvtec-ad), 5.3 GB"


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (None, "?"),
        (Count(), "?"),
        (Count(1000, None, 3), "1,000 / ? / 3"),
        (Count(5, 2, 3, verified=False), "~ 5 / 2 / 3"),
    ],
)
def test_numbers_that_are_not_known(total: Count | None, shown: str) -> None:
    assert known._images(DatasetCard(title="T", summary="S", total=total)) == shown


def test_numbers_are_summed_over_classes_where_no_total_is_published() -> None:
    counts = {"a": Count(1, 2, None), "b": Count(10, 20, 30)}
    card = DatasetCard(title="T", summary="S", counts=counts)
    assert known._images(card) == "11 / 22 / ?"
    counts["b"] = Count(10, 20, 30, verified=False)
    assert known._images(card) == "~ 11 / 22 / ?"


def test_a_text_without_marks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the lines"):
        known.put_into("# Nothing here")
    page = tmp_path / "page.md"
    page.write_text(f"above\n\n{known.BEGIN}\nold\n{known.END}\n\nbelow\n")
    known.main([str(page)])
    text = page.read_text()
    assert text.startswith(f"above\n\n{known.BEGIN}\n| data set |")
    assert text.endswith(f"\n{known.END}\n\nbelow\n") and "old" not in text.splitlines()


def test_the_command_line_lists_registered_and_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "datasets", "--json", "--workspace", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [entry["name"] for entry in said["datasets"]] == ["demo"]
    entries = {entry["id"]: entry for entry in said["known"]}
    assert set(entries) == {*READERS.ids(), *CARDS}
    assert entries["coco_ad"]["by"] == "importer coco_ad" and entries["coco_ad"]["published"]
    ad = entries["mvtec_ad"]
    assert (
        ad["by"] == "reader"
        and ad["published"]
        and ad["licence"] == "CC-BY-NC-SA-4.0"
        and ad["commercial"] is False
    )
    assert ad["counts"]["screw"] == {"train": 320, "good": 41, "anomalous": 119, "verified": True}
    assert not entries["mvtec_folder"]["published"] and entries["mvtec_folder"]["total"] is None
    assert main(["list", "metrics", "--json", "--workspace", str(tmp_path)]) == 0
    assert "known" not in json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main(["list", "datasets", "--workspace", str(tmp_path)]) == 0
    assert "mvtec_loco" in capsys.readouterr().out

"""The examination is stored and read back, told in the terminal, and its remedies carried out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import console, forecast
from core.cli import main
from core.data import prepare_hashes
from core.data.catalogue import add_dataset, fingerprint, open_dataset
from core.data.doctor.examine import examine, last
from core.data.prepared import prepare
from core.workspace import Workspace
from tests.data.doctor_sets import clean

TEST, TRAIN = "bolt/test/good/000.png", "bolt/train/good/003.png"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """In MVTec AD's layout, a test image also in training."""
    clean(tmp_path / "set")
    (tmp_path / "set" / TEST).write_bytes((tmp_path / "set" / TRAIN).read_bytes())
    return tmp_path / "set"


def test_it_is_stored_and_read_back(root: Path, place: Workspace) -> None:
    dataset = add_dataset(place, root, "bolts")
    assert last(place, "bolts", 32) is None
    told: list[float] = []
    made = examine(dataset, place, 32, lambda fraction, message: told.append(fraction))
    assert told == sorted(told) and told[-1] <= 1
    assert [one.title for one in made.findings] == ["1 test image stands in training, too"]
    assert made.fingerprint == fingerprint(dataset, place)
    kept = last(place, "bolts", 32)
    assert kept is not None and kept.findings == made.findings
    assert (kept.at, kept.seconds, kept.differences) == (made.at, made.seconds, made.differences)
    columns = made.facts.drop(columns="areas").columns
    assert kept.facts[columns].equals(made.facts[columns]) and "grey" not in kept.facts
    assert last(place, "bolts", 64) is None and last(place, "nuts", 32) is None


def test_one_that_is_out_of_date_gives_way(root: Path, place: Workspace) -> None:
    dataset = add_dataset(place, root, "bolts")
    examine(dataset, place, 32)
    (root / TEST).unlink()
    examine(open_dataset("bolts", place), place, 32)
    kept = last(place, "bolts", 32)
    assert kept is not None and kept.findings == () and len(kept.facts) == 43
    stored = list((place.root / "cache/doctor").glob("*/examination.json"))
    assert len(stored) == 1
    stored[0].write_text("{")
    assert last(place, "bolts", 32) is None


def test_the_command_tells_and_excludes(
    root: Path,
    place: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console.out, "width", 200)
    where = ["--size", "32", "--workspace", str(place.root)]
    assert main(["doctor", str(root), *where]) == 0
    said = capsys.readouterr().out
    assert "1 test image stands in training, too" in said and TEST in said
    assert "Exclude the training copies" in said and "of disk" in said
    assert main(["doctor", str(root), *where, "--exclude", "duplicates"]) == 2
    assert "not registered" in capsys.readouterr().err
    add_dataset(place, root, "bolts")
    assert main(["doctor", "bolts", *where, "--exclude", "nothing"]) == 2
    assert "no check of the doctor 'nothing'" in capsys.readouterr().err.replace("\n", " ")
    assert main(["doctor", "bolts", *where, "--exclude", "duplicates", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["excluded"] == {"duplicates": 1}
    assert [one["check"] for one in answer["findings"]] == ["duplicates"]
    assert TRAIN not in [sample.key for sample in open_dataset("bolts", place).samples]
    assert main(["doctor", "bolts", *where]) == 0
    assert "Nothing found" in capsys.readouterr().out


def test_what_cannot_be_opened_fails_in_a_sentence(
    tmp_path: Path, place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(tmp_path / "gone"), "--workspace", str(place.root)]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path), "--size", "5"]) == 2


def test_preparation_is_predicted_from_what_is_left(
    root: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_hashes, "_SETTLED_NS", -1)  # files may be as young as their hash
    dataset = open_dataset(str(root), place)
    before = forecast.preparation(dataset, 32, place)
    assert (before.images, before.masks, before.sampled) == (44, 12, 24)
    assert before.bytes == 44 * 3 * 32 * 32 + 12 * 2 * 32 * 32
    assert 0 < before.seconds < 20 and before.free > 0
    prepared = prepare(dataset, 32, place)
    assert before.bytes == prepared.bytes
    after = forecast.preparation(dataset, 32, place)
    assert (after.images, after.masks, after.bytes, after.seconds) == (0, 0, 0, 0.0)
    assert after.words() == "done already."


def test_training_is_predicted_from_a_probe(
    root: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(str(root), place)
    (bank,) = forecast.training(dataset, ("patchcore",), place, size=64)
    assert bank.problem == "" and bank.seconds is not None and bank.memory is not None
    assert bank.parts is not None and set(bank.parts) == {"train", "predict", "evaluate"}
    assert 50e6 < bank.memory < 16e9 and "16 images" in bank.basis
    prepared = (place.prepared / "rows-64-v1").glob("images-*.u8")
    assert [file.stat().st_size for file in prepared] == [16 * 3 * 64 * 64]  # of the probe alone
    monkeypatch.setattr(forecast.sys, "executable", "/bin/false")
    (failed,) = forecast.training(dataset, ("patchcore",), place, size=64)
    assert failed.seconds is None
    assert failed.words() == "It could not be measured: no reason was given"

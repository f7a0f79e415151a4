"""Capsules as files: what is in them, made twice they are equal, strange ones are one sentence."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import thresholds
from core.capsule.archive import Capsule, open_capsule
from core.capsule.claims import ALWAYS, GONE, MANIFEST, FileFacts
from core.capsule.making import gone, make
from core.config import RunConfig
from core.errors import DataError, RunError, UsageError
from core.runs import RunDirectory
from core.workspace import Workspace

CLASSES = ("metal nut", "Zähler")
"""Class names as folders have them; each has a model of its own."""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def run(place: Workspace) -> RunDirectory:
    """A small run written by hand: two classes of four images, one mask each anomalous one."""
    root = place.root.parent / "data"
    keys = [(name, y, f"{name}/{y}{i}.png") for name in CLASSES for y in (0, 1) for i in (0, 1)]
    for name, y, key in keys:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(key.encode())
        if y:
            (root / f"{key}.mask").write_bytes(b"mask of " + key.encode())
    made = RunDirectory.create(place, RunConfig(data=str(root), method="patchcore"))
    record = made.record()
    dataset = {"root": str(root), "classes": list(CLASSES), "counts": {"test": 8}}
    weights = {"source": "package", "sha256": "ab" * 32, "pretrained": True}
    record.resolved.update(dataset=dataset, weights=weights, versions={"torch": "2"})
    made.write_record(record)
    rows = [{"key": key, "class_name": name, "label": y, "score": y + i / 8,
             "anomaly_type": "scratch" if y else "good"}
            for i, (name, y, key) in enumerate(keys)]  # fmt: skip
    made.write_table(RunDirectory.CASES, pa.Table.from_pylist(rows))
    samples: list[dict[str, Any]] = [
        {"key": key, "split": "test", "masks": [f"{key}.mask"] if y else []} for _, y, key in keys
    ]
    samples.append({"key": "metal nut/train.png", "split": "train", "masks": []})
    made.write_table(RunDirectory.SAMPLES, pa.Table.from_pylist(samples))
    metrics = [
        {"class_name": name, "metric": metric, "value": value, "note": "",
         "convention": "exact", "anomaly_type": ""}
        for name in CLASSES
        for metric, value in (("image_f1max_threshold", 1.5), ("image_threshold_heldout", 0.75))
    ]  # fmt: skip
    made.write_table(RunDirectory.METRICS, pa.Table.from_pylist(metrics))
    curves = [{"class_name": CLASSES[0], "curve": "heldout_scores", "x": 0.25}]
    made.write_table(RunDirectory.CURVES, pa.Table.from_pylist(curves))
    for name in CLASSES:
        folder = made.path / RunDirectory.CHECKPOINT / name
        (folder / "000001").mkdir(parents=True)
        (folder / "latest.json").write_text("{}")
        (folder / "000001" / "model.safetensors").write_bytes(bytes(range(256)) * 20)
    made.update_status(state="succeeded", finished_at="2026-01-02T03:04:05.678+00:00")
    return made


@pytest.fixture
def file(place: Workspace, run: RunDirectory, tmp_path: Path) -> Path:
    make(place, run, tmp_path / "made.zip", with_model=True)
    return tmp_path / "made.zip"


def packed(path: Path, members: dict[str, bytes], **kind: Any) -> Path:
    with zipfile.ZipFile(path, "w", **kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def everything(held: Capsule) -> None:
    """Read all there is."""
    for read in (held.record, held.cases, held.metrics, held.images, held.thresholds, held.model):
        read()


def test_it_says_what_the_run_says(place: Workspace, run: RunDirectory, file: Path) -> None:
    held = open_capsule(file)
    members = members_of(file)
    assert held.damaged() == [] and held.run_id == run.run_id
    assert list(members) == sorted(members) and set(ALWAYS) < set(members)
    assert members["config.json"] == (run.path / "config.json").read_bytes()
    assert held.record() == run.record()
    manifest = held.manifest
    assert manifest.created == "2026-01-02T03:04:05.678+00:00", "when the run ended"
    assert manifest.flawscope and manifest.versions == {"torch": "2"}
    assert manifest.weights["sha256"] == "ab" * 32
    assert manifest.members == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in members.items() if name != MANIFEST
    }  # fmt: skip
    assert {row.key: row.score for row in held.cases()}["metal nut/11.png"] == 1 + 3 / 8
    images = held.images()
    assert len(images) == 8, "training images are not in it"
    content = b"metal nut/10.png"
    facts = FileFacts(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert images["metal nut/10.png"].image == facts
    assert list(images["metal nut/10.png"].masks) == ["metal nut/10.png.mask"]
    model = hashlib.sha256(bytes(range(256)) * 20).hexdigest()
    assert held.model()["Zähler/000001/model.safetensors"] == model
    assert held.model_members == held.model()


def test_thresholds_of_every_kind_are_in_it(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    thresholds.choose(place, "A. Noether", run.run_id, CLASSES[1], 0.6, name="night", upper=0.9)
    make(place, run, tmp_path / "c.zip")
    first, second = (open_capsule(tmp_path / "c.zip").thresholds()[name] for name in CLASSES)
    assert (first.oracle, first.held_out, first.held_out_scores) == (1.5, 0.75, [0.25])
    assert first.chosen is None and first.judged_by == "held-out"
    assert second.chosen is not None and second.judged_by == "chosen"
    assert (second.chosen["value"], second.chosen["upper"]) == (0.6, 0.9)
    assert second.chosen["author"] == "A. Noether"


def test_made_twice_it_is_the_same(place: Workspace, run: RunDirectory, tmp_path: Path) -> None:
    for with_model in (False, True):
        one, two = tmp_path / "one.zip", tmp_path / "two.zip"
        make(place, run, one, with_model)
        for path in run.path.rglob("*"):
            path.touch()
        make(place, run, two, with_model)
        assert one.read_bytes() == two.read_bytes()
        assert bool(open_capsule(one).model_members) is with_model
        assert open_capsule(one).model(), "hashes of the model are in it either way"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["data", "one.zip", "two.zip", "workspace"], "nothing half-written"


def test_what_is_gone_is_listed_as_gone(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    (root / "metal nut/00.png").unlink()
    (root / "metal nut/10.png.mask").unlink()
    make(place, run, tmp_path / "c.zip")
    images = open_capsule(tmp_path / "c.zip").images()
    assert images["metal nut/00.png"].image == GONE
    assert images["metal nut/10.png"].masks == {"metal nut/10.png.mask": GONE}
    assert gone(images) == 2
    root.rename(tmp_path / "away")
    make(place, run, tmp_path / "c.zip")
    assert gone(open_capsule(tmp_path / "c.zip").images()) == 12


def test_runs_without_anything_to_vouch_for(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "x.zip"
    queued = RunDirectory.create(place, RunConfig(data="demo", method="patchcore"))
    with pytest.raises(RunError, match="not ended well"):
        make(place, queued, out)
    (run.path / RunDirectory.CHECKPOINT).rename(tmp_path / "checkpoint")
    with pytest.raises(RunError, match="keeps no model"):
        make(place, run, out, with_model=True)
    assert not out.exists()
    make(place, run, out)
    assert open_capsule(out).model() == {}
    with pytest.raises(RunError, match="cannot be written"):
        make(place, run, tmp_path / "data" / "metal nut" / "00.png" / "c.zip")


def forged(file: Path, out: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """A capsule with a JSON member changed and the manifest made to fit."""
    members = members_of(file)
    members[name] = json.dumps(change(json.loads(members[name]))).encode()
    if name != MANIFEST:
        manifest = json.loads(members[MANIFEST])
        manifest["members"][name] = hashlib.sha256(members[name]).hexdigest()
        members[MANIFEST] = json.dumps(manifest).encode()
    return packed(out, members)


def test_a_changed_member_is_named(file: Path, tmp_path: Path) -> None:
    members = members_of(file)
    for name in sorted(set(members) - {MANIFEST}):
        changed = members | {name: members[name][:-1] + bytes([members[name][-1] ^ 1])}
        assert open_capsule(packed(tmp_path / "c.zip", changed)).damaged() == [name]


def test_other_files_and_formats(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        open_capsule(tmp_path / "none.zip")
    (tmp_path / "words.zip").write_text("hello")
    with pytest.raises(DataError, match="no readable ZIP"):
        open_capsule(tmp_path / "words.zip")
    with pytest.raises(DataError, match=r"no capsule: it has no manifest\.json"):
        open_capsule(packed(tmp_path / "other.zip", {"a.txt": b"a"}))
    out = tmp_path / "f.zip"
    for version in (1, 99, "2", None):
        forged(file, out, MANIFEST, lambda held, v=version: held | {"format": v})
        with pytest.raises(DataError, match=f"capsule format {version!r}, and this version reads"):
            open_capsule(out)
    for text in (b"[]", b"{", b"\xff", b"[" * 100_000, b'{"format": 2, "members": 3}'):
        with pytest.raises(DataError, match=r"manifest\.json|format"):
            open_capsule(packed(out, members_of(file) | {MANIFEST: text}))


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/etc/evil", "checkpoint/../../evil", "checkpoint/a\\..\\b", "checkpoint//x",
     "checkpoint/" + "x" * 2000, "checkpoint/a\nb", "maps.npy"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(file: Path, tmp_path: Path, name: str) -> None:
    members = members_of(file) | {name: b"evil"}
    manifest = json.loads(members[MANIFEST])
    manifest["members"][name] = hashlib.sha256(b"evil").hexdigest()
    members[MANIFEST] = json.dumps(manifest).encode()
    with pytest.raises(DataError, match=r"refused|lacks"):
        open_capsule(packed(tmp_path / "f.zip", members))
    assert not (tmp_path.parent / "evil").exists()


def test_members_missing_more_or_twice(file: Path, tmp_path: Path) -> None:
    members, out = members_of(file), tmp_path / "f.zip"
    for name in ALWAYS:
        rest = {key: value for key, value in members.items() if key != name}
        with pytest.raises(DataError, match=f"lacks {name}"):
            open_capsule(packed(out, rest))
    with pytest.raises(DataError, match="more than its manifest names"):
        open_capsule(packed(out, members | {"more.txt": b""}))
    packed(out, members)
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(out, "a") as archive,
    ):
        archive.writestr("config.json", b"{}")
    with pytest.raises(DataError, match="more than its manifest names"):
        open_capsule(out)
    with pytest.raises(DataError, match="refused"):
        open_capsule(forged(file, out, MANIFEST, lambda held: held | {"run_id": "../x"}))


def test_a_bomb_is_refused_before_it_is_unpacked(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.capsule.archive.ROOM", 1 << 20)
    open_capsule(file)
    bomb = members_of(file) | {"images.json": b" " * (4 << 20)}
    with pytest.raises(DataError, match="would unpack to"):
        open_capsule(packed(tmp_path / "f.zip", bomb, compression=zipfile.ZIP_DEFLATED))


def with_cases(file: Path, out: Path, **columns: list[Any]) -> Path:
    members = members_of(file)
    table = pq.read_table(pa.BufferReader(members["cases.parquet"])).to_pydict() | columns
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table), sink)
    members["cases.parquet"] = sink.getvalue().to_pybytes()
    return packed(out, members)


def test_contents_of_another_kind_are_one_sentence(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.zip"
    nan = float("nan")
    for columns in (
        {"score": [nan] * 8}, {"score": ["high"] * 8}, {"label": [2] * 8}, {"key": ["same"] * 8},
        {"label": [None] * 8},
    ):  # fmt: skip
        with pytest.raises(DataError, match=r"cases\.parquet"):
            open_capsule(with_cases(file, out, **columns)).cases()
    for name, value in (
        ("images.json", {"a": {"image": 3}}), ("images.json", []),
        ("thresholds.json", {"a": {"oracle": "high"}}), ("checkpoint.json", {"a": 1}),
        ("config.json", {}), ("config.json", {"config": {}, "resolved": 1}),
    ):  # fmt: skip
        held = open_capsule(forged(file, out, name, lambda _, v=value: v))
        with pytest.raises(DataError, match=name) as caught:
            everything(held)
        assert "\n" not in str(caught.value)
    members = members_of(file) | {"metrics.parquet": members_of(file)["cases.parquet"]}
    with pytest.raises(DataError, match="no column metric"):
        open_capsule(packed(out, members)).metrics()


def test_a_damaged_file_is_found_wherever_it_is_damaged(file: Path, tmp_path: Path) -> None:
    """Flipped and cut anywhere: an error of ours, a member named, or the same content."""
    whole, out = file.read_bytes(), tmp_path / "f.zip"
    draw = random.Random(4)
    for turn in range(300):
        data = bytearray(whole)
        if turn % 3 == 0:
            data = data[: draw.randrange(len(data))]
        else:
            for _ in range(draw.choice((1, 1, 5))):
                data[draw.randrange(len(data))] = draw.randrange(256)
        out.write_bytes(data)
        try:
            held = open_capsule(out)
            wrong = held.damaged()
            everything(held)
        except DataError as error:
            assert "\n" not in str(error)
            continue
        if turn % 3 == 0:
            pytest.fail("a file cut short was read")
        assert wrong or all(
            members_of(out)[name] == content for name, content in members_of(file).items()
            if name != MANIFEST
        )  # fmt: skip


def test_an_encrypted_archive_is_one_sentence(file: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(mark, place + 4)
    (tmp_path / "f.zip").write_bytes(data)
    with pytest.raises(DataError, match="no readable ZIP"):
        open_capsule(tmp_path / "f.zip")


def test_only_the_run_is_unpacked(file: Path, run: RunDirectory, tmp_path: Path) -> None:
    target = tmp_path / "target"
    open_capsule(file).unpack_run(target, model=True)
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    own = (run.path / RunDirectory.CHECKPOINT).rglob("*")
    model = {path.relative_to(run.path).as_posix() for path in own if path.is_file()}
    assert there == {"config.json", *model}


def test_making_one_needs_no_torch() -> None:
    code = "import core.capsule.making, core.commands.capsule, sys; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"

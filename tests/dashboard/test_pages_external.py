"""Runs of maps made elsewhere, on the pages: by the name they were given, beside trained runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stores import CLASSES, add_run, make_data
from tables import shown, table
from visiting import text, visit

from core import listing
from core.engine.external import evaluate
from core.engine.external_request import Request
from core.jobs import queue
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import queries

NAME = "Their <b>tool</b>"
SHOWN = "Their &lt;b&gt;tool&lt;/b&gt;"


@dataclass(frozen=True, slots=True)
class Made:
    workspace: Workspace
    outside: str
    other: str
    trained: str
    alone: str
    """Fingerprint of data that has no other run."""


def write_maps(data: Path, folder: Path, noise: float) -> Path:
    """The flaws that `make_data` paints are red: red minus green shows them, under noise."""
    rng = np.random.default_rng(1)
    for path in data.glob("*/test/*/*.png"):
        picture = np.asarray(Image.open(path)).astype(np.float32)
        values = picture[..., 0] - picture[..., 1] + rng.normal(0, noise, picture.shape[:2])
        target = folder / path.relative_to(data).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, values.astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two tools' maps, and a run of PatchCore on the same data."""
    root = tmp_path_factory.mktemp("external")
    data, workspace = make_data(root), Workspace(root / "workspace")
    alone = evaluate(
        workspace,
        Request(
            truth=str(data),
            maps=write_maps(data, root / "maps", 0),
            name="alone",
            classes=("tile",),
        ),
    )
    runs = [
        evaluate(
            workspace,
            Request(
                truth=str(data), maps=write_maps(data, root / f"maps{i}", i), name=name, size=32
            ),
        )
        for i, name in enumerate((NAME, "second"))
    ]
    fingerprint = runs[0].record().resolved["dataset"]["fingerprint"]
    trained = add_run(workspace, data, "patchcore", classes=CLASSES, fingerprint=fingerprint)
    ids = [run.run_id for run in (*runs, trained)]
    return Made(workspace, *ids, alone.record().resolved["dataset"]["fingerprint"])


@pytest.fixture(autouse=True)
def here(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: None)
    monkeypatch.setattr(listing, "methods", lambda workspace: listing.describe_methods())


def words(page: str, **query: str) -> str:
    return text(visit(page, **query))


def test_the_leaderboard_ranks_it_beside_a_trained_run(made: Made) -> None:
    test = visit("leaderboard")
    said, board = text(test), table(test, "Leaderboard")
    assert "second" in said and "PatchCore" in said
    assert "external:" not in said and NAME not in said, "in HTML it is escaped"
    assert len(board["rows"]) == 3, "each tool is an entry of its own"
    names = {line["cells"][0]["text"]: line["cells"][0].get("chips", []) for line in board["rows"]}
    elsewhere = ["made elsewhere"]
    assert names == {NAME: elsewhere, "second": elsewhere, "PatchCore": []}
    assert "nan" not in said + shown(board), "what was not measured is a dash"


def test_the_leaderboard_of_such_a_run_alone(made: Made) -> None:
    test = visit("leaderboard", data=made.alone)
    assert "Only alone has a result here" in text(test)
    assert "–" in shown(table(test, "Leaderboard"))


def test_the_run_page_calls_it_by_its_name(made: Made) -> None:
    said = words("run", run=made.outside)
    assert f"<p><b>{SHOWN} finds " in said
    assert "By class" in said and '"method": "external"' in said
    assert "pretrained" not in said and "images/s" not in said
    assert "maps made elsewhere" in said
    assert "no anomalous test image has a usable mask" in said, "class scan has no masks"


def test_cases_and_comparison(made: Made) -> None:
    assert "case 1 of" in words("inspect_cases", run=made.outside, **{"with": made.trained})
    said = words("compare", a=made.outside, b=made.trained)
    assert "anomalous images" in said and "PatchCore" in said and "external:" not in said


def test_overview_and_jobs(made: Made) -> None:
    said = words("overview")
    assert SHOWN in said
    trained = len(queries.methods())
    assert f'<span class="fp-figure">{trained}</span> <span>methods</span>' in said
    said = words("jobs", run=made.outside)
    assert "These maps were made elsewhere" in said and "memory bank" not in said


def test_it_is_no_method_to_choose(made: Made) -> None:
    titles = queries.method_titles()
    assert "external" not in {entry["id"] for entry in queries.methods()}
    assert "external" not in list(titles) and len(titles) == len(queries.methods())
    assert titles["external:any name: with a colon"] == "any name: with a colon"
    assert titles.get("external") is None and titles["patchcore"] == "PatchCore"
    test = visit("new_run", method="external")
    (chosen,) = [box for box in test.multiselect if box.key == "new:method"]
    assert chosen.value == [] and set(chosen.options) == set(titles.values())

"""The capsule button: at once, in the background, and where there is nothing to vouch for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from stores import Store, filled
from streamlit.testing.v1 import AppTest
from visiting import text

from core.capsule.archive import open_capsule
from core.runs import RunDirectory, all_runs
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import results, taking
from dashboard.components import capsule_parts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("capsules"))


@pytest.fixture
def place(made: Store, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made.workspace


def ended(place: Workspace, well: bool = True) -> RunDirectory:
    """A run that ended well, or one that did not."""
    return next(run for run in all_runs(place) if (run.status().state == "succeeded") == well)


def script(run_id: str) -> None:
    from dashboard import results
    from dashboard.components.capsule_parts import capsule_button

    capsule_button(results.source(), run_id, "here")


def shown(run_id: str) -> AppTest:
    test = AppTest.from_function(script, kwargs={"run_id": run_id}, default_timeout=60).run()
    assert not test.exception, [error.message for error in test.exception]
    return test


def labels(test: AppTest) -> list[str]:
    kinds = ("button", "download_button")
    return [str(element.proto.label) for kind in kinds for element in test.get(kind)]


def test_without_a_model_it_is_downloaded_at_once(place: Workspace, tmp_path: Path) -> None:
    run = ended(place)
    test = shown(run.run_id)
    assert labels(test) == ["Download"] and "core verify" in text(test)
    content = capsule_parts.made_now(results.source(), run.run_id)
    assert zipfile.is_zipfile(io.BytesIO(content))
    (tmp_path / "c.zip").write_bytes(content)
    held = open_capsule(tmp_path / "c.zip")
    assert held.run_id == run.run_id and held.damaged() == []


def test_with_the_model_it_is_made_in_the_background(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ended(place)
    folder = run.path / RunDirectory.CHECKPOINT / "all"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(3_000_000))
    began: list[list[str]] = []
    monkeypatch.setattr(taking, "start", lambda w, arguments, name, what: began.append(arguments))
    test = shown(run.run_id)
    toggle = test.toggle[0]
    assert toggle.label == "With the model (3.0 MB)" and labels(test) == ["Download"]
    toggle.set_value(True).run()
    assert labels(test) == ["Make the capsule"]
    test.button[0].click().run()
    assert began == [["capsule", run.run_id, "--with-model"]]
    name = capsule_parts.file_name(run.run_id, with_model=True)
    (taking.folder(place) / name).write_bytes(b"made")
    test.run()
    assert labels(test) == ["Make it again", "Download"]
    monkeypatch.setattr(
        taking, "jobs", lambda w: [taking.Job(name, "The capsule", 0.0, error="The disk is full.")]
    )
    test.run()
    assert "The disk is full." in text(test) and labels(test) == ["Make it again"]
    monkeypatch.setattr(taking, "jobs", lambda w: [taking.Job(name, "The capsule", 0.0)])
    test.run()
    assert "Being made" in text(test) and labels(test) == ["Stop"]
    assert not test.exception


def test_many_images_are_not_hashed_while_people_wait(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capsule_parts, "QUICK", 3)
    assert labels(shown(ended(place).run_id)) == ["Make the capsule"]


def test_a_run_that_failed_or_is_gone_says_so(place: Workspace) -> None:
    test = shown(ended(place, well=False).run_id)
    assert "nothing to vouch for" in text(test) and labels(test) == []
    test = shown("no-such-run")
    assert "no run 'no-such-run'" in text(test) and labels(test) == []

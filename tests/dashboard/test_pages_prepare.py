"""The Prepare pages, empty and filled, with failed runs and gone folders: what a person sees."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import listing
from core.config import RunConfig
from core.data import catalogue
from core.jobs import queue
from core.runs import RunDirectory, all_runs
from core.workspace import Workspace
from dashboard import queries
from tests.dashboard import stores

ROOT = Path(__file__).parents[2]
PAGES = ("overview", "data_sets", "methods", "new_run", "jobs")


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept description of the methods; made once, as it costs an import of torch."""
    workspace = Workspace(tmp_path_factory.mktemp("listing"))
    listing.methods(workspace)
    (kept,) = (workspace.root / "cache").glob("methods-*.json")
    return kept


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No supervisor is started (tests/jobs does that), and no cache is carried over."""
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: None)
    st.cache_data.clear()
    yield
    st.cache_data.clear()


def use(workspace: Workspace, listed: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    cache = workspace.root / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(listed, cache)
    monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(workspace.root))
    return workspace


@pytest.fixture
def empty(tmp_path: Path, listed: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    return use(Workspace(tmp_path / "empty"), listed, monkeypatch)


@pytest.fixture
def store(tmp_path: Path, listed: Path, monkeypatch: pytest.MonkeyPatch) -> stores.Store:
    made = stores.filled(tmp_path)
    use(made.workspace, listed, monkeypatch)
    catalogue.add_dataset(made.workspace, made.data_root)
    return made


def open_page(stem: str, **query: str | list[str]) -> AppTest:
    """A page rendered as the dashboard does it."""
    at = AppTest.from_file(str(ROOT / "tests/dashboard/one_page.py"), default_timeout=20)
    at.session_state["stem"] = stem
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def text(at: AppTest) -> str:
    """Everything readable on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "success", "info")
    parts = [element.value for kind in kinds for element in at.get(kind)]
    parts += [str(element.proto.body) for element in at.get("html")]
    parts += [element.label for element in at.button]
    parts += [element.proto.label for element in at.get("page_link")]
    return "\n".join(map(str, parts))


def links(at: AppTest) -> list[tuple[str, str]]:
    found = at.get("page_link")
    return [(link.proto.page, link.proto.query_string) for link in found]


@pytest.mark.parametrize("stem", PAGES)
def test_an_empty_workspace_says_what_will_be_here(stem: str, empty: Workspace) -> None:
    at = open_page(stem)
    assert not at.exception and not at.error
    said = {
        "overview": "Run the demo",
        "data_sets": "No pictures are here yet",
        "methods": "methods, all trained on normal pictures only",
        "new_run": "Choose at least one data set and one method",
        "jobs": "No run yet",
    }
    assert said[stem] in text(at)


@pytest.mark.parametrize("stem", PAGES)
def test_a_filled_workspace_renders(stem: str, store: stores.Store) -> None:
    at = open_page(stem)
    assert not at.exception and not at.error
    assert "Traceback" not in text(at)


@pytest.mark.parametrize("stem", PAGES)
def test_gone_data_and_damaged_runs_are_no_traceback(stem: str, store: stores.Store) -> None:
    shutil.rmtree(store.data_root)
    runs = store.workspace.runs
    (runs / store.runs["rd"] / RunDirectory.STATUS).write_text("{half")
    (runs / store.runs["queued"] / RunDirectory.CONFIG).write_text("")
    at = open_page(stem)
    assert not at.exception
    if stem == "data_sets":
        assert "is gone" in text(at)


def test_overview_tells_the_finding_and_counts_what_is_there(store: stores.Store) -> None:
    said = text(open_page("overview"))
    assert "On parts:" in said
    assert "4 done, 1 under way, 1 failed" in said
    assert "3 classes, 54 pictures" in said
    assert "0.8" in said or "0.9" in said, "the newest runs carry their score"


def test_overview_demo_button_queues_the_three_and_opens_jobs(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_page("overview")
    at.button(key="demo").click().run()
    assert not at.exception
    waiting = [run.record().config.method for run in queue.waiting(empty)]
    assert waiting == ["patchcore", "simplenet", "rd"]
    again = open_page("overview")
    assert "Watch the runs" in text(again), "while they wait, the demo is not offered twice"
    assert not [button for button in again.button if button.key == "demo"]


def test_a_data_set_shows_classes_counts_pictures_and_what_it_lacks(store: stores.Store) -> None:
    said = text(open_page("data_sets"))
    assert "4 to train on · 6 good and 8 anomalous to test" in said
    assert "no masks: no pixel metrics there" in said
    assert said.count("<img") == 3 * (4 + 6)
    assert "data:image/webp;base64," in said
    assert "MVTec" in said, "what was recognised"


def test_a_data_set_is_taken_off_the_list_and_its_folder_stays(
    tmp_path: Path, empty: Workspace
) -> None:
    root = stores.make_data(tmp_path / "elsewhere", "plates")
    catalogue.add_dataset(empty, root)
    at = open_page("data_sets")
    at.button(key="remove-plates").click().run()
    assert not at.exception
    assert queries.data_names() == ["demo"]
    assert root.is_dir(), "the folder stays"


def test_the_place_to_add_a_data_set_opens_and_closes(empty: Workspace) -> None:
    at = open_page("data_sets")
    at.button(key="add").click().run()
    assert not at.exception and "Where are the images?" in text(at)
    assert "add" in at.query_params
    at.button(key="ad-close").click().run()
    assert "Where are the images?" not in text(at) and "add" not in at.query_params


def test_methods_show_card_settings_and_lead_to_a_run(empty: Workspace) -> None:
    at = open_page("methods")
    said = text(at)
    for entry in queries.methods():
        assert entry["title"] in said and entry["venue"] in said
        for name in entry["settings"].get("properties", {}):
            assert name in said, f"{entry['id']}: {name}"
        assert ("new_run", f"method={entry['id']}") in links(at)


def queued_since(store: stores.Store) -> list[RunConfig]:
    """Configs of the runs that were not there from the start."""
    found = all_runs(store.workspace)
    return [run.record().config for run in found if run.run_id not in store.runs.values()]


def test_new_run_takes_its_choice_from_the_url(store: stores.Store) -> None:
    at = open_page("new_run", data="parts", method=["rd", "patchcore"])
    assert at.multiselect(key="new:data").value == ["parts"]
    assert at.multiselect(key="new:method").value == ["rd", "patchcore"]
    assert "Queue 2 runs" in text(at)
    at = open_page("new_run", data="nonsense", method="patchcore")
    assert at.multiselect(key="new:data").value == []


def test_new_run_queues_every_combination(store: stores.Store) -> None:
    at = open_page("new_run", data="parts", method=["rd", "patchcore"])
    at.number_input(key="new:seeds").set_value(2)
    at.number_input(key="new:epochs").set_value(3)
    at.multiselect(key="new:classes").set_value(["tile"])
    at.run()
    at.button(key="queue").click().run()
    assert not at.exception
    made = queued_since(store)
    found = {(c.method, c.seed, c.epochs, c.classes, c.setting) for c in made}
    assert found == {
        (method, seed, 3, ("tile",), "unified") for method in ("rd", "patchcore") for seed in (0, 1)
    }


def test_only_changed_settings_are_recorded(store: stores.Store) -> None:
    schema = listing.require_method(store.workspace, "patchcore")["settings"]
    name = next(
        n for n, p in schema["properties"].items() if p.get("type") in ("number", "integer")
    )
    at = open_page("new_run", data="parts", method="patchcore")
    box = at.number_input(key=f"set:ader:patchcore:{name}")
    changed = box.value / 2 if isinstance(box.value, float) else box.value + 1
    box.set_value(changed)
    at.run()
    at.button(key="queue").click().run()
    (made,) = queued_since(store)
    assert made.method_config == {name: changed}


def test_jobs_show_who_works_who_waits_and_what_failed(store: stores.Store) -> None:
    said = text(open_page("jobs"))
    assert "1 run in line" in said
    assert "next in line" in said
    assert "The loss became infinite in epoch 2" in said
    assert "no checkpoint had been saved yet" in said


def test_cancel_and_resume(store: stores.Store) -> None:
    run = RunDirectory(store.workspace.runs / store.runs["queued"])
    at = open_page("jobs")
    at.button(key=f"cancel-{run.run_id}").click().run()
    assert not at.exception
    assert run.status().state == "cancelled"
    at = open_page("jobs")
    at.button(key=f"resume-{run.run_id}").click().run()
    assert not at.exception
    assert run.status().state == "queued"


def test_a_killed_run_is_shown_as_failed_with_the_reason(store: stores.Store) -> None:
    run = RunDirectory(store.workspace.runs / store.runs["queued"])
    run.update_status(state="running", phase="train")
    said = text(open_page("jobs"))
    assert "The process ended without a word" in said


def test_jobs_show_the_run_the_url_names(store: stores.Store) -> None:
    said = text(open_page("jobs", run=store.runs["rd"]))
    assert f"run={store.runs['rd']}" in str(links(open_page("jobs", run=store.runs["rd"])))
    assert "RD on parts" in said

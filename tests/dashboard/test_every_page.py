"""The contract every page keeps; a new file in pages/ is tested the moment it exists.

Each page is opened in every kind of workspace a person may have: empty, filled, with failed runs
only, with runs whose data set was deleted, of one class only, of a class without masks, and with
runs stored before newer tables were kept.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stores import CLASSES, add_run, filled, make_data
from streamlit.testing.v1 import AppTest

from core.jobs import queue
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import navigation

ONE_PAGE = Path(__file__).with_name("one_page.py")
PAGES = navigation.discover()
KINDS = ("empty", "filled", "failed", "deleted", "one class", "no masks", "old")


def make(kind: str, root: Path) -> tuple[Path, str]:
    """A workspace of that kind, and the run its pages should be asked for ("": none)."""
    if kind == "filled":
        store = filled(root)
        return store.workspace.root, store.runs["patchcore"]
    workspace = Workspace(root / "workspace")
    if kind == "empty":
        return workspace.root, ""
    data = make_data(root)
    if kind == "failed":
        error = "The graphics memory ran out; lower the batch size and start again."
        run = add_run(workspace, data, "rd", state="failed", error=error)
        return workspace.root, run.run_id
    classes = {"one class": ("tile",), "no masks": ("scan",)}.get(kind, CLASSES)
    old = kind == "old"
    runs = [add_run(workspace, data, method, classes=classes, old=old) for method in
            ("patchcore", "rd")]  # fmt: skip
    if kind == "deleted":
        shutil.rmtree(data)
    return workspace.root, runs[0].run_id


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    return {kind: make(kind, tmp_path_factory.mktemp("every")) for kind in KINDS}


def opened(module: str, workspace: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace))
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: None)
    test = AppTest.from_file(str(ONE_PAGE), default_timeout=60)
    test.session_state["stem"] = module
    if run:
        test.query_params["run"] = run
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("html", "markdown", "title", "caption", "error", "warning", "info")
    return "\n".join(str(getattr(e, "value", "") or e.proto) for k in kinds for e in test.get(k))


def test_every_file_in_pages_is_listed() -> None:
    files = {path.stem for path in navigation.PAGES.glob("*.py") if path.stem[0] != "_"}
    assert {page.module for page in PAGES} == files
    assert {page.group for page in PAGES} <= set(navigation.GROUPS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.module)
@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_and_says_something(
    page: navigation.PageInfo,
    kind: str,
    made: dict[str, tuple[Path, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = opened(page.module, *made[kind], monkeypatch)
    assert not test.exception, [error.message for error in test.exception]
    words = said(test)
    assert len(words) > 80 and "Traceback" not in words and "Something went wrong" not in words
    assert "fs-failure" not in words or kind in ("failed", "filled"), (
        "a page that merely lacks data fails not"
    )

"""The contract every page keeps; a new file in pages/ is tested the moment it exists."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import Store, filled
from streamlit.testing.v1 import AppTest

from core.jobs import queue
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import navigation

ONE_PAGE = Path(__file__).with_name("one_page.py")
PAGES = navigation.discover()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("every"))


def opened(module: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace))
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: None)
    test = AppTest.from_file(str(ONE_PAGE), default_timeout=60)
    test.session_state["stem"] = module
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("html", "markdown", "title", "caption", "error", "warning", "info")
    return "\n".join(str(getattr(e, "value", "") or e.proto) for k in kinds for e in test.get(k))


def test_every_file_in_pages_is_listed() -> None:
    files = {path.stem for path in navigation.PAGES.glob("*.py") if path.stem[0] != "_"}
    assert {page.module for page in PAGES} == files
    assert {page.group for page in PAGES} <= set(navigation.GROUPS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.module)
@pytest.mark.parametrize("full", [False, True], ids=["empty", "filled"])
def test_it_opens_and_says_something(
    page: navigation.PageInfo,
    full: bool,
    made: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = opened(page.module, made.workspace.root if full else tmp_path, monkeypatch)
    assert not test.exception, [error.message for error in test.exception]
    words = said(test)
    assert len(words) > 80 and "Traceback" not in words and "Something went wrong" not in words

"""Pages and the way between them: one file in pages/ is one page.

A page file states TITLE, GROUP, ORDER, ICON (and URL where it is not the file's name) as constants
and has a function `render()`. The constants are read from the syntax tree, so that listing the
pages imports none of them. Every page runs inside one guard: an exception becomes a sentence, its
traceback goes to <workspace>/logs/dashboard.log.
"""

from __future__ import annotations

import ast
import functools
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, ParamSpec
from uuid import uuid4

import streamlit as st

from core.errors import FlawscopeError
from core.workspace import Workspace
from dashboard.components import cards

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "pages"
GROUPS = ("Prepare", "Understand", "Use")

P = ParamSpec("P")
log = logging.getLogger("flawscope.dashboard")


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What a page file says of itself."""

    module: str
    title: str
    group: str
    order: int
    icon: str
    url: str


def page_info(path: Path) -> PageInfo:
    """The constants of a page file, without importing it.

    Raises:
        ValueError: a constant is missing or of the wrong kind, or `render` is; names the file.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found: dict[str, Any] = {"URL": path.stem}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found |= {t.id: node.value.value for t in node.targets if isinstance(t, ast.Name)}
    wanted = {"TITLE": str, "GROUP": str, "ORDER": int, "ICON": str, "URL": str}
    for name, kind in wanted.items():
        if not isinstance(found.get(name), kind):
            raise ValueError(f"pages/{path.name} must state {name} as a constant {kind.__name__}.")
    if found["GROUP"] not in GROUPS:
        raise ValueError(f"pages/{path.name} names GROUP {found['GROUP']!r}, not one of {GROUPS}.")
    if not any(isinstance(node, ast.FunctionDef) and node.name == "render" for node in tree.body):
        raise ValueError(f"pages/{path.name} must define render().")
    return PageInfo(
        path.stem, found["TITLE"], found["GROUP"], found["ORDER"], found["ICON"], found["URL"]
    )


def discover(folder: Path = PAGES) -> list[PageInfo]:
    """All pages in the order of the sidebar; a page that cannot be listed is logged and left out.

    Raises:
        ValueError: two pages have one URL.
    """
    found: list[PageInfo] = []
    for path in sorted(folder.glob("*.py")):
        if path.stem.startswith("_"):
            continue
        try:
            found.append(_cached_info(str(path), path.stat().st_mtime_ns))
        except (ValueError, SyntaxError):
            log.exception("pages/%s is left out of the navigation", path.name)
    found.sort(key=lambda info: (GROUPS.index(info.group), info.order, info.title))
    urls = [info.url for info in found]
    for url in urls:
        if urls.count(url) > 1:
            raise ValueError(f"Two pages have the URL {url!r}; give one of them another URL.")
    return found


@functools.lru_cache(maxsize=128)
def _cached_info(path: str, stamp: int) -> PageInfo:
    return page_info(Path(path))


def build() -> dict[str, list[Any]]:
    """Groups with their `st.Page`s, the first page being the default one."""
    groups: dict[str, list[Any]] = {}
    for i, info in enumerate(discover()):
        groups.setdefault(info.group, []).append(_page(info, default=i == 0))
    return groups


def _page(info: PageInfo, default: bool) -> Any:
    return st.Page(
        guarded(info.module), title=info.title, icon=info.icon, url_path=info.url, default=default
    )


def page(url: str) -> Any:
    """The `st.Page` of that URL, for st.page_link and st.switch_page.

    Raises:
        KeyError: no page has this URL.
    """
    infos = discover()
    for i, info in enumerate(infos):
        if info.url == url:
            return _page(info, default=i == 0)
    raise KeyError(f"No page has the URL {url!r}; known: {', '.join(i.url for i in infos)}.")


def href(url: str) -> str:
    """The address of a page, for links in HTML; relative, so that a base path is kept."""
    infos = discover()
    return "./" if infos and infos[0].url == url else url


def guarded(module: str) -> Callable[[], None]:
    """A function that runs the page; what goes wrong is told in a sentence and logged."""

    def run() -> None:
        importlib.import_module(f"pages.{module}").render()

    run.__name__ = run.__qualname__ = module
    return safely(run)


def safely(function: Callable[P, None]) -> Callable[P, None]:
    """`function` with the same guard; for fragments, which streamlit also runs on their own.

    Put it below the decorator: `@st.fragment` over `@navigation.safely`.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except FlawscopeError as error:
            log.warning("%s: %s", function.__qualname__, error)
            _tell(str(error), "")
        except Exception:
            where = logged(function.__qualname__)
            _tell("Something went wrong on this page; the log has the details.", where)

    return run


def logged(what: str) -> str:
    """Log the exception being handled with its traceback; says where to find it."""
    reference = uuid4().hex[:8]
    log.exception("%s failed, reference %s", what, reference)
    return f"Look for {reference} in {log_file()}."


def _tell(what: str, todo: str) -> None:
    cards.failure(what, "", todo)


def log_file() -> Path:
    """Where the dashboard logs."""
    return Workspace.locate().logs / "dashboard.log"


def start_log() -> None:
    """Send the dashboard's log, and what streamlit itself catches, to the log file; once a process
    and workspace."""
    path = log_file()
    held = [one for one in log.handlers if isinstance(one, RotatingFileHandler)]
    if any(Path(one.baseFilename) == path for one in held):
        return
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for logger in (log, logging.getLogger("streamlit.error_util")):
        for one in held:
            logger.removeHandler(one)
        logger.addHandler(handler)
    for one in held:
        one.close()
    log.setLevel(logging.INFO)

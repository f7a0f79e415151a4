"""The direction of imports, checked from the syntax trees.

A module may import only from what stands on an earlier line of ORDER (or from its own part).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = (
    ("core.types", "core.errors", "core"),
    ("core.reference",),
    ("core.registry", "core.config", "core.workspace", "core.seeding", "core.liveness"),
    ("core.people", "core.heat", "core.palette", "core.vocabulary"),
    ("core.marks",),
    ("core.saved",),
    ("core.thresholds",),
    ("core.synthesis",),
    ("core.data",),
    ("core.layers",),
    ("core.backbones",),
    ("core.methods",),
    ("core.maps",),
    ("core.metrics",),
    ("core.overlays",),
    ("core.runs",),
    ("core.judging",),
    ("core.pictures",),
    ("core.capsule",),
    ("core.comparison",),
    ("core.reproduction",),
    ("core.replicates",),
    ("core.cuts",),
    ("core.trials",),
    ("core.engine",),
    ("core.forecast",),
    ("core.remeasuring",),
    ("core.reevaluation",),
    ("core.store",),
    ("core.listing",),
    ("core.exporting",),
    ("core.report",),
    ("core.jobs",),
    ("core.demo",),
    ("core.console_tables",),
    ("core.console",),
    ("core.console_lists",),
    ("core.commands",),
    ("core.cli",),
    ("core.__main__",),
    ("dashboard",),
    ("pages",),
)
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}

NEVER = {
    "core": {"streamlit", "plotly"},
    "pages": {"torch", "duckdb", "timm"},
}
"""What a whole tree may never import."""

TORCH_FREE = (
    "core.types", "core.errors", "core.registry", "core.config", "core.workspace", "core.runs",
    "core.comparison", "core.replicates", "core.reference",
    "core.data", "core.metrics", "core.store", "core.jobs", "core.listing", "core.demo",
    "core.console", "core.console_lists", "core.console_tables", "core.commands", "core.cli",
    "core.marks", "core.reevaluation", "core.remeasuring", "core.reproduction",
    "core.people", "core.heat", "core.palette", "core.vocabulary", "core.trials", "core.cuts",
    "core.saved", "core.thresholds", "core.overlays", "core.judging", "core.pictures",
    "core.capsule", "core.report", "core.exporting", "core.forecast",
    "dashboard", "pages",
)  # fmt: skip
"""What must import without torch at module level: the dashboard and the queue stay light."""


def modules() -> list[tuple[str, Path]]:
    found = []
    for tree in ("core", "dashboard", "pages"):
        for path in sorted((ROOT / tree).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(p for p in parts if p != "__init__"), path))
    return found


def part_of(module: str) -> str:
    """The entry of ORDER a module belongs to; longest match first."""
    pieces = module.split(".")
    for length in range(len(pieces), 0, -1):
        name = ".".join(pieces[:length])
        if name in RANK and (name != "core" or module == "core"):
            return name
    raise AssertionError(f"{module} has no place in ORDER; decide where it stands")


def imports(tree: ast.AST, *, top_only: bool) -> Iterator[str]:
    """Dotted names a module imports; with `top_only`, only what runs when it is imported."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if top_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        stack.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_imports_point_one_way(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    mine = part_of(module)
    for name in imports(tree, top_only=False):
        top = name.split(".")[0]
        assert top not in NEVER.get(module.split(".")[0], set()), f"{module} imports {name}"
        if top not in {"core", "dashboard", "pages"} or name == "core":
            continue
        theirs = part_of(name) if name.count(".") else name
        assert theirs == mine or RANK[theirs] < RANK[mine], f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_light_modules_do_not_pull_torch_in(module: str, path: Path) -> None:
    if part_of(module) not in TORCH_FREE:
        return
    heavy = {"torch", "timm", "torchvision"}
    for name in imports(ast.parse(path.read_text()), top_only=True):
        assert name.split(".")[0] not in heavy, f"{module} imports {name} when it is imported"


def test_the_rule_catches_an_upward_import() -> None:
    tree = ast.parse("from core.store import read")
    assert list(imports(tree, top_only=False)) == ["core.store", "core.store.read"]
    assert RANK[part_of("core.store.read")] > RANK[part_of("core.data.base")]


def test_files_stay_readable() -> None:
    long = {
        name: count
        for name, path in modules()
        if (count := len(path.read_text().splitlines())) > 320
    }
    assert not long, f"over 320 lines: {long}"
    pages = {
        name: count
        for name, path in modules()
        if name.startswith("pages.") and (count := len(path.read_text().splitlines())) > 120
    }
    assert not pages, f"a page is at most 120 lines: {pages}"

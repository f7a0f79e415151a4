"""Pages show numbers and never compute them: what measures stands in core/metrics.

Checked from the syntax trees of dashboard/ and pages/: no statistics library is imported, no call
that integrates, ranks or resamples is made, no function is named like a metric, and the stored ends
of intervals and bounds are read but not calculated with.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for tree in ("dashboard", "pages") for path in (ROOT / tree).rglob("*.py"))

LIBRARIES = {"sklearn", "scipy", "statsmodels", "torchmetrics", "adeval", "anomalib"}
CALLS = {
    "trapezoid", "trapz", "cumsum", "searchsorted", "percentile", "quantile", "bincount",
    "histogram", "corrcoef", "corr", "cov", "sem", "default_rng", "roc_curve", "roc_auc_score",
}  # fmt: skip
NAMES = {
    "auroc", "auc", "average_precision", "f1", "f1_max", "iou", "iou_max", "dice", "aupro",
    "precision", "recall", "sensitivity", "specificity", "wilson", "bootstrap", "p_value",
    "confidence_interval", "standard_error", "holm",
}  # fmt: skip
ENDS = {"ci_low", "ci_high", "bound_low", "bound_high"}


def offences(tree: ast.AST) -> Iterator[str]:
    """What a module does that belongs into core/metrics."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
            yield from roots & LIBRARIES
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").split(".")[0]} & LIBRARIES
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield from {name} & CALLS
        elif isinstance(node, ast.FunctionDef) and node.name.strip("_") in NAMES:
            yield node.name
        elif isinstance(node, ast.BinOp):
            yield from (end for side in (node.left, node.right) for end in column(side))


def column(node: ast.expr) -> set[str]:
    """The end of an interval that an operand is, as `row["ci_low"]` or `row.ci_low`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return {str(node.slice.value)} & ENDS
    return {node.attr} & ENDS if isinstance(node, ast.Attribute) else set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_compute_no_metric(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = set(offences(ast.parse(path.read_text())))
    assert not found, f"{name} uses {sorted(found)}: move what it measures to core/metrics"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from scipy.stats import norm", "scipy"),
        ("import sklearn.metrics as m", "sklearn"),
        ("np.trapezoid(y, x)", "trapezoid"),
        ("frame['score'].quantile(0.9)", "quantile"),
        ("def _wilson(hits, count): ...", "_wilson"),
        ("half = row['ci_high'] - row['value']", "ci_high"),
        ("(one.bound_low + two.value) / 2", "bound_low"),
    ],
)
def test_the_rule_catches(source: str, what: str) -> None:
    assert what in set(offences(ast.parse(source)))


def test_the_rule_lets_presentation_pass() -> None:
    source = "rows.sort(key=len)\nwords = f\"{row['ci_low']:.3f}\"\nshare = part / whole"
    assert not list(offences(ast.parse(source)))

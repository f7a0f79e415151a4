"""A page opened by AppTest, and everything it says."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script(page: str) -> None:
    import importlib

    importlib.import_module(f"pages.{page}").render()


def visit(page: str, **query: str | list[str]) -> AppTest:
    """The page with these words in its address; fails when it ends in an error."""
    test = AppTest.from_function(script, kwargs={"page": page}, default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, [error.message for error in test.exception]
    return test


def text(test: AppTest) -> str:
    """Everything the page says, as one string."""
    kinds = ("html", "markdown", "caption", "subheader", "title", "info", "error", "code")
    parts = [element for kind in kinds for element in test.get(kind)]
    return "\n".join(str(getattr(part, "value", "") or part.proto) for part in parts)

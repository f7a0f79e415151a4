"""`python -m core <command>`: every command with --help; --json prints one object, last line.

Exit status 0 done, 1 failed, 2 wrong arguments. Errors are one sentence on standard error. The
commands themselves stand in `core.commands`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

import typer

from core import commands
from core.commands.base import app
from core.errors import FlawscopeError

WrongArguments: Any = typer.BadParameter.__base__
"""What typer raises for any wrong argument; it has no public name of its own."""

for _module in pkgutil.iter_modules(commands.__path__):
    importlib.import_module(f"core.commands.{_module.name}")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result = app(args=given, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except WrongArguments as error:
        return _fail(error.format_message(), 2, given)
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _fail("Interrupted.", 1, given)
    except FlawscopeError as error:
        return _fail(str(error), error.exit_status, given)


def _fail(sentence: str, status: int, given: list[str]) -> int:
    if "--json" in given:
        print(json.dumps({"error": sentence}))
    print(sentence, file=sys.stderr)
    return status

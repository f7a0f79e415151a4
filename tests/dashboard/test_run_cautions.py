"""What is said of the data before a run."""

from __future__ import annotations

import pandas as pd

from core.data.base import READERS
from core.data.doctor.base import Examination, Finding
from dashboard.components import run_cautions


def test_a_licence_is_told_and_an_unknown_one_is_not() -> None:
    told = run_cautions.licence(READERS.get("mvtec_ad").card)
    assert told.startswith("Licence CC") and "NC" in told and told.endswith(".")
    assert run_cautions.licence(READERS.get("mvtec_folder").card) == ""
    assert run_cautions.licence(None) == ""


def test_errors_and_warnings_are_counted_and_notes_are_not() -> None:
    def examined(*severities: str) -> Examination:
        found = tuple(Finding(check="x", severity=s, title="t") for s in severities)  # type: ignore[arg-type]
        return Examination("mine", 256, found, pd.DataFrame())

    told = run_cautions.findings(examined("error", "warning", "warning", "note"))
    assert told == "The doctor found 1 error and 2 warnings; Data sets tells which."
    assert run_cautions.findings(examined("note")) == run_cautions.findings(None) == ""

"""The row above every page, the three vocabularies, presentation mode and the guided tour."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from stores import Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from visiting import text

from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import header, navigation, tour, words

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("header"))


def app(workspace: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace))
    test = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def test_vocabularies_have_every_word_and_differ() -> None:
    for one in words.VOCABULARIES.values():
        assert all(getattr(one, field.name).strip() for field in fields(one))
    assert (words.PLANT.item, words.PLANT.flaw) == ("part", "defect")
    assert (words.PLANT.miss, words.PLANT.alarm) == ("escape", "overkill")
    assert (words.CLINIC.item, words.CLINIC.flaw) == ("patient", "lesion")
    assert (words.CLINIC.miss, words.CLINIC.alarm) == ("miss", "false alarm")
    assert words.counted(1, "part", "parts") == "1 part"
    assert words.counted(3200, "part", "parts") == "3,200 parts"


def test_the_switch_stands_in_the_address(made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(made.workspace.root, monkeypatch)
    assert test.session_state[words.NAME] == "general"
    test.selectbox(key=words.NAME).set_value("clinic").run()
    assert test.query_params[words.NAME] == "clinic"
    linked = app(made.workspace.root, monkeypatch, words="plant")
    assert linked.session_state[words.NAME] == "plant"
    odd = app(made.workspace.root, monkeypatch, words="pirate")
    assert odd.session_state[words.NAME] == "general"


def test_the_name_is_kept_for_what_is_saved(made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(made.workspace.root, monkeypatch)
    test.text_input(key=header.AUTHOR).set_value("Dr. Ada").run()
    assert test.session_state[header.AUTHOR] == "Dr. Ada"


def test_presentation_hides_the_controls(made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = app(made.workspace.root, monkeypatch)
    assert "zoom: 1.3" not in text(shown)
    test = app(made.workspace.root, monkeypatch, present="1")
    assert "zoom: 1.3" in text(test)
    assert [b.key for b in test.button if b.key.startswith("present")] == ["present-off"]
    test.button(key="present-off").click().run()
    assert "present" not in test.query_params and "zoom: 1.3" not in text(test)


def test_the_tour_leads_over_pages_that_exist() -> None:
    urls = {page.url for page in navigation.discover()}
    assert len(tour.STEPS) == 5
    assert {step.page for step in tour.STEPS[1:]} <= urls
    assert tour.STEPS[0].page == "", "the default page, whose address is empty"


def test_the_tour_waits_for_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(tmp_path, monkeypatch)
    test.button(key="tour-start").click().run()
    assert test.query_params["tour"] == "1"
    assert "Step 1 of 5" in text(test) and "once the demo has run" in text(test)
    assert not [b for b in test.button if b.key == "tour-next"]
    test.button(key="tour-end").click().run()
    assert "Step 1 of 5" not in text(test) and "tour" not in test.query_params


def test_the_tour_goes_on_after_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(Workspace(tmp_path / "ws"), make_data(tmp_path, "demo"))
    test = app(tmp_path / "ws", monkeypatch, tour="1")
    assert [b.label for b in test.button if b.key == "tour-next"] == ["Next: which method to trust"]
    later = app(tmp_path / "ws", monkeypatch, tour="5")
    assert "Step 5 of 5" in text(later)
    assert {"tour-report", "tour-back", "tour-here"} <= {b.key for b in later.button}
    assert "Step" not in text(app(tmp_path / "ws", monkeypatch, tour="9"))

"""The look: one truth for colours, readable contrast, a configuration found from anywhere."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dashboard import theme, words

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_the_configuration_repeats_the_tokens(kind: str) -> None:
    i = ["light", "dark"].index(kind)
    for option, token in (
        ("primaryColor", "accent"), ("backgroundColor", "page"), ("textColor", "text"),
        ("secondaryBackgroundColor", "card"), ("borderColor", "line"), ("linkColor", "accent"),
    ):  # fmt: skip
        assert CONFIG["theme"][kind][option] == theme.TOKENS[token][i]


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("ink", ["text", "dim", "accent", "good", "bad"])
def test_text_has_contrast_aa(ink: str, ground: str, i: int) -> None:
    assert _contrast(theme.TOKENS[ink][i], theme.TOKENS[ground][i]) >= 4.5


def test_the_server_listens_here_only_and_checks_hosts() -> None:
    server = CONFIG["server"]
    assert server["address"] == "127.0.0.1"
    assert server["allowedHosts"] and "*" not in server["allowedHosts"]
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"


def test_the_configuration_is_found_from_any_directory(tmp_path: Path) -> None:
    """As `streamlit run` resolves it for dashboard/app.py, started elsewhere."""
    asked = (
        "from streamlit import config; config._main_script_path = {path!r};"
        "print(config.get_option('server.address'), config.get_option('theme.dark.primaryColor'))"
    ).format(path=str(ROOT / "dashboard" / "app.py"))
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["127.0.0.1", "#4fb3c8"]
    linked = ROOT / "dashboard" / ".streamlit" / "config.toml"
    assert linked.read_bytes() == (ROOT / ".streamlit" / "config.toml").read_bytes()


def test_the_font_is_shipped_with_its_licence() -> None:
    (face,) = CONFIG["theme"]["fontFaces"]
    font = ROOT / "dashboard" / "static" / Path(face["url"]).name
    assert font.read_bytes()[:4] == b"wOF2" and font.stat().st_size < 100_000
    licence = (ROOT / "dashboard" / "static" / "inter-OFL.txt").read_text(encoding="utf-8")
    assert "SIL Open Font License, Version 1.1" in licence


def test_methods_keep_distinct_colours() -> None:
    assert theme.method_colour("patchcore") == "#0072B2"
    assert theme.method_colour("simplenet") == "#D55E00"
    assert theme.method_colour("rd") == "#009E73"
    assert len(theme.METHODS) == 16 == len({colour.lower() for colour in theme.METHODS.values()})
    assert theme.method_colour("my_own") == theme.method_colour("my_own") in theme.SPARE
    assert theme.method_colour("rd++") == theme.METHODS["rdpp"]


def test_truth_colours_are_okabe_ito() -> None:
    assert theme.TRUTH["dark"] == {
        "found": "#009E73", "false alarm": "#E69F00", "missed": "#56B4E9"
    }  # fmt: skip
    assert theme.TRUTH["light"]["missed"] == "#0072B2"


def test_heat_starts_clear_at_one_in_twenty() -> None:
    shares = [share for share, _, _ in theme.HEAT_STOPS]
    assert shares[0] == 0.05 and theme.HEAT_STOPS[0][2] == 0.0
    assert shares == sorted(shares, reverse=True)
    assert [stop[1] for stop in theme.HEAT_STOPS[1:]] == ["#ffd666", "#f06543", "#9d174d"]


def test_every_variable_the_style_sheet_uses_is_defined() -> None:
    import re

    rules = (ROOT / "dashboard" / "theme.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--fs-([a-z-]+)\)", rules))
    assert used <= {*theme.TOKENS, "font"}
    assert rules.count("{") == rules.count("}")


def test_the_written_visual_language_says_what_the_code_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "visual-language.md").read_text()
    named = {name for name in theme.TOKENS if f"`{name}`" in text}
    for name in sorted(named):
        row = next(
            line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line
        )
        for colour in theme.TOKENS[name]:
            assert f"`{colour}`" in row, (name, colour)
    assert {"page", "card", "text", "dim", "accent", "good", "bad"} <= named
    for colour in [stop[1] for stop in theme.HEAT_STOPS] + [theme.PUBLISHED, theme.NORMAL]:
        assert colour in text
    for kind in ("found", "false alarm", "missed"):
        row = next(line for line in text.splitlines() if line.startswith(f"| {kind} "))
        assert theme.TRUTH["light"][kind] in row and theme.TRUTH["dark"][kind] in row
    for one in words.VOCABULARIES.values():
        assert f" {one.item} |" in text and f" {one.miss} |" in text and f" {one.alarm} |" in text

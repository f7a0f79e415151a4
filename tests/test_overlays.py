"""Pictures with heat and outlines: colours by hand, lines where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import overlays
from core.heat import HEAT_STOPS, colours
from core.judging import judged, points
from core.pictures import Pictures
from core.runs import RunDirectory
from tests.dashboard import stores

FOUND, ALARM, MISSED = (0x00, 0x9E, 0x73), (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)


def seen(picture: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.asarray(picture).reshape(-1, 3).tolist()}


def test_heat_has_the_colours_of_the_scale() -> None:
    tail = [(float(i), 10.0**-i) for i in range(6)]  # share 1, 0.1, ..., 1e-5
    rgba = overlays.heat_rgba(np.array([[0.0, 1.0, 3.0, 5.0, 9.0]]), tail)[0]
    assert rgba[0, 3] == 0 and rgba[1, 3] == 0, "1 in 10 is common"
    for place, stop in ((2, HEAT_STOPS[2]), (3, HEAT_STOPS[3]), (4, HEAT_STOPS[3])):
        wanted = [int(stop[1][i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(rgba[place, :3].astype(int) - wanted).max() <= 1
        assert abs(int(rgba[place, 3]) - 255 * stop[2]) <= 1
    assert overlays.heat_rgba(np.ones((2, 2)), [])[..., 3].max() == 0


def test_outlines_have_the_colours_of_truth() -> None:
    truth = np.zeros((32, 32), bool)
    truth[4:12, 4:12] = True
    values = np.zeros((32, 32), np.float32)
    values[20:28, 20:28] = 1.0
    drawn = overlays.overlay(Image.new("RGB", (128, 128), "gray"), values, truth, 0.5, [])
    seen = {tuple(pixel) for pixel in np.asarray(drawn).reshape(-1, 3).tolist()}
    assert (0xE6, 0x9F, 0x00) in seen and (0x56, 0xB4, 0xE9) in seen
    assert (0x00, 0x9E, 0x73) not in seen, "nothing is found"


def test_between_two_stops_colour_runs_with_the_logarithm() -> None:
    share = float(np.sqrt(1e-3 * 1e-5))  # half-way between the last two stops
    got = colours([share])[0]
    # (#f06543 + #9d174d) / 2 and (0.85 + 0.95) / 2, by hand
    assert np.abs(got.astype(int) - [(0xF0 + 0x9D) / 2, (0x65 + 0x17) / 2, (0x43 + 0x4D) / 2,
                                     255 * 0.9]).max() <= 1  # fmt: skip
    assert colours([0.05])[0][3] == 0 and colours([0.06])[0][3] == 0


def test_what_is_found_has_a_solid_line_and_the_rest_a_broken_one() -> None:
    square = np.zeros((32, 32), bool)
    square[8:24, 8:24] = True
    gray, hot = Image.new("RGB", (128, 128), "gray"), square.astype(np.float32)

    def drawn(truth: np.ndarray, values: np.ndarray, colour: tuple[int, int, int]) -> int:
        picture = overlays.overlay(gray, values, truth, 0.5, [])
        near = np.abs(np.asarray(picture).astype(int) - colour).sum(axis=-1) < 30
        return int(near.sum())

    nothing, cold = np.zeros_like(square), np.zeros_like(hot)
    solid = drawn(square, hot, FOUND)
    assert solid > 200
    for truth, values, colour in ((square, cold, MISSED), (nothing, hot, ALARM)):
        broken = drawn(truth, values, colour)
        assert 0.2 * solid < broken < 0.8 * solid


def test_without_truth_the_line_is_neutral_and_without_threshold_there_is_none() -> None:
    gray, values = Image.new("RGB", (64, 64), "gray"), np.zeros((16, 16), np.float32)
    values[4:12, 4:12] = 1
    assert (255, 255, 255) in seen(overlays.overlay(gray, values, None, 0.5, []))
    assert seen(overlays.overlay(gray, values, None, None, [])) == {(128, 128, 128)}


def test_the_legend_shows_every_colour() -> None:
    assert {FOUND, ALARM, MISSED} <= seen(overlays.legend())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> stores.Store:
    return stores.filled(tmp_path_factory.mktemp("overlays"))


def test_a_case_is_pictured_in_its_own_aspect(store: stores.Store) -> None:
    run = RunDirectory.open(store.workspace, store.runs["patchcore"])
    pictures = Pictures(store.workspace, run)
    for case in judged(run, points(store.workspace, run))[::7]:
        shown = pictures.of(case, 200)
        with Image.open(Path(store.data_root) / case.key) as photo:
            aspect = photo.width / photo.height
        assert max(shown.plain.size) == 200
        assert shown.plain.width / shown.plain.height == pytest.approx(aspect, rel=0.01)
        assert shown.overlay is not None and shown.overlay.size == shown.plain.size

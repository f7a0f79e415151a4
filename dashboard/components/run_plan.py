"""Parts of the New run page: the choices every run has, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from core import listing
from core.config import RunConfig
from dashboard import theme
from dashboard.components.settings_form import settings_form
from dashboard.estimates import Estimate, time_range
from dashboard.plans import SIZES
from dashboard.queries import DataLook
from dashboard.state import kept

SETTING_HELP = (
    "**unified**: one model for all classes, as in the multi-class benchmark. "
    "**separate**: one model a class."
)
PROTOCOL_HELP = (
    "**benchmark**: train on all normal pictures; thresholds come from the test set and are marked "
    "*oracle*. **deployment**: a tenth of the normal training pictures is held out, and thresholds "
    "come only from them, as they would in a plant or clinic."
)


PRESETS = {"ader": "many classes", "paper": "one class"}
PRESET_HELP = (
    "Whose defaults the settings, epochs and batches start from: **many classes**, those of the "
    "ADer benchmark, in which one model learns all classes; **one class**, those of each method's "
    "own paper. What you set yourself stands above both."
)
AUTOMATIC = "auto"
USUAL = 0
"""Size that stands for the preset's."""
PACKAGED = "tf_efficientnet_lite0"
NOT_PRETRAINED = ":random"
SMALL_VIT = f"vit_tiny_patch16_224{NOT_PRETRAINED}"
TAGS = {
    AUTOMATIC: "automatic", PACKAGED: "EfficientNet-Lite0 (packaged)",
    SMALL_VIT: "small ViT, not pretrained",
}  # fmt: skip
BACKBONE_HELP = (
    "The frozen network whose features the methods use. **Automatic** is the paper's where its "
    "weights are on this machine or can be fetched, else the packaged EfficientNet-Lite0. Any id "
    'of timm may be typed; with ":random" behind it the network is not pretrained.'
)
TRANSFORMER_HELP = (
    "For methods that need a plain ViT. **Automatic** needs the weights of the paper's on this "
    "machine or a network to fetch them. A ViT that is not pretrained shows how the method works, "
    "not how well."
)


def backbones(chosen: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Which backbone each method takes, by method id; says in plain sight what is not pretrained.

    Args:
        chosen: entries of the chosen methods.
    """
    picked: dict[str, str] = {}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for label, other, help, mine in (
            ("Backbone", PACKAGED, BACKBONE_HELP,
             [one for one in chosen if one["levels"] and not one["blocks"]]),
            ("Backbone (ViT)", SMALL_VIT, TRANSFORMER_HELP,
             [one for one in chosen if one["blocks"]]),
        ):  # fmt: skip
            if not mine:
                continue
            tags = list(dict.fromkeys([AUTOMATIC, other, *(one["backbone"] for one in mine)]))
            tag = st.selectbox(
                label, tags, key=kept(f"new:{label}", AUTOMATIC), width=252, help=help,
                format_func=_worded(TAGS), accept_new_options=True,
            )  # fmt: skip
            picked |= dict.fromkeys([one["id"] for one in mine], str(tag or AUTOMATIC).strip())
    raw = sorted({tag for tag in picked.values() if tag.endswith(NOT_PRETRAINED)})
    if raw:
        st.warning(
            f"**Not pretrained:** {', '.join(raw)} starts from random numbers. Expect results far "
            "below the method's own; the run carries this mark.",
            icon=":material/warning:",
        )
    return picked


def _worded(words: Mapping[str, str]) -> Callable[[str], str]:
    return lambda one: words.get(one, one)


def settings(entry: Mapping[str, Any], preset: str) -> tuple[dict[str, Any], list[str]]:
    """The form of a method's settings; what was changed, and what is wrong."""
    st.caption(preset_words(entry, preset))
    return settings_form(listing.defaults(entry, preset), f"set:{preset}:{entry['id']}")


def preset_words(entry: Mapping[str, Any], preset: str) -> str:
    """Whose defaults a method's settings show, in a sentence or two."""
    paper = entry["paper_preset"]
    if preset != "paper":
        return "The defaults are ADer's, for one model of many classes."
    changes = [f"{paper[key]} {unit}" for key, unit in
               (("epochs", "epochs"), ("batch_size", "images a batch")) if paper[key]]  # fmt: skip
    changes += [f"{paper['size']} px"] if paper["size"] else []
    if not changes and not paper["settings"]:
        return "The paper's defaults are the same as ADer's here."
    trained = f": {', '.join(changes)}" if changes else ""
    return f"The defaults are the paper's, for one model a class{trained}. {paper['note']}".strip()


def common_classes(data: Sequence[DataLook]) -> list[str]:
    """Classes that every data set has."""
    sets = [{look.name for look in one.classes} for one in data]
    return sorted(set.intersection(*sets)) if sets else []


def classes(data: Sequence[DataLook]) -> list[str]:
    """Some of the classes that every chosen data set has; [] for all."""
    common = common_classes(data)
    key = kept("new:classes", [])
    st.session_state[key] = [name for name in st.session_state[key] if name in common]
    return st.multiselect(
        "Classes", common, placeholder="all classes", key=key,
        help="Leave empty for all. Only classes that every chosen data set has are offered.",
    )  # fmt: skip


def basics() -> dict[str, Any]:
    """The choices every run has, as widgets; their values by field of `Plan`."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        setting = st.segmented_control(
            "Setting", ["unified", "separate"], required=True, key=kept("new:setting", "unified"),
            help=SETTING_HELP,
        )  # fmt: skip
        protocol = st.segmented_control(
            "Protocol", ["benchmark", "deployment"], required=True,
            key=kept("new:protocol", "benchmark"), help=PROTOCOL_HELP,
        )  # fmt: skip
        preset = st.segmented_control(
            "Defaults for", list(PRESETS), required=True, key=kept("new:preset", "ader"),
            format_func=_worded(PRESETS), help=PRESET_HELP,
        )  # fmt: skip
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        seeds = st.number_input(
            "Seeds", 1, 20, key=kept("new:seeds", 1), width=122,
            help="How often each run is repeated with another random start (seeds 0, 1, 2 …).",
        )  # fmt: skip
        sizes = (USUAL, *SIZES)
        size = st.selectbox(
            "Picture size", sizes, key=kept("new:size", USUAL, sizes), width=122,
            format_func=lambda side: f"{side} px" if side else "default",
            help="The square each picture is brought to: 256 px, or what the paper takes where its "
            "defaults are chosen. Larger shows finer flaws and is slower.",
        )  # fmt: skip
        epochs = st.number_input(
            "Epochs", 1, 10_000, None, key=kept("new:epochs"), width=122, placeholder="default",
            help="Passes over the training pictures. Methods that fill a memory bank need one.",
        )  # fmt: skip
        device = st.selectbox(
            "Device", ["auto", "cpu", "cuda"], key=kept("new:device", "auto"), width=122,
            help="**auto** takes the graphics processor when there is one.",
        )  # fmt: skip
    return {
        "setting": setting, "protocol": protocol, "seeds": int(seeds or 1), "size": size or None,
        "epochs": None if epochs is None else int(epochs), "device": device,
        "preset": preset,
    }  # fmt: skip


def headline(count: int, low: float, high: float, unknown: int) -> str:
    """How many runs and how long, in one sentence."""
    runs = f"{count} run{'s' * (count != 1)}"
    after = ", one after another" if count > 1 else ""
    if unknown == count:
        return (
            f"**{runs}{after}.** Nothing like this has run on this machine, so the time is not "
            "known yet; it can be measured."
        )
    if unknown:
        return (
            f"**{runs}{after}.** Those with a known time take {time_range(low, high)}; "
            f"that of {unknown} is not known yet."
        )
    return f"**{runs}{after}: about {time_range(low, high)}.**"


def lines(
    configs: Sequence[RunConfig], found: Sequence[Estimate | None], titles: Mapping[str, str]
) -> None:
    """One line a data set and method: time and on what it rests."""
    rows: dict[tuple[str, str], Estimate | None] = {}
    for config, estimate in zip(configs, found, strict=True):
        rows.setdefault((config.method, config.data), estimate)
    html = "".join(
        f'<div class="fp-plan-line">{theme.dot(method)}<span class="fp-plan-name">'
        f"{escape(titles.get(method, method))} <small>on {escape(data)}</small></span>"
        f'<span class="fp-plan-time">{escape(one.words) if one else "not known"}'
        f"<small>{escape(one.basis) if one else 'no similar run here'}</small></span></div>"
        for (method, data), one in rows.items()
    )
    st.html(html)

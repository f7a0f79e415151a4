"""Settings that make large methods small enough for tests; all else stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import small_diffusion

SMALL: dict[str, dict[str, Any] | Callable[[], dict[str, Any]]] = {
    "diad": small_diffusion.settings,
    "diad_small": {"width": 32, "autoencoder_width": 32, "multipliers": (1, 1), "steps": 2},
    "vitad": {"depth": 1},
    "mambaad": {"depths": (1, 1, 1, 1), "states": 1, "expansion": 1},
    "cflow": {"blocks": 2, "fibre": 1024, "learning_rate": 1e-3},
    "pyramidflow": {"stacks": 1, "kernel": 3},
    "realnet": {
        "selected": (16, 16, 16, 16),
        "multipliers": (1,),
        "blocks": 1,
        "residuals": 10,
        "selection_batches": 4,
        "learning_rate": 5e-3,
    },
    "invad": {"style_width": 16, "blocks": 1},
    "invad_lite": {"style_width": 16, "blocks": 1},
    "draem": {
        "width": 4,
        "unet_width": 8,
        "learning_rate": 7e-4,
        "clean_share": 0.0,
        "momentum": 0.6,
    },
    "destseg": {
        "width": 32,
        "student_share": 0.1,
        "student_rate": 0.1,
        "head_rate": 0.1,
        "momentum": 0.4,
    },
    "uniad": {
        "width": 128,
        "heads": 4,
        "hidden": 256,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "learning_rate": 3e-3,
    },
}
"""Method id -> settings of its config, or what makes them."""

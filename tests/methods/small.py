"""Settings that make large methods small enough for tests; all else stays as it is."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "realnet": {
        "selected": (16, 16, 16, 16),
        "multipliers": (1,),
        "blocks": 1,
        "residuals": 4,
        "selection_batches": 4,
    },
}
"""Method id -> settings of its config."""

"""Progress of a run: phase, rate and time left, in status.json; events; the cancel request.

Every phase has an expected duration, first a rough prior, then what its own pace says; overall
progress and time left follow from these, so that a long phase weighs what it takes.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from core.errors import Cancelled
from core.runs import RunDirectory

PHASES = ("prepare", "train", "predict", "evaluate")
WRITE_EVERY_SECONDS = 0.5

log = logging.getLogger(__name__)


class Progress:
    """Writes a run's status as it goes on.

    Args:
        run: where to write.
        expected: prior duration in seconds of each phase that will happen.
    """

    def __init__(self, run: RunDirectory, expected: dict[str, float]) -> None:
        self.run = run
        self._expected = dict(expected)
        self._spent: dict[str, float] = {}
        self._phase = ""
        self._started = time.monotonic()
        self._written = 0.0
        self._shown = 0.0

    def expect(self, **seconds: float) -> None:
        """Replace priors by better ones once counts are known."""
        self._expected |= seconds

    def phase(self, name: str, message: str = "") -> None:
        """Begin a phase; the one before counts as done."""
        self._close()
        self._phase, self._started = name, time.monotonic()
        self.run.event("phase", phase=name)
        log.info("%s %s", name, message)
        self.update(0.0, message, force=True)

    def update(
        self, fraction: float, message: str = "", rate: str | None = None, force: bool = False
    ) -> None:
        """Report that `fraction` (0..1) of the present phase is done.

        Raises:
            Cancelled: a person asked the run to stop.
        """
        now = time.monotonic()
        if not force and now - self._written < WRITE_EVERY_SECONDS:
            return
        if self.run.cancel_requested():
            raise Cancelled("Cancelled on request; what was saved is kept, and it can be resumed.")
        self._written = now
        fraction = min(max(fraction, 0.0), 1.0)
        elapsed = now - self._started
        if fraction > 0.02 and elapsed > 1.0:
            self._expected[self._phase] = elapsed / fraction
        done, left = self._balance(elapsed, fraction)
        self._shown = max(self._shown, min(done / max(done + left, 1e-9), 0.999))
        self.run.update_status(
            phase=self._phase,
            progress=self._shown,
            eta_seconds=left if self._shown > 0.02 else None,
            message=message,
            rate=rate,
        )

    def _balance(self, elapsed: float, fraction: float) -> tuple[float, float]:
        """Seconds spent, and seconds expected still."""
        expected = self._expected.get(self._phase, 1.0)
        # Nothing done yet and later than expected: as long again, since the end cannot be near.
        left = max(expected - elapsed, elapsed)
        if fraction:
            left = max(expected, elapsed) * (1 - fraction)
        passed = PHASES.index(self._phase) if self._phase in PHASES else len(PHASES)
        for name in PHASES[passed + 1 :]:
            left += self._expected.get(name, 0.0)
        return sum(self._spent.values()) + elapsed, left

    def _close(self) -> None:
        if self._phase:
            seconds = time.monotonic() - self._started
            self._spent[self._phase] = self._spent.get(self._phase, 0.0) + seconds
            self.run.event("phase_done", phase=self._phase, seconds=round(seconds, 3))

    def finish(self) -> dict[str, float]:
        """Close the last phase; seconds spent by phase."""
        self._close()
        self._phase = ""
        return dict(self._spent)

    def event(self, kind: str, **fields: Any) -> None:
        self.run.event(kind, **fields)

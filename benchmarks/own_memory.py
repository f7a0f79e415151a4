"""The memory a process takes for itself at its highest, pages of mapped files left out.

Mapped files count in a process's resident size although the system takes their pages back whenever
it needs them; what is its own (anonymous) is what a bounded process has to keep flat.
"""

from __future__ import annotations

import resource
from pathlib import Path
from threading import Event, Thread

_STATUS = Path("/proc/self/status")
_OFTEN = 0.02


class Peak:
    """Looks every 20 ms while the block runs; `mib` is the highest since."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *told: object) -> None:
        self._stop.set()
        self._thread.join()
        self.mib = round(max(self.mib, _now()), 1)

    def _watch(self) -> None:
        while not self._stop.wait(_OFTEN):
            self.mib = max(self.mib, _now())


def _now() -> float:
    """MiB; where the system does not tell them apart, all that is resident."""
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

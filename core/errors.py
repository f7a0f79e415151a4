"""Every error a person may meet, as one sentence: what was wrong, where, what to do.

FlawscopeError            anything this project raises on purpose
|-- UsageError            a wrong argument, setting or id; exit status 2
|   `-- UnknownId         an id no registry holds; names the nearest
|-- DataError             a data set, image or mask that cannot be used
|-- WeightsMissing        pretrained weights are nowhere to be had
|-- RunError              a run that cannot start, go on or be read
|   |-- Cancelled         a person asked the run to stop
|   |-- Diverged          a loss became infinite or NaN
|   `-- DeviceMemory      the device ran out of memory
`-- StoreError            the DuckDB index cannot be read or written
"""

from __future__ import annotations


class FlawscopeError(Exception):
    """Base of all errors raised on purpose; `str(error)` is the sentence to show."""

    exit_status = 1


class UsageError(FlawscopeError):
    """A wrong argument, setting or id."""

    exit_status = 2


class UnknownId(UsageError):
    """An id that no registry holds."""


class DataError(FlawscopeError):
    """A data set, image or mask that cannot be used."""


class WeightsMissing(FlawscopeError):
    """Pretrained weights are nowhere to be had; the sentence says which file to put where."""


class RunError(FlawscopeError):
    """A run that cannot start, go on or be read."""


class Cancelled(RunError):
    """A person asked the run to stop."""


class Diverged(RunError):
    """A loss became infinite or NaN."""


class DeviceMemory(RunError):
    """The device ran out of memory; the sentence names the setting to lower."""


class StoreError(FlawscopeError):
    """The DuckDB index cannot be read or written."""

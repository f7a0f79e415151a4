"""Devices: which one a run uses, what the machine is, what to say when memory runs out."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch

from core.errors import DeviceMemory, RunError, UsageError


def pick(wish: str) -> torch.device:
    """The device a run's `device` setting means.

    Raises:
        UsageError: not a device's name.
        RunError: a CUDA device was asked for and there is none.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wish != "cpu" and wish.split(":")[0] != "cuda":
        raise UsageError(f"--device came as {wish!r}; expected auto, cpu, cuda or cuda:<index>.")
    device = torch.device(wish)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RunError(
            f"The run asks for {wish}, but torch sees {torch.cuda.device_count()} CUDA devices "
            "here; choose --device cpu or auto."
        )
    return device


def machine(device: torch.device) -> dict[str, Any]:
    """What the run ran on, for its record."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"gpu": properties.name, "gpu_memory_bytes": properties.total_memory}
    return facts


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on the device (or in host memory for the CPU)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def peak_memory(device: torch.device) -> int:
    """Highest memory use of this process so far, bytes: on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def synchronise(device: torch.device) -> None:
    """Wait for the device, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def memory_guard(doing: str, lower: str) -> Iterator[None]:
    """Turn running out of memory into one sentence.

    Args:
        doing: what was under way ("training").
        lower: the setting to lower, with its present value ("--batch-size (now 16)").
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        _give_back()
        raise DeviceMemory(_sentence(doing, lower)) from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            _give_back()
            raise DeviceMemory(_sentence(doing, lower)) from error
        raise


def _sentence(doing: str, lower: str) -> str:
    return f"The device ran out of memory while {doing}; lower {lower} and start again."


def _give_back() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

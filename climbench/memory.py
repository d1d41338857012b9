"""How much memory is free on this machine."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

MACHINE = Path("/proc/meminfo")
GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self")


def free_memory() -> int:
    """Return the bytes that can be filled before the machine, container or job must swap.

    On Linux the page cache counts as free; where the system does not say, half of its memory does.
    """
    return min(_of_machine(), *_of_groups())


def forget_peak() -> None:
    """Let :func:`peak_memory` begin anew, where the system can."""
    with suppress(OSError):
        (OWN / "clear_refs").write_text("5")
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()


def peak_memory() -> int | None:
    """Return the most bytes that this process held since :func:`forget_peak`; None if unknown."""
    status = OWN / "status"
    return _figures(status)["VmHWM:"] * 1024 if status.is_file() else None


def peak_gpu_memory() -> int | None:
    """Return the most bytes of the GPU that tensors held; None without one in use."""
    cuda = _cuda()
    return None if cuda is None else int(cuda.max_memory_allocated())


def _cuda() -> Any:
    """Return torch's CUDA if this process uses it; torch is not loaded for that."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _of_machine() -> int:
    if MACHINE.is_file():
        return _figures(MACHINE)["MemAvailable:"] * 1024
    if hasattr(os, "sysconf"):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return 2**31


def _of_groups() -> list[int]:
    """Return what the control groups (version 2) of this process leave to it, outermost last."""
    if not GROUP.is_file():
        return [2**62]
    own = next((line[3:] for line in GROUP.read_text().splitlines() if line[:3] == "0::"), "/")
    folder, left = GROUPS / own.strip("/"), [2**62]
    for group in (folder, *folder.parents):
        limit, used = group / "memory.max", group / "memory.stat"
        if limit.is_file() and used.is_file() and (most := limit.read_text().strip()) != "max":
            left.append(max(0, int(most) - _figures(used)["anon"]))
    return left


def _figures(file: Path) -> dict[str, int]:
    rows = (line.split() for line in file.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}

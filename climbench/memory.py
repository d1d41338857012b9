"""How much memory is free on this machine."""

import os
from pathlib import Path

MACHINE = Path("/proc/meminfo")
GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Return the bytes that can be filled before the machine, container or job must swap.

    On Linux the page cache counts as free; where the system does not say, half of its memory does.
    """
    return min(_of_machine(), *_of_groups())


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
    return {row[0]: int(row[1]) for row in rows}

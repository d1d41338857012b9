"""Files of one record whose times overlap: in order of time, and each time once."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError


class Numbers(Protocol):
    """Numbers in memory or on disk, of which slices are taken."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many."""

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return some of them."""


Part = tuple[Numbers, Numbers]


def in_order(
    parts: Sequence[Part], duplicates: Literal["refuse", "first", "last"], what: str
) -> list[Part]:
    """Return the times (ascending) and values of files in order; no time has two values.

    Files that overlap are merged in memory; others stay where they are.

    Parameters
    ----------
    parts
        Times and values ``[sample]`` of each file, in the order of the files.
    duplicates
        Which file counts where two have a value at one time; ``refuse`` takes equal ones.
    what
        The parameter, for errors.

    Raises
    ------
    UserError
        If two files contradict each other.
    """
    groups: list[list[int]] = []
    last = 0
    filled = [at for at, (time, _) in enumerate(parts) if time.shape[0]]
    for at in sorted(filled, key=lambda at: int(parts[at][0][0])):
        time = parts[at][0]
        if groups and int(time[0]) <= last:
            groups[-1].append(at)
        else:
            groups.append([at])
        last = max(last, int(time[-1]))
    return [
        parts[group[0]]
        if len(group) == 1
        else _merged([parts[at] for at in sorted(group)], duplicates, what)
        for group in groups
    ]


def _merged(parts: Sequence[Part], duplicates: str, what: str) -> Part:
    """Return overlapping files as one; what a file lacks is taken from another."""
    times = np.concatenate([time[:] for time, _ in parts])
    values = np.concatenate([some[:] for _, some in parts])
    there = np.isfinite(values)
    times, values = times[there], values[there]
    order = np.argsort(times, kind="stable")  # of equal times in the order of the files
    times, values = times[order], values[order]
    again = np.diff(times) == 0
    differs = again & (np.diff(values) != 0)
    if duplicates == "refuse" and differs.any():
        stamp = pd.Timestamp(int(times[1:][differs][0]))
        raise UserError(
            f"{what}: the time {stamp} is there twice, in two files and with different values: "
            "leave one of them out, or set 'duplicates' in the source."
        )
    kept = np.r_[~again, True] if duplicates == "last" else np.r_[True, ~again]
    return times[kept[: times.size]], values[kept[: times.size]]

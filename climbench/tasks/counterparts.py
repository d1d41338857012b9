"""Which times of two archives belong together: by date, whatever their calendars."""

import numpy as np
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.tasks.timeline import Timeline

HOURS_OF_A_DAY = 24
HOURS_OF_A_MONTH = 28 * 24


def counterparts(timeline: Timeline, other: Timeline, names: tuple[str, str]) -> NDArray[np.int64]:
    """Return the position along ``other`` of each time's counterpart ``[time]``, -1 where none.

    Dates meet by what the calendar says: year, month and day, and the hour and minute where one of
    the archives has several times a day; daily means meet whatever hour of the day they are
    stamped with, monthly ones whatever day. A date that the other calendar lacks (29 February in
    years of 365 days, the 31st in years of 360) has no counterpart.

    Parameters
    ----------
    timeline, other
        The two time axes.
    names
        How the two archives are called in messages.

    Raises
    ------
    UserError
        If no time has a counterpart, or one has several.
    """
    steps = min(timeline.step, other.step)
    unit = next((n for n, h in ((2, HOURS_OF_A_MONTH), (3, HOURS_OF_A_DAY)) if steps >= h), 5)
    wanted, known = _labels(timeline)[:, :unit], _labels(other)[:, :unit]
    where: dict[tuple[int, ...], int] = {}
    for position, label in enumerate(map(tuple, known.tolist())):
        if where.setdefault(label, position) != position:
            date = "-".join(f"{part:02d}" for part in label[:3])
            raise UserError(f"{names[1]} has several times for {date}: make means of them first")
    found = np.array([where.get(tuple(label), -1) for label in wanted.tolist()], dtype=np.int64)
    if np.all(found < 0):
        raise UserError(
            f"{names[0]} ({timeline.index[0]} to {timeline.index[-1]}) and {names[1]} "
            f"({other.index[0]} to {other.index[-1]}) share no time: downscaling needs inputs and "
            "targets of the same dates"
        )
    return found


def _labels(timeline: Timeline) -> NDArray[np.int64]:
    """Return year, month, day, hour and minute of each time ``[time, 5]``."""
    parts = ("year", "month", "day", "hour", "minute")
    return np.array([[getattr(t, p) for p in parts] for t in timeline.index], dtype=np.int64)

"""Which times of two archives belong together: by date, whatever their calendars."""

import numpy as np
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.tasks.timeline import Timeline

UNITS = {1: 360 * 24, 2: 28 * 24, 3: 24}
"""Parts of a date that tell its times apart, and from how many hours between them on."""
UNIT_OF_DAYS = 3


def counterparts(timeline: Timeline, other: Timeline, names: tuple[str, str]) -> NDArray[np.int64]:
    """Return the position along ``other`` of each time's counterpart ``[time]``, -1 where none.

    Dates meet by what the calendar says: year, month and day, and the hour and minute where one of
    the archives has several times a day; daily means meet whatever hour of the day they are
    stamped with, monthly ones whatever day, yearly ones whatever month. A date that the other
    calendar lacks (29 February in years of 365 days, the 31st in years of 360) has no counterpart.

    Parameters
    ----------
    timeline, other
        The two time axes.
    names
        How the two archives are called in messages.

    Raises
    ------
    UserError
        If no time has a counterpart, or one has several; or if one archive has months or years and
        the other one does not, where the value of one day would stand for all of them.
    """
    units = [_unit(each) for each in (timeline, other)]
    unit = max(units)
    if units[0] != units[1] and min(units) < UNIT_OF_DAYS:
        long, short = (names[units.index(which(units))] for which in (min, max))
        raise UserError(
            f"{long} has one time a {'year' if min(units) == 1 else 'month'} and {short} has more: "
            "make means of the same length in its recipe (step resample_time)"
        )
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


def _unit(timeline: Timeline) -> int:
    """Return how many parts of the date tell times apart: 1 for years, 2, 3, or 5 for minutes."""
    return next((count for count, hours in UNITS.items() if timeline.step >= hours), 5)


def _labels(timeline: Timeline) -> NDArray[np.int64]:
    """Return year, month, day, hour and minute of each time ``[time, 5]``."""
    parts = ("year", "month", "day", "hour", "minute")
    return np.array([[getattr(t, p) for p in parts] for t in timeline.index], dtype=np.int64)

"""The time steps of a store, and the windows that fit between them."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import WrapValidator

from climbench.errors import UserError
from climbench.store.time_axis import hours

Period = tuple[str | int, str | int]
"""First and last label, both inside: ``("2000", "2003-06")``."""

Hours = Annotated[
    float, WrapValidator(lambda value, check: value if isinstance(value, str) else check(value))
]
"""An option in hours; texts such as ``10min`` are left to :func:`duration`."""


def to_minutes(duration: ArrayLike) -> NDArray[np.int64]:
    """Return hours in whole minutes, in which times are compared.

    Examples
    --------
    >>> to_minutes([1, 1 / 6]).tolist()
    [60, 10]
    """
    return np.round(60 * np.asarray(duration, dtype=np.float64)).astype(np.int64)


def duration(option: str, value: float | str) -> float:
    """Return an option's duration in hours: a number of them, or such as ``10min``.

    Raises
    ------
    UserError
        If it is neither, or no whole number of minutes.

    Examples
    --------
    >>> duration("lead_times", 6), duration("lead_times", "2h"), duration("lead_times", "90min")
    (6, 2, 1.5)
    """
    try:
        wanted = pd.Timedelta(value) if isinstance(value, str) else pd.Timedelta(value, "h")
        minutes = wanted / pd.Timedelta(1, "min")
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"option '{option}' = {value} is no duration: give hours, or such as 10min"
        ) from error
    if not abs(minutes - round(minutes)) < 1e-6:
        raise UserError(f"option '{option}' = {value} is no whole number of minutes: round it")
    return in_hours(round(minutes))


def in_hours(minutes: int) -> float:
    """Return minutes in hours, a whole number where they are.

    Examples
    --------
    >>> in_hours(360), in_hours(90)
    (6, 1.5)
    """
    return minutes // 60 if minutes % 60 == 0 else minutes / 60


class Timeline:
    """Time steps in ascending order, of any calendar, with or without gaps.

    Parameters
    ----------
    index
        The time axis: a pandas or cftime index.

    Attributes
    ----------
    minutes
        Minutes since 1970 in the calendar of the store ``[time]``.
    step
        The usual distance between steps, hours; a whole number where it is one.
    year, day_of_year, days_in_year, hour_of_day
        Of each step ``[time]``; the hour with its fraction.
    """

    def __init__(self, index: pd.Index) -> None:
        self.index = index
        time = xr.DataArray(index, dims="time")
        self.minutes = to_minutes(hours(time))
        steps, often = np.unique(np.diff(self.minutes), return_counts=True)
        self.step = in_hours(int(steps[often.argmax()])) if steps.size else 1
        self.year: NDArray[np.int64] = time.dt.year.values.astype(np.int64)
        self.day_of_year: NDArray[np.int64] = time.dt.dayofyear.values.astype(np.int64)
        self.days_in_year: NDArray[np.int64] = time.dt.days_in_year.values.astype(np.int64)
        hour = time.dt.hour.values + time.dt.minute.values / 60
        self.hour_of_day: NDArray[np.float32] = hour.astype(np.float32)

    def period(self, labels: Period, name: str) -> range:
        """Return the positions of a period, both labels inside.

        Raises
        ------
        UserError
            If a label is no date or lies outside the time axis.
        """
        first, last = (str(label) for label in labels)
        position = xr.DataArray(
            np.arange(len(self.index)), coords={"time": self.index}, dims="time"
        )
        dates = f"{self.index[0]} to {self.index[-1]}"
        try:
            inside = position.sel(time=slice(first, last)).values
            begins = position.sel(time=slice(None, first)).size > 0
            ends = position.sel(time=slice(last, None)).size > 0
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"the {name} period [{first}, {last}] is not a pair of dates like 2000-01-31"
            ) from error
        if not (begins and ends and inside.size):
            raise UserError(
                f"the {name} period [{first}, {last}] is empty or outside the store's dates, "
                f"{dates}: choose a first and a last date among these"
            )
        return range(int(inside[0]), int(inside[-1]) + 1)

    def at(self, positions: NDArray[np.int64], offsets: Sequence[float]) -> NDArray[np.int64]:
        """Return the positions ``[sample, offset]`` some hours away; -1 where there is no step.

        Examples
        --------
        >>> steps = pd.to_datetime(["2000-01-01 00", "2000-01-01 06", "2000-01-01 18"])
        >>> Timeline(steps).at(np.array([0, 1]), [0, 6]).tolist()
        [[0, 1], [1, -1]]
        """
        wanted = self.minutes[positions][:, None] + to_minutes(offsets)[None, :]
        found = np.searchsorted(self.minutes, wanted).clip(max=len(self.minutes) - 1)
        return np.asarray(np.where(self.minutes[found] == wanted, found, -1), dtype=np.int64)

    def initial(
        self, period: range, offsets: Sequence[float], usable: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the positions whose whole window exists, is usable and lies inside a period.

        Parameters
        ----------
        period
            Positions of the period.
        offsets
            The window: hours before (negative) and after the initial time.
        usable
            Which steps may be part of a window ``[time]``.
        """
        candidates = np.arange(period.start, period.stop)
        window = self.at(candidates, offsets)
        whole = (window >= period.start) & (window < period.stop) & usable[window]
        return np.asarray(candidates[whole.all(axis=1)], dtype=np.int64)

    def every(
        self, positions: NDArray[np.int64], period: range, interval: float
    ) -> NDArray[np.int64]:
        """Return those positions that lie whole intervals after the period's first midnight."""
        midnight = self.minutes[period.start] - to_minutes(self.hour_of_day[period.start])
        on_time = (self.minutes[positions] - midnight) % to_minutes(interval) == 0
        return np.asarray(positions[on_time], dtype=np.int64)

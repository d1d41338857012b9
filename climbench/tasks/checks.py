"""Checks of what the user wrote in a task's options: each mistake is one sentence."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import xarray as xr

from climbench.errors import UserError, nearest
from climbench.metrics.climatology import DAYS
from climbench.store import channel_names, split_channel
from climbench.tasks.fields import COMPUTED, CONSTANT
from climbench.tasks.task import Split
from climbench.tasks.timeline import to_minutes


def check_channels(
    ds: xr.Dataset, store: Path, options: Mapping[str, Sequence[str]], along: str = "time"
) -> None:
    """Check that the channels of each option are in the store and change with time or not.

    Raises
    ------
    UserError
        If a channel is unknown, named twice, or in the wrong option.
    """
    for option, channels in options.items():
        if option in ("inputs", "targets") and not channels:
            raise UserError(f"option '{option}' is empty: name at least one channel")
        for name in channels:
            if channels.count(name) > 1:
                raise UserError(f"option '{option}' names the channel '{name}' twice")
            computed = {"forcings": tuple(COMPUTED), "static": CONSTANT}.get(option, ())
            if name in computed:
                continue
            known = channel_names(ds)
            if name not in known:
                known = [*known, *computed]
                raise UserError(
                    f"option '{option}': store {store.name} has no channel '{name}': "
                    f"{nearest(name, known)}"
                )
            varies = along in ds[split_channel(ds, name)[0]].dims
            if varies == (option in ("static", "mask")):
                mend = "name it in inputs or forcings" if varies else "name it in static"
                if option == "mask":
                    mend = "name one that is constant"
                raise UserError(
                    f"option '{option}': '{name}' {'varies' if varies else 'is constant'} "
                    f"in {along}: {mend}"
                )


def check_multiples(
    option: str, hours: Sequence[float], step: float, of: str = "the store's step"
) -> None:
    """Check that hours are positive multiples of a step, in ascending order.

    Raises
    ------
    UserError
        If they are not.
    """
    if not hours:
        raise UserError(f"option '{option}' is empty: give at least one number of hours")
    for value in hours:
        minutes = int(to_minutes(value))
        if minutes <= 0 or minutes % int(to_minutes(step)):
            raise UserError(
                f"option '{option}': {value:g} h is no positive multiple of {of}, {step:g} h"
            )
    if any(later <= earlier for earlier, later in pairwise(hours)):
        raise UserError(f"option '{option}' = {list(hours)} must be ascending, without repeats")


def check_apart(periods: Mapping[Split, range]) -> None:
    """Check that no time is in two splits.

    Raises
    ------
    UserError
        If two periods overlap.
    """
    ordered = sorted(periods, key=lambda split: periods[split].start)
    for earlier, later in pairwise(ordered):
        if periods[earlier].stop > periods[later].start:
            raise UserError(
                f"the {earlier} and the {later} period overlap: no time may be in two splits, so "
                f"let the {earlier} period end before the {later} period begins"
            )


def check_window(days: int) -> None:
    """Check that a climatology can be smoothed over so many days.

    Raises
    ------
    UserError
        If the number is even, or no part of a year.
    """
    if days < 1 or days % 2 == 0 or days >= DAYS:
        raise UserError(
            f"option 'climatology_window' = {days} is wrong: give an odd number of days below "
            f"{DAYS}"
        )

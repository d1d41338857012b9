"""Channels that follow from the calendar: waves of the year and of the local solar day."""

from collections.abc import Callable
from typing import Any

import numpy as np

Channel = Callable[[Any, Any, Any, Any], Any]
"""Of day of the year 1..366, hour (UTC), degrees north and east; the arrays broadcast."""


def _season(wave: Callable[[Any], Any]) -> Channel:
    def channel(day: Any, hour: Any, latitude: Any, longitude: Any) -> Any:
        angle = 2.0 * np.pi * (day - 1.0 + hour / 24.0) / 365.25
        return wave(angle) + 0.0 * (latitude + longitude)

    return channel


def _solar_day(wave: Callable[[Any], Any]) -> Channel:
    def channel(day: Any, hour: Any, latitude: Any, longitude: Any) -> Any:
        angle = 2.0 * np.pi * (hour / 24.0 + longitude / 360.0)
        return wave(angle) + 0.0 * (day + latitude)

    return channel


CALENDAR_CHANNELS: dict[str, Channel] = {
    "cos_day_of_year": _season(np.cos),
    "sin_day_of_year": _season(np.sin),
    "cos_local_hour": _solar_day(np.cos),
    "sin_local_hour": _solar_day(np.sin),
}
"""Dimensionless; those of the year include the hour, so that they never jump within a day."""

"""Scores of stations: those that the forecasts have, whatever others were observed."""

import hashlib
from dataclasses import replace

import numpy as np

from climbench.errors import UserError
from climbench.evaluation.source import Source
from climbench.store.stations import ALONE, STATION

FEW = 8  # names that a sentence can hold


def at_the_same_stations(forecasts: Source, other: Source) -> Source:
    """Return a truth or climatology with the stations of the forecasts alone.

    Raises
    ------
    UserError
        If it lacks one of them, or one of both has maps.
    """
    for one, two in ((forecasts, other), (other, forecasts)):
        if one.of_stations and not two.of_stations:
            raise UserError(
                f"{one.label} is of stations and {two.label} has maps: bring the maps to the "
                "stations first, with `climbench stations`."
            )
    if not forecasts.of_stations:
        return other
    wanted, known = (each.dataset[STATION].values for each in (forecasts, other))
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise UserError(
            f"{other.label} lacks the station '{missing[0]}', which {forecasts.label} has: select "
            "the same stations."
        )
    if wanted.size == known.size:
        return other
    at = [list(known).index(name) for name in wanted]
    longitude = forecasts.dataset["longitude"].values
    row = other.dataset.isel(longitude=at).assign_coords(longitude=longitude)
    return replace(
        other, dataset=row, longitude=forecasts.longitude, columns=np.arange(longitude.size)
    )


def names_of_stations(forecasts: Source) -> str:
    """Return which stations are scored, so that others are not compared; empty for maps."""
    if not forecasts.of_stations:
        return ""
    names = [str(name) for name in forecasts.dataset[STATION].values if name != ALONE]
    if len(names) <= FEW:
        return ", ".join(names)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return f"{len(names)} stations ({digest[:8]})"

"""Made-up fields in the layout of an archive: small, smooth, and the same from the same seed."""

import hashlib
import json
import zlib
from statistics import NormalDist
from typing import Any

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import Recipe, Synthetic
from climbench.recipes.schema.synthetic import SyntheticField
from climbench.recipes.sources.simulated import with_axes
from climbench.recipes.sources.source import Input, Opened, Surroundings

WAVES = 12
BLOCK = 64  # times that are made together
MIDDLE_OF_JANUARY = 15  # day of the year at which the season is lowest

Field = NDArray[np.float64]


def open_synthetic(source: Synthetic, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the fields over the recipe's dates, not yet made.

    Raises
    ------
    UserError
        If the step is none.
    """
    if recipe.dates is None:
        raise ValueError("the schema lets no synthetic source through without dates")
    end = pd.Period(recipe.dates.end).end_time
    try:
        times = pd.date_range(recipe.dates.start, end, freq=source.step).as_unit("ns")
    except ValueError as error:
        raise UserError(f"option 'step' of synthetic: '{source.step}' is no step.") from error
    grid = (source.rows, source.columns)
    data: dict[str, Any] = {}
    for name, field in source.fields.items():
        if field.fixed:
            values = _values(source, name, times[:1])[0].astype(np.float32)
            data[name] = (("latitude", "longitude"), values, {"units": field.units})
            continue
        blocks = [
            dask.array.from_delayed(
                dask.delayed(_values)(source, name, times[at : at + BLOCK]),
                (len(times[at : at + BLOCK]), *grid),
                dtype=np.float32,
            )
            for at in range(0, len(times), BLOCK)
        ]
        whole = dask.array.concatenate(blocks)
        data[name] = (("time", "latitude", "longitude"), whole, {"units": field.units})
    axes = {
        "time": times,
        "latitude": np.linspace(*source.latitude, source.rows),
        "longitude": np.linspace(*source.longitude, source.columns),
    }
    return Opened(with_axes(xr.Dataset(data, axes)), (_identity(source),))


def _values(source: Synthetic, name: str, times: pd.DatetimeIndex) -> NDArray[np.float32]:
    """Return a variable ``[time, latitude, longitude]``."""
    field = source.fields[name]
    waves = _waves(source, name, times)
    if field.events is not None:
        values = (waves > _quantile(1 - field.events)).astype(np.float64)
    else:
        angle = 2 * np.pi * (times.day_of_year.to_numpy() - MIDDLE_OF_JANUARY) / 365.25
        season = 0.0 if field.fixed else -field.season * np.cos(angle)[:, None, None]
        lowest = -np.inf if field.lowest is None else field.lowest
        highest = np.inf if field.highest is None else field.highest
        values = np.clip(field.mean + season + field.std * waves, lowest, highest)
    if field.missing is not None:
        clouds = _own_waves(source, f"clouds over {name}", field, times)
        values[clouds > _quantile(1 - field.missing)] = np.nan
    return values.astype(np.float32)


def _quantile(share: float) -> float:
    """Return the number below which a share of the waves lies, which are nearly normal."""
    return NormalDist().inv_cdf(share)


def _waves(source: Synthetic, name: str, times: pd.DatetimeIndex) -> Field:
    """Return waves of mean 0 and variance 1, in part those of other variables."""
    field = source.fields[name]
    rest = 1.0 - sum(weight**2 for weight in field.follows.values())
    waves: Field = np.sqrt(max(rest, 0.0)) * _own_waves(source, name, field, times)
    for other, weight in field.follows.items():
        waves = waves + weight * _waves(source, other, times)
    return waves


def _own_waves(
    source: Synthetic, name: str, field: SyntheticField, times: pd.DatetimeIndex
) -> Field:
    random = np.random.default_rng([source.seed, zlib.crc32(name.encode())])
    north, east = random.normal(0, 1.5, (2, WAVES))  # waves across the map
    often = random.uniform(0.03, 0.3, WAVES) * (not field.fixed)  # times a day that one passes
    phase = random.uniform(0, 1, WAVES)
    days = (times - pd.Timestamp("2000-01-01")) / pd.Timedelta("1D")
    latitude = np.linspace(0, 1, source.rows)[:, None]
    longitude = np.linspace(0, 1, source.columns)
    place = north[:, None, None] * latitude + east[:, None, None] * longitude  # [wave, ...]
    here = np.exp(2j * np.pi * place)
    now = np.exp(2j * np.pi * (days.to_numpy()[:, None] * often + phase))  # [time, wave]
    waves: Field = np.sqrt(2 / WAVES) * np.tensordot(now, here, 1).real
    return waves


def _identity(source: Synthetic) -> Input:
    text = json.dumps(source.model_dump(mode="json"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    address = f"climbench:synthetic?seed={source.seed}&fields={len(source.fields)}"
    return Input(address, record={"address": address, "size": 0, "sha256": digest})

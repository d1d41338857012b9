"""Emissions of the world as an emulator reads them: history, and totals spread over maps."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.grids import is_periodic, latitude_bounds, longitude_bounds
from climbench.prediction.pathway import History, Pathway
from climbench.store import read_channel
from climbench.tasks.emulation import HISTORICAL
from climbench.tasks.sample import Signature

EARTH_RADIUS = 6_371_000.0  # m
SECONDS_PER_YEAR = 365.0 * 86400.0
KG_PER_MEGATON = 1e9
FLUX = ("kg m-2 s-1", "kg m**-2 s**-1", "kg/m2/s", "")

Fields = NDArray[np.float32]


def history_of(dataset: xr.Dataset, inputs: tuple[str, ...], source: str | None) -> History:
    """Return the world's emissions in the store's historical scenario, none where it has none.

    Parameters
    ----------
    dataset
        The store.
    inputs
        Global series or maps.
    source
        The climate model, where the store has several.
    """
    years = calendar_years(dataset)
    unknown = np.full(years.size, np.nan)
    if HISTORICAL not in dataset["scenario"].values:
        return History(years, dict.fromkeys(inputs, unknown))
    fields = {name: _field(dataset, name, HISTORICAL, source) for name in inputs}
    return History(years, {name: world_total(field) for name, field in fields.items()})


def calendar_years(dataset: xr.Dataset) -> NDArray[np.int64]:
    """Return the year of each step of a store."""
    time = dataset["time"]
    return np.asarray((time.dt.year if time.dtype.kind in "MO" else time).values, dtype=np.int64)


def world_total(field: xr.DataArray) -> NDArray[np.float64]:
    """Return a global series as it is, and the total of a map of fluxes in Mt/yr ``[time]``.

    Examples
    --------
    >>> whole = {"time": [0], "latitude": [-45.0, 45.0], "longitude": [0.0, 180.0]}
    >>> flux = xr.DataArray(np.full((1, 2, 2), 1e-12), whole, list(whole))
    >>> world_total(flux).round(3).tolist()  # 5.1e14 m2 x 3.15e7 s x 1e-12 kg
    [16.085]
    """
    if "latitude" not in field.dims:
        return field.values.astype(np.float64)
    rows = np.abs(np.diff(np.sin(np.deg2rad(latitude_bounds(field["latitude"].values)))))
    turn = 2 * np.pi
    if not is_periodic(field["longitude"].values):
        turn = np.deg2rad(np.ptp(longitude_bounds(field["longitude"].values)))
    area = EARTH_RADIUS**2 * turn / field.sizes["longitude"] * rows  # m2 of a cell of each row
    flux = field.transpose(..., "latitude", "longitude").values.astype(np.float64)
    return np.asarray(flux.sum(axis=-1) @ area * SECONDS_PER_YEAR / KG_PER_MEGATON)


def drivers(
    dataset: xr.Dataset,
    signature: Signature,
    pathway: Pathway,
    history: History,
    like: str,
    source: str | None,
) -> Fields:
    """Return the windows of years that the emulator reads.

    Where an input is a map, the map of the same year in the scenario ``like`` (its last one
    afterwards, history before) is scaled to the pathway's total.

    Returns
    -------
    numpy.ndarray
        ``[year, history, channel, latitude, longitude]``, 1 x 1 where all inputs are global.

    Raises
    ------
    UserError
        If years before the pathway are missing, or a map cannot be scaled.
    """
    first, back = int(pathway.years[0]), signature.history - 1
    years = np.arange(first - back, int(pathway.years[-1]) + 1)
    fields = []
    for name in signature.inputs:
        before = np.array([history.at(name, year) for year in years[:back]])
        if not np.isfinite(before).all():
            lacking = years[:back][~np.isfinite(before)]
            begin = int(history.years[0])
            mend = (
                f"the store's history begins in {begin}, so begin in {begin + back} or later."
                if lacking[0] < begin
                else f"the store's history ends in {history.last_year(name)}, so give these years "
                "in the file."
            )
            raise UserError(
                f"the window of {signature.history} years before {first} lacks '{name}' in "
                f"{_span(lacking)}: {mend}"
            )
        totals = np.concatenate([before, pathway.values[name]])
        if "latitude" in dataset[name].dims:
            fields.append(_scaled(dataset, name, years, totals, like, source))
        else:
            fields.append(totals.astype(np.float32)[:, None, None])
    stack = np.stack(np.broadcast_arrays(*fields), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(stack, signature.history, axis=0)
    return np.moveaxis(windows, -1, 1).copy()  # the view cannot be written to, as torch wants


def _scaled(
    dataset: xr.Dataset,
    name: str,
    years: NDArray[np.int64],
    totals: NDArray[np.float64],
    like: str,
    source: str | None,
) -> Fields:
    """Return maps ``[year, latitude, longitude]`` with the given totals, in Mt/yr."""
    units = str(dataset[name].attrs.get("units", ""))
    if units not in FLUX:
        raise UserError(f"maps of '{name}' are in '{units}', not in kg m-2 s-1: convert them.")
    patterns = _field(dataset, name, like, source)
    if HISTORICAL in dataset["scenario"].values:
        patterns = patterns.fillna(_field(dataset, name, HISTORICAL, source))
    known = patterns.notnull().all(["latitude", "longitude"]).values
    there = calendar_years(dataset)[known]
    if not there.size:
        raise UserError(f"scenario '{like}' has no map of '{name}' to scale: give maps_like=...")
    at = np.clip(np.searchsorted(there, years, side="right") - 1, 0, None)
    maps = patterns.values[known][at].astype(np.float64)
    sizes = world_total(patterns.isel(time=np.flatnonzero(known)))[at]
    if (sizes[totals != 0] == 0).any():
        raise UserError(
            f"scenario '{like}' emits no '{name}', so that its map cannot be scaled: give "
            "maps_like=SCENARIO."
        )
    factors = np.divide(totals, sizes, out=np.zeros_like(totals), where=sizes != 0)
    return np.asarray(maps * factors[:, None, None], dtype=np.float32)


def _field(dataset: xr.Dataset, name: str, scenario: str, source: str | None) -> xr.DataArray:
    field = read_channel(dataset, name).sel(scenario=scenario)
    if "source_id" in field.dims:
        field = field.sel(source_id=source)
    return field.transpose("time", ...)


def _span(years: NDArray[np.int64]) -> str:
    return f"{years[0]}" if years.size == 1 else f"{years[0]} to {years[-1]}"

"""RMSE, bias and ACC in plain xarray: as in a notebook, in chunks, with dask, as WeatherBench-X.

Neither WeatherBench is on a package registry. `in_memory` and `with_dask` are what WeatherBench 2
does: weighted means over space of whole arrays. `statistic_by_statistic` is what WeatherBench-X
does with a stream: per chunk of starts load forecast and truth; each statistic by itself selects
its climatology, and is summed with the weights, as is an array of ones. `in_chunks` is the fastest
loop that stays xarray: nothing is selected or computed twice.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from inputs import STARTS_IN_CHUNK

SPACE = ["longitude", "latitude"]


def area_weights(latitude: xr.DataArray) -> xr.DataArray:
    """Return the area of a cell between the midpoints of latitudes, mean 1."""
    middles = (latitude.values[1:] + latitude.values[:-1]) / 2
    edges = np.sin(np.deg2rad(np.concatenate([[-90], middles, [90]])))
    weights = xr.DataArray(np.diff(edges), {"latitude": latitude}, "latitude")
    return weights / weights.mean()


def matched(
    forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset, name: str
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return one variable's forecast, and truth and climatology at its valid times."""
    values = forecast[name]
    return values, valid_truth(values, truth), valid_climate(values, climatology)


def valid_truth(forecast: xr.DataArray, truth: xr.Dataset) -> xr.DataArray:
    """Return the truth at a forecast's valid times."""
    valid = forecast.time + forecast.prediction_timedelta
    return truth[forecast.name].sel(time=valid).assign_coords(time=forecast.time)


def valid_climate(forecast: xr.DataArray, climatology: xr.Dataset) -> xr.DataArray:
    """Return the climatology at a forecast's valid times."""
    valid = forecast.time + forecast.prediction_timedelta
    climate = climatology[forecast.name].sel(hour=valid.dt.hour, dayofyear=valid.dt.dayofyear)
    return climate.drop_vars(["hour", "dayofyear"])


def variables(forecast: xr.Dataset) -> list[str]:
    """Return names in order: a Zarr v3 group without consolidated metadata has them in any."""
    return sorted(map(str, forecast.data_vars))


def table(scores: list[xr.DataArray]) -> np.ndarray:
    """Return scores[metric, channel, lead] from each variable's [metric, lead(, level)]."""
    stacked = xr.concat(scores, "variable", coords="minimal", compat="override")
    stacked = stacked.transpose("metric", "variable", ..., "prediction_timedelta")
    return stacked.values.reshape(3, -1, stacked.sizes["prediction_timedelta"])


def in_memory(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Weighted means of whole arrays, one variable at a time."""
    weights = area_weights(truth.latitude)
    return table(
        [
            whole(*matched(forecast, truth, climatology, name), weights)
            for name in variables(forecast)
        ]
    )


def whole(
    forecast: xr.DataArray, truth: xr.DataArray, climate: xr.DataArray, weights: xr.DataArray
) -> xr.DataArray:
    """Return RMSE, bias and ACC of one variable [metric, lead(, level)]."""

    def mean(values: xr.DataArray) -> xr.DataArray:
        return values.weighted(weights).mean(SPACE, skipna=False)

    error = forecast - truth
    rmse = np.sqrt(mean(error**2).mean("time"))
    bias = mean(error).mean("time")
    forecast, truth = forecast - climate, truth - climate
    acc = mean(forecast * truth) / np.sqrt(mean(forecast**2) * mean(truth**2))
    return xr.concat([rmse, bias, acc.mean("time")], "metric")


def in_memory_in_chunks(
    forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
) -> np.ndarray:
    """As `in_chunks`, of arrays in memory."""
    return chunked(forecast, truth, climatology, dotted)


def in_chunks(folder: Path) -> np.ndarray:
    """Start chunks of a store; truth and climatology are read once and kept in memory."""
    return chunked(*opened(folder), dotted)


Pieces = tuple[xr.DataArray, ...]
Statistics = Callable[[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray], Pieces]


def opened(folder: Path) -> Iterator[xr.Dataset]:
    """Return the forecast, lazily, and truth and climatology, read."""
    yield xr.open_zarr(folder / "forecast.zarr", chunks=None)
    yield xr.open_zarr(folder / "truth.zarr", chunks=None).load()
    yield xr.open_zarr(folder / "climatology.zarr", chunks=None).load()


def chunked(
    forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset, statistics: Statistics
) -> np.ndarray:
    """Compute the statistics of each chunk of starts, then the scores of all."""
    weights = area_weights(truth.latitude)
    collected: dict[str, list[Pieces]] = {name: [] for name in variables(forecast)}
    for first in range(0, forecast.sizes["time"], STARTS_IN_CHUNK):
        chunk = forecast.isel(time=slice(first, first + STARTS_IN_CHUNK)).load()
        for name, pieces in collected.items():
            pieces.append(statistics(*matched(chunk, truth, climatology, name), weights))
    return collected_scores(collected)


def collected_scores(collected: dict[str, list[Pieces]]) -> np.ndarray:
    """Return the scores of all chunks' MSE, bias and ACC."""
    results = []
    for pieces in collected.values():
        mse, bias, acc = (
            xr.concat(part, "time").mean("time") for part in zip(*pieces, strict=True)
        )
        results.append(xr.concat([np.sqrt(mse), bias, acc], "metric"))
    return table(results)


def dotted(
    forecast: xr.DataArray, truth: xr.DataArray, climate: xr.DataArray, weights: xr.DataArray
) -> Pieces:
    """Return MSE, bias and ACC [time, lead(, level)]: dot products with the weights."""
    cells = truth.sizes["longitude"] * truth.sizes["latitude"]  # the weights' mean is 1

    def mean(values: xr.DataArray) -> xr.DataArray:
        return xr.dot(values, weights, dim=SPACE) / cells

    error = forecast - truth
    forecast, truth = forecast - climate, truth - climate
    acc = mean(forecast * truth) / np.sqrt(mean(forecast**2) * mean(truth**2))
    return mean(error**2), mean(error), acc


def in_memory_statistic_by_statistic(
    forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
) -> np.ndarray:
    """Compute five statistics of each chunk of starts apart from each other."""
    weights = area_weights(truth.latitude)
    collected: dict[str, list[Pieces]] = {name: [] for name in variables(forecast)}

    def mean(values: xr.DataArray) -> xr.DataArray:
        ones = xr.ones_like(values)
        return xr.dot(values, weights, dim=SPACE) / xr.dot(ones, weights, dim=SPACE)

    for first in range(0, forecast.sizes["time"], STARTS_IN_CHUNK):
        chunk = forecast.isel(time=slice(first, first + STARTS_IN_CHUNK)).load()
        for name, pieces in collected.items():
            f, o = chunk[name], valid_truth(chunk[name], truth)
            mse, bias = mean((f - o) ** 2), mean(f - o)
            of_forecast = mean((f - valid_climate(f, climatology)) ** 2)
            of_truth = mean((o - valid_climate(f, climatology)) ** 2)
            c = valid_climate(f, climatology)
            pieces.append((mse, bias, mean((f - c) * (o - c)) / np.sqrt(of_forecast * of_truth)))
    return collected_scores(collected)


def statistic_by_statistic(folder: Path) -> np.ndarray:
    """Start chunks of a store; truth and climatology are read once and kept in memory."""
    return in_memory_statistic_by_statistic(*opened(folder))


def with_dask(folder: Path) -> np.ndarray:
    """Expressions over chunked stores, computed at once.

    With dask chunks as small as those of the store, selecting truth at valid times makes so many
    tasks that 8 starts of case S take two minutes; `auto` joins them.
    """
    forecast, truth, climatology = (
        xr.open_zarr(folder / f"{name}.zarr", chunks="auto")
        for name in ("forecast", "truth", "climatology")
    )
    weights = area_weights(truth.latitude)
    scores = [
        whole(*matched(forecast, truth, climatology, name), weights) for name in variables(forecast)
    ]
    return table([*xr.Dataset(dict(enumerate(scores))).compute().data_vars.values()])


def bare_read(folder: Path) -> None:
    """Read and decompress every chunk of the forecasts, and do nothing with it."""
    read_all(folder / "forecast.zarr")


def bare_read_all(folder: Path) -> None:
    """Read and decompress the forecasts, the truth and the climatology."""
    for name in ("forecast", "truth", "climatology"):
        read_all(folder / f"{name}.zarr")


def read_all(path: Path) -> None:
    """Read each array of a Zarr group."""
    for _, array in zarr.open_group(path, mode="r").arrays():
        np.asarray(array[...])

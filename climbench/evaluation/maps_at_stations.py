"""Values of maps at weather stations, a block of times after the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.store.stations import STATION

BLOCK = 64 * 2**20  # bytes of maps that are read at once
MAP = ("latitude", "longitude")


@dataclass(frozen=True)
class Cells:
    """How values of cells become values of stations.

    Attributes
    ----------
    rows, columns, weights
        Positions in the file and weights ``[station, 4]``, see
        :func:`climbench.evaluation.cells_at_stations.cells_at_stations`.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.float64]

    def values(self, fields: xr.DataArray) -> NDArray[np.float64]:
        """Return fields at the stations ``[..., station]``; NaN where a cell that counts is."""
        corners = fields.transpose(..., *MAP).values[..., self.rows, self.columns]
        counted = np.where(self.weights > 0, corners * self.weights, 0.0)
        return np.asarray(counted.sum(axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class MapsAtStations:
    """Forecasts of maps as forecasts at stations.

    Attributes
    ----------
    maps
        Variables along ``time`` and the map.
    stations
        Names and places: coordinates along ``station``.
    cells
        What each station is made from.
    change
        What is added to each variable ``[station]``, for the height of the station.
    """

    maps: xr.Dataset
    stations: xr.Dataset
    cells: Cells
    change: Mapping[str, NDArray[np.float64]]

    def part(self, start: int, stop: int) -> xr.Dataset:
        """Return the times from ``start`` to before ``stop``, ``[time, ..., station]``."""
        found = {}
        for name, array in self.maps.isel(time=slice(start, stop)).items():
            values = self.cells.values(array.transpose("time", ..., *MAP))
            dims = (*(dim for dim in array.transpose("time", ...).dims if dim not in MAP), STATION)
            values = (values + self.change.get(str(name), 0.0)).astype(np.float32)
            found[name] = (dims, values, array.attrs)
        along = self.maps.drop_vars([*self.maps.data_vars, *MAP]).isel(time=slice(start, stop))
        return xr.Dataset(found, along.coords).assign_coords(self.stations.coords)

    def parts(self, steps: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Return first and last + 1 of blocks that hold all the times that are wanted.

        Parameters
        ----------
        steps
            Which times ``[time]``.
        """
        one = sum(array.nbytes for array in self.maps.values()) // max(1, self.maps.sizes["time"])
        length = max(1, BLOCK // max(1, one))
        runs = np.flatnonzero(np.diff(np.concatenate([[False], steps, [False]]).astype(int)))
        for first, last in runs.reshape(-1, 2).tolist():
            for start in range(first, last, length):
                yield start, min(start + length, last)

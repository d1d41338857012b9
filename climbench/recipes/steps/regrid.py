"""Onto another latitude-longitude grid."""

from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from climbench.errors import UserError
from climbench.recipes.regridding import Method, regridder
from climbench.recipes.steps.step import Step, require


class Regrid(Step):
    """Regrid to a resolution or to given rows and columns.

    Attributes
    ----------
    resolution
        Cell size, degrees: a global grid of whole cells, the first centred at
        ``(-90 + resolution / 2, 0)``; 5.625 is WeatherBench's 32 x 64.
    rows, columns
        Instead of a resolution: a global grid of so many rows, the first and the last on the poles,
        and columns from 0 on; 96 and 144 are the grid of NorESM2-LM and of ClimateBench.
    latitude, longitude
        Instead of both: cell centres, degrees.
    method
        ``conservative`` or ``bilinear``.
    valid
        Least share of a target cell that must have values (conservative).
    """

    name: ClassVar[str] = "regrid"
    resolution: Annotated[float, Field(gt=0, le=90)] | None = None
    rows: Annotated[int, Field(ge=2)] | None = None
    columns: Annotated[int, Field(ge=1)] | None = None
    latitude: list[float] | None = None
    longitude: list[float] | None = None
    method: Method = "conservative"
    valid: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _one_target(self) -> "Regrid":
        targets = ((self.resolution,), (self.rows, self.columns), (self.latitude, self.longitude))
        given = [target for target in targets if target.count(None) < len(target)]
        if len(given) != 1 or None in given[0]:
            raise ValueError(
                "give either 'resolution', or both 'rows' and 'columns', or both 'latitude' and "
                "'longitude'"
            )
        if self.resolution is not None and abs(180 / self.resolution % 1) > 1e-6:
            raise ValueError("'resolution' must divide 180 degrees")
        return self

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return every gridded variable on the target grid."""
        require(dataset, ["latitude", "longitude"], self.name)
        latitude, longitude = self._target()
        try:
            regrid = regridder(
                dataset["latitude"].values,
                dataset["longitude"].values,
                latitude,
                longitude,
                self.method,
                self.valid,
            )
        except ValueError as error:
            raise UserError(f"step 'regrid': {error}; put a 'sort' step before it.") from error
        gridded = [
            n for n, a in dataset.data_vars.items() if {"latitude", "longitude"} <= {*a.dims}
        ]
        rest = dataset.drop_vars([*gridded, "latitude", "longitude"])
        moved = {}
        for name in gridded:
            array = dataset[name]
            if np.issubdtype(array.dtype, np.integer):
                array = array.astype(np.float32)
            moved[name] = xr.apply_ufunc(
                regrid,
                array.chunk(latitude=-1, longitude=-1) if array.chunks else array,
                input_core_dims=[["latitude", "longitude"]],
                output_core_dims=[["latitude", "longitude"]],
                exclude_dims={"latitude", "longitude"},
                dask="parallelized",
                output_dtypes=[array.dtype],
                dask_gufunc_kwargs={
                    "output_sizes": {"latitude": latitude.size, "longitude": longitude.size}
                },
                keep_attrs=True,
            )
        return rest.assign(moved).assign_coords(
            latitude=("latitude", latitude, dataset["latitude"].attrs),
            longitude=("longitude", longitude, dataset["longitude"].attrs),
        )

    def _target(self) -> tuple[np.ndarray, np.ndarray]:
        if self.rows is not None and self.columns is not None:
            return np.linspace(-90, 90, self.rows), np.arange(self.columns) * 360 / self.columns
        if self.resolution is None:
            return np.asarray(self.latitude, float), np.asarray(self.longitude, float)
        rows = round(180 / self.resolution)
        return (
            -90 + self.resolution * (np.arange(rows) + 0.5),
            self.resolution * np.arange(2 * rows, dtype=float),
        )

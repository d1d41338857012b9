"""Onto another latitude-longitude grid."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from climbench.errors import UserError
from climbench.grids import gaussian_latitudes
from climbench.recipes.nearest_cells import nearest_cells, take_cells
from climbench.recipes.regridding import Method, regridder
from climbench.recipes.steps.step import Step, require

PLANE = ["latitude", "longitude"]


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
    gaussian
        Instead of these: the regular Gaussian grid of so many rows between pole and equator, and
        four times as many columns; 32 is ECMWF's F32, 64 x 128.
    latitude, longitude
        Instead of all: cell centres, degrees.
    method
        ``conservative`` for means and fluxes, ``bilinear`` for smooth fields to a finer grid,
        ``nearest`` for classes and masks, and from fields on ``column``.
    valid
        Least share of a target cell that must have values (conservative).
    """

    name: ClassVar[str] = "regrid"
    resolution: Annotated[float, Field(gt=0, le=90)] | None = None
    rows: Annotated[int, Field(ge=2)] | None = None
    columns: Annotated[int, Field(ge=1)] | None = None
    gaussian: Annotated[int, Field(ge=1, le=8000)] | None = None
    latitude: list[float] | None = None
    longitude: list[float] | None = None
    method: Method = "conservative"
    valid: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _one_target(self) -> "Regrid":
        targets = (
            (self.resolution,),
            (self.rows, self.columns),
            (self.gaussian,),
            (self.latitude, self.longitude),
        )
        given = [target for target in targets if target.count(None) < len(target)]
        if len(given) != 1 or None in given[0]:
            raise ValueError(
                "give either 'resolution', or 'gaussian', or both 'rows' and 'columns', or both "
                "'latitude' and 'longitude'"
            )
        if self.resolution is not None and abs(180 / self.resolution % 1) > 1e-6:
            raise ValueError("'resolution' must divide 180 degrees")
        return self

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return every gridded variable on the target grid."""
        require(dataset, PLANE, self.name)
        latitude, longitude = self._target()
        sizes = {"latitude": latitude.size, "longitude": longitude.size}
        places = [dataset[axis] for axis in PLANE]
        unstructured = places[0].dims == ("column",)
        plane = ["column"] if unstructured else PLANE
        function = self._function(places, latitude, longitude, unstructured)
        gridded = [n for n, a in dataset.data_vars.items() if {*plane} <= {*a.dims}]
        moved = {n: _moved(dataset[n], function, plane, sizes) for n in gridded}
        rest = dataset.drop_vars([*gridded, *PLANE]).drop_dims("column", errors="ignore")
        return rest.assign(moved).assign_coords(
            latitude=("latitude", latitude, places[0].attrs),
            longitude=("longitude", longitude, places[1].attrs),
        )

    def _function(
        self,
        places: list[xr.DataArray],
        latitude: NDArray[np.float64],
        longitude: NDArray[np.float64],
        unstructured: bool,
    ) -> Callable[..., Any]:
        """Return what moves an array whose last dimensions are the plane."""
        source = (places[0].values, places[1].values)
        if unstructured:
            if self.method != "nearest":
                raise UserError(
                    f"step 'regrid': '{self.method}' needs a latitude-longitude grid; fields on "
                    "'column' are moved with 'method: nearest'."
                )
            cells = nearest_cells(*source, latitude, longitude)
            return partial(take_cells, cells=cells)
        try:
            return regridder(*source, latitude, longitude, self.method, self.valid)
        except ValueError as error:
            raise UserError(f"step 'regrid': {error}; put a 'sort' step before it.") from error

    def _target(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.rows is not None and self.columns is not None:
            rows, columns = (np.arange(n, dtype=np.float64) for n in (self.rows, self.columns))
            return -90 + 180 * rows / (self.rows - 1), 360 * columns / self.columns
        if self.gaussian is not None:
            columns = np.arange(4 * self.gaussian, dtype=np.float64) * 90 / self.gaussian
            return gaussian_latitudes(2 * self.gaussian), columns
        if self.resolution is None:
            return np.array(self.latitude, np.float64), np.array(self.longitude, np.float64)
        count = round(180 / self.resolution)
        return (
            -90 + self.resolution * (np.arange(count, dtype=np.float64) + 0.5),
            self.resolution * np.arange(2 * count, dtype=np.float64),
        )


def _moved(
    array: xr.DataArray, function: Callable[..., Any], plane: list[str], sizes: dict[str, int]
) -> xr.DataArray:
    if array.dtype.kind != "f":
        array = array.astype(np.float32, keep_attrs=True)
    moved: xr.DataArray = xr.apply_ufunc(
        function,
        array.chunk(dict.fromkeys(plane, -1)) if array.chunks else array,
        input_core_dims=[plane],
        output_core_dims=[PLANE],
        exclude_dims={*plane},
        dask="parallelized",
        output_dtypes=[array.dtype],
        dask_gufunc_kwargs={"output_sizes": sizes},
        keep_attrs=True,
    )
    return moved

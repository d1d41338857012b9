"""GeoTIFF and BIL: each band a field, of which the files say where it is and nothing about time."""

from typing import Any

import dask
import dask.array
import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import Files
from climbench.recipes.sources.places import ELSEWHERE


def open_raster(path: str, where: str, source: Files) -> xr.Dataset:
    """Open a raster lazily, its bands called by their descriptions, or ``band_1``, ``band_2`` ...

    Parameters
    ----------
    path
        Local path.
    where
        Its name, for errors.
    source
        Its ``flatten``, without which maps in a projection are refused.

    Returns
    -------
    xarray.Dataset
        Bands ``[latitude, longitude]``; in a projection ``[y, x]`` with the place of each cell.

    Raises
    ------
    UserError
        If rasterio is missing, or the raster does not say where it is.
    """
    with _opened(path, where) as file:
        reference, transform = file.crs, file.transform
        if reference is None or transform.b or transform.d:
            raise UserError(
                f"{where} does not say where its cells are, or is turned: convert it with "
                "`gdalwarp -t_srs EPSG:4326` first."
            )
        columns = transform.c + transform.a * (np.arange(file.width) + 0.5)
        rows = transform.f + transform.e * (np.arange(file.height) + 0.5)
        names = [text or f"band_{at}" for at, text in enumerate(file.descriptions, 1)]
        units, kinds = file.units, file.dtypes
        is_geographic, projection = reference.is_geographic, reference.to_wkt()
    if is_geographic:
        dims, axes = ("latitude", "longitude"), {"latitude": rows, "longitude": columns}
        places: dict[str, Any] = {n: (n, a, {"units": "degrees"}) for n, a in axes.items()}
    elif source.flatten:
        dims, places = ("y", "x"), _places(rows, columns, projection)
    else:
        raise UserError(f"{where} is a map in a projection of its own: {ELSEWHERE}.")
    fields = {}
    for number, (name, unit, kind) in enumerate(zip(names, units, kinds, strict=True), 1):
        wide = np.dtype(np.float64 if kind in ("float64", "int32", "uint32") else np.float32)
        block = dask.delayed(_read)(path, where, number, wide)
        array = dask.array.from_delayed(block, (rows.size, columns.size), dtype=wide)
        fields[name] = xr.Variable(dims, array, {"units": unit} if unit else {})
    return xr.Dataset(fields, places)


def _opened(path: str, where: str) -> Any:
    try:
        import rasterio
        from rasterio.errors import RasterioError
    except ImportError as error:
        raise UserError(f"{where}: rasters need `pip install climbench[raster]`.") from error
    try:
        # no other format of GDAL's: some name files and hosts that are to be read instead
        return rasterio.open(path, driver="EHdr" if path.lower().endswith(".bil") else "GTiff")
    except RasterioError as error:
        raise UserError(f"{where} cannot be read as GeoTIFF or BIL: fetch it again.") from error


def _places(rows: NDArray[np.float64], columns: NDArray[np.float64], wkt: str) -> dict[str, Any]:
    """Return latitude and longitude ``[y, x]`` of the cells of a map."""
    to_degrees = pyproj.Transformer.from_crs(wkt, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(*np.meshgrid(columns, rows))
    return {
        name: (("y", "x"), values, {"units": "degrees"})
        for name, values in (("latitude", latitude), ("longitude", longitude))
    }


def _read(path: str, where: str, band: int, wide: np.dtype[Any]) -> NDArray[np.floating]:
    """Return a band with what is declared missing as NaN, and scale and offset applied."""
    with _opened(path, where) as file:
        raw = file.read(band, masked=True)
        scale, offset = file.scales[band - 1], file.offsets[band - 1]
    field: NDArray[np.floating] = np.ma.filled(raw.astype(wide), np.nan)
    return field if (scale, offset) == (1.0, 0.0) else field * wide.type(scale) + wide.type(offset)

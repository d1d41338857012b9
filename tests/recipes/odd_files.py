"""Readings of odd files by hand, with netCDF4 and ecCodes alone, to check stores against."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]


def by_netcdf4(path: Path, variable: str) -> Field:
    """Return a variable with NaN for what is missing, rows south to north, columns eastward."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        stored = file[variable]
        values = np.ma.filled(np.ma.asarray(stored[:], dtype=np.float64), np.nan)
        values[np.abs(values) > 9.9e36] = np.nan
        for axis, name in enumerate(stored.dimensions):
            if name.lower() in ("lat", "latitude", "y"):
                values = np.take(values, np.argsort(file[name][:]), axis)
            if name.lower() in ("lon", "longitude", "x"):
                values = np.take(values, np.argsort(eastward(file[name][:])), axis)
            if name.lower() in ("plev", "level", "pressure"):
                values = np.take(values, np.argsort(file[name][:]), axis)
    return values


def eastward(longitude: Any) -> Field:
    """Return longitudes within 0..360, or west of Greenwich negative where a region crosses it."""
    turned = np.asarray(longitude, dtype=np.float64) % 360
    ordered = np.sort(turned)
    gaps = np.diff(ordered, append=ordered[0] + 360)
    edge = ordered[int(np.argmax(gaps))] if gaps[-1] < gaps.max() - 1e-3 else 360.0
    return np.where(turned > edge, turned - 360, turned)


def by_eccodes(path: Path, keys: dict[str, Any]) -> dict[tuple[Any, ...], Field]:
    """Return the messages with these keys by (variable, valid time, level in hPa, member)."""
    import eccodes

    fields = {}
    with path.open("rb") as file:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            if all(str(eccodes.codes_get(message, k)) == str(v) for k, v in keys.items()):
                names = ("cfVarName", "validityDate", "validityTime")
                key = [eccodes.codes_get(message, name) for name in names]
                pascal = eccodes.codes_get(message, "typeOfLevel") == "isobaricInPa"
                level = eccodes.codes_get(message, "level") * (0.01 if pascal else 1.0)
                member = eccodes.codes_get(message, "number", ktype=int) if _has(message) else 0
                fields[(*key, round(level, 6), member)] = _plane(message)
            eccodes.codes_release(message)
    return fields


def _has(message: Any) -> bool:
    import eccodes

    return bool(eccodes.codes_is_defined(message, "number"))


def _plane(message: Any) -> Field:
    """Return the values of a regular grid, rows south to north."""
    import eccodes

    eccodes.codes_set(message, "missingValue", 1e30)
    values = eccodes.codes_get_values(message)
    shape = [eccodes.codes_get(message, name) for name in ("Nj", "Ni")]
    values = np.where(values == 1e30, np.nan, values).reshape(shape)
    return values if eccodes.codes_get(message, "jScansPositively") else values[::-1]


def nearest_by_eccodes(path: Path, latitude: float, longitude: float) -> tuple[float, float]:
    """Return the value of the first message that is nearest to a place, and its distance, km."""
    import eccodes

    with path.open("rb") as file:
        message = eccodes.codes_grib_new_from_file(file)
        values = eccodes.codes_get_values(message)
        north = eccodes.codes_get_double_array(message, "latitudes")
        east = eccodes.codes_get_double_array(message, "longitudes")
        if eccodes.codes_get(message, "alternativeRowScanning"):  # every other row runs back
            values = values.reshape(eccodes.codes_get(message, "Ny"), -1)
            values[1::2] = values[1::2, ::-1].copy()
            values = values.reshape(-1)
        eccodes.codes_release(message)
    return nearest(values, north, east, latitude, longitude)


def nearest(
    values: Field, north: Field, east: Field, latitude: float, longitude: float
) -> tuple[float, float]:
    """Return the value nearest to a place by the haversine formula, and its distance, km."""
    phi, lam = np.deg2rad(north), np.deg2rad(east)
    to_phi, to_lam = np.deg2rad(latitude), np.deg2rad(longitude)
    half = np.sin((phi - to_phi) / 2) ** 2
    half = half + np.cos(phi) * np.cos(to_phi) * np.sin((lam - to_lam) / 2) ** 2
    at = int(np.nanargmin(half))
    return float(values[at]), float(2 * 6371 * np.arcsin(np.sqrt(half[at])))

"""Channels: fields named by variable, or by variable and level."""

import xarray as xr

from climbench.errors import UserError, nearest


def channel_names(ds: xr.Dataset) -> list[str]:
    """Return the channels of a store: ``variable``, or ``variable_level`` for each level.

    Examples
    --------
    >>> field = xr.DataArray([1.0, 2.0], dims="level", coords={"level": [500, 850]})
    >>> channel_names(xr.Dataset({"temperature": field, "tas": 1.0}))
    ['temperature_500', 'temperature_850', 'tas']
    """
    names: list[str] = []
    for name in ds.data_vars:
        if "level" in ds.variables[name].dims:  # a variable is found faster than its DataArray
            names += [f"{name}_{level:g}" for level in ds["level"].values]
        else:
            names.append(str(name))
    return names


def split_channel(ds: xr.Dataset, channel: str) -> tuple[str, float | None]:
    """Return the variable and the level (hPa; None at the surface) of a channel.

    If the dataset has a variable of the whole name, it is that; else the last underscore parts
    the variable from the level.

    Raises
    ------
    UserError
        If the dataset has no such channel; the sentence gives the nearest one.

    Examples
    --------
    >>> field = xr.DataArray([1.0, 2.0], dims="level", coords={"level": [500, 850]})
    >>> split_channel(xr.Dataset({"temperature": field}), "temperature_850")
    ('temperature', 850.0)
    """
    if channel not in channel_names(ds):
        raise UserError(f"unknown channel '{channel}': {_hint(ds, channel)}")
    if channel in ds.data_vars:
        return channel, None
    variable, level = channel.rsplit("_", 1)
    return variable, float(level)


def _hint(ds: xr.Dataset, channel: str) -> str:
    """Return the levels of the variable if that is right and the level wrong or absent."""
    for variable in (channel, channel.rpartition("_")[0]):
        if variable in ds.data_vars and "level" in ds[variable].dims:
            levels = ", ".join(f"{variable}_{level:g}" for level in ds["level"].values)
            return f"the levels of {variable} are {levels}"
    return nearest(channel, channel_names(ds))


def read_channel(ds: xr.Dataset, channel: str) -> xr.DataArray:
    """Return the lazy field of a channel, ``[(time), latitude, longitude]``, without ``level``."""
    variable, level = split_channel(ds, channel)
    field = ds[variable] if level is None else ds[variable].sel(level=level, drop=True)
    return field.rename(channel)

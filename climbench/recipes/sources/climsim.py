"""ClimSim as a source: the state of every column before and after the physics of a step."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cftime
import dask
import dask.array
import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.columns import column_variables, fill_from, time_step
from climbench.errors import UserError, nearest
from climbench.recipes.downloads import Wanted, fetch_all, shown
from climbench.recipes.schema import ClimSim, Dates, Files, Recipe
from climbench.recipes.sources.addresses import locate
from climbench.recipes.sources.combining import check_gaps
from climbench.recipes.sources.simulated_columns import layer_coordinates
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.store.time_axis import hours

NAME = re.compile(r"E3SM-MMF\.mli\.(\d{4})-(\d\d)-(\d\d)-(\d{5})\.nc$")
BATCH = 24  # files of one task
Located = tuple[str, str]


def open_climsim(source: ClimSim, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open pairs of files as ``[time, (level), column]``, from the top down.

    Raises
    ------
    UserError
        If a file is absent, or has other columns or levels than the grid.
    """
    if recipe.dates is None:
        raise UserError(f"recipe '{recipe.name}' needs 'dates', such as 0001-02/0009-01.")
    before = _chosen(source, recipe.dates, surroundings)
    read = before[:1] if surroundings.peek and "://" in before[0][1] else before
    pairs = [one for located in read for one in (located, _after(located))]
    wanted = [Wanted(address) for _, address in pairs]
    paths = fetch_all(wanted, surroundings.downloads)
    for (name, _), path in zip(pairs, paths, strict=True):
        if not Path(path).is_file():
            raise UserError(f"{shown(name)} is not there, its other half is: fetch it again.")
    grid, grid_input = _grid(source, surroundings)
    time = np.array([_moment(name) for name, _ in before], dtype=object)
    if len(read) < len(before):  # a plan: sizes and names are all that is looked at
        paths = paths[:2] * len(before)
    template = _sizes(paths[0], paths[1], shown(before[0][0]), grid)
    chosen = _variables(source, template, shown(before[0][0]))
    dataset = xr.Dataset(
        _fields(paths, time, chosen, template, [shown(name) for name, _ in before]),
        {"time": time, **grid},
    )
    if recipe.checks.gaps == "refuse":
        check_gaps(shown(before[0][0]), dataset, recipe.dates.missing)
    moments = hours(dataset["time"])
    inputs = [
        Input(shown(name), path, hours=(float(moments[at // 2]), float(moments[at // 2])))
        for at, ((name, _), path) in enumerate(zip(pairs, paths, strict=False))
    ]
    unread = [
        Input(shown(name), address, unread=True)
        for located in before[len(read) :]
        for name, address in (located, _after(located))
    ]
    return Opened(dataset, (*inputs, grid_input, *unread))


def _chosen(source: ClimSim, dates: Dates, surroundings: Surroundings) -> list[Located]:
    """Return every nth file before the physics within the dates, in the order of time."""
    months = _months(dates)
    patterns = [f"{month}/E3SM-MMF.mli.*.nc" for month in months]
    files = Files(
        kind="files",
        address=[f"{source.address.rstrip('/')}/{pattern}" for pattern in patterns],
        local=[f"{source.local.rstrip('/')}/{p}" for p in patterns] if source.local else None,
    )
    found = [one for one in locate(files, None, surroundings) if NAME.search(one[0])]
    if not found:
        raise UserError(
            f"{source.address}: no file is called like E3SM-MMF.mli.0001-02-01-00000.nc."
        )
    found.sort(key=lambda one: NAME.search(one[0]).groups())  # type: ignore[union-attr]
    moments = [_moment(name) for name, _ in found]
    index = xr.DataArray(np.arange(len(found)), {"time": np.array(moments, dtype=object)}, "time")
    kept = index.sel(time=slice(dates.start, dates.end)).values
    if not kept.size:
        raise UserError(f"{source.address} has no file between {dates.start} and {dates.end}.")
    return [found[at] for at in kept[:: source.stride]]


def _months(dates: Dates) -> list[str]:
    first = (int(dates.start[:4]), int(dates.start[5:7] or 1))
    last = (int(dates.end[:4]), int(dates.end[5:7] or 12))
    count = (last[0] - first[0]) * 12 + last[1] - first[1] + 1
    numbers = [first[0] * 12 + first[1] - 1 + n for n in range(count)]
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def _moment(name: str) -> Any:
    found = NAME.search(name)
    if found is None:
        raise ValueError(f"{name} is not a name of ClimSim")
    year, month, day, seconds = map(int, found.groups())
    hour, rest = divmod(seconds, 3600)
    return cftime.DatetimeNoLeap(year, month, day, hour, rest // 60, rest % 60)


def _after(located: Located) -> Located:
    """Return the file after the physics that belongs to one before."""
    name, address = located
    return name.replace(".mli.", ".mlo."), address.replace(".mli.", ".mlo.")


def _grid(source: ClimSim, surroundings: Surroundings) -> tuple[dict[str, Any], Input]:
    """Return the coordinates of columns and levels."""
    local = source.grid_local
    files = Files(kind="files", address=source.grid, local=local)
    ((name, address),) = locate(files, None, surroundings)
    (path,) = fetch_all([Wanted(address)], surroundings.downloads)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as grid:
            area = grid["area"].values.astype(np.float64)
            places = {
                name: grid[short].values
                for name, short in (("latitude", "lat"), ("longitude", "lon"))
            }
            levels = grid["lev"].values.astype(np.float64)
            hybrid = {n: grid[n].values.astype(np.float64) for n in ("hyam", "hybm")}
            interfaces = [grid[n].values.astype(np.float64) for n in ("hyai", "hybi")]
            reference = float(grid["P0"])
    except (KeyError, OSError) as error:
        raise UserError(
            f"{shown(name)} is no grid file of ClimSim: it needs lat, lon, area, lev, hyam, "
            "hybm, hyai, hybi and P0."
        ) from error
    coordinates = {
        "latitude": ("column", places["latitude"], {"units": "degrees_north"}),
        "longitude": ("column", places["longitude"], {"units": "degrees_east"}),
        "area": ("column", area, {"units": "sr", "standard_name": "cell_area"}),
        "level": ("level", levels, {"units": "hPa", "long_name": "hybrid level at 1000 hPa"}),
        **{n: ("level", values, {"units": "1"}) for n, values in hybrid.items()},
        **layer_coordinates(interfaces[0], interfaces[1], reference),
    }
    return coordinates, Input(shown(name), path)


def _sizes(before: str, after: str, where: str, grid: dict[str, Any]) -> dict[str, bool]:
    """Return the variables that the first pair can give, and whether each has levels."""
    columns, levels = grid["area"][1].size, grid["level"][1].size
    found: dict[str, bool] = {}
    states: list[set[str]] = []
    for path, output in ((before, False), (after, True)):
        try:
            with netCDF4.Dataset(path) as file:
                sizes = [file.dimensions[d].size for d in ("ncol", "lev")]
                states.append(set(file.variables))
        except (OSError, KeyError) as error:
            raise UserError(
                f"{where} or its other half is no file of ClimSim: fetch it again."
            ) from error
        if sizes != [columns, levels]:
            raise UserError(
                f"{where} has {sizes[0]} columns and {sizes[1]} levels, its grid file {columns} "
                f"and {levels}: name the grid of this configuration."
            )
        for name, known in column_variables().items():
            if name in states[-1] and known.of is None and known.output == output:
                found[name] = known.levels
    for name, known in column_variables().items():
        if known.of is not None and all(known.of in names for names in states):
            found[name] = True
    return found


def _variables(source: ClimSim, found: dict[str, bool], where: str) -> list[str]:
    for name in source.variables or ():
        if name not in found:
            raise UserError(f"{where} and its other half have no '{name}': {nearest(name, found)}")
    return source.variables or list(found)


def _fields(
    paths: Sequence[str],
    time: NDArray[Any],
    chosen: Sequence[str],
    levels: dict[str, bool],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return lazy fields: a task reads all variables of some pairs."""
    with netCDF4.Dataset(paths[0]) as file:
        columns, height = (file.dimensions[d].size for d in ("ncol", "lev"))
    days = [
        (t.year * 10000 + t.month * 100 + t.day, t.hour * 3600 + t.minute * 60 + t.second)
        for t in time
    ]
    read = dask.delayed(_read, pure=True)
    parts: dict[str, list[Any]] = {name: [] for name in chosen}
    for start in range(0, time.size, BATCH):
        batch = slice(start, start + BATCH)
        some = list(
            zip(paths[::2][batch], paths[1::2][batch], names[batch], days[batch], strict=True)
        )
        task = read(some, tuple(chosen), (height, columns))
        for name in chosen:
            shape = (len(some), height, columns) if levels[name] else (len(some), columns)
            parts[name].append(dask.array.from_delayed(task[name], shape, np.float32))
    known = column_variables()
    return {
        name: (
            ("time", "level", "column") if levels[name] else ("time", "column"),
            dask.array.concatenate(blocks),
            {"units": known[name].units, "long_name": known[name].long_name},
        )
        for name, blocks in parts.items()
    }


def _read(
    pairs: Sequence[tuple[str, str, str, tuple[int, int]]],
    chosen: Sequence[str],
    sizes: tuple[int, int],
) -> dict[str, NDArray[np.float32]]:
    r"""Return variables of some pairs; tendencies are :math:`(x_{mlo} - x_{mli}) / 1200\,s`."""
    known = column_variables()
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in chosen}
    for before_path, after_path, where, moment in pairs:
        with netCDF4.Dataset(before_path) as before, netCDF4.Dataset(after_path) as after:
            before.set_auto_mask(False)
            after.set_auto_mask(False)
            for file in (before, after):
                _check_file(file, moment, sizes, where)
            for name in chosen:
                state = known[name].of
                if state is not None:
                    values = (
                        _values(after, state, where) - _values(before, state, where)
                    ) / time_step()
                else:
                    values = _values(after if known[name].output else before, name, where)
                found[name].append(values.astype(np.float32))
    return {name: np.stack(values) for name, values in found.items()}


def _values(file: netCDF4.Dataset, name: str, where: str) -> NDArray[np.float64]:
    """Return a variable; what is as large as the fill value is NaN."""
    if name not in file.variables or getattr(file[name].dtype, "kind", "O") not in "fiu":
        raise UserError(f"{where} or its other half has no numbers '{name}': fetch it again.")
    values = np.asarray(file[name][:], dtype=np.float64)
    return np.where(np.abs(values) >= fill_from(), np.nan, values)


def _check_file(
    file: netCDF4.Dataset, moment: tuple[int, int], sizes: tuple[int, int], where: str
) -> None:
    """Refuse a file of another date than that in its name, or of other levels or columns."""
    found = tuple(file.dimensions[d].size if d in file.dimensions else 0 for d in ("lev", "ncol"))
    if found != sizes:
        raise UserError(
            f"{where} or its other half has {found[1]} columns and {found[0]} levels, the first "
            f"file {sizes[1]} and {sizes[0]}: keep them in folders of their own."
        )
    if {"ymd", "tod"} <= set(file.variables):
        inside = tuple(int(np.asarray(file[name][...]).reshape(-1)[0]) for name in ("ymd", "tod"))
        if inside != moment:
            raise UserError(
                f"{where} or its other half is of {inside[0]:08d}, second {inside[1]}, and not of "
                "the time in its name: fetch it again."
            )

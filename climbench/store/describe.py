"""What a scientist wants to know of a store, as tables for the terminal."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from climbench.errors import UserError
from climbench.grids import is_periodic, latitude_bounds
from climbench.store.opening import open_store
from climbench.store.repository import is_repository, zarr_store
from climbench.store.statistics import read_statistics
from climbench.store.time_axis import HOURS_PER_YEAR, gaps, repeats, time_step

SHOWN = 5  # gaps or sources that are listed before "and 12 more"
MONTH = 660  # hours, from which on a step is told in months


def describe_store(path: Path | str) -> RenderableType:
    """Return tables of a store's variables, grid, period, statistics and provenance.

    Parameters
    ----------
    path
        Folder of a finished store.

    Returns
    -------
    rich.console.RenderableType
        To be printed by :class:`rich.console.Console`.

    Raises
    ------
    UserError
        If it is not a finished store.
    """
    ds = open_store(path)
    recipe = json.loads(ds.attrs.get("recipe", "{}"))
    files = [file for file in Path(path).rglob("*") if file.is_file()]
    size = f"{decimal(sum(file.stat().st_size for file in files))} in {len(files)} files"
    title = str(recipe.get("name", Path(path).name))
    heading = Text.assemble((title, "bold"), "  ", str(recipe.get("description", "")))
    if ds.attrs.get("simulated") == "true":
        heading.append("\nSIMULATED: made by a model, not observed", style="bold yellow")
    facts = {**axis_facts(ds), "size": size, "store": str(path)}
    return Group(
        Panel(heading),
        _pairs("Axes", facts),
        _variables(ds, Path(path)),
        _missing(ds, Path(path) / "ledger.jsonl"),
        _statistics(ds, path),
        _pairs("Provenance", _provenance(ds, recipe)),
        _sources(json.loads(ds.attrs.get("sources", "[]"))),
    )


def axis_facts(ds: xr.Dataset) -> dict[str, str]:
    """Return a phrase about each axis of a dataset: grid, levels, period, step, gaps, members."""
    facts = {}
    for name in ("station", "column"):
        if name in ds.sizes:
            facts[f"{name}s"] = _places_phrase(ds, name)
    if {"latitude", "longitude"} <= set(ds.dims):
        facts["grid"] = _grid_phrase(ds["latitude"].values, ds["longitude"].values)
    if "level" in ds.coords:
        facts["levels"] = ", ".join(f"{level:g}" for level in ds["level"].values) + " hPa"
    if "time" in ds.coords and ds.sizes.get("time", 0):
        facts |= _time_facts(ds["time"])
    for name in ("scenario", "member"):
        if name in ds.sizes:
            labels = [str(label) for label in ds[name].values]
            facts[f"{name}s"] = f"{len(labels)}: {_shortened(labels, 12)}"
    return facts


def _places_phrase(ds: xr.Dataset, dimension: str) -> str:
    """Return how many stations or columns there are, within which bounds, and some of the names."""
    ends = [f"{a} {ds[a].min():.4g}..{ds[a].max():.4g}" for a in ("latitude", "longitude")]
    phrase = f"{ds.sizes[dimension]}, {', '.join(ends)}"
    if dimension in ds.coords and ds[dimension].dtype.kind in "OUT":
        phrase += f": {_shortened([str(label) for label in ds[dimension].values], 12)}"
    return phrase


def _grid_phrase(latitude: np.ndarray[Any, Any], longitude: np.ndarray[Any, Any]) -> str:
    rows, columns = latitude.size, longitude.size
    if min(rows, columns) < 2:
        return f"{rows} latitudes x {columns} longitudes"
    steps = np.diff(latitude)
    even = np.allclose(steps, steps[0], rtol=1e-3)
    spacing = f"{abs(steps[0]):.4g}" if even else f"{abs(steps).min():.4g}..{abs(steps).max():.4g}"
    spacing += f" x {abs(np.median(np.diff(longitude))):.4g} degrees"
    edges = latitude_bounds(latitude)
    # a Gaussian grid ends a little before the pole: half a row is allowed for
    polar = min(edges.max(), -edges.min()) > 90.0 - abs(steps).max() / 2
    if polar and is_periodic(longitude):
        extent = "global"
    else:
        extent = (
            f"regional, latitude {latitude.min():g}..{latitude.max():g}, "
            f"longitude {longitude.min():g}..{longitude.max():g}"
        )
    poles = "rows at the poles" if np.isclose(abs(latitude), 90.0).any() else "no row at a pole"
    uneven = "" if even else ", uneven (Gaussian?)"
    return f"{rows} latitudes x {columns} longitudes, {spacing}{uneven}, {extent}, {poles}"


def _time_facts(time: xr.DataArray) -> dict[str, str]:
    labels = [_moment(value) for value in time.values]
    calendar = time.dt.calendar if time.dtype.kind in "MO" else "years"
    facts = {"period": f"{labels[0]} to {labels[-1]}, {len(labels)} times, calendar {calendar}"}
    if len(labels) < 2:
        return facts
    holes = [
        f"{lost} {'steps' if lost > 1 else 'step'} after {labels[position]}"
        for position, lost in gaps(time)
    ]
    again = repeats(time)
    facts["step"] = _duration(time_step(time))
    facts["gaps"] = f"{len(holes)}: {_shortened(holes, SHOWN)}" if holes else "none"
    if holes:
        lost = [_lost(time, position, number) for position, number in gaps(time)]
        facts["missing times"] = _shortened(lost, SHOWN)
    facts["repeated times"] = str(again) if again else "none"
    return facts


def _lost(time: xr.DataArray, position: int, number: int) -> str:
    """Return the first and last of the times that a gap lacks; months and years by their names."""
    before, step = time.values[position], time_step(time)
    if time.dtype.kind not in "MO":
        ends = [str(before + round(step / HOURS_PER_YEAR) * count) for count in (1, number)]
    elif step < MONTH:
        whole = timedelta(hours=step)
        plus = np.timedelta64(whole) if time.dtype.kind == "M" else whole
        ends = [_moment(before + plus * count) for count in (1, number)]
    else:
        year, month = (int(part) for part in _moment(before).split("-")[:2])
        after = [month - 1 + round(step / (HOURS_PER_YEAR / 12)) * n for n in (1, number)]
        ends = [f"{year + n // 12:04d}-{n % 12 + 1:02d}" for n in after]
    return ends[0] if number == 1 else f"{ends[0]} to {ends[1]}"


def _moment(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="m"))
    return value.isoformat(timespec="minutes") if hasattr(value, "isoformat") else str(value)


def _duration(hours: float) -> str:
    """Return a time step in the unit that scientists say it in.

    Examples
    --------
    >>> _duration(6.0), _duration(24.0), _duration(744.0), _duration(8760.0)
    ('6 hours', '1 day', '1 month', '1 year')
    """
    for unit, least, length in (("year", 8000, 8766), ("month", MONTH, 730.5), ("day", 24, 24)):
        if hours >= least:
            count = hours / length if unit == "day" else round(hours / length)
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


def _shortened(phrases: list[str], most: int) -> str:
    more = f" and {len(phrases) - most} more" if len(phrases) > most else ""
    return ", ".join(phrases[:most]) + more


def _pairs(title: str, facts: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, phrase in facts.items():
        table.add_row(Text(name, style="bold"), Text(phrase))
    return table


def _size_on_disk(path: Path, name: str) -> int:
    if is_repository(path):
        return int(zarr.open_group(zarr_store(path), mode="r")[name].nbytes_stored())
    return sum(file.stat().st_size for file in (path / name).rglob("*") if file.is_file())


def _variables(ds: xr.Dataset, path: Path) -> Table:
    table = Table(title="Variables", title_justify="left")
    for column in ("variable", "units", "dimensions", "type", "chunk", "shard", "size on disk"):
        table.add_column(column, justify="right" if column == "size on disk" else "left")
    for name, array in ds.data_vars.items():
        size = _size_on_disk(path, str(name))
        dimensions = ", ".join(f"{d} {n}" for d, n in zip(array.dims, array.shape, strict=True))
        chunks = [array.encoding.get(key) for key in ("chunks", "shards")]
        shapes = [" x ".join(map(str, shape)) if shape else "" for shape in chunks]
        units = Text(str(array.attrs.get("units", "?")))  # brackets in it are no markup
        table.add_row(str(name), units, dimensions, str(array.dtype), *shapes, decimal(size))
    return table


def _missing(ds: xr.Dataset, ledger: Path) -> RenderableType:
    """Return how much of each variable is missing, from what the builder noted of each part."""
    entries = (
        [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.is_file() else []
    )
    if not any("missing" in entry for entry in entries):
        return Text("Missing values: not counted when this store was built.")
    counts: dict[str, int] = {}
    empty: dict[str, list[str]] = {}
    for entry in entries:
        for name, holes in entry.get("missing", {}).items():
            counts[name] = counts.get(name, 0) + holes["missing"]
            empty.setdefault(name, []).extend(holes["empty"])
    if not counts:
        return Text("Missing values: none.")
    table = Table("variable", "missing", "times without any value", title="Missing values")
    table.title_justify = "left"
    for name in [str(name) for name in ds.data_vars if name in counts]:
        share = f"{100 * counts[name] / ds[name].size:.3g} %"
        table.add_row(name, share, _runs(ds, empty[name]))
    return table


def _runs(ds: xr.Dataset, stamps: Sequence[str]) -> str:
    """Return times as their runs along the store's axis; of several scenarios, their number."""
    if not stamps or "scenario" in ds.dims:
        return f"{len(stamps)} in all scenarios" if stamps else "none"
    labels = [_moment(value) for value in ds["time"].values]
    positions = {label: position for position, label in enumerate(labels)}
    places = {positions[stamp[:16]] for stamp in stamps}
    starts = sorted(place for place in places if place - 1 not in places)
    ends = sorted(place for place in places if place + 1 not in places)
    runs = [
        labels[a] if a == b else f"{labels[a]} to {labels[b]}"
        for a, b in zip(starts, ends, strict=True)
    ]
    return f"{len(places)}: {_shortened(runs, SHOWN)}"


def _statistics(ds: xr.Dataset, path: Path | str) -> RenderableType:
    try:
        statistics = read_statistics(path)
    except UserError as error:
        return Text(str(error))
    period = " to ".join(json.loads(statistics.attrs["period"]))
    leads = [
        label
        for label in statistics["statistic"].values.tolist()
        if label.startswith("tendency_std_") and not label.endswith("plain")
    ]
    columns = ("mean", "std", "tendency_std", *leads, "min", "max", "missing")
    title = f"Statistics of {period}"
    if {"latitude", "column"} & {*ds.dims}:  # stations and series count the same each
        title += ", mean and std weighted by area"
    table = Table("variable", "level", title=title, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, array in statistics.data_vars.items():
        by_level = array if "level" in array.dims else array.expand_dims(level=[np.nan])
        for level in by_level["level"].values:
            figures = by_level.sel(level=level) if level == level else by_level.isel(level=0)
            numbers = [float(figures.sel(statistic=column)) for column in columns]
            shown = ["-" if number != number else f"{number:.5g}" for number in numbers]
            table.add_row(str(name), "" if level != level else f"{level:g}", *shown)
    return table


def _provenance(ds: xr.Dataset, recipe: dict[str, Any]) -> dict[str, str]:
    software = json.loads(ds.attrs.get("software", "{}"))
    facts = {key: str(recipe[key]) for key in ("licence", "citation") if recipe.get(key)}
    facts["recipe hash"] = str(ds.attrs["recipe_hash"])
    facts["software"] = ", ".join(f"{package} {version}" for package, version in software.items())
    return facts


def _sources(sources: list[dict[str, Any]]) -> RenderableType:
    if not sources:
        return Text("No source files.")
    title = f"Sources ({len(sources)})"
    table = Table("address", "size", "checksum", title=title, title_justify="left")
    for source in sources[:SHOWN]:
        size = source.get("size")
        mark = str(source.get("sha256") or source.get("etag") or "-")
        table.add_row(
            Text(str(source["address"])), "-" if size is None else decimal(size), mark[:12]
        )
    if len(sources) > SHOWN:
        table.add_row(f"and {len(sources) - SHOWN} more", "", "")
    return table

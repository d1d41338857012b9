"""ClimSim's files in their true layout: the published statistics, the real grid of 384 columns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.columns import column_variables

STEP = 1200  # s
DAY = 86400
COLUMNS, LEVELS = 384, 60


def statistics_of(data_root: Path) -> dict[str, Any]:
    """Published mean, deviation and extremes of each variable and level."""
    found: dict[str, Any] = json.loads((data_root / "climsim/dataset_statistics.json").read_text())
    pressure = {}  # which is not in that table
    for name, words in (("Mean", "mean"), ("Maximum", "max"), ("Minimum", "min")):
        with xr.open_dataset(data_root / f"climsim/input_{words}_v4_pervar.nc") as table:
            pressure[name] = float(table["state_ps"])
    return {**found, "mli_state_ps": pressure | {"Standard Deviation": 4444.8}}


def write_pairs(
    folder: Path,
    data_root: Path,
    steps: int,
    month: str = "0001-02",
    levels: int = LEVELS,
    drift: float = 1e-5,
    every: int = 1,
) -> Iterator[Path]:
    """Write ``steps`` pairs from the first of a month on, and yield those before the physics.

    They are ``every`` so many time steps apart. After the physics each state has grown by ``drift``
    of itself.
    """
    statistics = statistics_of(data_root)
    known = column_variables()
    rng = np.random.default_rng(1)
    for step in range(steps):
        day, second = divmod(step * every * STEP, DAY)
        stamp = f"{month}-{day + 1:02d}-{second:05d}"
        (folder / month).mkdir(parents=True, exist_ok=True)
        paths = [folder / month / f"E3SM-MMF.{part}.{stamp}.nc" for part in ("mli", "mlo")]
        moment = int(f"{month.replace('-', '')}{day + 1:02d}"), second
        state = {
            name: _drawn(statistics, "mli", name, one.levels, levels, rng)
            for name, one in known.items()
            if one.of is None and not one.output
        }
        state["cam_in_SNOWHICE"][::2] = 1e30  # the archive's undeclared fill value
        changed = {one.of: state[one.of] * (1 + drift) for one in known.values() if one.of}
        fluxes = {
            name: _drawn(statistics, "mlo", name, False, levels, rng)
            for name, one in known.items()
            if one.output
        }
        _write(paths[0], state, moment, levels)
        _write(paths[1], {**changed, **fluxes}, moment, levels)
        yield paths[0]


def _drawn(
    statistics: dict[str, Any],
    part: str,
    name: str,
    on_levels: bool,
    levels: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Columns with the published moments: ``[level, column]`` or ``[column]``."""
    labels = [f"{name}lev_{n:02d}" for n in range(1, levels + 1)] if on_levels else [name]
    rows = []
    for label in labels:
        about = statistics[f"{part}_{label}"]
        low, high = about["Minimum"], min(about["Maximum"], 1e9)
        mean, spread = min(about["Mean"], high), min(about["Standard Deviation"], high)
        rows.append(np.clip(rng.normal(mean, spread, COLUMNS), low, high))
    return np.array(rows) if on_levels else rows[0]


def _write(
    path: Path,
    fields: dict[str, NDArray[np.float64]],
    moment: tuple[int, int],
    levels: int,
    columns: int = COLUMNS,
) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.createDimension("lev", levels)
        file.createDimension("ncol", columns)
        for name, values in fields.items():
            dims = ("lev", "ncol") if values.ndim == 2 else ("ncol",)
            file.createVariable(name, "f8", dims, fill_value=False)[:] = values
        for name, number in zip(("ymd", "tod"), moment, strict=True):
            file.createVariable(name, "i4", ())[...] = number


def write_small(root: Path, grid: Path, month: str, steps: int, columns: int = 4) -> None:
    """Write pairs of a few columns, of no archive's figures, and their grid."""
    known, rng = column_variables(), np.random.default_rng(0)
    (root / month).mkdir(parents=True)
    for step in range(steps):
        state, fluxes = (
            {
                name: rng.uniform(1, 2, (LEVELS, columns) if one.levels else columns)
                for name, one in known.items()
                if one.of is None and one.output == output
            }
            for output in (False, True)
        )
        changed = {one.of: state[one.of] + 0.1 for one in known.values() if one.of}
        moment = int(f"{month.replace('-', '')}01"), step * STEP
        for part, fields in (("mli", state), ("mlo", changed | fluxes)):
            path = root / month / f"E3SM-MMF.{part}.{month}-01-{moment[1]:05d}.nc"
            _write(path, fields, moment, LEVELS, columns)
    grid.parent.mkdir(parents=True, exist_ok=True)
    level = {name: ("lev", np.linspace(0.1, 1000, LEVELS)) for name in ("lev", "hyam", "hybm")}
    column = {name: ("ncol", np.linspace(1, 4, columns)) for name in ("lat", "lon", "area")}
    interface = {name: ("ilev", np.linspace(0, 1, LEVELS + 1)) for name in ("hyai", "hybi")}
    xr.Dataset(level | interface | column | {"P0": 1e5}).to_netcdf(grid)

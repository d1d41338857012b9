"""The scores on disk: netCDF for programs, a tidy CSV table for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from climbench.errors import UserError


def score_table(scores: xr.Dataset) -> pd.DataFrame:
    """Return the scores as a tidy table, one row each.

    Columns: ``model, metric, variable, level, lead_time`` (hours) or ``scenario``, ``region,
    score, lower, upper, count, units``.
    """
    condition = "lead_time" if "lead_time" in scores.dims else "scenario"
    columns = scores[["score", "lower", "upper", "count"]].drop_vars("orientation")
    if "unit" not in columns.coords:
        columns = columns.assign_coords(unit=("metric", [""] * columns.sizes["metric"]))
    order = ["model", "metric", "channel", condition, "region"]
    frame = columns.to_dataframe(dim_order=order).reset_index().dropna(subset="score")
    frame["units"] = units_of(frame)
    frame["count"] = frame["count"].astype(int)
    names = ["model", "metric", "variable", "level", condition, "region"]
    return frame[[*names, "score", "lower", "upper", "count", "units"]].reset_index(drop=True)


def units_of(frame: pd.DataFrame) -> list[str]:
    """Return the unit of each row's score: the metric's own, else a power of the variable's."""
    rows = zip(frame["unit"], frame["units"], frame["unit_power"], strict=True)
    return [own.replace("{units}", unit) or unit_of(unit, power) for own, unit, power in rows]


def unit_of(units: str, power: int) -> str:
    """Return the unit of a score.

    Examples
    --------
    >>> unit_of("m s-1", 2), unit_of("K", 2), unit_of("K", 1), unit_of("K", 0)
    ('(m s-1)^2', 'K^2', 'K', '1')
    """
    base = units if units.isalpha() else f"({units})"
    return {0: "1", 1: units}.get(int(power), f"{base}^{int(power)}")


def write_scores(scores: xr.Dataset, directory: Path) -> tuple[Path, Path]:
    """Write ``scores.nc`` and ``scores.csv``; equal scores give equal bytes.

    Parameters
    ----------
    scores
        Scores dataset.
    directory
        Folder, made if it does not exist. Each file is published by a rename.

    Returns
    -------
    tuple
        Both paths.
    """
    directory.mkdir(parents=True, exist_ok=True)
    netcdf, table = directory / "scores.nc", directory / "scores.csv"
    part = netcdf.with_suffix(".nc.part")
    numeric = [n for n, v in scores.data_vars.items() if v.ndim > 0]
    encoding: Mapping[Any, Any] = {name: {"zlib": True, "complevel": 1} for name in numeric}
    _clean(scores).to_netcdf(part, engine="netcdf4", encoding=encoding)
    part.replace(netcdf)
    part = table.with_suffix(".csv.part")
    score_table(scores).to_csv(part, index=False, lineterminator="\n")
    part.replace(table)
    return netcdf, table


def _clean(scores: xr.Dataset) -> xr.Dataset:
    """Drop encodings of a file that the scores were read from: bytes depend on values only."""
    return scores.drop_encoding()


def read_scores(path: Path) -> xr.Dataset:
    """Read ``scores.nc``, or the one in a folder, into memory.

    Raises
    ------
    UserError
        If it does not exist or is not a scores dataset.
    """
    path = path / "scores.nc" if path.is_dir() else path
    if not path.is_file():
        of_a_run = [str(file) for file in path.parent.glob("report-*/scores.nc")]
        raise UserError(
            f"The scores file {path} does not exist: "
            + (f"a run's are {' or '.join(sorted(of_a_run))}." if of_a_run else "check the path.")
        )
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as dataset:
            scores = dataset.load()
    except (OSError, ValueError) as error:
        raise UserError(
            f"The scores file {path} cannot be read as netCDF ({error}): evaluate again."
        ) from error
    if "score" not in scores or not scores.sizes.get("model"):
        raise UserError(f"{path} holds no scores: give a file that 'climbench evaluate' wrote.")
    return scores

"""Statistics of a store in one pass: streaming, mergeable, blind to NaNs."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.store.moments import Moments
from climbench.store.opening import read_group
from climbench.store.time_axis import hours, is_one_step

STATISTICS = (
    "mean",
    "std",
    "tendency_std",
    "min",
    "max",
    "count",
    "missing",
    "mean_plain",
    "std_plain",
    "tendency_std_plain",
)
BLOCK = 4_000_000  # values that are held in float64 at a time
SURFACE = "surface"  # stands for the level of a variable without levels

Key = tuple[str, float | None]


@dataclass(frozen=True)
class _Series:
    """The running state of one variable at one level.

    ``first`` and ``last`` are the fields ``[sample, row, column]`` at the ends of the time that
    was covered (``edges``, hours), so that the step between two parts is not lost; they are empty
    where parts do not follow each other in time. ``weights`` are those of the rows.
    """

    values: Moments
    tendencies: Moments
    weights: NDArray[np.float64]
    edges: NDArray[np.float64]
    first: NDArray[Any]
    last: NDArray[Any]


class RunningStatistics:
    """Statistics per variable and level of all that was given to it so far.

    Area-weighted and plain mean and standard deviation, standard deviation of the change over one
    time step, extremes, number of values and of NaNs. Parts may be measured apart and merged
    afterwards: in the order of time if they are parts of the time axis, for then the changes
    from one part to the next count too.

    Parameters
    ----------
    part_dimension
        Dimension along which parts follow each other; a variable without it is the same in every
        part and is measured once.
    step
        Length of a time step in hours, :func:`climbench.store.time_axis.time_step` of the whole
        axis; a change over a longer gap is no tendency.

    Examples
    --------
    >>> field = xr.DataArray([[1.0], [3.0]], dims=("time", "latitude"), coords={"latitude": [0.0]})
    >>> statistics = RunningStatistics("time", step=8766.0)
    >>> statistics.update(field.assign_coords(time=[2000, 2001]).to_dataset(name="tas"))
    >>> statistics.to_dataset()["tas"].sel(statistic=["mean", "std", "tendency_std"]).values
    array([2., 1., 0.])
    """

    def __init__(self, part_dimension: str, step: float) -> None:
        self.part_dimension = part_dimension
        self.step = step
        self._series: dict[Key, _Series] = {}
        self._repeated: set[Key] = set()

    def update(self, ds: xr.Dataset) -> None:
        """Add the next part: its numeric variables, read one at a time."""
        for name, array in ds.data_vars.items():
            if array.dtype.kind not in "fiu" or array.size == 0:
                continue
            varies = self.part_dimension in array.dims
            fields_by_level = _by_level(str(name), array)
            if not varies and all(key in self._repeated for key in fields_by_level):
                continue
            loaded = _by_level(str(name), array.compute())
            for key, field in loaded.items():
                self._add(key, self._measure(field))
                if not varies:
                    self._repeated.add(key)

    def merge(self, later: "RunningStatistics") -> "RunningStatistics":
        """Return the statistics of these parts and the ``later`` ones together."""
        merged = RunningStatistics(self.part_dimension, self.step)
        merged._series = dict(self._series)
        merged._repeated = self._repeated | later._repeated
        for key, series in later._series.items():
            if not (key in self._repeated and key in merged._series):
                merged._add(key, series)
        return merged

    def _add(self, key: Key, later: _Series) -> None:
        earlier = self._series.get(key)
        self._series[key] = later if earlier is None else self._join(earlier, later)

    def _measure(self, array: xr.DataArray) -> _Series:
        cells = _cells(array)
        rows = cells.shape[2]
        time = hours(array["time"]) if "time" in array.dims else np.zeros(1)
        consecutive = is_one_step(np.diff(time), self.step)
        values, tendencies = Moments.empty(rows), Moments.empty(rows)
        length = max(1, BLOCK // max(1, cells[0].size))
        for start in range(0, len(cells), length):
            block = np.asarray(cells[start : start + length + 1], dtype=np.float64)
            values = values.merge(Moments.of(_flat(block[:length])))
            change = np.diff(block, axis=0)[consecutive[start : start + length]]
            tendencies = tendencies.merge(Moments.of(_flat(change)))
        in_time = self.part_dimension == "time" and "time" in array.dims
        ends = cells[[0, -1]].copy() if in_time else np.empty((2, 0, rows, 0), cells.dtype)
        return _Series(
            values,
            tendencies,
            latitude_weights(array["latitude"]) if "latitude" in array.dims else np.ones(1),
            time[[0, -1]] if in_time else np.full(2, np.nan),
            *ends,
        )

    def _join(self, earlier: _Series, later: _Series) -> _Series:
        tendencies = earlier.tendencies
        if is_one_step(later.edges[:1] - earlier.edges[1:], self.step).all():
            change = later.first.astype(np.float64) - earlier.last
            tendencies = tendencies.merge(Moments.of(change))
        return replace(
            earlier,
            values=earlier.values.merge(later.values),
            tendencies=tendencies.merge(later.tendencies),
            edges=np.array([earlier.edges[0], later.edges[1]]),
            last=later.last,
        )

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the whole state as arrays, for :func:`numpy.savez`; nothing is rounded."""
        state = {
            "part_dimension": np.array(self.part_dimension),
            "step": np.array(self.step),
            "repeated": np.array([_spell(key) for key in sorted(self._repeated, key=_spell)], "U"),
        }
        for key, series in self._series.items():
            for field in fields(_Series):
                value = getattr(series, field.name)
                array = np.stack(astuple(value)) if isinstance(value, Moments) else value
                state[f"{_spell(key)}/{field.name}"] = array
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, NDArray[Any]]) -> "RunningStatistics":
        """Return the statistics that :meth:`to_dict` wrote, bit for bit."""
        statistics = cls(str(state["part_dimension"]), float(state["step"]))
        statistics._repeated = {_read(text) for text in state["repeated"].tolist()}
        for text in dict.fromkeys(name.rpartition("/")[0] for name in state if "/" in name):
            statistics._series[_read(text)] = _Series(
                values=Moments(*state[f"{text}/values"]),
                tendencies=Moments(*state[f"{text}/tendencies"]),
                **{name: state[f"{text}/{name}"] for name in ("weights", "edges", "first", "last")},
            )
        return statistics

    def to_dataset(self) -> xr.Dataset:
        """Return a variable ``[statistic, (level)]`` for each variable measured.

        ``mean``, ``std`` and ``tendency_std`` are weighted by cell area, those with ``_plain``
        count each cell once; ``count`` and ``missing`` are numbers of values and of NaNs.
        """
        variables: dict[str, xr.DataArray] = {}
        for name in dict.fromkeys(name for name, _ in self._series):
            columns = {key[1]: _figures(s) for key, s in self._series.items() if key[0] == name}
            table = np.array(list(columns.values())).T
            if None in columns:
                variables[name] = xr.DataArray(table[:, 0], {"statistic": list(STATISTICS)})
            else:
                levels = [float(level) for level in columns if level is not None]
                variables[name] = xr.DataArray(
                    table, {"statistic": list(STATISTICS), "level": levels}
                )
        return xr.Dataset(variables)


def _by_level(name: str, array: xr.DataArray) -> dict[Key, xr.DataArray]:
    if "level" not in array.dims:
        return {(name, None): array}
    levels = enumerate(array["level"].values)
    return {(name, float(level)): array.isel(level=position) for position, level in levels}


def _cells(array: xr.DataArray) -> NDArray[Any]:
    """Return the values as ``[time, sample, row, column]``."""
    grid = ("latitude", "longitude")
    others = [d for d in array.dims if d not in ("time", *grid)]
    order = [d for d in ("time", *others, *grid) if d in array.dims]
    sizes = [array.sizes.get(d, 1) for d in ("time", *grid)]
    return np.asarray(array.transpose(*order).values.reshape(sizes[0], -1, *sizes[1:]))


def _flat(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return cells.reshape(-1, *cells.shape[2:]) if cells.size else np.empty((0, *cells.shape[2:]))


def _figures(series: _Series) -> list[float]:
    """Return the numbers of ``STATISTICS``, in that order."""
    values, tendencies = series.values, series.tendencies
    plain = np.ones_like(series.weights)
    count = float(values.count.sum())
    mean, std = values.mean_and_std(series.weights)
    mean_plain, std_plain = values.mean_and_std(plain)
    return [
        mean,
        std,
        tendencies.mean_and_std(series.weights)[1],
        float(values.minimum.min()) if count else float("nan"),
        float(values.maximum.max()) if count else float("nan"),
        count,
        float(values.missing.sum()),
        mean_plain,
        std_plain,
        tendencies.mean_and_std(plain)[1],
    ]


def _spell(key: Key) -> str:
    return f"{key[0]}/{SURFACE if key[1] is None else repr(key[1])}"


def _read(text: str) -> Key:
    name, _, level = text.rpartition("/")
    return name, None if level == SURFACE else float(level)


def write_statistics(
    path: Path | str,
    statistics: RunningStatistics,
    period: Sequence[str],
    recipe_hash: str,
) -> None:
    """Write the group ``statistics`` of a store, and consolidate the store's metadata.

    Parameters
    ----------
    path
        Folder of the store.
    statistics
        All parts merged.
    period
        What was measured, such as first and last date, or names of scenarios.
    recipe_hash
        Hash of the recipe, so that statistics are not taken for those of another store.
    """
    ds = statistics.to_dataset()
    ds["statistic"] = ds["statistic"].astype(object)
    ds.attrs = {"period": json.dumps(list(period)), "recipe_hash": recipe_hash}
    ds.to_zarr(path, group="statistics", mode="w", zarr_format=3, consolidated=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(str(path), zarr_format=3)


def read_statistics(path: Path | str) -> xr.Dataset:
    """Return the statistics of a store: a variable ``[statistic, (level)]`` for each of its own.

    Raises
    ------
    UserError
        If the store has none.
    """
    if "statistics" not in zarr.open_group(str(path), mode="r"):
        raise UserError(f"store {path} has no statistics: build it again with `climbench build`")
    return read_group(path, "statistics").load()

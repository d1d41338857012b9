"""Statistics of a store in one pass: streaming, mergeable, blind to NaNs."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
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
from climbench.store.positions import as_slice
from climbench.store.repository import zarr_store
from climbench.store.time_axis import STEP_TOLERANCE, hours

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

    ``tendencies`` are those of each lead. ``first`` and ``last`` are the fields ``[time, sample,
    row, column]`` at the ends of the time that was covered, as many as the longest lead reaches
    over, with their times (hours), so that changes from one part to the next are not lost; they
    are empty where parts do not follow each other in time. ``weights`` are those of the rows.
    """

    values: Moments
    tendencies: tuple[Moments, ...]
    weights: NDArray[np.float64]
    first: NDArray[Any]
    first_hours: NDArray[np.float64]
    last: NDArray[Any]
    last_hours: NDArray[np.float64]


class RunningStatistics:
    """Statistics per variable and level of all that was given to it so far.

    Area-weighted and plain mean and standard deviation, standard deviation of the change over one
    time step and over other leads, extremes, number of values and of NaNs. Parts may be measured
    apart and merged afterwards: in the order of time if they are parts of the time axis, for then
    the changes from one part to the next count too.

    Parameters
    ----------
    part_dimension
        Dimension along which parts follow each other; a variable without it is the same in every
        part and is measured once.
    step
        Length of a time step in hours, :func:`climbench.store.time_axis.time_step` of the whole
        axis; a change over a longer gap is no tendency.
    leads
        Further spans, hours, over which changes are measured: all pairs of times that far apart.
        The fields within the longest of them from the ends of a part are kept for the next.

    Examples
    --------
    >>> field = xr.DataArray([[1.0], [3.0]], dims=("time", "latitude"), coords={"latitude": [0.0]})
    >>> statistics = RunningStatistics("time", step=8766.0)
    >>> statistics.update(field.assign_coords(time=[2000, 2001]).to_dataset(name="tas"))
    >>> statistics.to_dataset()["tas"].sel(statistic=["mean", "std", "tendency_std"]).values
    array([2., 1., 0.])
    """

    def __init__(self, part_dimension: str, step: float, leads: Sequence[float] = ()) -> None:
        self.part_dimension = part_dimension
        self.step = step
        self.leads = tuple(map(float, leads))
        self._spans = tuple(dict.fromkeys((step, *self.leads)))
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
        merged = RunningStatistics(self.part_dimension, self.step, self.leads)
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
        values = Moments.empty(rows)
        for block in _blocks(len(cells), cells[0].size):
            values = values.merge(Moments.of(_flat(cells[block])))
        followed = self.part_dimension == "time" and "time" in array.dims
        near_first = self._near(time[:1], time) & followed
        near_last = self._near(time[-1:], time) & followed
        return _Series(
            values,
            tuple(self._changes(cells, time, cells, time, span) for span in self._spans),
            _row_weights(array),
            *(cells[near_first], time[near_first]),
            *(cells[near_last], time[near_last]),
        )

    def _near(self, end: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which times (hours) a change over an end of a part may begin or stop at."""
        reach = max(self._spans) - STEP_TOLERANCE * self.step
        return np.asarray(np.abs(time - end) < reach)

    def _changes(
        self,
        early: NDArray[Any],
        early_hours: NDArray[np.float64],
        late: NDArray[Any],
        late_hours: NDArray[np.float64],
        span: float,
    ) -> Moments:
        """Return the moments of all changes over a span from early to late fields."""
        total = Moments.empty(early.shape[2])
        tolerance = STEP_TOLERANCE * self.step
        found = np.searchsorted(late_hours, early_hours + span - tolerance)
        inside = np.flatnonzero(found < late_hours.size)
        away = late_hours[found[inside]] - early_hours[inside]
        start = inside[np.abs(away - span) <= tolerance]
        for block in _blocks(start.size, early[:1].size):
            rows = as_slice(start[block]), as_slice(found[start[block]])
            change = np.subtract(late[rows[1]], early[rows[0]], dtype=np.float64)
            total = total.merge(Moments.of(_flat(change)))
        return total

    def _join(self, earlier: _Series, later: _Series) -> _Series:
        border = (earlier.last, earlier.last_hours, later.first, later.first_hours)
        tendencies = [
            before.merge(self._changes(*border, span)).merge(after)
            for before, after, span in zip(
                earlier.tendencies, later.tendencies, self._spans, strict=True
            )
        ]
        first_hours = np.concatenate([earlier.first_hours, later.first_hours])
        last_hours = np.concatenate([earlier.last_hours, later.last_hours])
        near_first = self._near(first_hours[:1], first_hours)
        near_last = self._near(last_hours[-1:], last_hours)
        return replace(
            earlier,
            values=earlier.values.merge(later.values),
            tendencies=tuple(tendencies),
            first=np.concatenate([earlier.first, later.first])[near_first],
            first_hours=first_hours[near_first],
            last=np.concatenate([earlier.last, later.last])[near_last],
            last_hours=last_hours[near_last],
        )

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the whole state as arrays, for :func:`numpy.savez`; nothing is rounded."""
        state = {
            "part_dimension": np.array(self.part_dimension),
            "step": np.array(self.step),
            "leads": np.array(self.leads),
            "repeated": np.array([_spell(key) for key in sorted(self._repeated, key=_spell)], "U"),
        }
        for key, series in self._series.items():
            arrays = {field.name: getattr(series, field.name) for field in fields(_Series)}
            arrays["values"] = np.stack(astuple(series.values))
            arrays["tendencies"] = np.stack([np.stack(astuple(one)) for one in series.tendencies])
            if np.array_equal(series.first_hours, series.last_hours):
                del arrays["last"]  # of a short part, both ends are the same fields
            state |= {f"{_spell(key)}/{name}": array for name, array in arrays.items()}
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, NDArray[Any]]) -> "RunningStatistics":
        """Return the statistics that :meth:`to_dict` wrote, bit for bit."""
        leads = state["leads"].tolist()
        statistics = cls(str(state["part_dimension"]), float(state["step"]), leads)
        statistics._repeated = {_read(text) for text in state["repeated"].tolist()}
        for text in dict.fromkeys(name.rpartition("/")[0] for name in state if "/" in name):
            plain = ("weights", "first", "first_hours", "last_hours")
            statistics._series[_read(text)] = _Series(
                values=Moments(*state[f"{text}/values"]),
                tendencies=tuple(Moments(*one) for one in state[f"{text}/tendencies"]),
                last=state.get(f"{text}/last", state[f"{text}/first"]),
                **{name: state[f"{text}/{name}"] for name in plain},
            )
        return statistics

    def to_dataset(self) -> xr.Dataset:
        """Return a variable ``[statistic, (level)]`` for each variable measured.

        ``mean``, ``std`` and ``tendency_std`` are weighted by cell area, those with ``_plain``
        count each cell once; ``tendency_std_24h`` belongs to a lead of 24 hours; ``count`` and
        ``missing`` are numbers of values and of NaNs.
        """
        labels = [*STATISTICS]
        for lead in self.leads:
            labels += [f"tendency_std_{lead:g}h", f"tendency_std_{lead:g}h_plain"]
        variables: dict[str, xr.DataArray] = {}
        for name in dict.fromkeys(name for name, _ in self._series):
            columns = {k[1]: self._figures(s) for k, s in self._series.items() if k[0] == name}
            table = np.array(list(columns.values())).T
            if None in columns:
                variables[name] = xr.DataArray(table[:, 0], {"statistic": labels})
            else:
                levels = [float(level) for level in columns if level is not None]
                variables[name] = xr.DataArray(table, {"statistic": labels, "level": levels})
        return xr.Dataset(variables)

    def _figures(self, series: _Series) -> list[float]:
        """Return the numbers of ``STATISTICS``, in that order, and two for each lead."""
        values, step = series.values, series.tendencies[0]
        plain = np.ones_like(series.weights)
        count = float(values.count.sum())
        mean, std = values.mean_and_std(series.weights)
        mean_plain, std_plain = values.mean_and_std(plain)
        leads = [series.tendencies[self._spans.index(lead)] for lead in self.leads]
        return [
            mean,
            std,
            step.mean_and_std(series.weights)[1],
            float(values.minimum.min()) if count else float("nan"),
            float(values.maximum.max()) if count else float("nan"),
            count,
            float(values.missing.sum()),
            mean_plain,
            std_plain,
            step.mean_and_std(plain)[1],
            *(one.mean_and_std(w)[1] for one in leads for w in (series.weights, plain)),
        ]


def _by_level(name: str, array: xr.DataArray) -> dict[Key, xr.DataArray]:
    if "level" not in array.dims:
        return {(name, None): array}
    levels = enumerate(array["level"].values)
    return {(name, float(level)): array.isel(level=position) for position, level in levels}


def _row_weights(array: xr.DataArray) -> NDArray[np.float64]:
    """Return the weight of each row: its area, of mean 1, on a globe; 1 for stations and series."""
    if "latitude" in array.dims:
        return latitude_weights(array["latitude"])
    if "column" not in array.dims:
        return np.ones(1)
    area = np.asarray(array["area"].values, dtype=np.float64)
    return np.asarray(area / area.mean())


def _cells(array: xr.DataArray) -> NDArray[Any]:
    """Return the values as ``[time, sample, row, column]``; columns of a globe are rows."""
    grid = ("column", "no_dimension") if "column" in array.dims else ("latitude", "longitude")
    others = [d for d in array.dims if d not in ("time", *grid)]
    order = [d for d in ("time", *others, *grid) if d in array.dims]
    sizes = [array.sizes.get(d, 1) for d in ("time", *grid)]
    return np.asarray(array.transpose(*order).values.reshape(sizes[0], -1, *sizes[1:]))


def _flat(cells: NDArray[Any]) -> NDArray[Any]:
    return cells.reshape(-1, *cells.shape[2:]) if cells.size else np.empty((0, *cells.shape[2:]))


def _blocks(length: int, field: int) -> Iterator[slice]:
    """Yield slices of so many fields that they fit into memory in float64."""
    step = max(1, BLOCK // max(1, field))
    for start in range(0, length, step):
        yield slice(start, start + step)


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
    if "statistics" not in zarr.open_group(zarr_store(path), mode="r"):
        raise UserError(f"store {path} has no statistics: build it again with `climbench build`")
    return read_group(path, "statistics").load()

"""Statistics of a store in one pass: streaming, mergeable, blind to NaNs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.store.layout import consolidate
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
BLOCK = 300_000  # values that are measured at a time: what the caches of a core hold
READ = 4_000_000  # values that are read back at a time to measure changes from part to part
SURFACE = "surface"  # stands for the level of a variable without levels

Key = tuple[str, float | None]


@dataclass(frozen=True)
class _Series:
    """The running state of one variable at one level.

    ``tendencies`` are those of each lead, ``weights`` those of the rows.
    """

    values: Moments
    tendencies: tuple[Moments, ...]
    weights: NDArray[np.float64]

    def join(self, other: "_Series") -> "_Series":
        pairs = zip(self.tendencies, other.tendencies, strict=True)
        tendencies = tuple(one.merge(another) for one, another in pairs)
        return _Series(self.values.merge(other.values), tendencies, self.weights)


class RunningStatistics:
    """Statistics per variable and level of all that was given to it so far.

    Area-weighted and plain mean and standard deviation, standard deviation of the change over one
    time step and over other leads, extremes, number of values and of NaNs. Parts may be measured
    apart and merged afterwards; the changes from one part of the time axis to the next are added
    by :meth:`update_border`.

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

    def update_border(self, ds: xr.Dataset, start: int, stop: int) -> None:
        """Add the changes that begin before a part of the time axis and end in it.

        Parameters
        ----------
        ds
            Fields of all times ``[time, ...]``, unread: only those that are needed are read.
        start, stop
            First time of the part, and the one after its last.
        """
        if self.part_dimension != "time" or "time" not in ds.dims:
            return
        time = hours(ds["time"])
        pairs = [self._pairs(time[:start], time[start:stop], span) for span in self._spans]
        for name, array in ds.data_vars.items():
            if array.dtype.kind not in "fiu" or array.size == 0 or "time" not in array.dims:
                continue
            changes = [self._border(str(name), array, *one, start) for one in pairs]
            for key, field in _by_level(str(name), array.isel(time=[0])).items():
                weights = _row_weights(field)
                empty = Moments.empty(weights.size)
                tendencies = tuple(one.get(key, empty) for one in changes)
                self._add(key, _Series(empty, tendencies, weights))

    def merge(self, other: "RunningStatistics") -> "RunningStatistics":
        """Return the statistics of these parts and the ``other`` ones together."""
        merged = RunningStatistics(self.part_dimension, self.step, self.leads)
        merged._series = dict(self._series)
        merged._repeated = self._repeated | other._repeated
        for key, series in other._series.items():
            if not (key in self._repeated and key in merged._series):
                merged._add(key, series)
        return merged

    def _add(self, key: Key, series: _Series) -> None:
        earlier = self._series.get(key)
        self._series[key] = series if earlier is None else earlier.join(series)

    def _measure(self, array: xr.DataArray) -> _Series:
        cells = _cells(array)
        rows = cells.shape[2]
        time = hours(array["time"]) if "time" in array.dims else np.zeros(1)
        values = Moments.empty(rows)
        for block in _blocks(len(cells), cells[0].size, BLOCK):
            values = values.merge(Moments.of(_flat(cells[block])))
        tendencies = []
        for span in self._spans:
            total = Moments.empty(rows)
            early, late = self._pairs(time, time, span)
            for block in _blocks(early.size, cells[0].size, BLOCK):
                total = total.merge(
                    _change(cells[as_slice(early[block])], cells[as_slice(late[block])])
                )
            tendencies.append(total)
        return _Series(values, tuple(tendencies), _row_weights(array))

    def _pairs(
        self, early: NDArray[np.float64], late: NDArray[np.float64], span: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return positions of early and of late times (hours) that are a span apart."""
        tolerance = STEP_TOLERANCE * self.step
        found = np.searchsorted(late, early + span - tolerance)
        inside = np.flatnonzero(found < late.size)
        away = late[found[inside]] - early[inside]
        start = inside[np.abs(away - span) <= tolerance]
        return start, found[start]

    def _border(
        self,
        name: str,
        array: xr.DataArray,
        early: NDArray[np.intp],
        late: NDArray[np.intp],
        start: int,
    ) -> dict[Key, Moments]:
        """Return the moments of the changes over a border, by level."""
        total: dict[Key, Moments] = {}
        for block in _blocks(early.size, array.size // array.sizes["time"], READ):
            ends = (early[block], start + late[block])
            before, after = (
                _by_level(name, array.isel(time=as_slice(one)).compute()) for one in ends
            )
            for key, field in after.items():
                moments = _change(_cells(before[key]), _cells(field))
                total[key] = total[key].merge(moments) if key in total else moments
        return total

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the whole state as arrays, for :func:`numpy.savez`; nothing is rounded."""
        state = {
            "part_dimension": np.array(self.part_dimension),
            "step": np.array(self.step),
            "leads": np.array(self.leads),
            "repeated": np.array([_spell(key) for key in sorted(self._repeated, key=_spell)], "U"),
        }
        for key, series in self._series.items():
            state |= {
                f"{_spell(key)}/values": np.stack(astuple(series.values)),
                f"{_spell(key)}/tendencies": np.stack(
                    [np.stack(astuple(one)) for one in series.tendencies]
                ),
                f"{_spell(key)}/weights": series.weights,
            }
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, NDArray[Any]]) -> "RunningStatistics":
        """Return the statistics that :meth:`to_dict` wrote, bit for bit."""
        leads = state["leads"].tolist()
        statistics = cls(str(state["part_dimension"]), float(state["step"]), leads)
        statistics._repeated = {_read(text) for text in state["repeated"].tolist()}
        for text in dict.fromkeys(name.rpartition("/")[0] for name in state if "/" in name):
            statistics._series[_read(text)] = _Series(
                Moments(*state[f"{text}/values"]),
                tuple(Moments(*one) for one in state[f"{text}/tendencies"]),
                state[f"{text}/weights"],
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


def _change(early: NDArray[Any], late: NDArray[Any]) -> Moments:
    return Moments.of(_flat(np.subtract(late, early, dtype=np.float64)))


def _blocks(length: int, field: int, values: int) -> Iterator[slice]:
    """Yield slices of so many fields that they have so many values."""
    step = max(1, values // max(1, field))
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
    consolidate(path)


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

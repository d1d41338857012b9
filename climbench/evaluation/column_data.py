"""Predicted columns beside their truth, in ClimSim's dimensions, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.evaluation.source import open_dataset
from climbench.metrics.column_energy import COLUMN, ENERGY, GRAVITY, LEVEL, TIME
from climbench.store.expected import as_expected, expected_names

BLOCK_BYTES = 2**24  # of a profile in float64
NAMES = {"column": COLUMN, "level": LEVEL, "sample": "member", "number": "member"}
SCENARIO, SINGLE = "scenario", "test"
Array = NDArray[np.float64]


def is_columns(data: xr.Dataset | Path | str) -> bool:
    """Tell whether predictions are of columns, which lie on no map."""
    dataset = data if isinstance(data, xr.Dataset) else open_dataset(data, f"predictions {data}")
    return COLUMN in dataset.dims or "column" in dataset.dims


@dataclass(frozen=True)
class Block:
    """Some times of one scenario.

    Attributes
    ----------
    scenario
        Its name.
    time
        Its times.
    predictions, truth
        Outputs by name ``[time, ncol, lev]``, a flux of one level, float64, units of ClimSim.
    samples
        Outputs of an ensemble ``[sample, time, ncol, lev]``; empty without.
    mass
        Of each layer, kg m-2 ``[time, ncol, lev]``.
    fluxes
        ``pbuf_LHFLX`` and ``pbuf_SHFLX`` where the truth has them, W m-2 ``[time, ncol]``.
    """

    scenario: str
    time: xr.DataArray
    predictions: dict[str, Array]
    truth: dict[str, Array]
    samples: dict[str, Array]
    mass: Array
    fluxes: dict[str, Array]


@dataclass(frozen=True)
class ColumnData:
    """Predictions and truth of the same columns and times.

    Attributes
    ----------
    predictions, truth
        Dimensions ``time``, ``ncol``, ``lev`` and perhaps ``member``.
    outputs
        What is scored, by the names of ClimSim, in the order of its vectors.
    scenarios
        Which store each time is of ``[time]``.
    label
        What the predictions are called in messages.
    """

    predictions: xr.Dataset
    truth: xr.Dataset
    outputs: tuple[str, ...]
    scenarios: NDArray[np.str_]
    label: str

    @classmethod
    def of(
        cls, predictions: xr.Dataset | Path | str, truth: xr.Dataset | Path | str
    ) -> "ColumnData":
        """Open predictions and truth, and match their times.

        Raises
        ------
        UserError
            If columns, levels, times or units differ, or the truth lacks the grid.
        """
        own, label = _opened(predictions, "predictions")
        other, other_label = _opened(truth, "truth")
        listed = [str(name) for name in own.data_vars if not _is_mean(own, str(name))]
        for name in listed:
            for known, where in ((ENERGY, "an output of ClimSim"), (other, f"in {other_label}")):
                if name not in known:
                    hint = nearest(name, map(str, known))
                    raise UserError(f"{label}: '{name}' is not {where}: {hint}")
            _check_units(own[name], other[name], label)
        _check_grid(own, other, label, other_label)
        outputs = tuple(name for name in ENERGY if name in listed)
        if not outputs:
            raise UserError(f"{label} has no output of ClimSim, such as ptend_t.")
        other = _same_times(own, other, label, other_label)
        names = other[SCENARIO].values if SCENARIO in other.coords else None
        scenarios = np.full(other.sizes[TIME], SINGLE) if names is None else names.astype(str)
        return cls(own, other, outputs, scenarios, label)

    @property
    def members(self) -> int:
        """Size of the ensemble; 0 without."""
        return int(self.predictions.sizes.get("member", 0))

    @property
    def area(self) -> Array:
        """Weight of each column, of mean 1 ``[ncol]``."""
        area = self.truth["area"].values.astype(np.float64)
        return np.asarray(area / area.mean())

    def blocks(self) -> Iterator[Block]:
        """Yield all times, some of one scenario at a time."""
        size = self.truth.sizes[COLUMN] * self.truth.sizes[LEVEL] * max(1, self.members)
        length = max(1, BLOCK_BYTES // (8 * size))
        ends = [*(np.flatnonzero(self.scenarios[1:] != self.scenarios[:-1]) + 1)]
        for start, end in zip([0, *ends], [*ends, len(self.scenarios)], strict=True):
            for first in range(int(start), int(end), length):
                yield self._block(slice(first, min(first + length, int(end))))

    def _block(self, at: slice) -> Block:
        own, other = self.predictions.isel({TIME: at}), self.truth.isel({TIME: at}).load()
        means = expected_names(own, self.label)
        central = as_expected(own, means) if self.members else own
        pressure = other["state_ps"].transpose(TIME, COLUMN).values.astype(np.float64)
        thickness = other["layer_a"].values + pressure[..., None] * other["layer_b"].values
        fluxes = {
            name: other[name].transpose(TIME, COLUMN).values.astype(np.float64)
            for name in ("pbuf_LHFLX", "pbuf_SHFLX")
            if name in other
        }
        return Block(
            str(self.scenarios[at][0]),
            other[TIME],
            {name: _levels_last(central[name]) for name in self.outputs},
            {name: _levels_last(other[name]) for name in self.outputs},
            {name: _levels_last(own[name]) for name in self.outputs if "member" in own[name].dims},
            np.asarray(thickness / GRAVITY),
            fluxes,
        )


def _opened(data: xr.Dataset | Path | str, role: str) -> tuple[xr.Dataset, str]:
    label = role if isinstance(data, xr.Dataset) else f"{role} {data}"
    dataset = data if isinstance(data, xr.Dataset) else open_dataset(data, label)
    dataset = dataset.rename({k: v for k, v in NAMES.items() if k in dataset.dims})
    missing = {TIME, COLUMN} - set(dataset.dims)
    if missing:
        raise UserError(f"{label} has no dimension '{min(missing)}': columns need time and ncol.")
    if LEVEL not in dataset.dims and role == "truth":
        raise UserError(f"{label} has no levels: give the store of the columns.")
    return dataset, label


def _is_mean(dataset: xr.Dataset, name: str) -> bool:
    """Tell whether a variable is the mean of an ensemble that stands beside it."""
    return name.endswith("_mean") and name.removesuffix("_mean") in dataset


def _check_units(own: xr.DataArray, other: xr.DataArray, label: str) -> None:
    units = [str(one.attrs.get("units", "")) for one in (own, other)]
    if all(units) and units[0] != units[1]:
        raise UserError(
            f"{label}: '{own.name}' is in {units[0]}, in the truth in {units[1]}: convert it."
        )
    for name in (COLUMN, LEVEL):
        if (name in own.dims) != (name in other.dims):
            raise UserError(
                f"{label}: '{own.name}' has the dimensions {', '.join(map(str, own.dims))}, in the "
                f"truth {', '.join(map(str, other.dims))}: rename or select them."
            )


def _check_grid(own: xr.Dataset, other: xr.Dataset, label: str, other_label: str) -> None:
    for dim, what in ((COLUMN, "columns"), (LEVEL, "levels")):
        sizes = own.sizes.get(dim, other.sizes[dim]), other.sizes[dim]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"{label} has {sizes[0]} {what} and {other_label} {sizes[1]}: they are of "
                "different grids, give the truth of this one."
            )
    for name in ("area", "latitude", "layer_a", "layer_b", "state_ps"):
        if name not in other.variables:
            raise UserError(
                f"{other_label} has no '{name}', by which columns are weighted: give a store that "
                "`climbench build recipe=climsim` made."
            )


def _same_times(own: xr.Dataset, other: xr.Dataset, label: str, other_label: str) -> xr.Dataset:
    """Return the truth at the times of the predictions."""
    if TIME not in own.indexes or TIME not in other.indexes:
        if own.sizes[TIME] == other.sizes[TIME]:
            return other
        raise UserError(f"{label} and {other_label} have other numbers of times, and no dates.")
    mine, theirs = own.indexes[TIME], other.indexes[TIME]
    if len(mine) == len(theirs) and bool((mine == theirs).all()):
        return other
    if not theirs.is_unique or not set(mine) <= set(theirs):
        raise UserError(
            f"{label} has times that {other_label} does not have, or more than once: select the "
            "same."
        )
    return other.sel({TIME: mine})


def _levels_last(values: xr.DataArray) -> Array:
    """Return ``[(sample,) time, column, level]``, a flux with one level, float64."""
    order: list[Any] = [d for d in ("member", TIME, COLUMN, LEVEL) if d in values.dims]
    array = values.transpose(*order).values.astype(np.float64)
    return np.asarray(array if LEVEL in order else array[..., None])

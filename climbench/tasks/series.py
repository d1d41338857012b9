"""Forecasts without a map: at weather stations, or of the parameters of one place."""

import itertools
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.store import open_store
from climbench.store.moments import Moments
from climbench.store.stations import (
    STATION,
    as_one_row,
    as_stations,
    has_map,
    sharing_one_record,
)
from climbench.store.time_axis import HOURS_PER_YEAR
from climbench.tasks.climatology import climatology_of_values
from climbench.tasks.forecasting import DirectForecasting
from climbench.tasks.layout import by_variable, select_channels
from climbench.tasks.sample import Signature
from climbench.tasks.task import Normalisation, Split, normalisation_of
from climbench.tasks.windows import Group, Windows

MEMBER = "member"


@dataclass(kw_only=True)
class SeriesForecasting(DirectForecasting):
    """Forecasts of time series at all stations of a store, or at its one place.

    Records have gaps: unlike on maps, every step of the time axis may be part of a window.
    Missing inputs are NaN, which a network sees as the training mean, and missing targets count
    neither in a loss nor in a score. Members of an ensemble at one place are stations too.

    Parameters
    ----------
    stations
        Names of those that the task is of; by default all.
    held_out
        Stations that no model may learn from: in training and validation their values are
        missing, and only they are scored. The other options are those of
        :class:`climbench.tasks.DirectForecasting`, without ``region``.

    Raises
    ------
    UserError
        Also if the store is one of maps, a station is unknown, or a channel has no value in the
        training period, or a target never changes there.
    """

    stations: tuple[str | int, ...] = ()
    held_out: tuple[str | int, ...] = ()

    required_baselines: ClassVar[tuple[str, ...]] = ("climatology", "persistence")

    def __post_init__(self) -> None:
        self.stations = tuple(str(name) for name in self.stations)  # numbers are names too
        self.held_out = tuple(str(name) for name in self.held_out)
        super().__post_init__()
        known = self._known("held_out", self.held_out, self.dataset[STATION].values)
        if self.held_out and set(self.held_out) == known:
            raise UserError("option 'held_out' names every station: leave some to learn from")
        if self.held_out:
            self._warn_of_twins()

    def open(self) -> xr.Dataset:
        """Return the stations of the store as one row of cells."""
        self.records = open_store(self.store)
        if has_map(self.records):
            raise UserError(
                f"store {self.store.name} holds maps, and this task is of stations or of one "
                "place: take task=direct_forecasting"
            )
        if self.region is not None:
            raise UserError("option 'region' is for maps: leave it out")
        if MEMBER in self.records.dims and STATION not in self.records.dims:
            labels = [f"member {label}" for label in self.records[MEMBER].values]
            self.records = self.records.rename({MEMBER: STATION}).assign_coords({STATION: labels})
        if self.stations:
            there = self.records.coords.get(STATION, xr.DataArray([], dims=STATION))
            self._known("stations", self.stations, there.values)
            self.records = self.records.sel({STATION: list(self.stations)})
        return as_one_row(self.records)

    def _known(
        self, option: str, wanted: tuple[str | int, ...], there: NDArray[Any]
    ) -> set[str | int]:
        """Return the names of the stations there are, refusing others that are wanted."""
        known = [str(name) for name in there]
        for at, name in enumerate(map(str, wanted)):
            if name not in known:
                raise UserError(
                    f"option '{option}': store {self.store.name} has no station '{name}': "
                    + (nearest(name, known) if known else "it is of one place, leave it out")
                )
            if name in wanted[:at]:
                raise UserError(f"option '{option}' names the station '{name}' twice.")
        return set(known)

    def _warn_of_twins(self) -> None:
        """Warn of stations that are held out but whose record is learnt from."""
        hidden, seen = np.flatnonzero(~self.learnt_from), np.flatnonzero(self.learnt_from)
        found = sharing_one_record(self.records, itertools.product(hidden, seen))
        if found:
            warnings.warn(
                f"option 'held_out': stations share one record with others that are learnt from: "
                f"{'; '.join(found)}; hold both out.",
                UserWarning,
                stacklevel=2,
            )

    @cached_property
    def signature(self) -> Signature:
        """Channels, history and stations: what a model is built for."""
        columns = self.dataset
        north, east, up = (
            columns[name].values for name in ("cell_latitude", "longitude", "cell_altitude")
        )
        places = zip(north.tolist(), east.tolist(), up.tolist(), strict=True)
        return replace(
            super().signature,
            stations=tuple(str(name) for name in columns[STATION].values),
            places=tuple(places),
        )

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which steps may be part of a window: all ``[time]``."""
        return np.ones(len(self.timeline.index), dtype=np.bool_)

    @cached_property
    def learnt_from(self) -> NDArray[np.bool_]:
        """Which stations are learnt from ``[station]``."""
        return ~np.isin(self.dataset[STATION].values.astype(str), self.held_out)

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, over the values of the training period that are there.

        Raises
        ------
        UserError
            If a channel has none, or a target never changes.
        """
        moments = self.fields.moments(self.periods["train"], every=True, columns=self.learnt_from)
        for name, each in moments.items():
            if not each.count.sum():
                raise UserError(
                    f"'{name}' has no value in the training period: leave it out of the task"
                )
            if name in self.targets and each.minimum.min() == each.maximum.max():
                raise UserError(
                    f"the target '{name}' is {each.minimum.min():g} throughout the training "
                    "period: there is nothing to forecast, leave it out"
                )
        constant = zip(self.static, self.static_fields, strict=True)
        return normalisation_of(
            moments | {name: Moments.of(field[None]) for name, field in constant}
        )

    def samples(self, groups: list[Group]) -> "StationWindows":
        """Return the samples of some windows."""
        parts = (self.fields, self.signature, self.static_fields, self.past, groups)
        return StationWindows(*parts)

    def split(self, name: Split | Literal["train_and_validation"]) -> Windows:
        """Return the samples of a split, ordered by initial time."""
        windows = super().split(name)
        if name != "test":
            cast(StationWindows, windows).hidden = np.flatnonzero(~self.learnt_from)
        return windows

    # What predictions are written into and scored against: along stations.

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions ``[time, prediction_timedelta, station]`` of test samples."""
        return as_stations(super().to_dataset(indices, values), self.records)

    def template(self) -> xr.Dataset:
        """Return the whole prediction dataset with values that take no memory."""
        return as_stations(super().template(), self.records)

    def _targets(self, split: Split) -> xr.Dataset:
        """Return the targets of a period; of stations that are held out, only these in the test."""
        steps = slice(self.periods[split].start, self.periods[split].stop)
        fields = select_channels(self.records, self.targets).isel(time=steps)
        if not self.held_out:
            return fields
        shown = ~self.learnt_from if split == "test" else self.learnt_from
        return fields.chunk(time=4096).where(xr.DataArray(shown, dims=STATION))

    def climatology(self) -> xr.Dataset | None:
        """Return the training period's mean of each hour and day of the year, smoothed.

        Returns
        -------
        xarray.Dataset or None
            ``[hour, dayofyear, station]``, float32, without NaN; None where the period is
            shorter than a year, of which there is no climatology.
        """
        period = self.periods["train"]
        steps = np.arange(period.start, period.stop)
        covered = self.timeline.minutes[steps[-1]] - self.timeline.minutes[steps[0]]
        if covered < 60 * HOURS_PER_YEAR - 60 * 24 * 2:
            return None
        windows = self.samples([(steps[:1], (0,))])
        windows.hidden = np.flatnonzero(~self.learnt_from)
        means, front = climatology_of_values(
            self.timeline, windows.targets_at, steps, self.climatology_window
        )
        fields = {name: means[:, :, at] for at, name in enumerate(self.targets)}
        return as_stations(by_variable(self.dataset, fields, front), self.records)


class StationWindows(Windows):
    """Samples in which some stations have no values.

    Attributes
    ----------
    hidden
        Positions of the stations whose inputs and targets are NaN.
    """

    hidden: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def inputs_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return inputs ``[sample, history, channel, 1, station]`` at some steps."""
        return self._without_hidden(super().inputs_at(positions))

    def targets_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return targets ``[sample, lead, channel, 1, station]`` at some steps."""
        return self._without_hidden(super().targets_at(positions))

    def _without_hidden(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        fields[..., self.hidden] = np.nan
        return fields

"""Forecasts of the parameters of one place from all that was recorded there."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.store import open_store
from climbench.tasks.series import SeriesForecasting
from climbench.tasks.task import SPLITS, Split
from climbench.tasks.timeline import Period, Timeline, duration

NO_PERIOD: Period = ("", "")


@dataclass(kw_only=True)
class TelemetryForecasting(SeriesForecasting):
    """Forecasts of some parameters of a record, all others beside them as covariates.

    Parameters
    ----------
    inputs
        What a model sees; by default the targets and every other series of the store.
    leave_out
        Series that are no covariates, with ``*`` and ``?`` as in file names.
    labels
        Name of the series that marks anomalies of a target, such as ``qc_{}``. Nothing is learnt
        from it, and forecasts are not scored where it is more than 0.
    shares
        Of the record in training, validation and test, where these have no dates. Between them
        as many steps are left out as a history has. The other options are those of
        :class:`climbench.tasks.SeriesForecasting`.

    Raises
    ------
    UserError
        Also if the record is too short for a window, or a share is not positive.
    """

    inputs: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    labels: str = "label_{}"
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    train: Period = NO_PERIOD
    validation: Period = NO_PERIOD
    test: Period = NO_PERIOD

    required_baselines: ClassVar[tuple[str, ...]] = ("persistence",)

    def __post_init__(self) -> None:
        records = open_store(self.store)
        self.targets, self.leave_out = tuple(self.targets), tuple(self.leave_out)
        self.shares = (self.shares[0], self.shares[1], self.shares[2])
        if not self.targets:
            raise UserError("option 'targets' is empty: name the parameters to forecast")
        self.inputs = tuple(self.inputs or [*self.targets, *self._covariates(records)])
        given = [bool(getattr(self, name)[0]) for name in SPLITS]
        if not any(given):
            self._share_out(Timeline(records.indexes["time"]))
        elif not all(given):
            raise UserError(
                "options 'train', 'validation' and 'test' belong together: give the dates of all "
                "three, or of none"
            )
        super().__post_init__()

    def _covariates(self, records: xr.Dataset) -> list[str]:
        """Return the series that are neither targets, nor marks, nor left out."""
        marks = self.labels.format("*")
        apart = (marks, *self.leave_out)
        return [
            str(name)
            for name, series in sorted(records.data_vars.items())  # a store keeps no order
            if name not in self.targets
            and series.dims[:1] == ("time",)
            and not any(fnmatchcase(str(name), pattern) for pattern in apart)
        ]

    def _share_out(self, timeline: Timeline) -> None:
        """Set the dates of the periods."""
        if min(self.shares) <= 0 or sum(self.shares) > 1 + 1e-9:
            raise UserError(
                f"option 'shares' = {list(self.shares)} must be positive and add up to 1 at most"
            )
        steps = len(timeline.index)
        interval = timeline.step if self.history_interval is None else self.history_interval
        past = (self.history - 1) * duration("history_interval", interval)
        longest = past + max(duration("lead_times", lead) for lead in self.lead_times)
        gap = round(past / timeline.step)
        ends = np.round(np.cumsum(self.shares) * steps).astype(int)
        starts = np.array([0, *(ends[:-1] + gap)])
        for name, start, end in zip(SPLITS, starts, ends, strict=True):
            if (end - start) * timeline.step <= longest:
                raise UserError(
                    f"the record of {self.store.name} has {steps} steps of {timeline.step:g} h, "
                    f"and a window of history and lead times spans {longest:g} h, which does not "
                    f"fit into the {name} share: shorten 'lead_times' or 'history', or record "
                    "longer"
                )
            labels = timeline.index[[start, end - 1]]
            setattr(self, name, tuple(str(label).replace(" ", "T") for label in labels))

    def _targets(self, split: Split) -> xr.Dataset:
        """Return the targets of a period; in the test without what is marked.

        A forecast is not to be held against values that are known to be wrong.
        """
        fields = super()._targets(split)
        if split != "test":
            return fields
        for target, mark in self.marks().items():
            sound = ~(mark.sel(time=fields["time"]) > 0)
            fields = fields.assign({target: fields[target].where(sound)})
        return fields

    def marks(self) -> dict[str, xr.DataArray]:
        """Return the marks ``[time]`` of each target that has some; more than 0 is an anomaly."""
        named = {target: self.labels.format(target) for target in self.targets}
        return {
            target: self.records[name] for target, name in named.items() if name in self.records
        }

"""What all forecasts share: windows of hours in and hours out, periods, truth, climatology."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.store import open_store, store_hash
from climbench.store.moments import Moments
from climbench.store.reading import Reading
from climbench.tasks.checks import check_apart, check_channels, check_multiples, check_window
from climbench.tasks.climatology import training_climatology
from climbench.tasks.fields import Fields, cells_of, constant_field
from climbench.tasks.forecast_layout import forecast_front, forecast_template
from climbench.tasks.layout import by_variable, select_channels
from climbench.tasks.regions import Region, cut_region
from climbench.tasks.sample import Signature
from climbench.tasks.task import (
    SPLITS,
    Normalisation,
    Split,
    normalisation_of,
    task_hash,
    task_options,
)
from climbench.tasks.timeline import Hours, Period, Timeline, duration
from climbench.tasks.windows import Group, Windows

WRITE_BYTES = 2**27


@dataclass(kw_only=True)
class Forecasting:
    """What the three protocols share: channels, windows, periods, truth and climatology.

    A window is ``history`` inputs and the targets after them. It lies wholly inside the period of
    its split, so that no training target reaches into the validation or test period, and across
    no gap of the store. Every window is one sample, once in an epoch.

    Parameters
    ----------
    store
        The weather store.
    inputs, targets
        Channels that the model sees and answers, ``variable`` or ``variable_level``.
    lead_times
        Hours after the last input that are scored, ascending; or durations such as ``10min``.
    train, validation, test
        First and last date of each split, both inside; without overlap.
    static
        Constant channels of the store, and ``latitude``, the row's degrees north.
    forcings
        Channels known in advance, given at the time of each target: any of the store, or those
        that are computed where the store lacks them: ``toa_incident_solar_radiation``,
        ``cos_day_of_year``, ``sin_day_of_year``, ``cos_local_hour``, ``sin_local_hour``.
    history
        Number of input steps.
    history_interval
        Hours between input steps; by default the step of the store.
    initial_interval
        Hours between the initial times of the test split, counted from midnight of its first
        day; by default the step of the store.
    climatology_window
        Days over which the climatology is smoothed, odd.
    region
        Only the cells of a region: a name such as ``Europe`` (of ClimaX) or ``north-atlantic``
        (of WeatherBench 2), or ``{latitude: [south, north], longitude: [west, east]}``. Inputs,
        targets, scaling and climatology are of these cells alone. By default all of the store.
    cache
        Folder of the packed copy of the channels; by default ``cache`` beside the store.

    Raises
    ------
    UserError
        If a channel, date or number of hours does not fit the store, periods overlap, or a split
        has no window.
    """

    store: Path
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    lead_times: tuple[Hours, ...]
    train: Period
    validation: Period
    test: Period
    static: tuple[str, ...] = ()
    forcings: tuple[str, ...] = ()
    history: int = 1
    history_interval: Hours | None = None
    initial_interval: Hours | None = None
    climatology_window: int = 61
    region: Region | None = None
    cache: Path | None = None

    reading = Reading()  # no option: the samples are the same
    strategy: ClassVar[str]
    part_dimension: ClassVar[str] = "time"
    required_baselines: ClassVar[tuple[str, ...]] = ("climatology", "persistence")

    def __post_init__(self) -> None:
        for name in ("inputs", "targets", "lead_times", "static", "forcings"):
            setattr(self, name, tuple(getattr(self, name)))
        self.lead_times = tuple(duration("lead_times", value) for value in self.lead_times)
        for name in ("history_interval", "initial_interval"):
            if (given := getattr(self, name)) is not None:
                setattr(self, name, duration(name, given))
        self.dataset = self.open()
        self.timeline = Timeline(self.dataset.indexes["time"])
        check_channels(self.dataset, self.store, self._channels_by_option())
        for name in self.forcings:
            if name in self.targets:
                raise UserError(
                    f"option 'forcings' names the target '{name}', whose truth a model would be "
                    "shown: leave it out there"
                )
        self.check_hours()
        check_window(self.climatology_window)
        self.periods = {name: self.timeline.period(getattr(self, name), name) for name in SPLITS}
        check_apart(self.periods)
        for name in SPLITS:
            self._windows(name, np.ones(len(self.timeline.index), dtype=np.bool_))

    def open(self) -> xr.Dataset:
        """Return the cells of the store that are asked about."""
        return cut_region(open_store(self.store), self.region)

    def _channels_by_option(self) -> dict[str, tuple[str, ...]]:
        return {name: getattr(self, name) for name in ("inputs", "targets", "static", "forcings")}

    def check_hours(self) -> None:
        """Raise a UserError if a number of hours does not fit the store's step."""
        check_multiples("lead_times", self.lead_times, self.timeline.step)
        for name in ("history_interval", "initial_interval"):
            if (hours := getattr(self, name)) is not None:
                check_multiples(name, (hours,), self.timeline.step)
        if self.history < 1:
            raise UserError(f"option 'history' = {self.history} is wrong: at least 1 step")

    # What a protocol decides: the targets of a sample when fitting, and when predicting.

    @property
    def fit_leads(self) -> tuple[tuple[float, ...], ...]:
        """Hours of the targets of a training sample; each entry gives samples of its own."""
        raise TypeError(f"{type(self).__name__} is no protocol: use one of its three subclasses")

    @property
    def choice_leads(self) -> tuple[tuple[float, ...], ...]:
        """The same for the validation split, on which the best weights are chosen."""
        return self.fit_leads

    @property
    def test_leads(self) -> tuple[float, ...]:
        """Hours of the targets of a test sample."""
        return self.lead_times

    # Samples.

    @cached_property
    def signature(self) -> Signature:
        """Channels, history and grid: what a model is built for."""
        return Signature(
            inputs=self.inputs,
            forcings=self.forcings,
            static=self.static,
            targets=self.targets,
            history=self.history,
            leads=len(self.fit_leads[0]),
            latitude=tuple(float(value) for value in self.dataset["latitude"].values),
            longitude=tuple(float(value) for value in self.dataset["longitude"].values),
        )

    @cached_property
    def fields(self) -> Fields:
        """The packed channels; the first use packs them."""
        cache = self.store.parent / "cache" if self.cache is None else self.cache
        cells = self.region or cells_of(self.store, self.dataset)
        return Fields(self.store, self.dataset, self.packed, cache, cells, self.reading)

    @property
    def packed(self) -> list[str]:
        """The channels of the store that samples are made of."""
        return list(dict.fromkeys([*self.inputs, *self.targets, *self.forcings]))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which steps may be part of a window ``[time]``."""
        return self.fields.complete

    @cached_property
    def static_fields(self) -> NDArray[np.float32]:
        """Constant fields ``[channel, latitude, longitude]``."""
        fields = [constant_field(self.dataset, name) for name in self.static]
        return np.array(fields, dtype=np.float32).reshape(-1, *self.signature.shape)

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, over the complete steps of the training period only."""
        moments = self.fields.moments(self.periods["train"])
        constant = zip(self.static, self.static_fields, strict=True)
        return normalisation_of(
            moments | {name: Moments.of(field[None]) for name, field in constant}
        )

    def split(self, name: Split | Literal["train_and_validation"]) -> "Windows":
        """Return the samples of a split, ordered by lead and initial time.

        ``train_and_validation`` is both, for a fit that chooses nothing on the validation split.
        """
        usable = self.usable
        groups = self._windows("train" if name == "train_and_validation" else name, usable)
        if name == "train_and_validation":
            groups += self._windows("validation", usable, self.fit_leads)
        return self.samples(groups)

    def samples(self, groups: list[Group]) -> "Windows":
        """Return the samples of some windows."""
        return Windows(self.fields, self.signature, self.static_fields, self.past, groups)

    def _windows(
        self,
        name: Split,
        usable: NDArray[np.bool_],
        leads_of_fit: tuple[tuple[float, ...], ...] | None = None,
    ) -> list[Group]:
        """Return (initial times, leads) of a split, one entry for each set of leads."""
        period, past = self.periods[name], self.past
        if name == "test":
            # Every step of the span is asked for, so that all protocols get the same times.
            last = max(past[-1], self.lead_times[-1])
            steps = round((last - past[0]) / self.timeline.step) + 1
            span = [past[0] + self.timeline.step * count for count in range(steps)]
            start = self.timeline.initial(period, span, usable)
            interval = self.initial_interval or self.timeline.step
            groups = [(self.timeline.every(start, period, interval), self.test_leads)]
        else:
            sets = leads_of_fit or (self.fit_leads if name == "train" else self.choice_leads)
            groups = [
                (self.timeline.initial(period, (*past, *leads), usable), leads) for leads in sets
            ]
        for initial, leads in groups:
            if not initial.size:
                raise UserError(
                    f"the {name} period {list(getattr(self, name))} has no gap-free window of "
                    f"{self.history} input steps and a lead of {leads[-1]:g} h "
                    f"({int((~usable[period.start : period.stop]).sum())} of its {len(period)} "
                    "steps have missing values): lengthen the period or shorten the window"
                )
        return groups

    @property
    def past(self) -> tuple[float, ...]:
        """Hours of the inputs relative to the initial time, ascending to 0."""
        return tuple(-self.input_step * back for back in reversed(range(self.history)))

    @property
    def input_step(self) -> float:
        """Hours between inputs."""
        return self.history_interval or self.timeline.step

    # What predictions are written into and scored against.

    @cached_property
    def initial_positions(self) -> NDArray[np.int64]:
        """Positions of the initial times of the test split, the same for all leads."""
        return self._windows("test", self.usable)[0][0]

    def blocks(self) -> list[NDArray[np.int64]]:
        """Return consecutive test samples in groups whose predictions take some 128 MB."""
        one = 4 * len(self.lead_times) * len(self.targets) * int(np.prod(self.signature.shape))
        size = max(1, min(len(self.initial_positions), WRITE_BYTES // one))
        samples = np.arange(len(self.initial_positions))
        return [samples[start : start + size] for start in range(0, samples.size, size)]

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions of test samples in the layout of WeatherBench 2.

        Parameters
        ----------
        indices
            Positions in the test split ``[sample]``.
        values
            Physical units ``[sample, lead, target, latitude, longitude]``, leads as in
            ``lead_times``.
        """
        fields = {name: values[:, :, at] for at, name in enumerate(self.targets)}
        return by_variable(self.dataset, fields, self._front(indices))

    def template(self) -> xr.Dataset:
        """Return the whole prediction dataset with values that take no memory."""
        samples = np.arange(len(self.initial_positions))
        return forecast_template(self.dataset, self.targets, self._front(samples))

    def _front(self, indices: NDArray[np.int64]) -> dict[str, Any]:
        times = self.timeline.index[self.initial_positions[indices]]
        return forecast_front(times, self.lead_times)

    def truth(self) -> xr.Dataset:
        """Return the targets over the test period, lazily."""
        return self._targets("test")

    def training(self) -> xr.Dataset:
        """Return the targets over the training period, lazily: thresholds are of these."""
        return self._targets("train")

    def _targets(self, split: Split) -> xr.Dataset:
        steps = slice(self.periods[split].start, self.periods[split].stop)
        return select_channels(self.dataset, self.targets).isel(time=steps)

    def climatology(self) -> xr.Dataset | None:
        """Return the training period's mean of each hour and day of the year, smoothed.

        Returns
        -------
        xarray.Dataset
            ``[hour, dayofyear, (level), latitude, longitude]``, float32, without NaN.
        """
        return training_climatology(
            self.dataset, self.fields, self.targets, self.periods["train"], self.climatology_window
        )

    def options(self) -> dict[str, Any]:
        """Return ``_target_`` and every option, JSON-able: what builds this task again."""
        return task_options(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the store's content and every option."""
        return task_hash(self, store_hash(self.store))

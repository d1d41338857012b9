"""Downscaling: coarse fields in, the fine fields of the same moment out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.store import open_store, split_channel, store_hash
from climbench.store.moments import Moments
from climbench.tasks.base_forecasting import Forecasting
from climbench.tasks.checks import check_channels, check_multiples
from climbench.tasks.climatology import climatology_of_values
from climbench.tasks.coarsening import Coarsening
from climbench.tasks.counterparts import counterparts
from climbench.tasks.fields import Fields, cells_of, constant_field
from climbench.tasks.layout import by_variable
from climbench.tasks.regions import northward
from climbench.tasks.sample import Signature
from climbench.tasks.task import Normalisation, Split, normalisation_of, task_hash
from climbench.tasks.timeline import Timeline
from climbench.tasks.windows import Group, Windows

BLOCK_BYTES = 2**26


@dataclass(kw_only=True)
class Downscaling(Forecasting):
    """Fields of one moment from a coarse grid to a fine one, within an archive or across two.

    The targets are the store's. The inputs are the store's own fields, averaged over blocks of
    ``coarsening`` x ``coarsening`` cells, or those of ``input_store``, on whatever grid (averaged
    as well if both are given). Times meet by date, see
    :func:`climbench.tasks.counterparts.counterparts`. A step is a sample if every input has values
    at its time and every target has some.

    Cells that are missing in the targets, and those that ``mask`` shuts out, count nowhere: not
    in the loss, the scaling, the climatology or the scores, whatever values stand there.

    Predictions are in the layout of forecasts, at a lead time of 0 h.

    Parameters
    ----------
    coarsening
        Fine rows, and columns, of a coarse cell.
    input_store
        Another store, that the inputs are taken from.
    mask
        Constant channel of the store that is 1 where cells count, and 0 (below one half) or
        missing where not.
    input_shift
        Hours from the time stamp of an input to that of its target, where archives
        stamp the same day differently: 24 where one names it after its beginning at noon of the
        day before and the other after its end.
    synchronous
        Whether inputs and targets of a date are the same weather: reanalyses, or coarse and fine
        fields of one archive. A free-running climate model and observations are not: with
        ``false`` only models that learn from distributions are trained, and only scores of
        distributions mean anything.

    Other Parameters
    ----------------
    store, inputs, targets, train, validation, test, static, history, history_interval, \
initial_interval, climatology_window, region, cache
        See :class:`Forecasting`; ``region`` is that of the targets, and of the inputs where these
        are made of the same store.

    Raises
    ------
    UserError
        Also if neither ``coarsening`` nor ``input_store`` is given, the archives share no time,
        or have a channel in different units.
    """

    coarsening: int | None = None
    input_store: Path | None = None
    mask: str | None = None
    input_shift: float = 0.0
    synchronous: bool = True
    lead_times: tuple[int, ...] = field(default=(0,), init=False)
    forcings: tuple[str, ...] = field(default=(), init=False)

    strategy: ClassVar[str] = "downscaling"

    def __post_init__(self) -> None:
        if self.coarsening is None and self.input_store is None:
            raise UserError(
                "a downscaling needs 'coarsening' (coarse inputs made of the store itself) or "
                "'input_store' (of another store): give one"
            )
        source = self.input_store
        self.input_dataset = None if source is None else northward(open_store(source))
        super().__post_init__()
        if self.input_dataset is not None and self.input_store is not None:
            check_channels(self.input_dataset, self.input_store, {"inputs": self.inputs})
            self._check_units(self.input_dataset)
        if self.mask is not None:
            check_channels(self.dataset, self.store, {"mask": (self.mask,)})
            if not self.counted.any():
                raise UserError(
                    f"option 'mask' = {self.mask} shuts every cell out: name a channel that is 1 "
                    "where cells count"
                )
        grid = self.dataset if self.input_dataset is None else self.input_dataset
        factor = self.coarsening
        self.coarsened = None if factor is None else Coarsening.of(grid, factor)

    def _channels_by_option(self) -> dict[str, tuple[str, ...]]:
        options = super()._channels_by_option()
        if self.input_store is not None:
            del options["inputs"]
        return options

    def _check_units(self, inputs: xr.Dataset) -> None:
        for name in set(self.inputs) & set(self.targets):
            units = [
                ds[split_channel(ds, name)[0]].attrs.get("units") for ds in (inputs, self.dataset)
            ]
            if None not in units and units[0] != units[1]:
                raise UserError(
                    f"'{name}' is in {units[0]} in the input store and in {units[1]} in store "
                    f"{self.store.name}: convert one in its recipe (step convert_units)"
                )

    def check_hours(self) -> None:
        """Raise a UserError if a number of hours does not fit the store's step."""
        for name in ("history_interval", "initial_interval"):
            if (hours := getattr(self, name)) is not None:
                check_multiples(name, (hours,), self.timeline.step)
        if self.history < 1:
            raise UserError(f"option 'history' = {self.history} is wrong: at least 1 step")

    @property
    def fit_leads(self) -> tuple[tuple[int, ...], ...]:
        """The moment itself."""
        return (self.lead_times,)

    @property
    def required_baselines(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on options
        """Plain interpolation, and what can be learnt without a network."""
        learnt = "linear_downscaling" if self.synchronous else "quantile_mapping"
        known = set(self.targets) <= set(self.inputs)
        return ("bilinear", learnt) if known else ("linear_downscaling",)[: self.synchronous]

    # Fields.

    @property
    def packed(self) -> list[str]:
        """The channels of the store that samples are made of."""
        own = self.inputs if self.input_store is None else ()
        return list(dict.fromkeys([*own, *self.targets]))

    @cached_property
    def input_fields(self) -> Fields:
        """The channels that inputs are made of; the first use packs them."""
        if self.input_dataset is None or self.input_store is None:
            return self.fields
        cache = self.input_store.parent / "cache" if self.cache is None else self.cache
        cells = cells_of(self.input_store, self.input_dataset)
        channels = list(self.inputs)
        return Fields(
            self.input_store, self.input_dataset, channels, cache, cells, reading=self.reading
        )

    @cached_property
    def counterpart(self) -> NDArray[np.int64]:
        """Position in the input store of each time of the store ``[time]``, -1 where none."""
        if self.input_dataset is None or self.input_store is None:
            return np.arange(len(self.timeline.index))
        names = (f"store {self.store.name}", f"input store {self.input_store.name}")
        index: Any = self.input_dataset.indexes["time"]
        index = index + timedelta(hours=self.input_shift)
        return counterparts(self.timeline, Timeline(index), names)

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Which cells the mask lets in ``[latitude, longitude]``."""
        if self.mask is None:
            sizes = self.dataset.sizes
            return np.ones((sizes["latitude"], sizes["longitude"]), dtype=np.bool_)
        return np.asarray(constant_field(self.dataset, self.mask) >= 0.5)

    def read_inputs(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return inputs ``[..., channel, latitude, longitude]`` at positions ``[sample, step]``."""
        fields = self.input_fields.read(self.counterpart[positions], self.inputs)
        return fields if self.coarsened is None else self.coarsened(fields)

    def read_targets(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return targets in the same layout, NaN where the mask shuts cells out."""
        fields = self.fields.read(positions, self.targets)
        return fields if self.mask is None else np.where(self.counted, fields, np.float32(np.nan))

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which steps have some value of every input and target ``[time]``."""
        usable = self.counterpart >= 0
        whole = self.fields.complete & self.input_fields.complete[self.counterpart]
        for at in self._blocks(np.flatnonzero(usable & ~whole)):
            read = (
                self.input_fields.read(self.counterpart[at[:, None]], self.inputs),
                self.read_targets(at[:, None]),
            )
            for fields in read:
                some = np.any(np.isfinite(fields), axis=(3, 4))
                usable[at] &= np.all(some, axis=(1, 2))
        return usable

    def _blocks(self, positions: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        rows, columns = self.input_fields.latitude.size, self.input_fields.longitude.size
        cells = max(rows * columns, int(np.prod(self.signature.shape)))
        size = max(1, BLOCK_BYTES // (4 * cells * (len(self.inputs) + len(self.targets))))
        for start in range(0, positions.size, size):
            yield positions[start : start + size]

    # What Forecasting is asked, of coarse inputs and masked targets.

    @cached_property
    def signature(self) -> Signature:
        """Channels, history and the two grids: what a model is built for."""
        coarse = self.coarsened or self.input_fields
        return replace(
            super().signature,
            input_latitude=tuple(float(value) for value in coarse.latitude),
            input_longitude=tuple(float(value) for value in coarse.longitude),
        )

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, over the values of the training period that count.

        A channel that comes in coarse and goes out fine has one scale, that of the targets.
        """
        period = self.periods["train"]
        steps = np.arange(period.start, period.stop)
        moments: dict[str, Moments] = {}
        for at in self._blocks(steps[self.usable[steps]]):
            inputs, targets = self.read_inputs(at[:, None]), self.read_targets(at[:, None])
            fields = {name: inputs[:, 0, at] for at, name in enumerate(self.inputs)}
            fields |= {name: targets[:, 0, at] for at, name in enumerate(self.targets)}
            for name, values in fields.items():
                new = Moments.of(values)
                moments[name] = moments[name].merge(new) if name in moments else new
        constant = zip(self.static, self.static_fields, strict=True)
        moments |= {name: Moments.of(values[None]) for name, values in constant}
        return normalisation_of(moments)

    def samples(self, groups: list[Group]) -> Windows:
        """Return the samples of some windows."""
        return CoarseToFine(self, groups)

    def _targets(self, split: Split) -> xr.Dataset:
        """Return the targets over a period, NaN where cells do not count."""
        whole = super()._targets(split)
        if self.mask is None:
            return whole
        counted = xr.DataArray(self.counted, dims=("latitude", "longitude"))
        return whole.chunk(time=64).where(counted)

    def climatology(self) -> xr.Dataset:
        """Return the training period's mean of each hour and day of the year, smoothed.

        Returns
        -------
        xarray.Dataset
            ``[hour, dayofyear, (level), latitude, longitude]``, float32, without NaN; in cells
            that never count the channel's mean stands.
        """
        period = self.periods["train"]
        steps = np.arange(period.start, period.stop)
        means, front = climatology_of_values(
            self.timeline, self.read_targets, steps[self.usable[steps]], self.climatology_window
        )
        fields = {name: means[:, :, at] for at, name in enumerate(self.targets)}
        return by_variable(self.dataset, fields, front)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content of the stores and every option."""
        stores = [self.store] if self.input_store is None else [self.store, self.input_store]
        return task_hash(self, "".join(store_hash(store) for store in stores))


class CoarseToFine(Windows):
    """Samples whose inputs and targets are read from grids of their own.

    Parameters
    ----------
    task
        Reads them.
    groups
        The windows.
    """

    def __init__(self, task: Downscaling, groups: Sequence[Group]) -> None:
        super().__init__(task.fields, task.signature, task.static_fields, task.past, groups)
        self.task = task

    def inputs_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return coarse inputs ``[sample, history, channel, latitude, longitude]``."""
        return self.task.read_inputs(positions)

    def targets_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return fine targets in the same layout, NaN where cells do not count."""
        return self.task.read_targets(positions)

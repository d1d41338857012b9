"""Column physics: the state of a column in, its tendencies and surface fluxes out."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.columns import ColumnVectors, column_variables, column_vectors
from climbench.errors import UserError, nearest
from climbench.store import open_store, store_hash
from climbench.store.moments import Moments
from climbench.store.packed_columns import COLUMN, LEVEL, PackedColumns, pack_columns
from climbench.store.reading import Reading
from climbench.tasks.column_samples import ColumnPart, ColumnSamples, ColumnStore
from climbench.tasks.column_scaling import published_scaling
from climbench.tasks.sample import Signature
from climbench.tasks.task import SPLITS, Normalisation, Split, task_hash, task_options
from climbench.tasks.timeline import Period, Timeline

log = logging.getLogger(__name__)
WRITE_BYTES = 2**27
READ_ROWS = 2**17  # some 128 MB of the first vectors
DIMENSIONS = {LEVEL: "lev", COLUMN: "ncol"}  # as ClimSim has them
OF_SCORES = ("state_ps", "pbuf_LHFLX", "pbuf_SHFLX")  # what scores in W m-2 and budgets need
SCENARIO = "scenario"
NEXT_TO_NOTHING = 1e-30  # of any unit, and more than the least float32


@dataclass(kw_only=True)
class ColumnEmulation:
    """What the physics of a time step makes of a column, each column by itself.

    A sample is one column at one time: the values of ClimSim's vectors, in the published order.

    Parameters
    ----------
    store
        Columns ``[time, (level), column]``.
    train, validation, test
        First and last date, both inside, of all stores.
    vectors
        ``v1`` (124 in, 128 out) or ``v2`` (557 in, 368 out).
    further_stores
        Other stores of the same columns: another fidelity, or a warmer climate.
    train_on, test_on
        Names of the recipes of the stores that are learnt from and scored; by default the first
        store. Validation is on the first of ``train_on``.
    stride
        Every which time of the first of ``train_on`` is learnt from: high fidelity is scarce.
    scaling
        ``moments``: mean and deviation of each channel over the training samples; ``published``:
        inputs as :math:`(x - mean) / (max - min)` and targets times ClimSim's ``output_scale``.
    statistics
        Folder of ClimSim's files ``input_mean.nc``, ``input_min.nc``, ``input_max.nc`` and
        ``output_scale.nc``, for the published scaling.
    cache
        Folder of the packed copy; by default ``cache`` beside the store.

    Raises
    ------
    UserError
        If the store has no columns, other levels or lacks a variable, a name or a period is wrong,
        periods overlap, or the statistics are of another version.
    """

    store: Path
    train: Period
    validation: Period
    test: Period
    vectors: str = "v1"
    further_stores: tuple[Path, ...] = ()
    train_on: tuple[str, ...] = ()
    test_on: tuple[str, ...] = ()
    stride: int = 1
    scaling: Literal["moments", "published"] = "moments"
    statistics: Path | None = None
    cache: Path | None = None

    reading = Reading()  # no option: the samples are the same
    strategy: ClassVar[str] = "emulation"
    part_dimension: ClassVar[str] = "time"
    prediction_chunk: ClassVar[int] = 24  # times; of one alone each read would be small
    required_baselines: ClassVar[tuple[str, ...]] = ("mean_climatology",)
    lead_times: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test", "further_stores", "train_on", "test_on"):
            setattr(self, name, tuple(getattr(self, name)))
        self.order: ColumnVectors = column_vectors(self.vectors)
        self.datasets = {
            recipe_name(ds): ds
            for path in (self.store, *self.further_stores)
            for ds in [_columns_of(Path(path), self.order)]
        }
        self.paths = dict(zip(self.datasets, (self.store, *self.further_stores), strict=True))
        self.dataset = next(iter(self.datasets.values()))
        for option in ("train_on", "test_on"):
            setattr(self, option, getattr(self, option) or (next(iter(self.datasets)),))
            for name in getattr(self, option):
                if name not in self.datasets:
                    raise UserError(
                        f"option '{option}': there is no store '{name}': "
                        f"{nearest(name, self.datasets)}"
                    )
        if self.stride < 1:
            raise UserError(f"option 'stride' = {self.stride} is wrong: at least 1")
        if self.scaling not in ("moments", "published"):
            raise UserError(
                f"option 'scaling' = {self.scaling} is unknown: take moments or published"
            )
        self._check_periods()

    def _check_periods(self) -> None:
        line = Timeline(self.dataset.indexes["time"])
        spans = {name: line.period(getattr(self, name), name) for name in SPLITS}
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            if set(spans[one]) & set(spans[other]):  # type: ignore[index]
                raise UserError(f"the periods '{one}' and '{other}' overlap: keep them apart")

    # Samples.

    @cached_property
    def signature(self) -> Signature:
        """Channels in the published order, and the number of levels."""
        return Signature(
            inputs=channels_of(self.order.inputs, self.order.levels),
            forcings=(),
            static=(),
            targets=channels_of(self.order.targets, self.order.levels),
            history=1,
            leads=1,
            latitude=(0.0,),
            longitude=(0.0,),
            climate_models=self.train_on if len(self.train_on) > 1 else (),
            levels=self.order.levels,
        )

    @cached_property
    def stores(self) -> dict[str, ColumnStore]:
        """The stores that are used, packed; the first use packs them."""
        used = dict.fromkeys([*self.train_on, *self.test_on])
        return {name: self._packed(name) for name in used}

    def _packed(self, name: str) -> ColumnStore:
        ds, path = self.datasets[name], self.paths[name]
        cache = Path(self.store).parent / "cache" if self.cache is None else Path(self.cache)
        variables = [*self.order.inputs, *self.order.targets]
        packed = PackedColumns(pack_columns(ds, variables, cache, store_hash(path)))
        return ColumnStore(name, packed, Timeline(ds.indexes["time"]), ds.sizes[COLUMN])

    def split(self, name: Split) -> ColumnSamples:
        """Return the samples of a split, ordered by store, time and column."""
        names = {"train": self.train_on, "test": self.test_on}.get(name, self.train_on[:1])
        parts = []
        for each in names:
            store = self.stores[each]
            span = store.timeline.period(getattr(self, name), name)
            known = each if each in self.train_on else self.train_on[0]
            position = self.train_on.index(known)
            step = self.stride if name == "train" and each == names[0] else 1
            parts.append(ColumnPart(store, np.arange(span.start, span.stop, step), position))
        return ColumnSamples(parts, len(self.signature.inputs))

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels; those that never vary are named in a warning.

        An input that never varies is divided by 1. Such a target is answered by its mean: an
        error of a network there is multiplied by next to nothing, where 1 would make it the
        largest of all (a layer's moistening of 1 kg kg-1 s-1 is 10 million times the sun).
        """
        channels = (*self.signature.inputs, *self.signature.targets)
        if self.scaling == "published":
            if self.statistics is None:
                raise UserError(
                    "option 'scaling' = published needs the option 'statistics': the folder of "
                    "ClimSim's input_mean.nc, input_min.nc, input_max.nc and output_scale.nc"
                )
            scaling = published_scaling(Path(self.statistics), self.order)
        else:
            scaling = moments_of(self.split("train"))
        mean, std, flat = scaling
        if flat.any():
            some = [name for name, one in zip(channels, flat, strict=True) if one]
            shown = ", ".join(some[:4]) + (", ..." if len(some) > 4 else "")
            log.warning("%d channels never vary and are left as they are: %s", len(some), shown)
            answered = flat & (np.arange(flat.size) >= len(self.signature.inputs))
            std = np.where(answered, np.maximum(1e-7 * np.abs(mean), NEXT_TO_NOTHING), std)
        return Normalisation(channels, tuple(mean.tolist()), tuple(std.tolist()))

    @property
    def scored(self) -> xr.Dataset:
        """The store of the first scores, opened."""
        return self.datasets[self.test_on[0]]

    # What predictions are written into and scored against: in ClimSim's dimensions.

    def blocks(self) -> list[NDArray[np.int64]]:
        """Return the test samples in groups of whole times, whose predictions take some 128 MB."""
        columns, samples = self.dataset.sizes[COLUMN], len(self.split("test"))
        size = max(1, WRITE_BYTES // (4 * columns * len(self.signature.targets))) * columns
        everything = np.arange(samples)
        return [everything[start : start + size] for start in range(0, samples, size)]

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions ``[time, ncol, (lev)]`` of test samples of whole times.

        Parameters
        ----------
        indices
            Positions in the test split ``[sample]``.
        values
            Physical units ``[sample, 1, target, 1, 1]``.
        """
        known, columns, at = column_variables(), self.dataset.sizes[COLUMN], 0
        table = values[:, 0, :, 0, 0].reshape(-1, columns, values.shape[2])
        fields: dict[str, Any] = {}
        for name in self.order.targets:
            about = {"units": known[name].units, "long_name": known[name].long_name}
            if known[name].levels:
                own = table[..., at : at + self.order.levels]
                fields[name] = (("time", "ncol", "lev"), own, about)
            else:
                fields[name] = (("time", "ncol"), table[..., at], about)
            at += self.order.levels if known[name].levels else 1
        front = self.truth_times.isel(time=indices[::columns] // columns)
        level = {"lev": ("lev", self.dataset[LEVEL].values, self.dataset[LEVEL].attrs)}
        return xr.Dataset(fields, {**front.coords, **level})

    @cached_property
    def truth_times(self) -> xr.Dataset:
        """Times of the test samples and the store that each is of, as coordinates."""
        pieces = [(name, self._test_steps(name)) for name in self.test_on]
        time = np.concatenate([self.datasets[n]["time"].values[steps] for n, steps in pieces])
        names = np.concatenate([np.full(steps.stop - steps.start, n) for n, steps in pieces])
        return xr.Dataset(coords={"time": time, SCENARIO: ("time", names.astype(str))})

    def _test_steps(self, name: str) -> slice:
        span = Timeline(self.datasets[name].indexes["time"]).period(self.test, "test")
        return slice(span.start, span.stop)

    def template(self) -> xr.Dataset:
        """Return the whole prediction dataset with values that take no memory."""
        samples = np.arange(len(self.split("test")))
        shape = (samples.size, 1, len(self.signature.targets), 1, 1)
        return self.to_dataset(samples, np.broadcast_to(np.float32(np.nan), shape))

    def truth(self) -> xr.Dataset:
        """Return the targets of the test period, and what scores need, lazily."""
        names = [*self.order.targets, *(n for n in OF_SCORES if n in self.dataset)]
        pieces = [
            self.datasets[name][names].isel(time=self._test_steps(name)).chunk(time=24)
            for name in self.test_on
        ]
        whole = xr.concat(pieces, "time", coords="minimal", compat="override", join="override")
        whole = whole.assign_coords(self.truth_times.coords)
        attributes = self.dataset.attrs | {"store_hash": self._content(), "vectors": self.vectors}
        return whole.assign_attrs(attributes).rename(DIMENSIONS)

    def climatology(self) -> None:
        """Return nothing: columns are scored as they are."""

    def options(self) -> dict[str, Any]:
        """Return ``_target_`` and every option, JSON-able: what builds this task again."""
        return task_options(self)

    def _content(self) -> str:
        return "+".join(store_hash(path) for path in self.paths.values())

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the stores' content and every option."""
        return task_hash(self, self._content())


def recipe_name(ds: xr.Dataset) -> str:
    """Return the name of the recipe that a store was built from."""
    return str(json.loads(ds.attrs.get("recipe", "{}")).get("name", "store"))


def channels_of(variables: Sequence[str], levels: int) -> tuple[str, ...]:
    """Return the names of a vector's values: ``NAME_0`` ... of a profile, from the top down.

    Examples
    --------
    >>> channels_of(["state_t", "state_ps"], 2)
    ('state_t_0', 'state_t_1', 'state_ps')
    """
    known = column_variables()
    return tuple(
        channel
        for name in variables
        for channel in ([f"{name}_{n}" for n in range(levels)] if known[name].levels else [name])
    )


def moments_of(samples: ColumnSamples) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Return mean, deviation and whether it is none, of each value of a row ``[value]``."""
    total = None
    for part in samples.parts:
        columns = part.store.columns
        for start in range(0, len(part), READ_ROWS):
            rows = np.arange(start, min(start + READ_ROWS, len(part)))
            block = part.store.packed.take(part.times[rows // columns] * columns + rows % columns)
            moments = Moments.of(block[:, :, None])
            total = moments if total is None else total.merge(moments)
    if total is None:
        raise UserError("the training split has no sample: lengthen the period")
    std = np.sqrt(total.squares / np.maximum(total.count, 1))
    flat = ~(std > 1e-7 * np.abs(total.mean))
    return total.mean, np.where(flat, 1.0, std), flat


def _columns_of(path: Path, order: ColumnVectors) -> xr.Dataset:
    """Open a store and check that it has what the vectors are made of."""
    ds = open_store(path)
    if COLUMN not in ds.dims:
        raise UserError(f"store {path.name} has no columns: take a recipe such as climsim_twin")
    if ds.sizes.get(LEVEL, 0) != order.levels:
        raise UserError(
            f"store {path.name} has columns of {ds.sizes.get(LEVEL, 0)} levels, and the vectors "
            f"are of {order.levels}: build it from files of that model"
        )
    for name in (*order.inputs, *order.targets, "state_ps"):
        if name not in ds:
            raise UserError(
                f"store {path.name} lacks '{name}', which these vectors have: take vectors=v1, or "
                "build it with this variable"
            )
    return ds

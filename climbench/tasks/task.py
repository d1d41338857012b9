"""What every task offers, the scaling that goes with it, and its identity."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.store.moments import Moments
from climbench.store.reading import Reading
from climbench.tasks.sample import Sample, Signature

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Samples(Protocol):
    """The samples of a split, a dataset as torch's loaders read it."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Return one sample, as a batch of one."""
        ...

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a whole batch at once, its fields in memory of its own: training scales them."""
        ...


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, over the training split only.

    Attributes
    ----------
    channels
        Names; a channel that goes in and comes out has one entry.
    mean, std
        In the unit of the channel, over time and space; ``std`` is 1 for a constant channel.
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def scale(self, channels: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation ``[channel]`` of the named channels, in order."""
        at = [self.channels.index(name) for name in channels]
        return np.array(self.mean)[at], np.array(self.std)[at]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as a checkpoint stores them."""
        return {key: list(value) for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Normalisation":
        """Return the scaling that :meth:`to_dict` wrote."""
        return cls(**{key: tuple(value) for key, value in values.items()})


def normalisation_of(moments: Mapping[str, Moments]) -> Normalisation:
    """Return plain (unweighted) mean and deviation from the moments of each channel's rows."""
    pairs = [each.mean_and_std(np.ones(each.count.size)) for each in moments.values()]
    return Normalisation(
        tuple(moments),
        tuple(mean for mean, _ in pairs),
        tuple(std if std > 1e-7 * abs(mean) else 1.0 for mean, std in pairs),
    )


class Task(Protocol):
    """What is asked of a model: samples to learn from, and what its answers are scored against.

    Attributes
    ----------
    store
        Path of the store.
    strategy
        How prediction applies the model: ``direct``, ``continuous``, ``iterative``, ``emulation``.
    part_dimension
        Dimension along which predictions are written, block by block.
    required_baselines
        Names in ``conf/model`` that every result is shown against.
    reading
        How this machine reads training data, to be set before the first are read.
    """

    store: Path
    reading: Reading
    strategy: ClassVar[str]
    part_dimension: ClassVar[str]
    required_baselines: ClassVar[tuple[str, ...]]

    @property
    def signature(self) -> Signature:
        """Channels, history and grid: what a model is built for."""
        ...

    @property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, from the training split only."""
        ...

    @property
    def lead_times(self) -> Sequence[int]:
        """Hours that are scored; empty for emulation."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 of the store's content and every option."""
        ...

    def options(self) -> dict[str, Any]:
        """Return ``_target_`` and every option, JSON-able: what builds this task again."""
        ...

    def split(self, name: Split) -> Samples:
        """Return the samples of a split."""
        ...

    def blocks(self) -> list[NDArray[np.int64]]:
        """Return the test samples in the groups in which predictions are written."""
        ...

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions of test samples in the prediction layout.

        Parameters
        ----------
        indices
            Positions in the test split ``[sample]``.
        values
            Physical units ``[sample, lead, target, latitude, longitude]``.
        """
        ...

    def template(self) -> xr.Dataset:
        """Return the whole prediction dataset, its values not in memory."""
        ...

    def truth(self) -> xr.Dataset:
        """Return what predictions are scored against, lazily."""
        ...

    def climatology(self) -> xr.Dataset | None:
        """Return the training period's mean of each hour and day of the year, where it exists."""
        ...


def task_options(task: Any) -> dict[str, Any]:
    """Return ``_target_`` and the options of a task that is a dataclass, JSON-able."""
    options = {f.name: _plain(getattr(task, f.name)) for f in dataclasses.fields(task) if f.init}
    return {"_target_": f"{type(task).__module__}.{type(task).__name__}", **options}


SAMPLING = 2
"""Raised when the same options come to give other samples, so that no old fit passes for new."""


def task_hash(task: Any, store: str) -> str:
    """Return the SHA-256 of a task's options and of its store's content, not of where these lie."""
    places = ("store", "further_stores", "input_store", "cache")
    options = {k: v for k, v in task_options(task).items() if k not in places}
    text = json.dumps([SAMPLING, store, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value

"""Statistics: what is averaged over the cells of each field; all scores are made of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions
from climbench.metrics.fields import Array, Batch, Companion, Fields, Layout


class Kernel(Protocol):
    """Computes several statistics of one block in one go."""

    def __call__(
        self, block: Fields, statistics: Sequence["Statistic"]
    ) -> Mapping["Statistic", Array]:
        """Return each statistic ``[sample, condition, channel, region(, component)]``."""


def label(described: Any) -> str:
    """Return a name with the parameters that differ from their defaults.

    Examples
    --------
    >>> from climbench.metrics import get_metric
    >>> label(get_metric("rmse")), label(get_metric("rmse(root=before)"))
    ('rmse', 'rmse(root=before)')
    """
    given = [
        f"{item.name}={_plain(getattr(described, item.name))}"
        for item in fields(described)
        if getattr(described, item.name) != item.default
    ]
    return f"{described.name}({', '.join(given)})" if given else str(described.name)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(part) for part in value)}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def in_batches(block: Fields, statistics: Sequence["Statistic"]) -> dict["Statistic", Array]:
    """Compute statistics that are written in numpy, a few fields at a time."""
    results: dict[Statistic, Array] = {}
    for statistic in statistics:
        names = statistic.components(block.layout, block.members)
        shape = (*block.shape, block.regions.number, *([len(names)] if names else []))
        results[statistic] = np.full(shape, np.nan)
    if not results:
        return results
    for places, batch in block.batches():
        for statistic in statistics:
            with np.errstate(invalid="ignore", divide="ignore"):
                results[statistic][places] = statistic.means(batch, block.regions)
    return results


@dataclass(frozen=True)
class Statistic(ABC):
    """What is averaged over the cells of each field.

    Frozen, so that equal statistics of different metrics (same class, same parameters) are one
    key of a dictionary and are computed once.
    """

    name: ClassVar[str]
    needs_climatology: ClassVar[bool] = False
    needs_members: ClassVar[bool] = False
    takes_members: ClassVar[bool] = False  # of an ensemble where there is one
    kernel: ClassVar[Kernel] = staticmethod(in_batches)

    @property
    def label(self) -> str:
        """The name, with the parameters that differ from their defaults."""
        return label(self)

    @property
    def companions(self) -> tuple[Companion, ...]:
        """Which further fields of the climatology it needs."""
        return ()

    def of_ensemble(self, members: int) -> bool:
        """Tell whether it is one of each member, where there are ``members``, not their mean."""
        return self.needs_members or (self.takes_members and members > 0)

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return the labels of its components; empty for a single number.

        Parameters
        ----------
        layout
            Where the cells lie.
        members
            Size of the ensemble; 0 where there is none.
        """
        return ()

    @abstractmethod
    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the mean over the cells of each region ``[field, region(, component)]``."""


@dataclass(frozen=True)
class CellStatistic(Statistic):
    """A statistic that has a value in each cell."""

    @abstractmethod
    def values(self, batch: Batch) -> NDArray[Any]:
        """Return the statistic of each cell, ``[field, cell]`` or ``[component, field, cell]``.

        Cells where forecast, truth or climatology is missing are left out by the caller.
        """

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the weighted mean over the valid cells ``[field, region(, component)]``."""
        means = regions.mean(self.values(batch), batch.valid)
        return np.moveaxis(means, 0, -1) if means.ndim == 3 else means


@dataclass(frozen=True)
class FieldStatistic(Statistic):
    """A statistic of a whole field, such as a spectrum: ``means`` is all there is."""

"""What a metric is, and the table of those that have a name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np

from climbench.errors import UserError, nearest
from climbench.metrics.state import State, ratio
from climbench.metrics.statistic import Array, Statistic

Orientation = Literal["lower", "higher", "zero"]


@dataclass(frozen=True)
class Metric(ABC):
    """A score as a function of averaged statistics.

    Three steps: ``statistics`` are averaged over the cells of a sample; ``quantities`` turns
    these means into what is averaged over samples; ``value`` turns the averages into the score,
    so a root or a ratio comes last.

    Attributes
    ----------
    name
        Name in options, files and tables.
    orientation
        Whether a better score is ``lower``, ``higher``, or nearer to ``zero``.
    unit_power
        The score's unit is the variable's unit to this power.
    equal_samples
        Whether each sample counts the same, instead of by the weight of its valid cells.
    needs_cells
        Whether the score follows from sums per cell; samples cannot be redrawn then.
    """

    name: ClassVar[str]
    orientation: ClassVar[Orientation]
    unit_power: ClassVar[int]
    equal_samples: ClassVar[bool] = False
    needs_cells: ClassVar[bool] = False

    @property
    @abstractmethod
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics that the score is made of."""

    @property
    def needs_climatology(self) -> bool:
        """Whether one of the statistics is an anomaly."""
        return any(statistic.needs_climatology for statistic in self.statistics)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return what is averaged over samples ``[quantity, sample, ...]``.

        Parameters
        ----------
        means
            Mean over cells of each statistic ``[sample, ...]``; NaN where no cell counted.
        """
        return np.stack([means[statistic] for statistic in self.statistics])

    def value(self, averages: Array) -> Array:
        """Return the score ``[...]`` of the averaged quantities ``[quantity, ...]``."""
        first: Array = averages[0]
        return first

    def score(self, state: State) -> Array:
        """Return the score ``[condition, channel, region]``."""
        everything_once = np.ones((1, len(state.samples)))
        score: Array = self.resampled(state.means(), state.weight, everything_once)[0]
        return score

    def resampled(self, means: Mapping[Statistic, Array], weight: Array, counts: Array) -> Array:
        """Return the score for each way of drawing samples.

        Parameters
        ----------
        means
            Mean over cells of each statistic ``[sample, ...]``.
        weight
            Weight of each sample ``[sample, ...]``, dimensionless.
        counts
            How often each draw takes each sample ``[draw, sample]``.

        Returns
        -------
        numpy.ndarray
            Scores ``[draw, ...]``; NaN where no sample counts.
        """
        quantities = self.quantities(means)
        weight = (weight > 0).astype(np.float64) if self.equal_samples else weight
        weight = np.where(np.isfinite(quantities).all(axis=0), weight, 0.0)
        weighted = np.where(weight > 0, quantities, 0.0) * weight
        totals = np.tensordot(counts, weight, axes=1)
        sums = np.stack([np.tensordot(counts, quantity, axes=1) for quantity in weighted])
        return self.value(ratio(sums, totals))


_METRICS: dict[str, type[Metric]] = {}
MetricClass = TypeVar("MetricClass", bound=type[Metric])


def register(metric: MetricClass) -> MetricClass:
    """Give a metric its place in the table of names (class decorator).

    Raises
    ------
    ValueError
        If another class has the name already.
    """
    if _METRICS.setdefault(metric.name, metric) is not metric:
        raise ValueError(f"two metrics are named '{metric.name}'")
    return metric


def metric_names() -> list[str]:
    """Return the names of all metrics, in alphabetical order."""
    return sorted(_METRICS)


def get_metric(metric: str | Metric) -> Metric:
    """Return the metric of a name, with its default parameters.

    Parameters
    ----------
    metric
        A name; a metric is returned as it is.

    Raises
    ------
    UserError
        If no metric has the name.

    Examples
    --------
    >>> get_metric("rmse").orientation
    'lower'
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in _METRICS:
        raise UserError(f"There is no metric '{metric}': {nearest(metric, _METRICS)}")
    return _METRICS[metric]()


def shared_statistics(metrics: Sequence[Metric]) -> tuple[Statistic, ...]:
    """Return the statistics of several metrics, each once.

    Examples
    --------
    >>> [s.name for s in shared_statistics([get_metric("rmse"), get_metric("mse")])]
    ['squared_error']
    """
    return tuple(dict.fromkeys(s for metric in metrics for s in metric.statistics))

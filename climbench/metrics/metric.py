"""What a metric is, and the table of those that have a name."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array, Layout
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic, label

Orientation = Literal["lower", "higher", "zero", "none"]


@dataclass(frozen=True)
class Metric(ABC):
    """A score as a function of averaged statistics.

    Three steps: ``statistics`` are averaged over the cells of a sample; ``quantities`` turns
    these means into what is averaged over samples; ``value`` turns the averages into the score,
    so a root or a ratio comes last. Parameters are fields of the dataclass; where they differ
    from the defaults they are part of the ``label``, such as ``rmse(root=before)``.

    Attributes
    ----------
    name
        Name in options, files and tables.
    family
        The group of metrics it belongs to, which options may name instead.
    orientation
        Whether a better score is ``lower``, ``higher``, or nearer to ``zero``; ``none`` where no
        value is better by itself, such as of a spread: nobody wins by it.
    unit_power
        The score's unit is the variable's unit to this power.
    unit
        The score's unit where it is not that; ``{units}`` in it stands for the variable's.
    limits
        The least and the largest value that the score can have; bounds are cut there.
    equal_samples
        Whether each sample counts the same, instead of by the weight of its valid cells.
    needs_cells
        Whether the score follows from sums per cell; samples cannot be redrawn then.
    curve
        Name of the dimension along which the metric has several values (a histogram, a
        spectrum); None for a single score.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "deterministic"
    orientation: ClassVar[Orientation]
    unit_power: ClassVar[int]
    unit: ClassVar[str] = ""
    limits: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    equal_samples: ClassVar[bool] = False
    needs_cells: ClassVar[bool] = False
    curve: ClassVar[str | None] = None

    @property
    def label(self) -> str:
        """The name, with the parameters that differ from their defaults."""
        return label(self)

    @property
    @abstractmethod
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics that the score is made of."""

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """The statistics whose sums over samples are needed in each cell."""
        return ()

    @property
    def needs_climatology(self) -> bool:
        """Whether one of the statistics needs the climate."""
        return any(s.needs_climatology or s.companions for s in self.statistics)

    @property
    def needs_members(self) -> bool:
        """Whether one of the statistics needs an ensemble."""
        return any(statistic.needs_members for statistic in self.statistics)

    def of_ensemble(self, members: int) -> bool:
        """Tell whether it is one of each of so many members, not of their mean."""
        return any(statistic.of_ensemble(members) for statistic in self.statistics)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the coordinate along ``curve``, such as wavenumbers.

        Parameters
        ----------
        layout
            Where the cells lie.
        members
            Size of the ensemble; 0 where there is none.
        """
        raise NotImplementedError(f"the metric '{self.name}' has no curve")

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return what is averaged over samples ``[quantity, sample, ...]``.

        Parameters
        ----------
        means
            Mean over cells of each statistic ``[sample, ...]``, with a last dimension
            ``component`` where it has several; NaN where no cell counted.
        """
        return np.stack([means[statistic] for statistic in self.statistics])

    def value(self, averages: Array) -> Array:
        """Return the score ``[...]`` of the averaged quantities ``[quantity, ...]``."""
        first: Array = averages[0]
        return first

    def score(self, state: State) -> Array:
        """Return the score ``[condition, channel, region]``, with a last dimension for curves."""
        everything_once = np.ones((1, len(state.samples)))
        score: Array = self.resampled(state.means, state.weight, everything_once)[0]
        return score

    def resampled(
        self, means: Mapping[Statistic, Array], weight: Array, counts: NDArray[Any] | None
    ) -> Array:
        """Return the score for each way of drawing samples.

        Parameters
        ----------
        means
            Mean over cells of each statistic ``[sample, ...]``.
        weight
            Weight of each sample ``[sample, ...]``, dimensionless.
        counts
            How often each draw takes each sample ``[draw, sample]``; None for as many draws as
            there are samples, each of which leaves one of them out in turn.

        Returns
        -------
        numpy.ndarray
            Scores ``[draw, ...]``; NaN where no sample counts.
        """
        quantities = self.quantities(means)
        weight = (weight > 0).astype(np.float64) if self.equal_samples else weight
        if quantities.ndim > weight.ndim + 1:  # components
            weight = weight[..., np.newaxis]
        weight = np.where(np.isfinite(quantities).all(axis=0), weight, 0.0)
        weighted = np.where(weight > 0, quantities, 0.0) * weight
        totals = drawn_sums(counts, weight)
        sums = np.stack([drawn_sums(counts, quantity) for quantity in weighted])
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.value(ratio(sums, totals))


def drawn_sums(counts: NDArray[Any] | None, values: Array) -> Array:
    """Return the sums of samples ``[sample, ...]`` of each draw ``[draw, ...]``.

    Examples
    --------
    >>> drawn_sums(None, np.array([1.0, 2.0, 4.0])).tolist()
    [6.0, 5.0, 3.0]
    """
    if counts is None:  # the same as counts of 1 - numpy.eye, whose product grows with the square
        return np.asarray(values.sum(axis=0) - values)
    return np.asarray(np.tensordot(counts, values, axes=1))


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


def metric_families() -> dict[str, list[str]]:
    """Return the names of the metrics of each family.

    Examples
    --------
    >>> "rmse" in metric_families()["deterministic"]
    True
    """
    families: dict[str, list[str]] = {}
    for name in metric_names():
        families.setdefault(_METRICS[name].family, []).append(name)
    return families


def metric_class(name: str) -> type[Metric]:
    """Return the class of the metric of a name."""
    return _METRICS[name]


def get_metric(metric: str | Metric, **defaults: Any) -> Metric:
    """Return the metric of a label: its name, perhaps with parameters.

    Parameters
    ----------
    metric
        A label such as ``rmse`` or ``rmse(root=before)``; a metric is returned as it is.
    defaults
        Parameters for those that the label does not give.

    Raises
    ------
    UserError
        If no metric has the name, or it has no such parameter.

    Examples
    --------
    >>> get_metric("rmse").orientation
    'lower'
    >>> get_metric("rmse(root=before)").label
    'rmse(root=before)'
    """
    if isinstance(metric, Metric):
        return metric
    name, given = _parsed(metric)
    if name not in _METRICS:
        raise UserError(f"There is no metric '{name}': {nearest(name, _METRICS)}")
    kind = _METRICS[name]
    known = [item.name for item in fields(kind)]
    for parameter in given:
        if parameter not in known:
            hint = nearest(parameter, known) if known else "it has none."
            raise UserError(f"The metric '{name}' has no parameter '{parameter}': {hint}")
    for item in fields(kind):
        if item.name in given:
            _check_kind(f"{name}({item.name}={given[item.name]})", item.default, given[item.name])
    try:
        return kind(**(defaults | given))
    except (TypeError, ValueError) as error:
        raise UserError(f"The metric '{metric}' cannot be made: {error}.") from error


def _check_kind(label: str, default: Any, value: Any) -> None:
    """Refuse a parameter of another kind than its default."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    if isinstance(default, bool):
        right, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        right, kind = number, "a number"
    else:
        right, kind = not isinstance(default, str) or isinstance(value, str), "a word"
    if not right:
        raise UserError(f"The metric '{label}' cannot be made: the parameter must be {kind}.")


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    match = re.fullmatch(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", text)
    if match is None:
        raise UserError(f"'{text}' is no metric: write a name, or name(parameter=value).")
    name, inside = match.groups()
    if not inside:
        return name, {}
    given: dict[str, Any] = {}
    for part in re.split(r",(?![^\[]*\])", inside):
        key, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"'{text}' is no metric: write {name}(parameter=value).")
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"'{text}' is no metric: '{value.strip()}' is no value.") from error
        given[key.strip()] = tuple(map(_number, read)) if isinstance(read, list) else _number(read)
    return name, given


def _number(value: Any) -> Any:
    """Read numbers such as 1e-05 too, which YAML takes for text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def check_choice(parameter: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless a parameter has one of the known values."""
    if value not in known:
        raise ValueError(f"{parameter}={value} is none of {', '.join(known)}")


def shared_statistics(metrics: Sequence[Metric]) -> tuple[Statistic, ...]:
    """Return the statistics of several metrics, each once.

    Examples
    --------
    >>> [s.name for s in shared_statistics([get_metric("rmse"), get_metric("mse")])]
    ['squared_error']
    """
    return tuple(dict.fromkeys(s for metric in metrics for s in metric.statistics))

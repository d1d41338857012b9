"""Small forecasts, their truth and climate, in all the forms that the laws of metrics need."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.metrics import (
    Companion,
    Fields,
    Layout,
    Metric,
    Regions,
    Stack,
    State,
    get_metric,
    region_weights,
)

Array = NDArray[Any]
LATITUDE = np.linspace(-90.0, 90.0, 13)
LONGITUDE = np.arange(0.0, 360.0, 30.0)
LAYOUT = Layout(LATITUDE, LONGITUDE)
REGIONS = ("global", "tropics", "extra-tropics")
SAMPLES, MEMBERS = 8, 5
MEAN, OFFSET, DEVIATION = 280.0, 3.0, 5.0  # of the truth: climate, anomaly's mean and deviation
# What to give to a metric that is nothing without a parameter, in this order.
PARAMETERS = ("", "(quantile=0.8)", "(quantiles=[0.3, 0.8])", "(threshold=280)", "(ratio=0.25)")


@dataclass(frozen=True)
class Case:
    """Fields that a metric is tried on.

    Attributes
    ----------
    members
        An ensemble ``[sample, member, cell]``; a metric of single forecasts gets the first.
    truth, climatology
        ``[sample, cell]``.
    labels
        Of the samples ``[sample]``, in any order.
    unit
        What all fields have been multiplied by.
    layout
        Where the cells lie.
    """

    members: Array
    truth: Array
    climatology: Array
    labels: NDArray[np.int64]
    unit: float = 1.0
    layout: Layout = LAYOUT

    def each(self, change: Callable[[Array], Array]) -> Self:
        """Return the case with all fields changed alike."""
        return replace(
            self,
            members=change(self.members),
            truth=change(self.truth),
            climatology=change(self.climatology),
        )

    def take(self, samples: NDArray[Any] | slice) -> Self:
        """Return the case with some samples, in the order given."""
        return replace(self.each(lambda field: field[samples]), labels=self.labels[samples])

    def in_unit(self, factor: float) -> Self:
        """Return the case with all fields multiplied, as by a change of unit."""
        return replace(self.each(lambda field: factor * field), unit=factor)

    def on(self, layout: Layout) -> Self:
        """Return the case with its cells in the order of another layout of the same ones."""
        north_first = layout.latitude[0] > layout.latitude[-1]

        def moved(field: Array) -> Array:
            rows = self.layout.fields(field)
            return layout.cells(rows[..., ::-1, :] if north_first else rows)

        return replace(self.each(moved), layout=layout)

    def with_errors(self, factor: float) -> Self:
        """Return the case with the members' errors multiplied."""
        truth = self.truth[:, np.newaxis]
        return replace(self, members=truth + factor * (self.members - truth))

    def companion(self, wanted: Companion) -> Array:
        """Return a further field of the climatology ``[sample, cell]``.

        A quantile is that of the truth, a threshold its upper tercile, a fraction 0.3; anything
        else is a standard deviation.
        """
        if wanted.suffix.endswith("fraction"):
            return np.full_like(self.climatology, 0.3)
        level = 2 / 3 if wanted.suffix.endswith("threshold") else wanted.quantile
        if level is None:
            return np.full_like(self.climatology, DEVIATION * self.unit)
        anomaly = OFFSET + DEVIATION * NormalDist().inv_cdf(level)
        climate = np.full_like(self.climatology, MEAN * self.unit)
        return (climate if wanted.over_year else self.climatology) + anomaly * self.unit

    def block(self, metric: Metric, regions: Regions, ensemble: bool = False) -> Fields:
        """Return the fields as the metric reads them: one condition and one channel.

        Parameters
        ----------
        metric
            Says whether members and which companions are needed.
        regions
            Weights of the cells.
        ensemble
            Whether members are given though they are not needed.
        """
        number = len(self.truth)
        rows = np.arange(number).reshape(number, 1, 1)
        forecast = Stack(np.ascontiguousarray(self.members[:, 0]), rows)
        if ensemble or metric.needs_members:
            size = self.members.shape[1]
            flat = np.ascontiguousarray(self.members).reshape(number * size, -1)
            forecast = Stack(flat, rows[..., np.newaxis] * size + np.arange(size))
        wanted = {c for statistic in metric.statistics for c in statistic.companions}
        return Fields(
            forecast,
            Stack(self.truth, rows),
            Stack(self.climatology, rows),
            self.layout,
            regions,
            {companion: Stack(self.companion(companion), rows) for companion in wanted},
        )


def fields(samples: int = SAMPLES, members: int = MEMBERS, seed: int = 0) -> Case:
    """Return forecasts with errors of all sizes, and truth and climatology that belong to them."""
    random = np.random.default_rng(seed)
    shape = (samples, LAYOUT.size)
    climatology = MEAN + random.normal(size=shape)
    truth = climatology + OFFSET + DEVIATION * random.normal(size=shape)
    errors = 1.0 + 2.0 * random.normal(size=(samples, members, LAYOUT.size))
    return Case(truth[:, np.newaxis] + errors, truth, climatology, np.arange(samples))


def metric_of(name: str) -> Metric:
    """Return the metric of a name, with a parameter where there is none without."""
    for parameters in PARAMETERS:
        try:
            return get_metric(name + parameters)
        except UserError as error:
            refusal = error
    raise refusal


def regions_of(layout: Layout = LAYOUT) -> Regions:
    """Return the weights of the cells, in the order of the layout."""
    weights = region_weights(layout.latitude, layout.longitude, REGIONS)
    shape = (len(REGIONS), layout.latitude.size, layout.longitude.size)
    return Regions(np.ascontiguousarray(layout.cells(weights.T.reshape(shape)).T))


def state_of(
    metric: Metric, case: Case, regions: Regions | None = None, ensemble: bool = False
) -> State:
    """Return the state of one block of fields."""
    regions = regions or regions_of(case.layout)
    block = case.block(metric, regions, ensemble)
    samples = np.sort(case.labels)
    state = State.zeros(
        samples,
        1,
        1,
        regions,
        case.layout,
        metric.statistics,
        metric.cell_statistics,
        block.members,
    )
    state.add(np.searchsorted(samples, case.labels), np.array([0]), block)
    return state


def score_of(metric: Metric, case: Case) -> Array:
    """Return the score of each region ``[region]``, or the curve ``[region, component]``."""
    score: Array = metric.score(state_of(metric, case))[0, 0]
    return score


def with_holes() -> tuple[Case, NDArray[np.bool_]]:
    """Return a case with missing values and where any value is missing ``[sample, cell]``."""
    case, random = fields(), np.random.default_rng(2)
    holes = [random.random(case.truth.shape) < 0.04 for _ in range(3)]
    members = case.members.copy()
    members[:, 0][holes[0]] = np.nan
    truth, climatology = (
        np.where(hole, np.nan, field)
        for hole, field in zip(holes[1:], (case.truth, case.climatology), strict=True)
    )
    holed = replace(case, members=members, truth=truth, climatology=climatology)
    return holed, np.asarray(np.any(holes, axis=0))

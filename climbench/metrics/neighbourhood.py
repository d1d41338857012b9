"""Scores that look at a neighbourhood of cells instead of each cell alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.events import Event, members_of
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.harmonics import goes_round
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.statistic import FieldStatistic, Statistic

Border = Literal["exclude", "zero"]
Whose = Literal["forecast", "members"]


@dataclass(frozen=True)
class EventFractions(Event, FieldStatistic):
    """Squares of the shares of cells with an event in the window around each cell.

    Three components: of the difference of forecast and truth, of the forecast, of the truth. They
    are sums over the cells whose window is known, per weight of all valid cells, so that averages
    over samples are ratios of sums.
    """

    name: ClassVar[str] = "event_fractions"
    window: int = 5
    border: Border = "exclude"
    of: Whose = "forecast"

    @property
    def needs_members(self) -> bool:  # type: ignore[override]
        """Whether the share of members with an event is asked for."""
        return self.of == "members"

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return the names of the three squares."""
        return ("difference", "forecast", "truth")

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the squares ``[field, region, component]``."""
        layout, size = batch.layout, self.window**2
        truth, members = self.occurs(batch.truth, batch), 1
        if self.of == "members":
            forecast, members = self.count(batch), members_of(batch).shape[1]
        else:
            forecast = self.occurs(batch.forecast, batch)
        known = np.isfinite(truth)
        if batch.valid is not None:
            known &= batch.valid
        # whole numbers up to the division, so that their sums are exact
        counts = layout.fields(np.where(known, np.stack([forecast, truth]), 0.0))
        round_globe = goes_round(layout.longitude)
        sums = layout.cells(window_sums(counts, self.window, round_globe))
        predicted, observed = sums[0] / (members * size), sums[1] / size
        squares = np.square(np.stack([predicted - observed, predicted, observed]))
        differing = known[:1] if known.all() else known
        full = full_windows(layout.fields(differing), self.window, round_globe, self.border)
        totals = np.where(layout.cells(full), squares, 0.0) @ regions.weights
        weight = regions.weight(batch.valid, (len(batch.truth),))
        return np.moveaxis(ratio(totals, weight), 0, -1)


@register
@dataclass(frozen=True)
class FractionSkillScore(Event, Metric):
    r"""Fraction skill score: as many events in the neighbourhood as there should be.

    .. math:: 1 - \frac{\overline{\langle (P - Q)^2 \rangle}}
        {\overline{\langle P^2 \rangle} + \overline{\langle Q^2 \rangle}}

    :math:`P` and :math:`Q` are the shares of cells with an event in forecast and truth, among the
    ``window`` x ``window`` cells (an odd number, 5 unless given) around each cell. An event
    lies above a ``threshold`` in the variable's unit, or above a ``quantile`` of the climatology
    for the cell, day of year and hour; with ``above=False`` below. The mean over cells goes by
    their weights; within a window each cell counts the same, and windows may reach out of a
    region.

    Windows go on round the globe where the longitudes do. Those that reach beyond the grid or
    hold a missing value do not count (``border=exclude``, as WeatherBench-X); with
    ``border=zero`` there are no events beyond the grid (as the padding of Roberts and Lean).

    ``form=pooled`` (default) is one ratio over all samples; ``form=mean_of_samples`` the mean of
    each sample's own, without samples that have no event. Of an ensemble its mean counts, unless
    ``of=members``: then :math:`P` is the mean of the members' shares. NaN where there are no
    events at all, or the window is larger than the grid. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Roberts and Lean (2008), Monthly Weather Review 136, 78-97; Mittermaier (2021), Monthly
    Weather Review 149, 3491-3504 (pooling).
    """

    family: ClassVar[str] = "structure"
    name: ClassVar[str] = "fss"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    window: int = 5
    border: Border = "exclude"
    form: Literal["pooled", "mean_of_samples"] = "pooled"
    of: Whose = "forecast"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = isinstance(self.window, int) and not isinstance(self.window, bool)
        if not whole or self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window={self.window} is no odd number of cells")
        check_choice("border", self.border, ("exclude", "zero"))
        check_choice("form", self.form, ("pooled", "mean_of_samples"))
        check_choice("of", self.of, ("forecast", "members"))

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own score is averaged."""
        return self.form == "mean_of_samples"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squares of the shares."""
        event = (self.threshold, self.quantile, self.above)
        return (EventFractions(*event, self.window, self.border, self.of),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the three squares, or each sample's score."""
        squares = np.moveaxis(means[self.statistics[0]], -1, 0)
        return _skill(squares)[np.newaxis] if self.equal_samples else squares

    def value(self, averages: Array) -> Array:
        """Return the mean of the scores, or the score of the means."""
        first: Array = averages[0]
        return first if self.equal_samples else _skill(averages)


def window_sums(fields: NDArray[Any], window: int, round_globe: bool = False) -> Array:
    """Return the sum over the window around each cell; beyond the grid there are zeros.

    Parameters
    ----------
    fields
        ``[..., latitude, longitude]``.
    window
        Its width in both directions, an odd number of cells.
    round_globe
        Whether the last column is the neighbour of the first.

    Returns
    -------
    numpy.ndarray
        The same shape.

    Examples
    --------
    >>> window_sums(np.eye(3), 3).tolist()
    [[2.0, 2.0, 1.0], [2.0, 3.0, 2.0], [1.0, 2.0, 2.0]]
    """
    half = window // 2
    sums = np.asarray(fields, dtype=np.float64)
    for axis, mode in ((-1, "wrap" if round_globe else "constant"), (-2, "constant")):
        beyond = [(0, 0)] * sums.ndim
        beyond[axis] = (half, half)
        padded = np.pad(sums, beyond, mode=mode)  # type: ignore[call-overload]
        up_to = np.moveaxis(np.cumsum(padded, axis=axis), axis, 0)
        up_to[window:] -= up_to[:-window].copy()
        sums = np.moveaxis(up_to[window - 1 :], 0, axis)
    return sums


def full_windows(
    known: NDArray[np.bool_],
    window: int,
    round_globe: bool = False,
    border: Border = "exclude",
) -> NDArray[np.bool_]:
    """Tell around which cells all cells of the window are known ``[..., latitude, longitude]``.

    Parameters
    ----------
    known
        Which cells have a value ``[..., latitude, longitude]``.
    window
        Its width in both directions, an odd number of cells.
    round_globe
        Whether the last column is the neighbour of the first.
    border
        Whether cells beyond the grid are unknown (``exclude``), or known to be zero (``zero``).

    Examples
    --------
    >>> full_windows(np.ones((3, 4), dtype=bool), 3).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if window > min(known.shape[-2:]):
        return np.zeros(known.shape, dtype=bool)
    if border == "zero":
        return np.asarray(window_sums(~known, window, round_globe) == 0)
    return np.asarray(window_sums(known, window, round_globe) == window**2)


def _skill(squares: Array) -> Array:
    difference, forecast, truth = squares
    return 1.0 - ratio(difference, forecast + truth)

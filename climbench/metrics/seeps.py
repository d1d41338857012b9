"""SEEPS: the score of precipitation forecasts by three categories of the local climate."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.events import CountedMean, one_precision
from climbench.metrics.fields import Array, Batch, Companion, Layout
from climbench.metrics.metric import Orientation, check_choice, register
from climbench.metrics.statistic import CellStatistic, Statistic

DRY, LIGHT, HEAVY = range(3)
DRIEST, WETTEST = 0.85, 0.1  # share of dry days beyond which a climate has no three categories
HEAVY_THRESHOLD = Companion("seeps_threshold")
DRY_FRACTION = Companion("seeps_dry_fraction", over_year=True)


def penalties(dry_fraction: NDArray[Any]) -> Array:
    """Return the penalty of each forecast for each truth.

    Parameters
    ----------
    dry_fraction
        Share of dry days of each cell ``[...]``, between 0 and 1.

    Returns
    -------
    numpy.ndarray
        ``[forecast, truth, ...]`` for the categories dry, light and heavy, dimensionless.

    Examples
    --------
    >>> penalties(np.array(0.5)).tolist()
    [[0.0, 1.0, 4.0], [1.0, 0.0, 3.0], [1.6, 0.6, 0.0]]
    """
    p = np.asarray(dry_fraction, dtype=np.float64)
    none = np.zeros_like(p)
    rows = [
        [none, 1 / (1 - p), 4 / (1 - p)],
        [1 / p, none, 3 / (1 - p)],
        [1 / p + 3 / (2 + p), 3 / (2 + p), none],
    ]
    return 0.5 * np.array(rows)


@dataclass(frozen=True)
class Penalty(CellStatistic):
    """Penalty of the forecast's category where the climate has three.

    Components: the penalty, 0 elsewhere, and the share of cells where the climate has three.
    """

    name: ClassVar[str] = "seeps_penalty"
    dry: float = 0.25
    bounds: Literal["included", "excluded"] = "included"

    @property
    def companions(self) -> tuple[Companion, ...]:
        """Threshold of heavy precipitation, and share of dry days over the year."""
        return (HEAVY_THRESHOLD, DRY_FRACTION)

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``penalty`` and ``counted``."""
        return ("penalty", "counted")

    def values(self, batch: Batch) -> Array:
        """Return both ``[component, field, cell]``."""
        heavy = batch.companion(HEAVY_THRESHOLD)
        dryness = np.broadcast_to(batch.companion(DRY_FRACTION), batch.truth.shape)
        if self.bounds == "included":
            counted = (dryness >= WETTEST) & (dryness <= DRIEST)
        else:
            counted = (dryness > WETTEST) & (dryness < DRIEST)
        counted &= np.isfinite(heavy)
        said, happened = (
            self.category(*one_precision(batch, field, heavy))
            for field in (batch.forecast, batch.truth)
        )
        table = penalties(np.where(counted, dryness, 0.5))
        fields, cells = np.indices(batch.truth.shape)
        return np.stack([counted * table[said, happened, fields, cells], counted])

    def category(self, amount: NDArray[Any], heavy: NDArray[Any]) -> NDArray[np.int64]:
        """Return the category of amounts in metres ``[field, cell]``, of the threshold's dtype."""
        dry = np.asarray(0.001 * self.dry, dtype=amount.dtype)
        wet = np.where(amount >= heavy, HEAVY, LIGHT)
        return np.where(amount <= dry, DRY, wet)


@register
@dataclass(frozen=True)
class StableEquitableError(CountedMean):
    r"""Stable equitable error in probability space, of precipitation.

    Amounts are dry (at most ``dry`` mm), heavy (at least the climatology's
    ``<variable>_seeps_threshold``, above which a third of the wet days are) or light. With
    :math:`p` the share of dry days, the climatology's ``<variable>_seeps_dry_fraction`` averaged
    over the year, the penalties of forecasts (rows: dry, light, heavy) for truths (columns) are

    .. math:: \frac{1}{2} \begin{pmatrix} 0 & 1/(1-p) & 4/(1-p) \\ 1/p & 0 & 3/(1-p) \\
        1/p + 3/(2+p) & 3/(2+p) & 0 \end{pmatrix}

    and the score is their weighted mean over the cells with :math:`0.1 \le p \le 0.85`, as in
    WeatherBench-X and ``scores``, or without these bounds for ``bounds=excluded``, as in
    WeatherBench 2. The data are in metres, as in ERA5. The default ``dry`` is that of
    WeatherBench 2 for 24 hours; for 6 hours it is 0.1. An amount on a threshold is dry, or heavy;
    in WeatherBench 2 one of exactly ``dry`` is in no category. Unit: none. 0 is perfect, 1 is a
    constant or random forecast's. Better: lower.

    References
    ----------
    Rodwell et al. (2010), Q. J. R. Meteorol. Soc. 136, 1344-1363, eq. (15); Rasp et al. (2024),
    WeatherBench 2, J. Adv. Model. Earth Syst., section 4.
    """

    name: ClassVar[str] = "seeps"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    dry: float = 0.25
    bounds: Literal["included", "excluded"] = "included"

    def __post_init__(self) -> None:
        check_choice("bounds", self.bounds, ("included", "excluded"))
        if not isinstance(self.dry, int | float) or not self.dry >= 0:
            raise ValueError(f"dry={self.dry} is no amount in mm")

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The penalty."""
        return (Penalty(self.dry, self.bounds),)

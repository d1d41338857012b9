r"""What an emulator's score is held against: internal variability, and other climate models.

:math:`y_{m,t}` is year :math:`t` of member or model :math:`m`, :math:`\langle\cdot\rangle` the
weighted mean over cells, the bar the mean over the years of the period, and
:math:`n = |\langle\bar y\rangle|` of the mean over members: the norm of ``nrmse_spatial`` and
``nrmse_global``, beside which these stand.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
GLOBAL_FACTOR = 5.0  # of the global part in the total, as in nrmse_total


class ReferenceScores(NamedTuple):
    """A row of ClimateBench's table, without unit.

    Attributes
    ----------
    spatial, global_, total
        ``total = spatial + 5 global_``.
    """

    spatial: float
    global_: float
    total: float


def variability_row(
    members: ArrayLike, weights: ArrayLike, truth: ArrayLike | None = None
) -> ReferenceScores:
    r"""Return how far members lie apart: what no emulator of their mean needs to beat.

    .. math:: E_s = \langle \sigma_m(\bar y_m) \rangle / n, \qquad
        E_g = \sigma_{m,t}(\langle y_{m,t} \rangle) / n

    with standard deviations over all members (divided by their number). The global one is over
    members and years together, the change within the period included, as ClimateBench has it.

    Parameters
    ----------
    members
        Anomalies of the period ``[member, time, latitude, longitude]``; no missing values.
    weights
        Of the rows, such as cos(latitude) ``[latitude]``.
    truth
        What the norm is of ``[time, latitude, longitude]``; the mean over the members by default.

    Raises
    ------
    ValueError
        If the shape is wrong, there is one member only, or a value is missing.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, the row "Variability" of their figures' code.
    """
    fields, rows = _checked(members, weights)
    course = _mean(fields, rows)
    return _row(_spatial(fields, rows), float(course.std()), _norm(fields, rows, truth))


def model_row(
    models: ArrayLike, weights: ArrayLike, truth: ArrayLike | None = None
) -> ReferenceScores:
    r"""Return how far climate models lie apart: a user of another model has that error.

    .. math:: E_s = \langle \sigma_m(\bar y_m) \rangle / n, \qquad
        E_g = \sigma_m(\langle \bar y_m \rangle) / n

    Unlike :func:`variability_row`, the global one is of means over the period.

    Parameters
    ----------
    models, weights, truth
        As for :func:`variability_row`, with climate models in place of members.

    Raises
    ------
    ValueError
        If the shape is wrong, there is one model only, or a value is missing.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, the row "CMIP6" of their figures' code.
    """
    fields, rows = _checked(models, weights)
    means = _mean(fields, rows).mean(axis=1)
    return _row(_spatial(fields, rows), float(means.std()), _norm(fields, rows, truth))


def _checked(fields: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    values = np.asarray(fields, dtype=np.float64)
    rows = np.asarray(weights, dtype=np.float64)
    if values.ndim != 4 or rows.shape != values.shape[2:3]:
        raise ValueError(
            f"fields {values.shape} and weights {rows.shape} are not [member, time, latitude, "
            "longitude] and [latitude]"
        )
    if values.shape[0] < 2:
        raise ValueError("one member has no spread: there must be two at least")
    if not np.isfinite(values).all():
        raise ValueError("a value is missing: leave out members that lack years of the period")
    return values, rows


def _mean(fields: Array, rows: Array) -> Array:
    """Return the weighted mean over the last two axes."""
    return np.asarray(np.average(fields.mean(axis=-1), axis=-1, weights=rows))


def _spatial(fields: Array, rows: Array) -> float:
    return float(_mean(fields.mean(axis=1).std(axis=0), rows))


def _norm(fields: Array, rows: Array, truth: ArrayLike | None) -> float:
    mean = fields.mean(axis=0) if truth is None else np.asarray(truth, dtype=np.float64)
    return float(abs(_mean(mean, rows).mean()))


def _row(spatial: float, global_: float, norm: float) -> ReferenceScores:
    if norm == 0.0:
        return ReferenceScores(np.nan, np.nan, np.nan)
    parts = spatial / norm, global_ / norm
    return ReferenceScores(*parts, parts[0] + GLOBAL_FACTOR * parts[1])

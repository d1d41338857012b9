"""The compiled inner loop of the moments: values in their own type in, float64 sums out."""

from typing import Any

import numpy as np

from climbench.compilation import vectorised


@vectorised
def measure(values: Any, count: Any, mean: Any, squares: Any, minimum: Any, maximum: Any) -> None:
    """Write count, mean, squared deviations and extremes of each row; NaNs are skipped.

    Parameters
    ----------
    values
        ``[sample, row, column]``.
    count, mean, squares, minimum, maximum
        ``[row]``, written; see :class:`climbench.store.moments.Moments`.
    """
    samples, rows, columns = values.shape
    for row in range(rows):
        number, total, low, high = 0, 0.0, np.inf, -np.inf
        for sample in range(samples):
            line = values[sample, row]
            for column in range(columns):
                value = np.float64(line[column])
                there = value == value
                number += there
                total += value if there else 0.0
                low = value if value < low else low
                high = value if value > high else high
        centre = total / max(number, 1)
        deviations = 0.0
        for sample in range(samples):
            line = values[sample, row]
            for column in range(columns):
                value = np.float64(line[column])
                away = value - centre
                deviations += away * away if value == value else 0.0
        count[row], mean[row], squares[row] = number, centre, deviations
        minimum[row], maximum[row] = low, high

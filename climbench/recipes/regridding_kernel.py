"""The compiled inner loop of a regridding: fields in their own type in, one pass, float64 sums."""

from typing import Any

import numpy as np

from climbench.compilation import vectorised


@vectorised
def apply(
    fields: Any,
    row_starts: Any,
    rows: Any,
    row_shares: Any,
    column_starts: Any,
    columns: Any,
    column_shares: Any,
    enough: float,
    moved: Any,
) -> None:
    """Write ``W_latitude @ field @ W_longitude.T`` of the values that are there.

    Parameters
    ----------
    fields
        ``[field, source row, source column]``.
    row_starts, rows, row_shares
        Sparse weights of the rows, as in ``Weights``.
    column_starts, columns, column_shares
        Those of the columns.
    enough
        Least sum of the weights of values that are there.
    moved
        ``[field, target row, target column]``, written.
    """
    width = fields.shape[2]
    sums, weights = np.empty(width), np.empty(width)
    for number in range(fields.shape[0]):
        for row in range(row_starts.size - 1):
            first, last = row_starts[row], row_starts[row + 1]
            sums[:] = 0.0
            whole = 0.0
            for entry in range(first, last):
                share, line = row_shares[entry], fields[number, rows[entry]]
                whole += share
                for at in range(width):
                    sums[at] += share * line[at]
            weights[:] = whole
            checked = 0.0
            for at in range(width):
                checked += sums[at]
            if not checked == checked:  # a value is missing: again, with the weights of the others
                sums[:] = 0.0
                weights[:] = 0.0
                for entry in range(first, last):
                    share, line = row_shares[entry], fields[number, rows[entry]]
                    for at in range(width):
                        value = line[at]
                        there = value == value
                        sums[at] += share * value if there else 0.0
                        weights[at] += share if there else 0.0
            for column in range(column_starts.size - 1):
                total = 0.0
                weight = 0.0
                for entry in range(column_starts[column], column_starts[column + 1]):
                    total += column_shares[entry] * sums[columns[entry]]
                    weight += column_shares[entry] * weights[columns[entry]]
                moved[number, row, column] = total / weight if weight >= enough else np.nan

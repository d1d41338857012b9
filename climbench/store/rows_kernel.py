"""Copying rows of a table that lie apart: compiled, one copy, without the interpreter's lock."""

from typing import Any

from climbench.compilation import compiled


@compiled
def copy_rows(table: Any, rows: Any, result: Any, places: Any) -> None:
    """Copy ``table[rows]`` to ``result[places]``.

    Parameters
    ----------
    table, result
        ``[row, value]``, of one type; ``result`` is written.
    rows, places
        Positions ``[n]``, inside the tables.
    """
    for number in range(rows.size):
        own, other = rows[number], places[number]
        for value in range(table.shape[1]):
            result[other, value] = table[own, value]

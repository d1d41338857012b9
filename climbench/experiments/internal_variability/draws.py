"""Which members of an ensemble a fit sees."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shares_of(drawn: Sequence[NDArray[np.int64]], members: int) -> NDArray[np.float64]:
    """Return the share of each member in the mean over those that were drawn.

    Parameters
    ----------
    drawn
        Positions of the members of each draw.
    members
        How many there are.

    Returns
    -------
    numpy.ndarray
        ``[draw, member]``, rows add up to 1.

    Examples
    --------
    >>> shares_of([np.array([0, 2])], 4).tolist()
    [[0.5, 0.0, 0.5, 0.0]]
    """
    shares = np.zeros((len(drawn), members))
    for row, chosen in zip(shares, drawn, strict=True):
        row[chosen] = 1 / len(chosen)
    return shares

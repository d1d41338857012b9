"""What training minimises."""

from collections.abc import Sequence

import torch
from torch import Tensor

from climbench.grids import latitude_weights


def row_weights(latitude: Sequence[float]) -> Tensor:
    """Return the area weight of each row as a column ``[latitude, 1]``, float32, mean 1."""
    return torch.from_numpy(latitude_weights(latitude, "area")).float()[:, None]


def weighted_mse(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    r"""Return the latitude-weighted mean squared error.

    .. math:: L = \frac{1}{N} \sum_{n} w_{j(n)} (\hat y_n - y_n)^2

    over samples, leads, channels and cells. In normalised units every channel counts the same.

    Parameters
    ----------
    prediction, target
        Normalised ``[batch, lead, target, latitude, longitude]``.
    weights
        Weight of each row, mean 1 ``[latitude, 1]``.

    Returns
    -------
    torch.Tensor
        Scalar, float32, dimensionless.

    Examples
    --------
    >>> weighted_mse(torch.ones(1, 1, 1, 2, 4), torch.zeros(1, 1, 1, 2, 4), torch.ones(2, 1))
    tensor(1.)
    """
    return (weights * (prediction.float() - target).square()).mean()

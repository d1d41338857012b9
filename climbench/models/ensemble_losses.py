"""Scores of ensembles and distributions that networks are trained with: the CRPS and its mean."""

import math

import torch
from torch import Tensor


def almost_fair_crps(members: Tensor, truth: Tensor, alpha: float = 0.95) -> Tensor:
    r"""Return the almost fair continuous ranked probability score of an ensemble.

    .. math:: \frac{1}{M} \sum_i |x_i - y|
       - \left(\frac{\alpha}{M (M - 1)} + \frac{1 - \alpha}{M^2}\right) \sum_{i<j} |x_i - x_j|

    With :math:`\alpha = 1` it is fair: on average what an infinite ensemble would get. But then
    one member may go anywhere where all others meet the truth; slightly less keeps it back. With
    :math:`\alpha = 0` it is the score of the ensemble as it stands.

    Parameters
    ----------
    members
        ``[member, ...]``, two at least.
    truth
        ``[...]``.
    alpha
        Share of the fair score, 0..1.

    Returns
    -------
    torch.Tensor
        ``[...]`` in the unit of the truth.

    References
    ----------
    Lang et al. (2024), AIFS-CRPS: ensemble forecasting using a model trained with a loss function
    based on the continuous ranked probability score, equation 4; Ferro (2014), Fair scores for
    ensemble forecasts.

    Examples
    --------
    >>> almost_fair_crps(torch.tensor([0.0, 1.0, 3.0]), torch.tensor(2.0))
    tensor(0.3500)
    """
    count = len(members)
    first, second = torch.triu_indices(count, count, offset=1, device=members.device)
    distance = (members - truth).abs().mean(dim=0)
    apart = (members[first] - members[second]).abs().sum(dim=0)
    return distance - (alpha / (count * (count - 1)) + (1 - alpha) / count**2) * apart


def gaussian_crps(mean: Tensor, deviation: Tensor, truth: Tensor) -> Tensor:
    r"""Return the continuous ranked probability score of normal distributions.

    .. math:: \sigma \left( z\,(2 \Phi(z) - 1) + 2 \varphi(z) - 1 / \sqrt{\pi} \right),
       \quad z = (y - \mu) / \sigma

    References
    ----------
    Gneiting et al. (2005), Calibrated probabilistic forecasting using ensemble model output
    statistics and minimum CRPS estimation, Mon. Wea. Rev. 133, equation 5.

    Examples
    --------
    >>> gaussian_crps(torch.zeros(2), torch.ones(2), torch.tensor([0.0, 1.0]))
    tensor([0.2337, 0.6024])
    """
    z = (truth - mean) / deviation
    inside = torch.erf(z / math.sqrt(2.0))  # 2 Phi(z) - 1
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2.0 * math.pi)
    return deviation * (z * inside + 2.0 * density - 1.0 / math.sqrt(math.pi))


def gaussian_negative_log_likelihood(mean: Tensor, deviation: Tensor, truth: Tensor) -> Tensor:
    r"""Return the negative log-likelihood of normal distributions, less its constant.

    .. math:: \tfrac{1}{2} \left( (y - \mu) / \sigma \right)^2 + \ln \sigma

    The constant :math:`\tfrac{1}{2} \ln 2 \pi` is left out.

    Examples
    --------
    >>> gaussian_negative_log_likelihood(torch.zeros(1), torch.ones(1), torch.tensor([2.0]))
    tensor([2.])
    """
    return 0.5 * ((truth - mean) / deviation).square() + deviation.log()


def mean_over_valid(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of scores where there is a truth; 0 where there is none at all.

    Scores must be of a truth without NaN (``truth.nan_to_num()``): zero times NaN is NaN in a
    gradient, too. Where nothing is missing it is, bit for bit, the mean of weighted scores.

    Parameters
    ----------
    scores, truth
        ``[..., latitude, longitude]``.
    weights
        Weight of each row, mean 1 ``[latitude, 1]``; or ``[target, latitude, 1]``, mean 1.
    """
    valid = torch.isfinite(truth)
    everywhere = weights.expand_as(scores).contiguous()  # whose sums are added in one order
    there = (everywhere * valid).sum()
    share = there / everywhere.sum()
    mean = (everywhere * scores * valid).mean()
    return mean / torch.where(there > 0, share, 1.0)
